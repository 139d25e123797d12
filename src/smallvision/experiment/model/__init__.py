"""Specs of networks, the [model] table of an experiment."""
