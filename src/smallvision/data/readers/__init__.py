"""Readers of file formats: each takes a path and returns uint8 pixels, or raises BadInput that names a cure."""

from smallvision.data.readers.cifar import read_cifar_binary, read_cifar_pickle
from smallvision.data.readers.idx import read_idx
from smallvision.data.readers.image_file import read_image

__all__ = ["read_cifar_binary", "read_cifar_pickle", "read_idx", "read_image"]
