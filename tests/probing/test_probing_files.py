"""probe.json and probe.npz are read back; what is damaged, hostile or newer is named in one line."""

import io
import json
import zipfile

import numpy as np
import pytest

from smallvision.errors import BadInput
from smallvision.experiment import ProbeSpec
from smallvision.experiment.io import typed
from smallvision.runs import probes
from smallvision.storage import arrays


@pytest.fixture
def folder(copy, found):
    return copy / "probes" / found.path.name


def refused(folder):
    with pytest.raises(BadInput) as caught:
        probes.read(folder)
    said = str(caught.value)
    assert "\n" not in said
    assert str(folder) in said
    return said


def change(folder, *keys, to):
    """Set one value, at keys and indices, in probe.json."""
    value = json.loads((folder / "probe.json").read_text())
    place = value
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    (folder / "probe.json").write_text(json.dumps(value))


def pack(folder, **arrays):
    """Set arrays in probe.npz; None takes one out."""
    with np.load(folder / "probe.npz") as file:
        every = {**file, **arrays}
    np.savez_compressed(folder / "probe.npz", **{name: array for name, array in every.items() if array is not None})


def test_what_is_written_is_read(tmp_path, found):
    path = probes.write(tmp_path, found.spec, found.result, found.evidence)
    again = probes.read(path)
    assert path == tmp_path / "probes" / found.spec.hash()
    assert (again.result, again.spec) == (found.result, found.spec)
    assert all(np.array_equal(again.evidence[name], found.evidence[name]) for name in found.evidence)
    assert sorted(one.name for one in path.iterdir()) == ["probe.json", "probe.npz"]


def test_a_probe_replaces_the_one_before_and_what_was_left_is_swept(copy, found):
    (copy / "probes" / ".dead.part").mkdir()
    probes.write(copy, found.spec, {**found.result, "notes": ["anew"]}, found.evidence)
    assert [one.name for one in (copy / "probes").iterdir()] == [found.path.name]
    assert probes.read(copy / "probes" / found.path.name).result["notes"] == ["anew"]


def test_standing_are_all_by_name_and_find_is_the_one_asked_for(copy, found):
    other = ProbeSpec(**{**found.spec.model_dump(), "train": 310})
    probes.write(copy, other, found.result, found.evidence)
    assert [one.path.name for one in probes.standing(copy)] == sorted([found.spec.hash(), other.hash()])
    assert probes.find(copy, other).spec == other
    assert probes.find(copy, ProbeSpec()) is None
    assert probes.standing(copy / "probes") == []


def test_find_knows_other_weights(copy, found):
    value = json.loads((copy / "result.json").read_text())
    (copy / "result.json").write_text(json.dumps({**value, "model_sha256": "1" * 64}))
    assert probes.find(copy, found.spec) is None
    (copy / "result.json").write_text("{}")
    with pytest.raises(BadInput, match=r'result\.json: the table has no "model_sha256"'):
        probes.find(copy, found.spec)


