"""Probes of a finished run's representation: simple classifiers, nearest neighbours, dimensions, and two-dimensional projections."""
