"""How files of runs, probes and studies are read, as a person would have them read."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

from campaign import formats, values
from campaign.bases import Bases, Original
from campaign.reading import Change, Reader, command
from campaign.scenarios import EVERYTHING

PAGES = 10  # a page is made of one in so many damaged runs


def _show(run: Path, number: int) -> Any:
    """What a person sees of a run: the list of runs, its scores, its report in one of PAGES cases."""
    import smallvision as sv
    from smallvision.api import lists
    from smallvision.console import listing
    from smallvision.console import run as display
    from smallvision.runs import paths
    from smallvision.runs.listing import last_line
    from smallvision.runs.schema import shapes
    from smallvision.study.plan import jobs
    from smallvision.tasks import task_of

    console = display.Console()
    listing.show(lists.find_runs(run.parent), listing.RUNS, console)
    found = sv.open_run(run)
    last_line(run / "metrics.jsonl", shapes(task_of(found.experiment).schema)["metrics.jsonl"])
    paths.standing(run, found.experiment, 3)
    if hasattr(jobs, "finished"):
        jobs.finished(run.parent, [jobs.Job("x", found.experiment, 3)])
    arrays = found.record.evidence or {}
    if found.result:
        console.print(display.result_table(task_of(found.experiment), found.result, found.result["name"]))
    if number % PAGES == 0:
        found.report(run.parent / "page.html")
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + arrays[name].tobytes())
    return digest.hexdigest()


def runs(bases: Bases) -> dict[str, Reader]:
    """The files of runs and probes."""

    def of_runs(name: str) -> list[Original]:
        return [bases.file(run.parent, f"run/{name}") for run in bases.runs.values()]

    def show(folder: Path, original: Original, number: int) -> Any:
        return _show(folder / "run", number)

    def probed(folder: Path, original: Original, number: int) -> Any:
        import smallvision as sv

        found = sv.open_run(folder / "run")
        digest = hashlib.sha256()
        for one in found.probes:
            for name in sorted(one.evidence):
                digest.update(name.encode() + one.evidence[name].tobytes())
        if number % PAGES == 0:
            found.report(folder / "page.html")
        return digest.hexdigest()

    def predict(folder: Path, original: Original, number: int) -> str:

        run = folder / "run"
        if number % 2:  # the digest in result.json fits, so that the file itself has to be checked
            result = json.loads((run / "result.json").read_text())
            result["model_sha256"] = hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()
            (run / "result.json").write_text(json.dumps(result))
        command("predict", str(run), str(folder / "image.png"))
        return "" if number % 2 else hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()

    def resume(folder: Path, original: Original, number: int) -> str:
        import smallvision as sv

        words = ("run", "digits", *EVERYTHING, "--out", str(folder / "run"), "--seed", "3", "--device", "cpu")
        command(*words, "--threads", "1", "--quiet", "--resume")
        command("runs", str(folder))
        sv.open_run(folder / "run").record.evidence  # noqa: B018 (a run that is finished can be read)
        return hashlib.sha256((folder / "run" / "model.safetensors").read_bytes()).hexdigest()

    classify = bases.runs["classify"]
    (classify.parent / "image.png").write_bytes(bases.images["PNG"][0])
    probe = f"run/{next((classify / 'probes').iterdir()).relative_to(classify)}"
    json_, lines = (values.wrong_json, values.hostile_json), (values.wrong_json, values.hostile_json)
    changed_lines = tuple(values.of_lines(change) for change in lines)
    arrays = (formats.wrong_npz, formats.hostile_npz)
    weights = (formats.wrong_safetensors, formats.hostile_safetensors)
    pair = bases.other
    compared = [
        bases.file(pair, f"second/{name}") for name in ("result.json", "evidence.npz", "state.json", "experiment.toml")
    ]
    return {
        "run: experiment.toml": Reader(of_runs("experiment.toml"), values.wrong_toml, values.hostile_toml, show),
        **{f"run: {name}": Reader(of_runs(name), *json_, show) for name in ("state.json", "environment.json")},
        **{f"run: {name}": Reader(of_runs(name), *json_, show) for name in ("layers.json", "result.json")},
        **{f"run: {name}": Reader(of_runs(name), *changed_lines, show) for name in ("metrics.jsonl", "steps.jsonl")},
        "run: evidence.npz": Reader(of_runs("evidence.npz"), *arrays, show),
        "run: model.safetensors": Reader([bases.file(classify.parent, "run/model.safetensors")], *weights, predict),
        "resumed: checkpoint.safetensors": Reader(
            [bases.file(bases.unfinished, "run/checkpoint.safetensors")], *weights, resume
        ),
        "resumed: logs": Reader(
            [bases.file(bases.unfinished, f"run/{name}") for name in ("metrics.jsonl", "steps.jsonl")],
            *changed_lines,
            resume,
        ),
        "probe: probe.json": Reader([bases.file(classify.parent, f"{probe}/probe.json")], *json_, probed),
        "probe: probe.npz": Reader([bases.file(classify.parent, f"{probe}/probe.npz")], *arrays, probed),
        "comparison of runs": Reader(compared, _wrong_any, _hostile_any, _compare),
    }


def _compare(folder: Path, original: Original, number: int) -> None:
    out = ("--out", str(folder / "page.html")) if number % PAGES == 0 else ()
    command("compare", str(folder / "first"), str(folder / "second"), *out)


def _wrong_any(draw: random.Random, data: bytes) -> bytes:
    return _by_content(data, values.wrong_json, formats.wrong_npz, values.wrong_toml)(draw, data)


def _hostile_any(draw: random.Random, data: bytes) -> bytes:
    return _by_content(data, values.hostile_json, formats.hostile_npz, values.hostile_toml)(draw, data)


def _by_content(data: bytes, of_json: Change, of_npz: Change, of_toml: Change) -> Change:
    return of_json if data[:1] == b"{" else of_npz if data[:2] == b"PK" else of_toml


def studies(bases: Bases) -> dict[str, Reader]:
    """The files of a study."""
    (study,) = (bases.study / "studies").iterdir()
    path = study.relative_to(bases.study).as_posix()

    def show(folder: Path, original: Original, number: int) -> Any:
        from smallvision.api import catalog
        from smallvision.console import run as display
        from smallvision.console import study as display_study
        from smallvision.study.read import read_study

        record = read_study(folder / path)
        if record.result:
            display.Console().print(display_study.result_table(record))
        if number % PAGES == 0:
            catalog.report_of([folder / path], folder / "page.html")
        digest = hashlib.sha256()
        for key, image in sorted(record.pictures.items()):
            digest.update(repr(key).encode() + image.tobytes())
        return digest.hexdigest()

    def of(name: str) -> list[Original]:
        return [bases.file(bases.study, f"{path}/{name}")]

    json_ = (values.wrong_json, values.hostile_json)
    return {
        "study: study.toml": Reader(of("study.toml"), values.wrong_toml, values.hostile_toml, show),
        **{f"study: {name}": Reader(of(name), *json_, show) for name in ("plan.json", "state.json", "study.json")},
        "study: pictures.npz": Reader(of("pictures.npz"), formats.wrong_npz, formats.hostile_npz, show),
    }
