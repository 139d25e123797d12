"""A verification in TOML: what is taken, what its keys mean, and what contradicts what, one clear line each."""

import tomllib

import pytest

from smallvision.errors import BadInput
from smallvision.experiment import build, load, to_toml

GOOD = {
    "name": "x",
    "data": {"source": "digits", "validation": 0.1},
    "model": {"kind": "siamese", "encoder": {"experiment": "digits-autoencoder"}},
    "task": {"kind": "verify"},
    "recipe": {"order": "classes", "classes_per_batch": 10, "images_per_class": 8},
}
DENSE = {"model.head": "dense"}


def asked(changes=None, without=()):
    """The experiment above with keys changed, "recipe.order" and the like."""
    table = {key: dict(value) if isinstance(value, dict) else value for key, value in GOOD.items()}
    for key, value in (changes or {}).items():
        part, _, name = key.partition(".")
        table[part] = {**table[part], name: value} if name else value
    for key in without:
        part, _, name = key.partition(".")
        del table[part][name]
    return build(table, "x")


def test_a_batch_is_its_classes_times_their_images():
    assert asked().recipe.batch_size == 80
    assert asked({"recipe.batch_size": 80}) == asked()
    assert asked({"recipe.images_per_class": 3}).recipe.batch_size == 30
    assert build(tomllib.loads(to_toml(asked())), "again") == asked()
    assert load("digits-siamese", ["recipe.images_per_class=4"]).recipe.batch_size == 40, (
        "an override changes the product"
    )


def test_the_encoders_rate_is_two_orders_below_the_heads_when_it_is_taken_over():
    for changes, times in (
        ({}, 0.01),
        ({"model.weights": "fresh"}, 1.0),
        ({"model.rate": 0.5}, 0.5),
        ({"model.rate": 0.0, "model.weights": "fresh", "model.representation": 8}, 0.0),
    ):
        assert asked(changes).model.encoder_rate == times


def test_what_a_default_means_is_no_other_experiment():
    assert "unseen_classes" not in str(asked().canonical())
    assert asked({"data.unseen_classes": ["7", 8, 9]}).data.unseen_classes == ("7", 8, 9)
    assert asked({"model.rate": 0.01}).hash() != asked().hash(), "whether it was said is part of what was asked"


TAKEN = [
    {},
    {"task.loss": "contrastive", "task.margin": 0.5},
    {"task.mining": "hard"},
    {"task.loss": "cross-entropy", **DENSE},
    {"task.loss": "cross-entropy", "task.weight_penalty": 1e-4, "task.representation_penalty": 1e-3, **DENSE},
    {"task.head_weight": 0.5, **DENSE},
    {"task.loss": "metric.NTXentLoss"},
    {"task.false_accept": 0.01},
    {"task.loss": "metric.TripletMarginLoss", "task.mining": "metric.BatchHardMiner"},
    {"model.rate": 0.0, **DENSE},
    {"task.loss": "metric.NTXentLoss", "task.loss_options": {"temperature": 0.1}},
    {"data": {"source": "folder", "path": "some"}},  # which perhaps brings its own validation images
]


@pytest.mark.parametrize("changes", TAKEN, ids=str)
def test_what_goes_together_is_taken_and_read_back(changes):
    found = asked(changes)
    assert build(tomllib.loads(to_toml(found)), "again") == found


