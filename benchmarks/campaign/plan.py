"""How much of each section is done, in the whole campaign and in the share of continuous integration."""

from dataclasses import dataclass

from campaign.rows import EACH, OF_SOME_BUILDS, ROWS

CHUNK = 50  # damaged inputs of one unit


@dataclass(frozen=True)
class Share:
    """Numbers of cases.

    Attributes
    ----------
    kills : of each scenario, interruptions by SIGKILL that are reached at least.
    inputs : of each cell.
    disks, writers : cases of each scenario.
    names : hostile names.
    """

    kills: dict[str, int]
    inputs: int
    disks: dict[str, int]
    writers: dict[str, int]
    names: int


SHARES = {
    "all": Share(
        {
            "classify": 260,
            "reconstruct": 160,
            "verify": 160,
            "probe": 40,
            "study": 160,
            "search": 60,
            "conclusion": 140,
            "probed conclusion": 40,
        },
        EACH,
        {"classify": 40, "reconstruct": 12, "verify": 12, "probe": 8, "study": 14, "conclusion": 14},
        {"classify": 16, "study": 8},
        41,
    ),
    "ci": Share({"classify": 4, "conclusion": 2}, 4, {"classify": 3}, {"classify": 1}, 2),
}


def available(row: str) -> bool:
    """Whether this build of Pillow has the format of a row."""
    from PIL import features

    return row not in OF_SOME_BUILDS or bool(features.check(OF_SOME_BUILDS[row]))


def chunks(inputs: int) -> list[tuple[str, str, int, int]]:
    """Units of damaged inputs: (row, kind, first seed, number)."""
    return [
        (row.name, kind, first, min(CHUNK, inputs - first))
        for first in range(0, inputs, CHUNK)
        for row in ROWS
        if available(row.name)
        for kind in row.kinds
    ]
