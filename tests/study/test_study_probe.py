"""Probes of a study's runs: made once, on the test split; what is impossible is refused early.

They are judged by scikit-learn, statsmodels and the formulas.
"""

import json
import os
import shutil
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from page_reading import Page, numbers, plain, says
from scipy.stats import norm
from sklearn.neighbors import KNeighborsClassifier
from statsmodels.stats.multitest import multipletests
from test_study_kills import await_end, begin, workers_of

from smallvision.api import finished
from smallvision.console import study as display_study
from smallvision.data import load
from smallvision.errors import BadInput
from smallvision.experiment import ProbeSpec, load_any, load_study, study_to_toml
from smallvision.probing import run
from smallvision.probing.sampling import sample
from smallvision.rendering import embed
from smallvision.report.study import costs, figures
from smallvision.report.study import page as study
from smallvision.report.study import probes as study_probed
from smallvision.runs import probes
from smallvision.runs.read import read_run
from smallvision.study import probe_verdicts
from smallvision.study import runner as running
from smallvision.study.events import Finished, Moved, Probed, Probing, StudyOptions
from smallvision.study.probes import refuse
from smallvision.study.read import read_study

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import studies as benchmark
import study_tables

pytestmark = pytest.mark.slow

TEXT = """
name = "probed"
question = "What is each good for?"
base = "digits-autoencoder"
seeds = 2
varies = ["model", "task.beta"]
set = {{ "recipe.epochs" = 2, "data.limit" = 700 }}
[probe]
kinds = ["knn"]
train = {train}
test = 100
maps = []
[[case]]
name = "plain"
[[case]]
name = "variational"
set = {{ "model.variational" = true, "task.beta" = 0.03 }}
[[case]]
name = "small"
set = {{ "model.representation" = 2 }}
"""
SPEC = ProbeSpec(kinds=("knn",), train=300, test=100, maps=())


def write(folder, train=300, more=""):
    file = folder / "probed.toml"
    file.write_text(TEXT.format(train=train) + more)
    return file