MLP = {"kind": "mlp"}
CONTRADICTIONS = {
    "siamese, classify": (
        {"task": {"kind": "classify"}},
        'model.kind: "siamese" judges pairs of images, and the task is to classify',
    ),
    "siamese, reconstruct": ({"task": {"kind": "reconstruct"}}, "model"),
    "mlp, verify": (
        {"model": MLP},
        'task.kind: "verify" needs a network that judges pairs of images; set model.kind = "siamese"',
    ),
    "unseen, classify": (
        {"model": MLP, "task": {"kind": "classify"}, "recipe": {}, "data.unseen_classes": [1, 2]},
        "data.unseen_classes: only a verifier can be scored on classes that it was not trained on",
    ),
    "one unseen": (
        {"data.unseen_classes": [1]},
        "unseen_classes needs at least two different classes, so that there are pairs of one class and pairs of two",
    ),
    "unseen twice": ({"data.unseen_classes": [1, 1]}, "unseen_classes needs at least two different classes"),
    "no validation": (
        {"data.validation": 0},
        "data.validation: a verifier's threshold and calibration are fitted on validation pairs",
    ),
    "shuffled": (
        {"recipe": {"batch_size": 64}},
        'recipe.order: every batch needs several images of each class; set recipe.order = "classes"',
    ),
    "entropy of a distance": ({"task.loss": "cross-entropy"}, 'task.loss: "cross-entropy" needs a dense head'),
    "weight of no head": (
        {"task.head_weight": 2.0},
        'task.head_weight: this key has no effect with model.head = "distance"',
    ),
    "weight of the only loss": (
        {"task.loss": "cross-entropy", "task.head_weight": 1.0, **DENSE},
        "head_weight has no effect with loss",
    ),
    "margin": (
        {"task.loss": "cross-entropy", "task.margin": 1.0, **DENSE},
        'margin has no effect with loss "cross-entropy"',
    ),
    "margin of a library's": ({"task.loss": "metric.NTXentLoss", "task.margin": 1.0}, "margin has no effect"),
    "mining": ({"task.loss": "contrastive", "task.mining": "hard"}, 'mining has no effect with loss "contrastive"'),
    "mining of a library's": (
        {"task.loss": "metric.NTXentLoss", "task.mining": "hard"},
        'as in mining = "metric.MultiSimilarityMiner"',
    ),
    "a library's miner alone": (
        {"task.mining": "metric.BatchHardMiner"},
        'with "triplet" use "all", "semi-hard" or "hard"',
    ),
    "penalty": (
        {"task.weight_penalty": 0.1},
        'representation_penalty and weight_penalty have no effect with loss "triplet"',
    ),
    "nothing to learn": (
        {"model.rate": 0.0},
        'rate = 0 freezes the encoder, and this network has no other layers to train; set head = "dense"',
    ),
    "options of our own loss": ({"task.loss_options": {"margin": 1}}, 'loss_options has no effect with loss "triplet"'),
    "options of our own mining": (
        {"task.mining_options": {"margin": 1}},
        'mining_options has no effect with mining "semi-hard"',
    ),
    "dense": ({"model.dense": [3]}, 'dense has no effect with head = "distance"'),
    "loss by a path": ({"task.loss": "metric.os.system"}, "task.loss"),
    "odd": ({"task.pairs": 5}, "task.pairs"),
    "all accepted": ({"task.false_accept": 1.0}, "task.false_accept"),
    "one class": ({"recipe.classes_per_batch": 1}, 'order "classes" needs classes_per_batch of 2 or more'),
    "one image": ({"recipe.images_per_class": 1}, 'order "classes" needs images_per_class of 2 or more'),
    "another product": (
        {"recipe.batch_size": 64},
        "batch_size is 64, but 10 classes with 8 images each make 80 images; leave batch_size out",
    ),
    "drop_last": ({"recipe.drop_last": True}, 'drop_last has no effect with order "classes"'),
    "neither": ({"model.encoder": {}}, 'expected { experiment = "NAME" } or { run = "FOLDER" }, got neither'),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_what_contradicts_is_one_line_that_says_the_way_out(name):
    changes, said = CONTRADICTIONS[name]
    with pytest.raises(BadInput) as caught:
        asked(changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("recipe.classes_per_batch", 'order "classes" needs classes_per_batch of 2 or more'),
        ("recipe.images_per_class", 'order "classes" needs images_per_class of 2 or more'),
        ("recipe.order", 'classes_per_batch and images_per_class have no effect with order "shuffled"'),
        ("model.encoder", "model.encoder: missing"),
    ],
)
def test_what_is_left_out_is_named(key, said):
    with pytest.raises(BadInput) as caught:
        asked(without=[key])
    assert said in str(caught.value)
