"""smallvision: a laboratory for learning from small images."""

__version__ = "0.1.0"
