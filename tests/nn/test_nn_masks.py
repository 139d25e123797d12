"""A padded image gives what torch gives for that image alone, unpadded: logits, features, gradients, statistics."""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.nn import functional as F

from smallvision.experiment.model.classifiers import CnnSpec
from smallvision.experiment.model.union import ModelSpec
from smallvision.nn import NETWORKS, InputSpec, build, masks
from smallvision.nn.layers import ACTIVATIONS, POOLS

SPEC: TypeAdapter[Any] = TypeAdapter(ModelSpec)
MEAN, STD = (0.3, 0.5, 0.1), (0.2, 0.3, 0.25)
SIZES = ((13, 17), (20, 11), (16, 16), (9, 23), (10, 10), (23, 10))


def block(channels, kernel=3, **more):
    return {"channels": channels, "kernel": kernel, **more}


BLOCKS = {
    "R4.15": [block(16, padding=1), block(32, padding=1, pool=2), block(81, padding=1, pool=2)],
    "no padding": [block(4, activation="tanh"), block(5, 2, pool=3)],
    "more padding than kernel": [block(4, 2, padding=3, stride=2), block(3, 1, padding=2, activation="sigmoid")],
    "same, even kernel": [block(4, 4, padding="same", activation="leaky-relu"), block(6, 2, padding="same", pool=2)],
    "strides that skip the border": [block(4, 5, padding=1, stride=3), block(4, 3, padding=1, stride=2)],
    "overlapping pools": [
        block(4, padding=2, pool=3, pool_stride=2),
        block(4, padding=1, pool=2, pool_stride=1, pool_kind="mean"),
    ],
    "pools with gaps": [
        block(4, padding=1, pool=2, pool_stride=3),
        block(4, padding=1, pool=2, pool_kind="mean", pool_stride=1),
    ],
    "mean pools": [
        block(4, padding=1, pool=2, pool_kind="mean", activation="gelu"),
        block(3, padding=1, pool=3, pool_kind="mean"),
    ],
    "group": [
        block(6, padding=1, normalization="group", activation="elu"),
        block(8, padding="same", normalization="group", pool=2),
    ],
    "batch": [
        block(6, padding=1, normalization="batch"),
        block(8, padding=1, normalization="batch", activation="sigmoid", pool=2),
    ],
}


def network(blocks, head="global-mean", **more):
    model = build(
        SPEC.validate_python({"kind": "cnn", "blocks": blocks, "head": head, **more}),
        InputSpec((3, 16, 16), 5, MEAN, STD),
        3,
    )
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():  # so that no scale is 1 and no shift is 0
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if ".norm." in name and value.is_floating_point():
                value.add_(torch.rand(value.shape, generator=generator))
    return model


def pictures(sizes=SIZES):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, 3, *size, generator=generator) for size in sizes]


def together(images, beyond=0.0, extra=(0, 0)):
    """A batch with each image in the upper left corner, and its mask; `extra` rows and columns beyond the largest."""
    height, width = (max(image.shape[axis] for image in images) + extra[axis - 2] for axis in (2, 3))
    pixels = torch.full((len(images), 3, height, width), beyond)
    mask = torch.zeros(len(images), 1, height, width, dtype=torch.bool)
    for place, image in enumerate(images):
        pixels[place, :, : image.shape[2], : image.shape[3]] = image[0]
        mask[place, :, : image.shape[2], : image.shape[3]] = True
    return pixels, mask


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("head", ["global-mean", "global-max"])
def test_every_image_is_as_if_alone_and_so_is_the_gradient(name, head):
    model = network(BLOCKS[name], head, dense=[7]).eval()
    images = pictures()
    alone = torch.cat([model(image) for image in images])
    pixels, mask = together(images)
    padded = model(pixels, mask)
    assert (padded - alone).abs().max() < 1e-5
    assert (model.encode(pixels, mask) - torch.cat([model.encode(image) for image in images])).abs().max() < 1e-5
    gradients = [
        torch.autograd.grad(F.cross_entropy(logits, torch.arange(6) % 5), list(model.parameters()))
        for logits in (padded, alone)
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_channels_last_and_by_hand_and_more_padding_change_nothing():
    images = pictures()
    for more in ({}, {"convolution": "by-hand"}):
        model = network(BLOCKS["R4.15"], "global-max", **more).to(memory_format=torch.channels_last)
        alone = torch.cat([model(image) for image in images])
        for beyond, extra in ((0.0, (0, 0)), (0.7, (5, 2)), (1e6, (1, 1))):
            pixels, mask = together(images, beyond, extra)
            assert (model(pixels.to(memory_format=torch.channels_last), mask) - alone).abs().max() < 1e-5


def test_a_mask_that_hides_nothing_changes_nothing():
    model, (pixels, mask) = network(BLOCKS["group"]), together(pictures(((12, 9),) * 3))
    torch.testing.assert_close(model(pixels, mask), model(pixels))


def test_against_torch_alone():
    """The network as one would write it with torch, on each image by itself."""
    model = network(
        [
            block(8, 5, padding=2, stride=2, normalization="group", activation="silu", pool=3, pool_stride=2),
            block(6, 4, padding="same", pool=2, pool_kind="mean"),
        ],
        "global-mean",
        dense=[9],
    )
    plain = nn.Sequential(
        nn.Conv2d(3, 8, 5, 2, 2),
        nn.GroupNorm(4, 8),
        nn.SiLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 6, 4, padding="same"),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 9),
        nn.ReLU(),
        nn.Linear(9, 5),
    )
    for mine, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        theirs.data.copy_(mine.data)
    images = pictures(((19, 33), (40, 21), (27, 27)))
    expected = torch.cat(
        [plain((image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)) for image in images]
    )
    assert (model(*together(images)) - expected).abs().max() < 1e-5


