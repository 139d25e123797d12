"""Augmentations against slow versions of one image at a time, against libraries, and against their distributions."""

import math

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
from PIL import Image
from torch.nn import functional

from smallvision.data import transforms
from smallvision.data.batching.batch import Batch
from smallvision.data.expand import expand, kinds
from smallvision.data.load import from_arrays
from smallvision.errors import BadInput
from smallvision.experiment.data import Crop, Cutout, DataSpec, Expand, Flip, Noise, ResizedCrop, Rotate

EVERY = [
    Flip(kind="flip"),
    Crop(kind="crop", padding=3),
    Crop(kind="crop", padding=3, fill="reflect"),
    ResizedCrop(kind="resized-crop"),
    Rotate(kind="rotate", degrees=30.0),
    Noise(kind="noise", amount=0.3),
    Noise(kind="noise", distribution="gaussian", amount=0.3),
    Cutout(kind="cutout", size=5),
]
NAMES = [f"{one.kind}-{number}" for number, one in enumerate(EVERY)]


def batch(count=16, shape=(3, 12, 10), seed=0):
    pixels = torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))
    return Batch(pixels, torch.arange(count))


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("spec", EVERY, ids=NAMES)
def test_same_generator_same_bits_in_range_and_the_input_untouched(spec):
    given = batch()
    before = given.pixels.clone()
    vary = transforms.build([spec])
    torch.manual_seed(1)
    one = vary(given, seeded(5))
    torch.manual_seed(2)
    two, other = vary(given, seeded(5)), vary(given, seeded(6))
    assert torch.equal(one.pixels, two.pixels)
    assert not torch.equal(one.pixels, other.pixels)
    assert torch.equal(given.pixels, before)
    assert one.pixels.dtype == torch.float32
    assert one.pixels.shape == before.shape
    assert one.pixels.min() >= 0
    assert one.pixels.max() <= 1
    assert one.labels is given.labels
    assert one.targets is None


@pytest.mark.parametrize("spec", EVERY, ids=NAMES)
def test_each_image_has_its_own_draw(spec):
    given = batch(64)
    given.pixels[:] = given.pixels[0].clone()
    varied = transforms.build([spec])(given, seeded(0)).pixels
    assert len({image.numpy().tobytes() for image in varied}) > (1 if spec.kind == "flip" else 20)


@pytest.mark.slow
@pytest.mark.parametrize("spec", EVERY, ids=NAMES)
def test_nothing_is_read_back_to_the_host(spec):
    """On the "meta" device there are no values, so any read of one would fail; neither may draws depend on values."""
    given = Batch(torch.rand(4, 3, 12, 10, device="meta"), torch.arange(4))
    transform = transforms.TRANSFORMS[spec.kind](spec, None)
    try:
        generator = torch.Generator("meta")
    except RuntimeError:
        generator = None
    assert transform(given, generator).pixels.shape == given.pixels.shape


def test_several_are_done_in_order_and_none_changes_nothing():
    given = batch()
    assert transforms.build([])(given, seeded(0)).pixels is given.pixels
    generator, again = seeded(3), seeded(3)
    both = transforms.build([EVERY[0], EVERY[1]])(given, generator).pixels
    flipped = transforms.build([EVERY[0]])(given, again)
    assert torch.equal(both, transforms.build([EVERY[1]])(flipped, again).pixels)


def test_flip_against_numpy_and_its_rate():
    given = batch(4).pixels
    which = torch.tensor([True, False, False, True])
    expected = [image[:, :, ::-1] if flip else image for image, flip in zip(given.numpy(), which, strict=True)]
    assert np.array_equal(transforms.flipped(given, which), np.stack(expected))
    for probability in (0.0, 0.3, 1.0):
        many = batch(2000, (1, 1, 2))
        varied = transforms.build([Flip(kind="flip", probability=probability)])(many, seeded(0)).pixels
        rate = (varied != many.pixels).any(3).float().mean().item()
        assert abs(rate - probability) < 4 * math.sqrt(0.3 * 0.7 / 2000) * (0 < probability < 1) + 1e-9


@pytest.mark.parametrize(("fill", "mode"), [("zero", "constant"), ("reflect", "reflect")])
def test_crop_against_numpy_at_every_corner(fill, mode):
    corners = torch.tensor([(row, column) for row in range(7) for column in range(7)])
    given = batch(49).pixels
    expected = []
    for image, (row, column) in zip(given.numpy(), corners.tolist(), strict=True):
        padded = np.pad(image, ((0, 0), (3, 3), (3, 3)), mode=mode)
        expected.append(padded[:, row : row + 12, column : column + 10])
    assert np.array_equal(transforms.cropped(given, corners, 3, fill), np.stack(expected))


