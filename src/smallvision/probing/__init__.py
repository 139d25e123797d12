"""Probes of a run's representation: simple classifiers, nearest neighbours, dimensions, two-dimensional projections."""
