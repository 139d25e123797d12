"""The reconstruction task: an image from its representation."""