def test_crop_draws_every_corner_equally():
    ramp = torch.arange(1.0, 17).div(16).view(1, 1, 4, 4).expand(3000, 1, 4, 4).contiguous()
    many = Batch(ramp, torch.zeros(3000))
    varied = transforms.build([Crop(kind="crop", padding=1)])(many, seeded(0)).pixels
    counts = torch.stack([(varied == image).all(3).all(2).all(1).sum() for image in varied.unique(dim=0)])
    assert len(counts) == 9
    assert ((counts - 3000 / 9) ** 2 / (3000 / 9)).sum() < 26.1  # chi-square, 8 degrees of freedom, p = 0.001


def test_reflection_larger_than_the_image_is_refused():
    with pytest.raises(BadInput, match="reflects 10 pixels, but images of 12x10 can reflect at most 9"):
        transforms.build([Crop(kind="crop", padding=10, fill="reflect")])(batch(), seeded(0))


@pytest.mark.parametrize("shape", [(3, 12, 10), (1, 7, 7), (3, 32, 32)])
def test_resized_crop_against_interpolate_and_pillow(shape):
    given = batch(40, shape).pixels
    _, height, width = shape
    draws = torch.rand(40, 22, generator=seeded(1))
    found = transforms.boxes(draws, height, width, ResizedCrop(kind="resized-crop"))
    out = transforms.resized(given, *found)
    for image, result, *box in zip(given, out, *(part.long().tolist() for part in found), strict=True):
        top, left, tall, wide = box
        cut = image[:, top : top + tall, left : left + wide]
        assert cut.shape == (shape[0], tall, wide)
        expected = functional.interpolate(cut[None], (height, width), mode="bilinear", align_corners=False)[0]
        assert torch.allclose(result, expected, atol=2e-6)
        antialiased = functional.interpolate(cut[None], (height, width), mode="bilinear", antialias=True)[0]
        assert torch.allclose(result, antialiased, atol=2e-6)
        pillow = Image.fromarray(cut[0].numpy()).resize((width, height), Image.Resampling.BILINEAR)
        assert np.allclose(result[0], np.asarray(pillow), atol=2e-6)


def box_of_one(height, width, scale, ratio, random):
    """How torchvision draws a box for one image, as its documentation describes it."""
    for _ in range(10):
        area = height * width * random.uniform(*scale)
        aspect = math.exp(random.uniform(math.log(ratio[0]), math.log(ratio[1])))
        wide, tall = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < tall <= height:
            return random.integers(0, height - tall + 1), random.integers(0, width - wide + 1), tall, wide
    if width / height < ratio[0]:
        wide, tall = width, round(width / ratio[0])
    elif width / height > ratio[1]:
        tall, wide = height, round(height * ratio[1])
    else:
        tall, wide = height, width
    return (height - tall) // 2, (width - wide) // 2, tall, wide


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 48), (9, 40)])
def test_boxes_have_the_distribution_of_boxes_drawn_one_by_one(height, width):
    spec = ResizedCrop(kind="resized-crop", scale=(0.2, 1.0))
    ours = torch.stack(transforms.boxes(torch.rand(4000, 22, generator=seeded(2)), height, width, spec), 1).numpy()
    random = np.random.default_rng(3)
    slow = np.array([box_of_one(height, width, spec.scale, spec.ratio, random) for _ in range(4000)])
    assert (ours == ours.round()).all()
    assert (ours[:, :2] >= 0).all()
    assert (ours[:, 0] + ours[:, 2] <= height).all()
    assert (ours[:, 1] + ours[:, 3] <= width).all()
    for column in range(4):
        gap = scipy.stats.ks_2samp(ours[:, column], slow[:, column], method="asymp").statistic
        assert gap < 1.95 * math.sqrt(2 / 4000)  # p = 0.001


def test_a_box_that_never_fits_is_the_largest_centred_one():
    spec = ResizedCrop(kind="resized-crop", scale=(1.0, 1.0))
    found = torch.stack(transforms.boxes(torch.rand(5, 22), 10, 40, spec), 1)
    assert found.tolist() == [[0, 13, 10, 13]] * 5
    found = torch.stack(transforms.boxes(torch.rand(5, 22), 40, 10, spec), 1)
    assert found.tolist() == [[13, 0, 13, 10]] * 5


@pytest.mark.parametrize("degrees", [0.0, 90.0, 13.0, -30.0, 180.0])
def test_rotation_against_scipy(degrees):
    given = batch(3, (2, 12, 12)).pixels
    out = transforms.rotated(given, torch.full((3,), degrees))
    expected = scipy.ndimage.rotate(
        given.double().numpy(), degrees, axes=(3, 2), reshape=False, order=1, mode="grid-constant", cval=0
    )
    assert np.allclose(out, expected, atol=1e-5)


