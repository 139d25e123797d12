"""Losses on pairs and triplets of representations."""
