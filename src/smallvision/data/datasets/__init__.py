"""The data sets: where each comes from, how its files are laid out, and how it is read."""

from smallvision.data.datasets.base import SOURCES
from smallvision.experiment.data import DataSpec, refuse_unknown_source


def check_source(spec: DataSpec) -> None:
    """Refuse a `data.source` that is neither a public data set nor "folder", "npz" or "arrays". Raises BadInput."""
    refuse_unknown_source(spec.source, (*SOURCES, "folder", "npz", "arrays"))