def test_rotation_of_oblong_images_and_its_range():
    given = batch(1, (1, 8, 14)).pixels
    out = transforms.rotated(given, torch.tensor([25.0]))
    expected = scipy.ndimage.rotate(given[0, 0].double(), 25, axes=(1, 0), reshape=False, order=1, mode="grid-constant")
    assert np.allclose(out[0, 0], expected, atol=1e-5)
    angles = []
    draw = transforms.rotated
    try:
        transforms.rotated = lambda pixels, degrees, own=None: angles.append(degrees) or pixels
        transforms.build([Rotate(kind="rotate", degrees=20.0)])(batch(4000, (1, 1, 1)), seeded(0))
    finally:
        transforms.rotated = draw
    assert scipy.stats.kstest(angles[0].numpy(), "uniform", (-20, 40)).pvalue > 0.001


def test_noise_has_its_distribution():
    gray = Batch(torch.full((100, 1, 10, 10), 0.5), torch.zeros(100))
    uniform = transforms.build([Noise(kind="noise", amount=0.2)])(gray, seeded(0)).pixels.flatten() - 0.5
    assert scipy.stats.kstest(uniform.numpy(), "uniform", (-0.2, 0.4)).pvalue > 0.001
    gauss = transforms.build([Noise(kind="noise", distribution="gaussian", amount=0.1)])(gray, seeded(0)).pixels - 0.5
    assert scipy.stats.kstest(gauss.flatten().numpy(), "norm", (0, 0.1)).pvalue > 0.001
    white = Batch(torch.ones(50, 1, 10, 10), torch.zeros(50))
    clamped = transforms.build([Noise(kind="noise", amount=0.2)])(white, seeded(0)).pixels
    assert 0.4 < (clamped == 1).float().mean() < 0.6


@pytest.mark.parametrize("size", [1, 4, 5, 30])
def test_cutout_against_a_loop(size):
    given = batch(30).pixels + 0.01
    row, column = torch.arange(30.0) % 12, torch.arange(30.0) % 10
    which = torch.arange(30) % 3 > 0
    expected = given.clone()
    for image, y, x, chosen in zip(expected, row.long().tolist(), column.long().tolist(), which, strict=True):
        if chosen:
            image[:, max(0, y - size // 2) : y - size // 2 + size, max(0, x - size // 2) : x - size // 2 + size] = 0
    assert torch.equal(transforms.blanked(given, row, column, size, which), expected)


def test_cutout_draws_every_centre_with_its_probability():
    white = Batch(torch.ones(4000, 1, 3, 3), torch.zeros(4000))
    varied = transforms.build([Cutout(kind="cutout", size=1, probability=0.9)])(white, seeded(0)).pixels
    counts = (varied == 0).sum(0).flatten()
    assert ((counts - 400) ** 2 / 400).sum() < 27.9  # chi-square, 9 cells, p = 0.001
    assert abs(int(counts.sum()) - 3600) < 4 * math.sqrt(4000 * 0.09)


# expand


def clean_set():
    x = np.random.default_rng(0).integers(0, 256, (30, 6, 5), dtype=np.uint8)
    return from_arrays(DataSpec(source="arrays"), {"x_train": x, "y_train": np.arange(30) % 3}).train


def test_expansion_is_kind_after_kind():
    images = clean_set()
    spec = Expand(flip=True, noise=0.1)
    assert kinds(spec) == ("original", "flipped", "noisy", "flipped and noisy")
    larger = expand(images, spec, 0)
    assert len(larger) == 120
    assert torch.equal(larger.labels, images.labels.repeat(4))
    original, flipped, noisy, both = larger.pixels.unflatten(0, (4, -1))
    assert torch.equal(original, images.pixels)
    assert np.array_equal(flipped, images.pixels.numpy()[..., ::-1])
    for clean, dirty in ((original, noisy), (flipped, both)):
        change = dirty.int() - clean.int()
        assert change.abs().max() <= 26  # 0.1 * 255 = 25.5, rounded
        inside = change[(clean > 30) & (clean < 225)]
        assert abs(inside.double().mean()) < 2
        assert inside.double().std() == pytest.approx(25.5 / math.sqrt(3), rel=0.1)
    assert larger.pixels.dtype == torch.uint8
    assert len(larger.ids.unique(dim=0)) == 120


def test_expansion_depends_on_its_seed_and_options():
    images = clean_set()
    spec = Expand(flip=True, noise=0.1)
    assert torch.equal(expand(images, spec, 1).pixels, expand(images, spec, 1).pixels)
    assert not torch.equal(expand(images, spec, 1).pixels, expand(images, spec, 2).pixels)
    assert kinds(Expand(flip=False)) == ("original", "noisy")
    assert kinds(Expand(noise=0.0)) == ("original", "flipped")
    assert len(expand(images, Expand(noise=0.0), 0)) == 60