@pytest.fixture(scope="module")
def done(one_pool, tmp_path_factory):
    """The study, finished: (folder of runs, study, events)."""
    folder = tmp_path_factory.mktemp("probed")
    asked = load_study(str(write(folder)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(running, "Pool", lambda _: nullcontext(one_pool))
        events = list(
            running.run(asked, StudyOptions(folder, "cpu", workers=1, command=("smallvision", "run", "probed.toml")))
        )
    assert isinstance(events[-1], Finished)
    return folder, asked, events


@pytest.fixture
def record(done):
    return done[2][-1].record


def files(record):
    return {str(path.relative_to(record.folder)): path.read_bytes() for path in record.folder.glob("*/probes/*/*")}


def without_seconds(value):
    if isinstance(value, dict):
        return {key: without_seconds(inner) for key, inner in value.items() if key not in ("seconds", "command")}
    return [without_seconds(inner) for inner in value] if isinstance(value, list) else value


def test_every_run_of_every_case_is_probed_once_after_all_choices(done, record):
    _, asked, events = done
    told = [event for event in events if isinstance(event, Probed)]
    assert sorted((event.job.what, event.job.seed) for event in told) == [
        (case, seed) for case in ("plain", "small", "variational") for seed in (0, 1)
    ]
    assert any(isinstance(event, Probing) and event.step.startswith("representation: ") for event in events)
    first = next(place for place, event in enumerate(events) if isinstance(event, Probing | Probed))
    assert not any(isinstance(event, Moved) for event in events[first:])
    found = record.probes()
    assert list(found) == ["plain", "variational", "small"]
    assert [[one.result["seed"] for one in some] for some in found.values()] == [[0, 1]] * 3
    for case, some in found.items():
        for member, one in zip(record.runs(case), some, strict=True):
            assert one.path == probes.place(member.path, SPEC)
            assert (one.result["split"], one.result["looks"], one.result["model_sha256"]) == (
                "test",
                1,
                member.result["model_sha256"],
            )
            assert one.result["command"] == "smallvision run probed.toml"
            assert member.result["looks"] == (case in record.result["choice"]["met_test"]), (
                "a probe is no look of the member itself"
            )
    entry = record.result["probes"][0]
    assert entry == {
        "case": "plain",
        "seed": 0,
        "path": f"{record.runs('plain')[0].path.name}/probes/{SPEC.hash()}",
        "hash": SPEC.hash(),
    }
    assert asked.probe == SPEC


def right_by_scikit_learn(run, probe, metric):
    """Which of the probe's images scikit-learn's neighbours get right on the run's own encoding, by the image id."""
    drawn = sample(load.load(run.experiment.data), SPEC)
    model = finished.Run(run.path)
    train, shown = (model.encode(part.pixels) for part in (drawn.train, drawn.shown))
    chosen = next(one for one in probe.result["sources"][0]["probes"] if one["kind"] == f"knn-{metric}")
    nearest = KNeighborsClassifier(int(chosen["value"]), metric=metric).fit(train, drawn.train.labels.numpy())
    order = np.lexsort(drawn.shown.ids.numpy().T)
    return (nearest.predict(shown) == drawn.shown.labels.numpy())[order]


def test_verdicts_between_cases_are_of_scikit_learns_neighbours(record):
    found = record.probes()
    for metric in ("cosine", "euclidean"):
        (one,) = [
            one
            for one in record.probe_verdicts
            if (one["of"], one["probe"], one["case"]) == ("cases", f"knn-{metric}", "variational")
        ]
        assert one["against"] == "plain"
        right = [
            np.stack(
                [
                    right_by_scikit_learn(run, probe, metric)
                    for run, probe in zip(record.runs(case), found[case], strict=True)
                ]
            )
            for case in ("variational", "plain")
        ]
        # One tie among neighbours, at most, may be decided differently.
        assert one["accuracies"] == pytest.approx([side.mean() for side in right], abs=0.011)
        own = [
            probe_verdicts.right(found[case], "representation", f"knn-{metric}") for case in ("variational", "plain")
        ]
        gaps, n = own[0].mean(0) - own[1].mean(0), own[0].shape[1]
        center = gaps.sum() / (n + 2)  # Bonett & Price 2012
        error = np.sqrt(((gaps**2).sum() + 2) / (n + 2) - center**2) / np.sqrt(n + 2)
        assert one["p"] == pytest.approx(2 * norm.sf(abs(center) / error), rel=1e-9)
        assert one["difference"] == pytest.approx(gaps.mean())


def test_all_are_one_family(record):
    every = record.probe_verdicts
    assert len(every) == 2 * (3 * 3 + 2)  # two probes: sources, declared pairs
    assert {one["comparisons"] for one in every} == {len(every)}
    adjusted = multipletests([one["p"] for one in every], method="holm")[1]
    assert [one["adjusted_p"] for one in every] == pytest.approx(adjusted.tolist(), rel=1e-9)
    for one in every:
        assert (
            (one["verdict"] == "not distinguishable")
            == (one["adjusted_p"] > 0.05)
            == (one["interval"][0] <= 0 <= one["interval"][1])
        )
        assert one["split"] == "test"
    beside = [one for one in every if one["of"] == "sources"]
    assert {(one["case"], one["against"]) for one in beside} == {
        (case, source) for case in ("plain", "variational", "small") for source in ("pixels", "pca", "untrained")
    }
    told = [one for one in every if one["told"]]
    assert len({one["probe"] for one in told}) == 1
    assert len(told) == 3 + 2
    best = {
        (case, place): np.mean(
            [max(accuracy for _, accuracy in one.result["sources"][0]["probes"][place]["tried"]) for one in some]
        )
        for case, some in record.probes().items()
        for place in (0, 1)
    }
    case, place = max(best, key=best.__getitem__)
    assert {(one["case"], one["probe"]) for one in told if one["of"] == "sources"} == {(case, SPEC.probes[place])}


def test_the_studys_own_verdicts_are_of_its_measure_alone(record):
    assert {one["measure"]["key"] for one in record.verdicts} == {"mse"}
    assert {one["comparisons"] for one in record.verdicts if one["split"] == "validation"} == {2}


def remove(path):
    for file in path.iterdir():
        file.unlink()
    path.rmdir()


def test_what_stands_is_not_repeated_and_what_is_gone_or_of_validation_images_is(done, record, lent):
    folder, asked, _ = done
    before, place = files(record), StudyOptions(folder, "cpu", workers=1, command=("smallvision", "run", "probed.toml"))
    assert not [event for event in running.run(asked, place) if isinstance(event, Probing | Probed)]
    gone, other = record.result["probes"][3], record.result["probes"][2]
    for entry in (gone, other):
        remove(folder / entry["path"])
    path = folder / other["path"]
    list(run.probe(read_run(path.parents[1]), SPEC))  # what a person asks of a run that must not meet the test split
    assert probes.read(path).result["split"] == "validation"
    events = list(running.run(asked, place))
    told = [(event.job.what, event.job.seed) for event in events if isinstance(event, Probed)]
    assert sorted(told) == sorted((entry["case"], entry["seed"]) for entry in (gone, other))
    after = files(record)
    assert after.keys() == before.keys()
    for name, content in after.items():
        if not name.startswith((gone["path"], other["path"])):
            assert content == before[name]
        elif name.endswith(".json"):
            assert without_seconds(json.loads(content)) == without_seconds(json.loads(before[name]))
    assert without_seconds(events[-1].record.probe_verdicts) == without_seconds(record.probe_verdicts)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("probe.train=20000", "[probe] train: 20,000 images are too many to draw equally many of every class"),
        ("probe.test=101", "[probe] test: "),
        ("probe.train=101", "[probe] train: "),
        ("set.data.classes=[0,1]", "[probe] test: 100 images"),
    ],
)
def test_a_probe_that_cannot_be_done_is_refused_before_anything_is_trained(override, words, lent, tmp_path):
    name = str(write(tmp_path))
    asked = load_study(name, [override, *(["probe.test=100", "probe.train=90"] if "classes" in override else [])])
    with pytest.raises(BadInput) as refused:
        list(running.run(asked, StudyOptions(tmp_path, "cpu", workers=1)))
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith('case "')
    assert words in str(refused.value)
    assert not list(tmp_path.glob("digits*"))
    assert not (tmp_path / "studies").exists()