def test_batch_normalisation_learns_from_real_pixels_alone():
    """torch's own batch normalisation, given the images' pixels in a row and nothing else."""
    model = network([block(6, padding=1, normalization="batch", activation="none")])
    images, (pixels, mask) = pictures(), together(pictures())
    layer, head = model.blocks[0].norm, nn.Linear(6, 5)
    theirs = nn.BatchNorm1d(6)
    theirs.load_state_dict(layer.state_dict())
    head.load_state_dict(model.output.state_dict())
    standard = [(image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1) for image in images]
    weight = model.blocks[0].convolution.weight.detach().clone().requires_grad_()
    maps = [F.conv2d(image, weight, padding=1)[0].flatten(1).T for image in standard]  # (pixels, 6)
    normal = theirs(torch.cat(maps)).split([len(one) for one in maps])
    expected = head(torch.stack([one.mean(0) for one in normal]))
    found = model(pixels, mask)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(layer.state_dict()[key], value, rtol=1e-5, atol=1e-6)
    loss = F.cross_entropy(found, torch.arange(6) % 5)
    gradients = torch.autograd.grad(loss, [model.blocks[0].convolution.weight, layer.weight, layer.bias])
    loss = F.cross_entropy(expected, torch.arange(6) % 5)
    for one, other in zip(gradients, torch.autograd.grad(loss, [weight, theirs.weight, theirs.bias]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_step_with_everything_reads_nothing_and_moves_every_parameter():
    """bf16, dropout and batch normalisation while training; on "meta" tensors no value can be read back to the host."""
    model = network([{**one, "dropout": 0.1} for one in BLOCKS["batch"]], dense=[7], dense_dropout=0.2).train()
    pixels, mask = together(pictures())
    with torch.autocast("cpu", torch.bfloat16):
        F.cross_entropy(model(pixels, mask).float(), torch.arange(6) % 5).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() and p.grad.any() for p in model.parameters())
    assert model.to("meta")(pixels.to("meta"), mask.to("meta")).shape == (6, 5)


def test_every_layer_that_a_block_can_have_is_known():
    kinds = {type(make()) for make in ACTIVATIONS.values()} | {type(make(2, 2)) for make in POOLS.values()}
    kinds |= {nn.Conv2d, nn.ZeroPad2d, nn.BatchNorm2d, nn.GroupNorm, nn.Dropout}
    assert kinds <= set(masks.THROUGH)
    with pytest.raises(KeyError):
        masks.through([nn.Softmax(1)], torch.zeros(1, 1, 2, 2), masks.Own(torch.tensor([2]), torch.tensor([2])))


def test_only_a_global_head_takes_any_size():
    kinds = ("mlp", "lenet5", "mlp-autoencoder", "conv-autoencoder", "combo-autoencoder")
    given = {"experiment": "any", "model": {"kind": "cnn", "head": "global-mean", "blocks": [block(4)]}}
    one_size = [{"kind": kind} for kind in kinds]
    one_size += [
        {"kind": "cnn", "blocks": [block(4)]},
        *({"kind": kind, "encoder": given} for kind in ("encoder-classifier", "siamese")),
    ]
    for values in one_size:
        model = build(SPEC.validate_python(values), InputSpec((3, 14, 12), 5, MEAN, STD), 3)
        assert not model.any_size
    assert network([block(4)]).any_size
    assert set(NETWORKS) == {values["kind"] for values in one_size}, (
        "a new network says whether it takes any size, and gets a line here"
    )
    pixels, mask = together(pictures())
    flat = build(CnnSpec(kind="cnn", blocks=[block(4)]), InputSpec((3, *pixels.shape[2:]), 5, MEAN, STD), 3)
    with pytest.raises(TypeError, match="Flatten"):
        flat(pixels, mask)
