"""The names of the catalog's studies, so that type checkers tell a study from a run.

A test compares them with the catalog.
"""

from typing import Literal

StudyName = Literal[
    "cifar10-activations",
    "cifar10-ae-vs-pca-tsne-vae",
    "cifar10-autoencoders",
    "cifar10-depth",
    "cifar10-knn",
    "cifar10-representation-size",
    "cifar10-siamese",
    "digits-smoke",
    "fashion-encoder-classifier",
    "mnist-augmentation",
    "mnist-mlp-vs-cnn",
    "mnist-resolution",
]
