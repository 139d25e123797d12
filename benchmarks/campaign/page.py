"""docs/reliability.md, made from benchmarks/results/reliability.json."""

from typing import Any

from layout import machine, not_measured, table

from campaign.rows import KINDS, ROWS

INTRODUCTION = """# Reliability

Made by `python benchmarks/tables.py` from `benchmarks/results/reliability.json`, which
`python benchmarks/reliability.py` writes: about 40 minutes on two cores of Linux, seeded; a campaign that is stopped
goes on where it was. What is random in a case is decided by its number, and `--replay` does one case again. Continuous
integration does a share of two minutes. Every figure stands beside its faults.
"""
WAYS = {"byte": "at a byte", "moment": "at a moment", "signal": "by other signals"}


def page(found: dict[str, Any] | None) -> str:
    """The whole page; None: nothing was measured."""
    if found is None:
        return INTRODUCTION + "\n" + not_measured("reliability")
    sections = (_total, _kills, _inputs, _disks, _writers, _names, _faults)
    return INTRODUCTION + "".join(section(found) for section in sections)


def _number(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def _total(found: dict[str, Any]) -> str:
    kills = sum(row["byte"] + row["moment"] for row in found["kills"])
    signals = sum(row["signal"] for row in found["kills"])
    cells = [cell for row in found["inputs"] for cell in row["cells"].values()]
    different = sum(cell["different"] for cell in cells)
    inputs, full = sum(cell["inputs"] for cell in cells), sum(row["full"] for row in found["disks"])
    rows = [
        ["kills (SIGKILL), resumed to the same bits", _number(kills), _sum(found["kills"])],
        ["other signals (SIGTERM, SIGINT, SIGHUP)", _number(signals), "counted above"],
        [
            f"damaged inputs ({_number(different)} different), each ended in one line or a valid reading",
            _number(inputs),
            _sum(cells),
        ],
        ["full disks, then resumed to the same bits", _number(full), _sum(found["disks"])],
        ["races of 8 writers", _number(sum(row["cases"] for row in found["writers"])), _sum(found["writers"])],
        [
            f"hostile names, {_number(found['names']['pages'])} pages, {_number(found['names']['commands'])} commands",
            _number(found["names"]["names"]),
            _number(found["names"]["faults"]),
        ],
    ]
    shown = table(["what was done", "how often", "faults"], rows)
    return f"\n{shown}\nSeed {found['seed']}. {machine(found['environment'])}"


def _sum(rows: list[dict[str, Any]]) -> str:
    return _number(sum(row["faults"] for row in rows))


def _kills(found: dict[str, Any]) -> str:
    rows = [
        [row["about"], *(_number(row[key]) for key in ("cases", "byte", "moment", "signal", "faults", "leftovers"))]
        for row in found["kills"]
    ]
    header = ["command", "cases", *WAYS.values(), "faults", "leftovers"]
    return f"""
## Kills
A command is interrupted up to twice and then given again. Weights, evidence, logs, scores, choices and verdicts have
to be those of a command that was left alone, byte for byte but for times; nothing may be printed but one line, and no
worker may outlive its study. A kill at a byte cuts a write in its middle, or falls before or after a call that renames,
cuts or removes a file; half of these are drawn among all bytes, half among all writes and calls. Kills at a moment are
drawn over the time that the command takes. Studies are killed as a whole, or in the process that writes. Figures of
reports are drawn in a tenth of the cases. Leftovers are cases after which a file under a temporary name lies somewhere,
which nothing reads; they are no faults.

{table(header, rows)}"""


def _inputs(found: dict[str, Any]) -> str:
    rows = []
    for row in found["inputs"]:
        rows.append([row["name"], *(_cell(row["cells"].get(kind)) for kind in KINDS)])
    reasons = [
        f"- {row['name']}, {kind}: {reason}." for row in found["inputs"] for kind, reason in row["senseless"].items()
    ]
    guarded = ", ".join(f"{row.name} ({row.checksum})" for row in ROWS if row.checksum)
    return f"""
## Damaged inputs
Each is read as a command reads it, by a child that was forked from one process that has everything imported, with
2 GiB of memory beside what it was forked with, and 20 seconds. It has to end in one line that begins with
`smallvision:`, with exit status 2 or 3, without control characters, without a traceback or a line of a library, and not
by the clause for errors that nothing foresaw; or in a valid reading with nothing on standard error. A cell has the
number of inputs, of these those read as valid, and the faults. Where a checksum guards the content, other content that
is read after a cut, a flip or a splice is a fault: {guarded}.

{table(["reader", *KINDS], rows)}
Cells without a figure:

{chr(10).join(reasons)}
"""


def _cell(cell: dict[str, int] | None) -> str:
    if cell is None:
        return "–"
    faults = f"**{cell['faults']} faults**" if cell["faults"] else "0"
    return f"{cell['inputs']} / {cell['read']} / {faults}"


def _disks(found: dict[str, Any]) -> str:
    rows = [
        [row["about"], *(_number(row[key]) for key in ("cases", "full", "file_systems", "faults"))]
        for row in found["disks"]
    ]
    header = ["command", "cases", "disk full", "of these file systems", "faults"]
    return f"""
## Full disks
The disk is full from a random byte on: a file system of that size, or every write from there on refused with the
system's error. The command has to say so in one line and leave no half-written file; given again when there is room, it
ends with the bits of an undisturbed one.

{table(header, rows)}"""


def _writers(found: dict[str, Any]) -> str:
    rows = [
        [row["about"], *(_number(row[key]) for key in ("cases", "done", "told", "faults"))] for row in found["writers"]
    ]
    header = ["command", "cases", "processes that ended well", "processes told of another", "faults"]
    return f"""
## Eight writers at once
Eight processes begin the same command at the same moment. One does it; the others say in one line that another process
is at it, or show what is finished when they come late. The files are those of an undisturbed command.

{table(header, rows)}"""


def _names(found: dict[str, Any]) -> str:
    names = {key: _number(count) for key, count in found["names"].items()}
    return f"""
## Hostile names
{names["names"]} names (elements and attributes of HTML, templates, markup of terminals, Markdown and mathematics,
control characters, marks that turn the direction of writing, very long ones) stand in the places of classes, files,
experiments, cases, questions, students and rules. They go through {names["commands"]} commands, of which
{names["refused"]} refuse them in one line, and {names["pages"]} pages of runs, studies, probes, comparisons and
assignments. No element or attribute of a page may arise from a name, and no control character may reach the terminal
or a page: {names["faults"]} faults.
"""


def _faults(found: dict[str, Any]) -> str:
    if not found["faults"]:
        return "\n## Faults\nNone.\n"
    rows = [[f"`{one['section']}:{one['case']}`", _plain(one["what"])] for one in found["faults"]]
    more = found["fault_count"] - len(rows)
    return f"\n## Faults\n{table(['case', 'what went wrong'], rows)}" + (f"\nand {more} more.\n" if more > 0 else "")


def _plain(text: str) -> str:
    shown = text[:160].encode("unicode_escape").decode().replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
    return f"{shown}{'...' if len(text) > 160 else ''}"
