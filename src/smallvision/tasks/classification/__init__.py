"""The classification task: one of K classes for each image."""
