"""Collects the results of a probe, and makes the content of probe.json and the arrays of probe.npz from them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from smallvision.experiment import ProbeSpec
from smallvision.metrics import dimensions
from smallvision.metrics.linear_probe import Probe
from smallvision.probing import comparisons, neighbours
from smallvision.probing.sampling import Sample
from smallvision.runs import environment
from smallvision.runs.read import RunRecord
from smallvision.training import device


class ProbeResult:
    """The results so far: the sources, their probes, the features for maps and neighbours, and the arrays."""

    def __init__(self, record: RunRecord, spec: ProbeSpec, drawn: Sample) -> None:
        self.record, self.spec, self.drawn = record, spec, drawn
        self.labels = drawn.shown.labels.numpy()
        self.entries: list[dict[str, Any]] = []  # of the sources
        self.answers: dict[str, list[Probe]] = {}
        self.nearest: dict[str, neighbours.Nearest] = {}
        self.features: dict[str, np.ndarray] = {}  # of the images shown, by sources that have maps
        self.maps: list[dict[str, Any]] = []
        self.notes = list(drawn.notes)
        self.arrays: dict[str, np.ndarray] = {}

    def add(
        self, name: str, title: str, size: int, seconds: float, answers: Sequence[Probe], precision: dict[str, float]
    ) -> None:
        """Add a source with the answers of its probes and the precision of its neighbours."""
        self.answers[name] = list(answers)
        self.entries.append(
            {
                "name": name,
                "title": title,
                "size": size,
                "seconds": seconds,
                "probes": [_entry(one) for one in answers],
                "precision": precision,
            }
        )

    def content(self, command: str) -> dict[str, Any]:
        """The content of probe.json without the spec. It completes `arrays`."""
        record, drawn, classes = self.record, self.drawn, self.drawn.shown.classes
        assert record.result is not None
        used = dimensions.measure(self.features["representation"])
        every = list(self.answers.values())
        self.arrays |= {
            "labels": self.labels,
            "ids": drawn.shown.ids.numpy(),
            "spectrum": used.spectrum,
            "predictions": np.array([[one.predictions for one in row] for row in every], np.int64),  # (S, P, N)
            "confusion": np.array([[one.confusion for one in row] for row in every], np.int64),  # (S, P, K, K)
            **neighbours.pictures(
                neighbours.queries(self.labels, len(classes)), self.nearest, drawn.shown, drawn.train
            ),
        }
        right = {name: np.array([one.predictions == self.labels for one in row]) for name, row in self.answers.items()}
        return {
            **{key: record.result[key] for key in ("name", "experiment", "seed", "model_sha256")},
            "command": command,
            "classes": list(classes),
            "split": drawn.split,
            "chosen_on": drawn.chosen,
            "counts": {"train": len(drawn.train), "chosen_on": len(drawn.chosen_on), "shown": len(drawn.shown)},
            "looks": int(drawn.split == "test"),
            "sources": self.entries,
            "dimensions": {
                "dead": int(used.dead.sum()),
                "duplicates": int((used.duplicate_of >= 0).sum()),
                "effective_rank": used.effective_rank,
            },
            "comparisons": comparisons.comparisons(right, self.spec.probes, drawn.split),
            "maps": self.maps,
            "notes": self.notes,
            "environment": environment.describe(
                "cpu", device.name_of(torch.device("cpu")), torch.get_num_threads(), "fp32", True
            ),
        }


def _entry(one: Probe) -> dict[str, Any]:
    """The entry of a probe in probe.json; its arrays are in probe.npz."""
    kept = {key: value for key, value in asdict(one).items() if key not in ("confusion", "predictions")}
    tried = [[float(value), accuracy] for value, accuracy in one.tried.items()]
    return {**kept, "value": float(one.value), "tried": tried, "interval": list(one.interval), "notes": list(one.notes)}
