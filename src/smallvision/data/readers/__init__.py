"""The readers of files under one name: each takes a path and returns uint8 pixels, or raises BadInput with the cure."""

from smallvision.data.readers.cifar import read_cifar_binary, read_cifar_pickle
from smallvision.data.readers.idx import read_idx
from smallvision.data.readers.image_file import read_image

__all__ = ["read_cifar_binary", "read_cifar_pickle", "read_idx", "read_image"]
