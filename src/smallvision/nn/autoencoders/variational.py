"""The two formulas of a variational autoencoder (Kingma & Welling 2013): the draw that can be differentiated, and the
divergence."""

import torch
from torch import Generator, Tensor


def sample(mean: Tensor, log_variance: Tensor, generator: Generator) -> Tensor:
    """Representations (B, D) drawn from normal distributions: mean + deviation * noise (their section 2.4).

    Parameters
    ----------
    mean, log_variance : (B, D).
    generator : on their device; the noise is drawn from it.
    """
    return moved(mean, log_variance, torch.randn(mean.shape, generator=generator, device=mean.device))


def moved(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Representations (B, D) for noise (B, D) that was drawn from the standard normal distribution."""
    return mean + (0.5 * log_variance).exp() * noise


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of each image's distribution from the standard normal one, in nats: (B,) (their
    appendix B)."""
    return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum(1)
