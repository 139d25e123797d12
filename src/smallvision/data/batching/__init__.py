"""Batches: which images share a batch, the order in which an epoch goes through them, and how a batch is gathered."""
