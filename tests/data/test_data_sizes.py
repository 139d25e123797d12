"""Images of several sizes: which share a batch, what a padded batch holds, augmentation within each image."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from smallvision.data import transforms
from smallvision.data.batching import buckets, samplers
from smallvision.data.batching.batch import Batch
from smallvision.data.batching.batch import epoch as epoch_batches
from smallvision.data.imageset import ImageSet
from smallvision.errors import BadInput
from smallvision.experiment.data import Crop, Cutout, Flip, Noise, ResizedCrop, Rotate


def made(sizes_and_counts, channels=1, seed=0):
    """An ImageSet of noise, labels 0 and 1 in turn."""
    random = np.random.default_rng(seed)
    groups = tuple(
        torch.from_numpy(random.integers(1, 256, (n, channels, *size), dtype=np.uint8)) for size, n in sizes_and_counts
    )
    count = sum(n for _, n in sizes_and_counts)
    return ImageSet(
        groups,
        torch.arange(count) % 2,
        torch.stack([torch.arange(count), torch.zeros(count, dtype=torch.int64)], 1),
        ("a", "b"),
        "made train",
    )


THREE = (((8, 8), 33), ((12, 12), 20), ((16, 16), 7))


@pytest.mark.parametrize("kind", samplers.ORDERS)
@pytest.mark.parametrize("batch_size", [1, 4, 7])
def test_every_image_comes_once_and_no_batch_has_two_sizes(kind, batch_size):
    images = made(THREE)
    parts = buckets.assign(images, batch_size)
    rows = samplers.ORDERS[kind](images.labels, batch_size, False, 3, 4, parts)
    assert torch.equal(torch.cat(rows).sort().values, torch.arange(60))
    assert all(len(parts[row].unique()) == 1 for row in rows)
    assert len(rows) == sum(-(-n // batch_size) for _, n in THREE) == samplers.steps(60, batch_size, False, parts)
    assert sum(len(row) < batch_size for row in rows) == sum(n % batch_size > 0 for _, n in THREE)


def test_sizes_are_mixed_by_seed_and_epoch_alone():
    images = made(THREE)
    parts = buckets.assign(images, 4)

    def order(seed, epoch):
        return torch.cat(samplers.shuffled(images.labels, 4, False, seed, epoch, parts)).tolist()

    torch.manual_seed(1)
    first = order(3, 4)
    torch.manual_seed(2)
    assert order(3, 4) == first
    assert len({tuple(order(seed, epoch)) for seed in range(4) for epoch in range(4)}) == 16
    # The bucket of the first batch, over 2000 epochs: in proportion to its batches (chi-square, 2 degrees of freedom).
    found = np.bincount(
        [int(parts[samplers.shuffled(images.labels, 4, False, 0, k, parts)[0][0]]) for k in range(2000)]
    )
    expected = np.array([9, 5, 2]) / 16 * 2000
    assert ((found - expected) ** 2 / expected).sum() < 13.8  # p = 0.001


def test_leaving_short_batches_out():
    images = made(THREE)
    rows = samplers.shuffled(images.labels, 7, True, 0, 0, buckets.assign(images, 7))
    assert [len(row) for row in rows] == [7] * 7 == [7] * samplers.steps(60, 7, True, buckets.assign(images, 7))
    with pytest.raises(BadInput, match=r"recipe\.drop_last: this would leave out all images of a size that has only 7"):
        samplers.shuffled(images.labels, 8, True, 0, 0, buckets.assign(images, 8))
    with pytest.raises(BadInput, match="set at most 60"):
        samplers.shuffled(images.labels, 61, False, 0, 0, buckets.assign(images, 61))


def test_few_sizes_and_well_filled_ones_stay_apart():
    assert buckets.assign(made([((8, 8), 5)]), 4) is None
    assert buckets.buckets([(n, n) for n in range(1, 9)], [1] * 8, 100).tolist() == list(range(8))
    assert buckets.buckets([(n, n) for n in range(1, 21)], [16] * 20, 16).tolist() == list(range(20))
    assert len(set(buckets.buckets([(n, n) for n in range(1, 21)], [16] * 19 + [15], 16).tolist())) < 20


def padded_pixels(sizes, counts, which):
    """For each bucket: pixels when padded, pixels of the images, images."""
    out = []
    for b in sorted(set(which.tolist())):
        mine = [i for i in range(len(sizes)) if which[i] == b]
        count = sum(counts[i] for i in mine)
        own = sum(counts[i] * sizes[i][0] * sizes[i][1] for i in mine)
        out.append((max(sizes[i][0] for i in mine) * max(sizes[i][1] for i in mine) * count, own, count))
    return out


@pytest.mark.parametrize("seed", range(6))
def test_what_buckets_promise(seed):
    """Photographs of random sizes, a few of them huge: numbers, padding and images of the buckets."""
    random = np.random.default_rng(seed)
    sizes = sorted({tuple(size) for size in random.integers(60, 400, (700, 2)).tolist()} | {(4000, 3000), (20, 900)})
    counts, batch = random.integers(1, 4, len(sizes)).tolist(), 16
    which = buckets.buckets(sizes, counts, batch)
    assert np.array_equal(which, buckets.buckets(sizes, counts, batch))
    found = padded_pixels(sizes, counts, which)
    padded, own = sum(row[0] for row in found), sum(row[1] for row in found)
    assert all(row[0] <= 2 * row[1] for row in found), "no bucket is more padding than image"
    assert 4 < len(found) <= buckets.MOST
    assert (padded - own) / padded <= buckets.PADDING or len(found) == buckets.MOST
    assert sum(row[2] < batch for row in found) <= 4, "what is far from all others may be alone, the rest has a batch"
    assert which[0] == 0
    assert sorted(set(which.tolist())) == list(range(len(found)))


def test_the_first_cut_is_the_best_one():
    """Against all cuts of all sizes by height or by width, tried one by one."""
    random = np.random.default_rng(1)
    for _ in range(20):
        sizes = sorted({tuple(size) for size in random.integers(4, 30, (12, 2)).tolist()})
        counts = random.integers(1, 5, len(sizes)).tolist()
        part = buckets._Part(np.array(sizes), np.array(counts), np.arange(len(sizes)))
        first, second = part.cut(1)
        best = min(
            sum(row[0] for row in padded_pixels(sizes, counts, np.array([size[axis] >= at for size in sizes])))
            for axis, at in itertools.product((0, 1), range(4, 30))
            if 0 < sum(size[axis] >= at for size in sizes) < len(sizes)
        )
        assert first.padded + second.padded == best


def test_batches_hold_the_images_of_their_rows_and_a_mask_where_they_differ():
    images = made((((5, 4), 3), ((4, 7), 4), ((2, 2), 1)), channels=3)
    each = [image for group in images.groups for image in group]
    rows = [torch.tensor([1, 0]), torch.tensor([6, 3, 7, 1, 2]), torch.tensor([7])]
    one_size, several, alone = epoch_batches(images, rows)
    assert (one_size.mask, alone.mask) == (None, None)
    assert one_size.pixels.shape == (2, 3, 5, 4)
    assert several.pixels.shape == (5, 3, 5, 7)
    assert several.mask.shape == (5, 1, 5, 7)
    for row, batch in zip(rows, (one_size, several, alone), strict=True):
        assert torch.equal(batch.labels, images.labels[row])
        for place, index in enumerate(row.tolist()):
            _, height, width = each[index].shape
            assert torch.equal(batch.pixels[place, :, :height, :width], each[index].float() / 255)
            rest = batch.pixels[place].clone()
            rest[:, :height, :width] = 0
            assert not rest.any()
            if batch.mask is not None:
                assert batch.mask[place].sum() == height * width == batch.mask[place, :, :height, :width].sum()


def alone(image, spec, seed):
    """One image by itself, varied."""
    batch = Batch(image[None], torch.zeros(1, dtype=torch.int64))
    return transforms.build([spec])(batch, torch.Generator().manual_seed(seed)).pixels[0]


KINDS = [
    Flip(kind="flip"),
    Crop(kind="crop", padding=3),
    Crop(kind="crop", padding=3, fill="reflect"),
    ResizedCrop(kind="resized-crop"),
    ResizedCrop(kind="resized-crop", scale=(0.9, 1.0), ratio=(3.0, 4.0)),
    Rotate(kind="rotate", degrees=40),
    Cutout(kind="cutout", size=5),
]


@pytest.mark.parametrize("spec", KINDS, ids=str)
def test_a_padded_image_is_varied_as_it_is_alone(spec):
    """The same draws, with and without padding around the image: so a mirrored one stays in its corner."""
    random = torch.Generator().manual_seed(1)
    for seed, (height, width) in enumerate([(9, 14), (14, 9), (6, 6), (11, 5)] * 4):
        image = 0.1 + 0.9 * torch.rand(3, height, width, generator=random)
        expected = alone(image, spec, seed)
        pixels, mask = torch.zeros(1, 3, 15, 16), torch.zeros(1, 1, 15, 16, dtype=torch.bool)
        pixels[0, :, :height, :width], mask[0, :, :height, :width] = image, True
        batch = Batch(pixels, torch.zeros(1, dtype=torch.int64), mask=mask)
        varied = transforms.build([spec])(batch, torch.Generator().manual_seed(seed))
        torch.testing.assert_close(varied.pixels[0, :, :height, :width], expected, rtol=1e-4, atol=1e-5)
        assert not varied.pixels.masked_select(~mask).any()
        assert torch.equal(varied.mask, mask)


def test_reflection_at_each_images_own_border_is_torchs():
    sizes, shifts = [(9, 7), (12, 12), (5, 10)], torch.tensor([[-3, 2], [4, -4], [1, -2]])
    random = torch.Generator().manual_seed(2)
    images = [torch.rand(2, *size, generator=random) for size in sizes]
    pixels = torch.zeros(3, 2, 12, 12)
    for place, image in enumerate(images):
        pixels[place, :, : image.shape[1], : image.shape[2]] = image
    found = transforms.reflected(pixels, shifts, *torch.tensor(sizes).T)
    for place, (image, (down, across)) in enumerate(zip(images, shifts.tolist(), strict=True)):
        height, width = sizes[place]
        whole = F.pad(image[None], (4,) * 4, mode="reflect")[0]
        assert torch.equal(
            found[place, :, :height, :width], whole[:, 4 + down : 4 + down + height, 4 + across : 4 + across + width]
        )


def test_noise_stays_within_each_image():
    images = made((((5, 4), 2), ((8, 9), 3)))
    batch = next(epoch_batches(images, [torch.arange(5)]))
    varied = transforms.build([Noise(kind="noise", amount=0.2), Flip(kind="flip")])(
        batch, torch.Generator().manual_seed(0)
    )
    assert not varied.pixels.masked_select(~batch.mask).any()
    assert (varied.pixels.masked_select(batch.mask) != batch.pixels.masked_select(batch.mask)).float().mean() > 0.9


def test_what_is_tried_before_training_begins():
    one = made([((8, 8), 33)])
    assert [(rows.tolist(), count) for rows, count in buckets.rehearsals(one, 16, False)] == [([0], 1)]
    assert [(rows.tolist(), count) for rows, count in buckets.rehearsals(one, 16, True)] == [([0, 1], 16)]
    several = made((((20, 4), 16), ((6, 6), 17), ((9, 9), 33)))  # the narrowest, and one alone of the smallest
    assert [(rows.tolist(), count) for rows, count in buckets.rehearsals(several, 16, False)] == [
        ([0, 1], 16),
        ([16], 1),
    ]
    many = made([((n, n), 2) for n in range(4, 24)])
    tried = buckets.rehearsals(many, 10, False)
    parts = buckets.assign(many, 10)
    assert tried[0][0].tolist() == [0, 1]
    assert any(next(epoch_batches(many, [rows])).mask is not None for rows, _ in tried)
    assert all(len(parts[rows].unique()) == 1 for rows, _ in tried)


def test_what_a_person_is_told():
    assert buckets.note(made([((8, 8), 5)]), 4) == ()
    (few,) = buckets.note(made(THREE), 4)
    assert few == "made train: images of 3 sizes, 8x8 to 16x16; all images of a batch have one size"
    many = made([((n, 40 - n), 1) for n in range(8, 33)])
    (text,) = buckets.note(many, 5)
    found = padded_pixels(many.sizes, [1] * 25, buckets.buckets(many.sizes, [1] * 25, 5))
    share = 1 - sum(row[1] for row in found) / sum(row[0] for row in found)
    assert text.startswith(
        f"made train: images of 25 sizes, 8x32 to 20x20, in {len(found)} groups of similar size; on average at most "
        f"{100 * share:.1f} % of"
    )
