"""Outputs of a trained siamese network: the representation of every image; the distance and the head's score of every
pair."""

import numpy as np
import torch
from torch import Tensor

from smallvision.data.batching.batch import epoch, in_order
from smallvision.data.imageset import ImageSet
from smallvision.metrics.pair_distances import pair_distances
from smallvision.nn.siamese import Siamese

PAIRS_AT_ONCE = 2**14  # through a dense head


@torch.inference_mode()
def encoded(network: Siamese, images: ImageSet) -> Tensor:
    """The representation of every image, in order, in evaluation mode: float32 (N, D) on the images' device."""
    was_training = network.training
    network.eval()
    made = torch.cat([network.encode(batch.pixels).float() for batch in epoch(images, in_order(images))])
    network.train(was_training)
    return made


@torch.inference_mode()
def judged(network: Siamese, made: Tensor, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The head's score and the distance of pairs.

    Parameters
    ----------
    made : (N, D) representations.
    which : int64 (M, 2), rows of `made`.

    Returns
    -------
    tuple of np.ndarray : scores, as `Siamese.score`, and distances, float64 (M,) each.
    """
    distances = pair_distances(made.cpu().numpy(), which, network.metric)
    if network.pair_head is None:
        return -distances, distances
    rows = torch.from_numpy(np.ascontiguousarray(which)).to(made.device)
    was_training = network.training
    network.eval()
    parts = [network.logits(made[part[:, 0]], made[part[:, 1]]) for part in rows.split(PAIRS_AT_ONCE)]  # type: ignore[no-untyped-call]
    network.train(was_training)
    return torch.cat(parts).cpu().double().numpy(), distances
