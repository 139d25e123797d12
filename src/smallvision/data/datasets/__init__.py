"""The data sets: where each comes from, how its files are laid out, and how it is read."""