def test_a_network_that_encodes_nothing_is_refused():
    asked = load_any("digits-autoencoder")
    with pytest.raises(BadInput, match=r"^\[probe\] a probe needs a network with encode.*Linear does not have$"):
        refuse(SPEC, asked, load.load(asked.data), torch.nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ('probe.kinds=["svm"]', '"svm" is not known; known: knn, linear'),
        ("probe.train=0", "probe.train: got 0"),
        ("probe.trian=3", 'unknown key probe.trian; did you mean "train"?'),
        ("probe=3", "probe: got 3"),
        ('probe.maps=["pca","pca"]', "given twice"),
        ("probe.map_images=0", "probe.map_images"),
        ("probe.seed=-1", "probe.seed"),
    ],
)
def test_a_bad_probe_table_is_one_line_that_names_the_key(override, words, tmp_path):
    with pytest.raises(BadInput) as refused:
        load_study(str(write(tmp_path)), [override])
    assert "\n" not in str(refused.value)
    assert words in str(refused.value)


def test_the_table_is_part_of_the_study_and_of_its_hash(tmp_path):
    asked = load_study(str(write(tmp_path)))
    (tmp_path / "again.toml").write_text(study_to_toml(asked))
    assert load_any(str(tmp_path / "again.toml")) == asked
    assert '[probe]\nkinds = ["knn"]' in study_to_toml(asked)
    without = asked.model_copy(update={"probe": None})
    other = asked.model_copy(update={"probe": ProbeSpec(kinds=("knn",), train=300, test=100, maps=(), seed=1)})
    assert len({asked.hash(), without.hash(), other.hash()}) == 3
    assert asked.model_copy(update={"probe": ProbeSpec()}).hash() not in (asked.hash(), without.hash())
    results = Path(__file__).parents[2] / "benchmarks" / "results" / "studies"
    for name in ("cifar10-activations", "mnist-mlp-vs-cnn"):  # measured before there were probes
        assert load_study(name).hash() == json.loads((results / f"{name}.json").read_text())["hash"]


