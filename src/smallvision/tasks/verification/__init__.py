"""The verification task: whether two images are of one class."""
