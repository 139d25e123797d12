"""Batches: which images share a batch, in which order, and how a batch is gathered."""