def test_the_report_says_all_and_counts_the_looks(record, monkeypatch):
    for module, name in ((figures, "forest"), (figures, "curves"), (costs, "scatter")):
        monkeypatch.setattr(module, name, lambda *_: None)
    monkeypatch.setattr(embed, "svg", lambda _, alt, prefix: f"<p>{prefix}: {alt}</p>")
    page = Page(study.page(record, {}, {}))
    judged = page.one("#judged").text
    for one in record.probe_verdicts:
        assert plain(one["sentence"]) in judged
    assert numbers(page.one("[data-about=probe-looks]").text) == ["6"]
    assert numbers(page.one(".facts [data-about=looks]").text)[-1] == "6"
    assert "probes" in page.sections


def test_the_terminal_prints_the_few_told_first(record, capsys):
    from rich.console import Console

    Console(width=10_000).print(display_study.result_table(record))
    said = capsys.readouterr().out
    for one in record.probe_verdicts:
        assert (one["sentence"] in said) == one["told"]
    assert sum(not one["told"] for one in record.probe_verdicts) == 17
    says(said, "17")


def change(record, key, value):
    file = record.path / "study.json"
    good = file.read_text()
    file.write_text(json.dumps({**json.loads(good), key: value}))
    return file, good


def test_damaged_and_older_study_files(record):
    verdict = record.probe_verdicts[0]
    for key, value, words in (
        ("probes", [{"case": "plain"}], "probes[0]"),
        ("probes", "all", "probes is 'all'"),
        ("probe_verdicts", [{**verdict, "names": ["one"]}], "probe_verdicts: names has 1 entries"),
        ("probe_verdicts", [{**verdict, "p": 2}], "probe_verdicts[0].p"),
        ("probe_verdicts", [{k: v for k, v in verdict.items() if k != "of"}], '"of"'),
    ):
        file, good = change(record, key, value)
        with pytest.raises(BadInput) as refused:
            read_study(record.path)
        file.write_text(good)
        assert "\n" not in str(refused.value)
        assert words in str(refused.value)
    table = {key: value for key, value in json.loads(good).items() if "probe" not in key}
    file.write_text(json.dumps(table))
    assert read_study(record.path).probes() == {}
    file.write_text(good)
    file, good = change(record, "probes", [{**one, "path": one["path"] + "x"} for one in record.result["probes"]])
    gone = read_study(record.path)
    left = study_probed.probed(gone, study._cases(gone))
    assert (left["probed"], left["probe_looks"], len(left["probe_problems"])) == ({}, 0, 6)
    with pytest.raises(BadInput):
        gone.probes()
    file.write_text(good)


def trained(record, folder):
    """The runs of the study once more, as they were before their probes."""
    shutil.copytree(record.folder, folder, ignore=shutil.ignore_patterns("probes", "study.json", "lock"))
    return folder


def test_a_kill_in_the_middle_leaves_nothing_half_written(record, finish, lent, tmp_path):
    folder, file = trained(record, tmp_path / "runs"), write(tmp_path)
    process = begin(file, folder, workers=1)
    while process.poll() is None and not list(folder.glob("*/probes/*/probe.json")):
        time.sleep(0.002)
    alive = workers_of(process.pid)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    await_end(alive)
    whole = list(folder.glob("*/probes/[!.]*"))
    assert whole
    for path in whole:
        probes.read(path)
    again, events = finish(load_study(str(file)), folder)
    assert len([event for event in events if isinstance(event, Probed)]) == 6 - len(whole)
    assert without_seconds(again.probe_verdicts) == without_seconds(record.probe_verdicts)
    assert not list(folder.glob("*/probes/.*"))