@pytest.mark.parametrize("name", ["probe.json", "probe.npz"])
def test_a_truncated_or_missing_file_is_named(folder, name):
    whole = (folder / name).read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 30):
        (folder / name).write_bytes(whole[:length])
        assert name in refused(folder)
    (folder / name).unlink()
    assert f"has no {name}" in refused(folder)


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (
            ["format_version"],
            2,
            ("format version 2, of a newer smallvision; this one reads versions up to 1; update smallvision"),
        ),
        (["format_version"], "1", "format_version is '1'; expected a whole number"),
        (["spec"], [], "spec is []; expected a table"),
        (["spec", "kinds"], ["magic"], '"magic" is not known'),
        (["spec", "depth"], 3, "unknown key depth"),
        (["spec", "train"], 400, "hash is"),
        (["hash"], "ffffffff", "hash is ffffffff"),
        (["split"], "train", 'its split is "train"'),
        (["classes"], [], "has no class"),
        (["classes"], ["a"], "does not belong to the images or classes of this probe"),
        (["counts", "shown"], 0, "a part without images"),
        (["counts", "shown"], 99, "does not belong to the images or classes of this probe"),
        (["counts", "train"], -1, "counts.train is -1"),
        (["counts", "train"], 10**30, "counts.train is"),
        (["sources"], [], "its sources are []"),
        (["sources", 0, "name"], "magic", "expected representation first"),
        (["sources", 1, "name"], "untrained", "sources are"),
        (["sources", 0, "probes"], [], "the probes of representation are []"),
        (["sources", 0, "probes", 0, "kind"], "linear", "the probes of representation are"),
        (
            ["sources", 0, "probes", 0, "accuracy"],
            1.5,
            ("sources[0].probes[0].accuracy is 1.5; expected a number from 0 to 1"),
        ),
        (["sources", 0, "probes", 0, "accuracy"], 0.001, "lies outside its interval"),
        (["sources", 0, "probes", 0, "interval"], [0.0], "interval has 1 value; expected 2"),
        (["sources", 0, "probes", 0, "tried", 0], [1.0], "tried[0] has 1 value; expected 2"),
        (["sources", 0, "probes", 0, "value"], None, "value is None"),
        (["sources", 0, "precision"], {"1": 0.5}, 'has no "8"'),
        (["dimensions", "effective_rank"], -1, "effective_rank is -1"),
        (["comparisons", 0, "against"], "representation", "compares knn-cosine with representation"),
        (["comparisons", 0, "probe"], "magic", "compares magic"),
        (["comparisons", 0, "p"], 2, "p is 2"),
        (["maps", 0, "kind"], "umap", "has maps that were not asked for"),
        (["maps", 0, "source"], "untrained", "the array map_pca_untrained is missing"),
        (["maps", 1, "source"], "representation", "or the same map twice"),
        (["maps", 0, "images"], 61, "expected M = 61"),
        (["notes"], "none", "notes is 'none'; expected a list"),
    ],
)
def test_a_wrong_value_in_the_json_is_named(folder, keys, value, said):
    change(folder, *keys, to=value)
    assert said in refused(folder)


def test_json_that_is_no_table_or_no_number_is_named(folder):
    for text, said in (("[1]", "the file is [1]"), ("[" * 100_000, "not valid JSON"), ("\xff", "not valid JSON")):
        (folder / "probe.json").write_bytes(text.encode("latin-1"))
        assert said in refused(folder)
    (folder / "probe.json").write_text("null")
    assert "the file is None" in refused(folder)


def test_not_a_number_is_refused(folder):
    text = (folder / "probe.json").read_text()
    (folder / "probe.json").write_text(text.replace('"effective_rank": ', '"effective_rank": NaN, "x": '))
    assert "effective_rank is nan" in refused(folder)


