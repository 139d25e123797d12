"""Hashes, keys of state_dict, public words and commands are those that pins.json holds; see pins_collect.py."""

import json

import pins_collect as pins
import pytest

PINNED = json.loads(pins.PINS.read_text(encoding="utf-8"))


def as_json(value):
    """As it reads back from a file: tuples are lists."""
    return json.loads(json.dumps(value))


def contained(pinned, found, where=""):
    """Where a pinned value is not what is found; tables may have gained keys, nothing else may have changed."""
    if isinstance(pinned, dict) and isinstance(found, dict):
        return [
            line
            for key, value in pinned.items()
            for line in contained(value, found.get(key, "missing"), f"{where}.{key}")
        ]
    if isinstance(pinned, list) and isinstance(found, list) and len(pinned) == len(found):
        return [
            line
            for at, (one, other) in enumerate(zip(pinned, found, strict=True))
            for line in contained(one, other, f"{where}.{at}")
        ]
    return (
        []
        if (type(pinned), pinned) == (type(found), found)
        else [f"{where}: {pinned!r} was pinned, {found!r} is found"]
    )


def test_the_catalog_has_its_names_and_every_hash():
    found = pins.catalog()
    assert list(found) == list(PINNED["catalog"])
    for name, pinned in PINNED["catalog"].items():
        assert found[name] == pinned, name
        assert list(found[name].get("cases", ())) == list(pinned.get("cases", ())), f"{name}: the order of the cases"


@pytest.mark.parametrize("name", PINNED["experiments"])
def test_an_experiment_that_sets_its_keys_keeps_its_canonical_form_and_hash(name):
    entry, overrides = pins.OVERRIDES[name]
    experiment = pins.load(entry, overrides)
    assert as_json(experiment.canonical()) == PINNED["experiments"][name]["canonical"]
    assert experiment.hash() == PINNED["experiments"][name]["hash"]


def test_every_default_is_as_it_was():
    assert contained(PINNED["defaults"], as_json(pins.defaults())) == []


def test_probes_keep_their_hashes():
    assert {name: pins.ProbeSpec.model_validate(values).hash() for name, values in pins.PROBES.items()} == PINNED[
        "probes"
    ]


def test_every_kind_of_network_is_pinned():
    assert {spec["kind"] for spec in pins.NETWORKS.values()} == set(pins.KINDS) == set(PINNED["kinds"])


def test_state_dicts_keep_their_keys_their_order_and_their_shapes():
    found = pins.networks()
    assert list(found) == list(PINNED["networks"])
    for name, pinned in PINNED["networks"].items():
        assert found[name] == pinned, name


def test_public_names_resolve_and_take_what_they_took():
    found = pins.words()
    assert sorted(pins.sv.__all__) == sorted(name for name in PINNED["words"] if not name.startswith("Run."))
    assert set(pins.sv.__all__) <= set(dir(pins.sv))
    for name, pinned in PINNED["words"].items():
        assert name in found, f"{name} is gone"
        assert found[name] == pinned, name


def test_the_command_line_has_its_commands_options_and_arguments():
    found = pins.commands()
    assert sorted(found) == sorted(PINNED["commands"])
    for path, pinned in PINNED["commands"].items():
        assert found[path] == pinned, path
