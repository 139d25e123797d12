"""Autoencoders: an encoder down to a flat representation, and a decoder that mirrors it."""
