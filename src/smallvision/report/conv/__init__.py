"""Figures of convolution from first principles."""
