"""Tables and the few sentences that all pages share, as Markdown."""

import statistics

from results import command


def spread(values: list[float], scale: float = 1.0, digits: int = 2) -> str:
    mean = f"{scale * statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {scale * statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def brief(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"


WORDS = {"claim", "question", "answer", "our study", "data"}  # columns of words, which begin at the left


def table(header: list[str], rows: list[list[str]]) -> str:
    left = {place for place, word in enumerate(header) if not place or word in WORDS}
    lines = [
        "| " + " | ".join(header) + " |",
        "|" + "|".join(" --- " if i in left else " ---: " for i in range(len(header))) + "|",
    ]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def machine(environment: dict) -> str:
    packages = ", ".join(f"{name} {environment['packages'][name]}" for name in ("torch", "numpy", "scikit-learn"))
    device = environment["device"] + (f" ({name})" if (name := environment.get("device_name")) else "")
    return (
        f"Machine: {environment['processor']}, {environment['cores']} cores, {environment['threads']} threads, "
        f"{device}; smallvision {environment['smallvision']}, {packages}.\n"
    )


def machines(found: list[dict]) -> str:
    """The machines of some results, each once."""
    return "".join(sorted({machine(entry["environment"]) for entry in found}))


def not_measured(name: str) -> str:
    """What stands in the place of a result that is missing or out of date."""
    return f"Not measured: `{command(name)}`.\n"


def empty_row(name: str, header: list[str], **cells: str) -> list[str]:
    """The row of an experiment without a result; `cells` are by the words of the header, with underscores."""
    known = {key.replace("_", " "): value for key, value in cells.items()}
    return [f"`{name}`", *(known.get(word, "") for word in header[1:])]
