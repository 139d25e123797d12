"""How each row of rows.py is read, as a person would have it read, and how its fields are made wrong and hostile."""

import hashlib
import random
from pathlib import Path
from typing import Any

from campaign import formats, run_readers, values
from campaign.bases import IMAGES, OVERRIDES, ROSTER, RULES, STACKS, Bases, Original
from campaign.damage import EXTREME, ODD, fields, png_fields
from campaign.reading import Change, Read, Reader, command
from campaign.scenarios import EVERYTHING, PROBED, SEARCHED, STUDY


def readers(bases: Bases) -> dict[str, Reader]:
    """The reader of every row, by its name."""
    return {**_texts(), **_data(bases), **_images(bases), **run_readers.runs(bases), **run_readers.studies(bases)}


def _texts() -> dict[str, Reader]:
    """What a person writes: experiments, studies, assignments, words of the command line."""
    toml = (values.wrong_toml, values.hostile_toml)

    def alone(path: str, *texts: str) -> list[Original]:
        return [Original(text.encode(), path) for text in texts]

    from smallvision.experiment import load, studies, study_to_toml, to_toml
    from smallvision.experiment.lookup import load_study

    names = ("digits", "digits-autoencoder", "digits-siamese", "digits-encoder-classifier")
    experiments = [*(to_toml(load(name)) for name in names), to_toml(load("digits", EVERYTHING))]
    of_studies = [STUDY, PROBED, SEARCHED, *(study_to_toml(load_study(name)) for name in sorted(studies())[:3])]

    def overrides(folder: Path, original: Original, number: int) -> None:
        word = original.data.decode("utf-8", "surrogateescape").replace("\0", "")
        command("show", "digits", f"x{word}" if word.startswith("-") else word)

    def stack(folder: Path, original: Original, number: int) -> None:
        word = original.data.decode("utf-8", "surrogateescape").replace("\0", "")
        way = "mirror" if number % 4 == 0 else "shape"
        command("conv", way, f"x{word}" if word.startswith("-") else word)

    return {
        "experiment (TOML)": Reader(
            alone("e.toml", *experiments), *toml, lambda folder, original, number: command("show", "./e.toml")
        ),
        "study (TOML)": Reader(
            alone("s.toml", *of_studies), *toml, lambda folder, original, number: command("show", "./s.toml")
        ),
        "assignment rules (TOML)": Reader(
            alone("rules.toml", RULES),
            *toml,
            lambda folder, original, number: _assign(folder, "rules.toml", original, ROSTER, "roster.csv"),
        ),
        "roster (CSV)": Reader(
            alone("roster.csv", ROSTER, ROSTER.replace(",", ";").replace('"Li; Na"', "Li")),
            _wrong_roster,
            values.hostile_csv,
            lambda folder, original, number: _assign(folder, "roster.csv", original, RULES, "rules.toml"),
        ),
        "overrides": Reader([Original(word.encode()) for word in OVERRIDES], _wrong_word, _hostile_word, overrides),
        "stack of layers": Reader([Original(word.encode()) for word in STACKS], _wrong_stack, _hostile_stack, stack),
    }


def _wrong_roster(draw: random.Random, data: bytes) -> bytes:
    return values.wrong_csv(draw, ROSTER.encode())


def _assign(folder: Path, damaged: str, original: Original, text: str, other: str) -> None:
    import shutil

    (folder / other).write_text(text)
    shutil.rmtree(folder / "out", ignore_errors=True)
    command("assign", "./rules.toml", "./roster.csv", "--out", "out")


def _wrong_word(draw: random.Random, data: bytes) -> bytes:
    key, _, value = data.decode().partition("=")
    parts = key.split(".")
    at = draw.randrange(len(parts))
    parts[at] = draw.choice((parts[at] + "s", "x", "", "0", "-1", "99", parts[at].upper(), "kind"))
    return draw.choice(
        (
            ".".join(parts) + "=" + value,
            key,
            f"{key}==",
            f"={value}",
            f"{key}={draw.choice(values.WRONG)!r}",
            f"{key}.x={value}",
            f"{key}={draw.choice(OVERRIDES)}",
            f"{draw.choice(OVERRIDES).partition('=')[0]}={value}",
        )
    ).encode()


def _hostile_word(draw: random.Random, data: bytes) -> bytes:
    key, _, value = data.decode().partition("=")
    text, raw = draw.choice(values.TEXTS), draw.choice(values.TOML_RAW)
    words = (
        f"{key}={raw}",
        f"{key}={raw}",
        f"{key}={text}",
        f"{text}={value}",
        f"{key}{text}={value}",
        f"{key}.{text}=1",
    )
    return draw.choice(words).encode()[:120_000]  # the longest word that the system lets a command have


