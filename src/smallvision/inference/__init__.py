"""Loads the model of a finished run and asks it about new images."""
