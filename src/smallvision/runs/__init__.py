"""A run directory: written in one place (directory), read in one place (read). No torch."""
