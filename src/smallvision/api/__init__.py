"""The Python interface: the same words as the command line. Heavy imports happen when a call needs them."""
