"""Makes a run directory of the present format, small enough to be committed.

    python tests/training/make_old_run.py DEST


Run once for each format version; what it made stays as it is and is read by a test for ever.
"""

import sys
from pathlib import Path

import smallvision as sv

OVERRIDES = [
    "recipe.epochs=3",
    "model.blocks.0.channels=4",
    "model.blocks.1.channels=8",
    "model.dense=[16]",
    "data.limit=400",
]

if __name__ == "__main__":
    done = sv.run("digits", *OVERRIDES, seed=7, threads=1, device="cpu", out=Path(sys.argv[1]))
    for name in ("report.html", "lock"):  # made again from the rest; only held while writing
        (done.path / name).unlink()