CHANGED = {
    "labels": (lambda a: a + 10, "labels has values outside 0 to 9"),
    "ids": (lambda a: a.astype(np.float32), "ids is float32"),
    "predictions": (lambda a: np.roll(a, 1, axis=2), "does not count labels and predictions"),
    "confusion": (lambda a: a + 1, "does not count labels and predictions"),
    "spectrum": (lambda a: a * 3, "spectrum is not a list of shares"),
    "query_index": (lambda a: np.full_like(a, a[0]), "query_index has more than 10 entries, or the same entry twice"),
    "query_pixels": (lambda a: a.astype(np.int16), "query_pixels is int16"),
    "map_index": (lambda a: np.zeros_like(a), "map_index has the same image twice"),
    "thumb_index": (lambda a: a + 1, "thumb_index has values outside 0 to 59"),
    "thumbs": (lambda a: a[:-1], "thumbs has shape (59, 1, 8, 8); expected T = 60"),
    "map_tsne_pixels": (lambda a: a * np.nan, "map_tsne_pixels has values that are not finite numbers"),
    "map_pca_pixels": (lambda a: None, "the array map_pca_pixels is missing"),
    "neighbours_pixels_labels": (lambda a: a - 1, "neighbours_pixels_labels has values outside 0 to 9"),
    "neighbours_pixels_distances": (
        lambda a: a[:, ::-1],
        ("neighbours_pixels_distances are not in ascending order from 0"),
    ),
    "neighbours_representation_pixels": (lambda a: a[..., :-1], "expected W = 8"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_an_array_that_does_not_fit_is_named(folder, found, name):
    make, said = CHANGED[name]
    pack(folder, **{name: make(found.evidence[name])})
    assert said in refused(folder)


def test_predictions_of_another_accuracy_than_said_are_refused(folder, found):
    entry = found.result["sources"][0]["probes"][0]
    low, high = entry["interval"]
    change(folder, "sources", 0, "probes", 0, "accuracy", to=low + 0.3 * (high - low))
    assert "have a different accuracy from the one in probe.json" in refused(folder)


def hostile(shape, dtype="|u1", body=b""):
    """The bytes of an .npy whose header says more than is there."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": dtype, "fortran_order": False, "shape": shape})
    return out.getvalue() + body


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (hostile((2**40,)), "is not a plain array of the size that its header states"),
        (hostile((2**62, 2**62)), "is not a plain array of the size that its header states"),
        (hostile((1,), "|O", b"cos\nsystem\n"), "is not a plain array of the size that its header states"),
        (b"no array at all", "it is not a readable .npz file"),
    ],
)
def test_an_archive_that_lies_about_its_size_is_not_unpacked(folder, member, said):
    with zipfile.ZipFile(folder / "probe.npz", "a") as archive:
        archive.writestr("more.npy", member)
    assert said in refused(folder)


def test_what_unpacks_to_more_than_any_probe_has_is_not_unpacked(folder, monkeypatch):
    monkeypatch.setattr(arrays, "LARGEST_ARRAYS", 10_000)
    assert "at most 10,000" in refused(folder)


def test_the_same_words_in_another_order_are_the_same_probe():
    a, b = ProbeSpec(kinds=("linear", "knn"), maps=("tsne", "pca")), ProbeSpec()
    assert (a, a.hash(), a.probes) == (b, b.hash(), ("knn-cosine", "knn-euclidean", "linear"))
    assert b.hash() == "44136fa3"  # sha256 of "{}": no key that is added changes it
    others = ({}, {"train": "all"}, {"train": 10}, {"maps": ()}, {"seed": 1})
    assert len({ProbeSpec(**one).hash() for one in others}) == len(others)
    assert ProbeSpec.model_validate(ProbeSpec(train="all", maps=()).model_dump(mode="json")) == ProbeSpec(
        train="all", maps=()
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"kinds": ()}, "kinds: got []; expected at least one of knn, linear"),
        ({"kinds": "knn"}, 'kinds: got "knn"; expected a list of knn, linear'),
        ({"kinds": ("lineal",)}, 'did you mean "linear"?'),
        ({"kinds": ("knn", "knn")}, '"knn" is given twice'),
        ({"maps": ("mds",)}, '"mds" is not known; known: pca, tsne, umap'),
        ({"train": 0}, "train: got 0; expected a number of images, 1 or"),
        ({"train": True}, "train: got true"),
        ({"test": 2.0}, "test: got 2.0"),
        ({"test": "most"}, 'test: got "most"'),
        ({"map_images": 0}, "map_images: got 0"),
        ({"seed": -1}, "seed: got -1"),
        ({"sede": 1}, 'unknown key sede; did you mean "seed"?'),
    ],
)
def test_a_spec_that_cannot_be_is_refused_in_one_line(asked, said):
    with pytest.raises(BadInput) as caught:
        typed(ProbeSpec, asked, "probe")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
