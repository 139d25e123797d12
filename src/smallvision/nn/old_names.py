"""Former module paths, which people's own files may import: they work for one version, with a DeprecationWarning."""

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "smallvision.nn.autoencoder": "smallvision.nn.autoencoders.base",
    "smallvision.nn.mirrored": "smallvision.nn.autoencoders.decoder",
    "smallvision.nn.mlp_autoencoder": "smallvision.nn.autoencoders.mlp",
    "smallvision.nn.conv_autoencoder": "smallvision.nn.autoencoders.conv",
    "smallvision.nn.combo_autoencoder": "smallvision.nn.autoencoders.combo",
    "smallvision.nn.variational": "smallvision.nn.autoencoders.variational",
    "smallvision.nn.classifier": "smallvision.nn.base",
    "smallvision.nn.encoders": "smallvision.nn.pretrained",
    "smallvision.nn.custom": "smallvision.nn.user_model",
    "smallvision.nn.fields": "smallvision.nn.receptive_fields",
}


class _Finder(MetaPathFinder, Loader):
    """Answers the import of a former path with the module that is now at another one: the same object, not a copy."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        new = MOVED[old]
        warnings.warn(
            f"{old} is now {new}; the old path works only in this version, so change the import",
            DeprecationWarning,
            stacklevel=2,
        )
        sys.modules[old] = importlib.import_module(new)  # the import system takes the module from here


def install() -> None:
    """Let the former paths be imported. Doing it twice is the same as doing it once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
