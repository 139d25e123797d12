"""The journal of a campaign as figures: benchmarks/results/reliability.json."""

from collections import Counter
from typing import Any

from campaign.journal import Journal
from campaign.plan import Share
from campaign.rows import ROWS
from campaign.scenarios import SCENARIOS

SHOWN = 50  # faults that are listed


def summary(journal: Journal, share: Share, seed: int) -> dict[str, Any]:
    """All figures; a section that was not begun has none."""
    from smallvision.runs.environment import describe, processor

    faults: list[dict[str, Any]] = []
    return {
        "seed": seed,
        "environment": describe("cpu", processor(), 1, "fp32", True),
        "kills": _kills(journal, share, faults),
        "inputs": _inputs(journal, faults),
        "disks": _cases(journal, "disks", share.disks, ("full",), faults),
        "writers": _cases(journal, "writers", share.writers, ("done", "told"), faults),
        "names": _names(journal, faults),
        "faults": faults[:SHOWN],
        "fault_count": len(faults),
    }


def _kills(journal: Journal, share: Share, faults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for name in share.kills:
        found = {key: one for key, one in journal.read("kills").items() if key.rpartition(":")[0] == name}
        if not found:
            continue
        ways: Counter[str] = Counter()
        for one in found.values():
            ways.update(one["ways"])
        faults += _faults("kills", found)
        rows.append(
            {
                "name": name,
                "about": SCENARIOS[name].about,
                "cases": len(found),
                **{way: ways[way] for way in ("byte", "moment", "signal")},
                "faults": sum(bool(one["failure"]) for one in found.values()),
                "leftovers": sum(bool(one["left"]) for one in found.values()),
            }
        )
    return rows


def _inputs(journal: Journal, faults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found, rows = journal.read("inputs"), []
    for row in ROWS:
        cells: dict[str, Any] = {}
        for kind in row.kinds:
            some = [one for key, one in sorted(found.items()) if key.rpartition(":")[0] == f"{row.name}:{kind}"]
            if some:
                cells[kind] = {name: sum(one[name] for one in some) for name in ("inputs", "refused", "read")}
                cells[kind]["different"] = len({digest for one in some for digest in one["digests"]})
                cells[kind]["faults"] = sum(len(one["faults"]) for one in some)
                faults += [
                    {"section": "inputs", "case": f"{row.name}:{kind}:{fault['seed']}", "what": fault["failure"]}
                    for one in some
                    for fault in one["faults"]
                ]
        if cells:
            rows.append({"name": row.name, "cells": cells, "senseless": dict(row.senseless)})
    return rows


def _cases(
    journal: Journal, section: str, names: dict[str, int], keys: tuple[str, ...], faults: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        found = {key: one for key, one in journal.read(section).items() if key.rpartition(":")[0] == name}
        if not found:
            continue
        faults += _faults(section, found)
        row = {"name": name, "about": SCENARIOS[name].about, "cases": len(found)}
        row |= {key: sum(int(one[key]) for one in found.values()) for key in keys}
        if section == "disks":
            row["file_systems"] = sum(one["way"] == "file system" and one["full"] for one in found.values())
        rows.append({**row, "faults": sum(bool(one["failure"]) for one in found.values())})
    return rows


def _names(journal: Journal, faults: list[dict[str, Any]]) -> dict[str, int]:
    found = journal.read("names")
    faults += _faults("names", found)
    counts = {key: sum(one[key] for one in found.values()) for key in ("pages", "commands", "refused")}
    return {"names": len(found), **counts, "faults": sum(bool(one["failure"]) for one in found.values())}


def _faults(section: str, found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    some = sorted(found.items())
    return [{"section": section, "case": key, "what": one["failure"]} for key, one in some if one["failure"]]