def test_a_worker_that_dies_over_a_probe_is_replaced(record, one_pool, lent, tmp_path):
    folder = trained(record, tmp_path / "runs")
    events, died = [], None
    for event in running.run(load_study(str(write(tmp_path))), StudyOptions(folder, "cpu")):
        events.append(event)
        if isinstance(event, Probing) and died is None:
            died = next(worker for worker in one_pool.workers if worker.task is not None)
            died.process.kill()
    assert died is not None
    assert len([event for event in events if isinstance(event, Probed)]) == 6
    assert without_seconds(events[-1].record.probe_verdicts) == without_seconds(record.probe_verdicts)


def test_cases_probed_on_other_images_are_not_compared_and_order_does_not_matter(record):
    found = record.probes()
    one, other = found["plain"][0], found["small"][0]
    rows = np.random.default_rng(0).permutation(len(one.evidence["labels"]))
    turned = {
        **one.evidence,
        "labels": one.evidence["labels"][rows],
        "ids": one.evidence["ids"][rows],
        "predictions": one.evidence["predictions"][:, :, rows],
    }
    mixed = probes.ProbeRecord(one.path, one.result, turned, one.spec)
    same = [probe_verdicts.right([some], "pixels", "knn-cosine") for some in (one, mixed)]
    np.testing.assert_array_equal(*same)
    foreign = probes.ProbeRecord(one.path, one.result, {**one.evidence, "ids": one.evidence["ids"] + 1}, one.spec)
    validation = probes.ProbeRecord(one.path, {**one.result, "split": "validation"}, one.evidence, one.spec)
    cases = {case: record.runs(case) for case in ("plain", "small")}
    for changed, count in ((mixed, 2), (foreign, 0), (validation, 0)):
        judged = probe_verdicts.verdicts(
            record.study, cases, {"plain": [changed], "small": [other]}, [("small", "plain")]
        )
        assert len([entry for entry in judged if entry["of"] == "cases"]) == count


def test_the_figures_of_a_study_of_autoencoders_are_kept_and_shown(record, monkeypatch):
    monkeypatch.setattr(benchmark.sv, "run", lambda name, root: record)
    kept = json.loads(json.dumps(benchmark.measure("probed", None)))
    for row in kept["table"]:
        runs = record.runs(row["case"])
        assert [one["validation"] for one in row["runs"]] == [run.result["validation"]["mse"] for run in runs]
        assert row["beside"]["validation"]["pca"] == runs[0].result["validation"]["pca"]
        assert row["beside"]["validation"]["psnr"] == pytest.approx(
            np.mean([run.result["validation"]["psnr"] for run in runs])
        )
        assert ("test" in row["beside"]) == ("test" in row) == (row["case"] in kept["choice"]["met_test"])
    assert [one["seed"] for one in kept["singles"]] == [0, 1] * 2
    for one in kept["singles"]:
        values = [record.answers()["validation"].values[case][one["seed"]].mean() for case in one["pair"]]
        assert one["accuracies"] == pytest.approx(values)
    for one in kept["disagreements"]:
        assert sum(one["kinds"].values()) == one["images"]
    means = {
        case: np.mean([one.result["sources"][0]["probes"][0]["accuracy"] for one in some])
        for case, some in record.probes().items()
    }
    assert {
        case: one["sources"][0]["probes"]["knn-cosine"]["accuracy"] for case, one in kept["probes"].items()
    } == pytest.approx(means)
    _, rows = study_tables.rows(kept)
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows) + study_tables.probes(kept)
    first = kept["table"][0]
    mse, pca = first["validation"]["mse"], first["beside"]["validation"]["pca"]["mse"]
    line = next(line for line in text.splitlines() if line.startswith("| plain"))
    share = f"{100 * (mse / pca - 1):+.1f} %" if mse < 2 * pca else f"{mse / pca:.1f} times"
    assert f"| {mse:.5f} ± {first['validation']['mse_sd']:.5f} | {pca:.5f} (8) | {share} |" in line
    assert f"| plain: its representation | 8 | {100 * means['plain']:.2f}" in text
    assert text.count("| raw pixels |") == 1