def _wrong_stack(draw: random.Random, data: bytes) -> bytes:
    words = data.decode().split()
    at, way = draw.randrange(len(words)), draw.randrange(5)
    if way == 0:
        del words[at]
    elif way == 1:
        words.insert(at, draw.choice(words))
    elif way == 2:
        words[at] = draw.choice(
            ("conv", "conv()", "pool(0)", "dense(-1)", "3x32", "x", "relu(2)", "conv(16,k=)", "(", ")")
        )
    elif way == 3:
        words[at] = words[at].replace("(", "(q=").replace("k=", "kk=")
    else:
        words[at] = "".join(str(draw.choice(ODD)) if letter.isdigit() else letter for letter in words[at])
    return " ".join(words).encode()


def _hostile_stack(draw: random.Random, data: bytes) -> bytes:
    text, way = data.decode(), draw.randrange(5)
    if way == 0:
        return (text + " relu" * draw.choice((100, 20_000))).encode()
    if way == 1:
        return (text.split()[0] + " " + "(" * 3000).encode()
    if way == 2:
        return text.replace(draw.choice(text.split()), draw.choice(values.TEXTS)).encode()[:120_000]
    number = draw.choice((*values.NUMBERS, "²", "١٢", "1_000"))
    places = [place for place, letter in enumerate(text) if letter.isdigit()]
    at = draw.choice(places)
    return (text[:at] + number + text[at + 1 :]).encode()


def _of_splits(spec: dict[str, Any], root: Path | None) -> str:
    """The digest of all that a data set holds."""
    from smallvision.data import describe, load
    from smallvision.experiment.io import build_data

    splits = load.load(build_data(spec, "data"), root)
    describe.describe(splits)
    found = hashlib.sha256()
    for split in splits.named().values():
        for tensor in (split.labels, *split.groups):
            found.update(tensor.numpy().tobytes())
    return found.hexdigest()


def _data(bases: Bases) -> dict[str, Reader]:
    """The files of data sets."""

    def source(name: str) -> Read:
        return lambda folder, original, number: _of_splits({"source": name}, folder)

    mnist, raw = bases.folder / "mnist", "MNIST/raw"
    plain = [bases.file(mnist, f"{raw}/{name}") for name in bases.mnist]
    packed = bases.folder / "mnist-gz"
    zipped = [bases.file(packed, f"{raw}/{name}.gz") for name in bases.mnist]
    pickled, binary = bases.folder / "py", bases.folder / "bin"
    return {
        "IDX": Reader(plain, formats.wrong_idx, formats.hostile_idx, source("mnist")),
        "IDX, gzipped": Reader(
            zipped, formats.zipped(formats.wrong_idx), formats.zipped(formats.hostile_idx), source("mnist")
        ),
        "CIFAR-10, pickled": Reader(
            [bases.file(pickled, f"cifar-10-batches-py/{name}") for name in bases.pickles],
            formats.wrong_pickle,
            formats.hostile_pickle,
            source("cifar10"),
        ),
        "CIFAR-10, binary": Reader(
            [bases.file(binary, f"cifar-10-batches-bin/{name}") for name in bases.binaries],
            formats.wrong_binary,
            formats.hostile_binary,
            source("cifar10"),
        ),
        "arrays (NPZ)": Reader(
            [Original(bases.npz, "a.npz")],
            formats.wrong_npz,
            formats.hostile_npz,
            lambda folder, original, number: _of_splits({"source": "npz", "path": str(folder / "a.npz")}, None),
        ),
    }


def _images(bases: Bases) -> dict[str, Reader]:
    """A folder of images, and each format in it."""

    def folder_of(folder: Path, original: Original, number: int) -> str:
        spec: dict[str, Any] = {"source": "folder", "path": str(folder / "train")}
        if number % 3 == 0:
            spec["size"] = [8, 8]
        if number % 4 == 0:
            spec["skip_bad"] = True
        found = _of_splits(spec, None)
        return "" if "skip_bad" in spec else found  # other images are left then

    def replaced(folder: Path, original: Original, number: int) -> None:
        from smallvision.data import describe

        describe.is_grid(folder / "p.png")

    out = {}
    for row, kind in IMAGES.items():
        if kind not in bases.images:
            continue
        wrong: Change = lambda draw, data: fields(draw, data, ODD)  # noqa: E731
        hostile: Change = lambda draw, data: fields(draw, data, EXTREME)  # noqa: E731
        if kind == "PNG":
            wrong = lambda draw, data: png_fields(draw, data, ODD)  # noqa: E731
            hostile = lambda draw, data: png_fields(draw, data, EXTREME)  # noqa: E731
        originals = [Original(data, "train/a/0.png", bases.folder / "pictures") for data in bases.images[kind]]
        out[row] = Reader(originals, wrong, hostile, folder_of)
    grid = Original(bases.images["PNG"][1], "p.png")
    out["picture that would be replaced (PNG)"] = Reader([grid], out["PNG"].wrong, out["PNG"].hostile, replaced)
    tree = Original(b"", "train", bases.folder / "pictures")
    out["folder of images"] = Reader([tree], lambda draw, data: data, lambda draw, data: data, folder_of)
    return out
