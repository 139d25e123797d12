"""Orders depend on (seed, epoch) alone; batches are the images of their rows, in [0, 1]."""

import numpy as np
import pytest
import torch

from smallvision.data.batching.batch import Batch
from smallvision.data.batching.batch import epoch as epoch_batches
from smallvision.data.batching.samplers import ORDERS, sequential, shuffled
from smallvision.data.load import from_arrays
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec

LABELS = torch.arange(103) % 10


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize(
    ("size", "drop", "sizes"), [(50, False, [50, 50, 3]), (50, True, [50, 50]), (103, True, [103])]
)
def test_every_image_comes_once(kind, size, drop, sizes):
    rows = ORDERS[kind](LABELS, size, drop, 0, 0)
    assert [len(row) for row in rows] == sizes
    every = torch.cat(rows)
    assert every.dtype == torch.int64
    assert len(every.unique()) == sum(sizes)
    if not drop:
        assert torch.equal(every.sort().values, torch.arange(103))


def test_shuffled_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        return torch.cat(shuffled(LABELS, 10, False, seed, epoch))

    torch.manual_seed(1)
    first = order(3, 4)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, order(3, 4))
    assert torch.equal(first, torch.cat(shuffled(LABELS * 0, 7, False, 3, 4)))
    assert len({tuple(order(seed, epoch).tolist()) for seed in range(5) for epoch in range(5)}) == 25
    torch.manual_seed(1)
    order(3, 4)
    assert torch.equal(state, torch.get_rng_state())


def test_shuffled_is_uniform():
    """Where image 0 lands over 2000 epochs: each of 8 places about 250 times (chi-square, 7 degrees of freedom)."""
    places = [int((torch.cat(shuffled(torch.zeros(8), 8, False, 0, epoch)) == 0).nonzero()) for epoch in range(2000)]
    counts = np.bincount(places, minlength=8)
    assert ((counts - 250) ** 2 / 250).sum() < 24.3  # p = 0.001


def test_sequential_is_in_order():
    assert torch.equal(torch.cat(sequential(LABELS, 10, False, 5, 6)), torch.arange(103))


@pytest.mark.parametrize("kind", ORDERS)
def test_a_batch_larger_than_the_data_is_refused(kind):
    with pytest.raises(
        BadInput, match=(r"recipe\.batch_size 104 is larger than the number of training images, 103; set at most 103")
    ):
        ORDERS[kind](LABELS, 104, False, 0, 0)


def test_batches_hold_the_images_of_their_rows():
    x = np.random.default_rng(0).integers(0, 256, (20, 3, 5, 4), dtype=np.uint8)
    x[0, 0, 0] = [0, 1, 254, 255]
    train = from_arrays(DataSpec(source="arrays"), {"x_train": x, "y_train": np.arange(20) % 4}).train
    rows = [torch.tensor([3, 0, 19]), torch.tensor([7])]
    made = list(epoch_batches(train, rows))
    assert len(made) == 2
    for batch, row in zip(made, rows, strict=True):
        assert isinstance(batch, Batch)
        assert batch.pixels.dtype == torch.float32
        assert batch.pixels.shape == (len(row), 3, 5, 4)
        assert np.abs(batch.pixels.numpy() - x[row] / 255).max() < 6e-8  # one unit in the last place
        assert torch.equal(batch.labels, row % 4)
        assert batch.targets is None
        assert batch.mask is None
    assert made[0].pixels[1, 0, 0].tolist()[::3] == [0, 1]
