"""Metrics: scores of predictions and of representations."""
