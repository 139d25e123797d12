"""A person's own `nn.Module`: `kind = "file.py:Net"` in an experiment, or a module passed in from Python.

Its source is executed only with the person's consent, and its digest is recorded with the run.
"""

import hashlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from smallvision.errors import BadInput, nearest
from smallvision.experiment.model.classifiers import CustomSpec
from smallvision.nn import neighbours
from smallvision.nn.base import Classifier
from smallvision.nn.input_spec import InputSpec
from smallvision.nn.layers import Standardize


class Adopted(Classifier):
    """Any module that makes logits of pixels, with standardisation put before it; made by `adopt`.

    Attributes
    ----------
    net : the module itself.
    last : name of the dense layer inside it that is called last, whose input are the features; None without one.
    notes : what its owner should know about it.
    """

    def __init__(self, net: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.standardize = Standardize(mean, std)
        self.net = net
        self.last: str | None = None
        self.notes: tuple[str, ...] = ()

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.net(self.standardize(pixels))  # (B, K)
        return logits

    def encode(self, pixels: Tensor) -> Tensor:
        """Features (B, D): what the last dense layer is given, flattened; the logits where there is no dense layer."""
        if self.last is None:
            return self.forward(pixels).flatten(1)
        seen: list[Tensor] = []
        handle = self.net.get_submodule(self.last).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        try:
            self(pixels)
        finally:
            handle.remove()
        return seen[-1].flatten(1)  # (B, D)

    def encoder_part(self) -> Self:
        if self.last is None:
            raise BadInput(
                f"model.encoder: {type(self.net).__name__} has no dense layer, so it is not known which of its "
                "layers are the encoder; use a network with a dense output layer"
            )
        parent, _, name = self.last.rpartition(".")
        setattr(self.net.get_submodule(parent), name, nn.Identity())
        return self


def adopt(module: nn.Module, inputs: InputSpec, name: str | None = None) -> Adopted:
    """Make a `Classifier` of a person's module, after one forward pass on two random images.

    Parameters
    ----------
    module : takes standardised pixels (B, C, H, W), returns logits (B, K). Its weights are used as they are.
    inputs : shape and number of classes of the images, mean and standard deviation of the pixels.
    name : how messages call it; its class name unless given.

    Raises
    ------
    BadInput : when the forward pass fails, or gives anything but floating-point logits (2, K).
    """
    name = name or type(module).__name__
    classes = inputs.classes
    model = Adopted(module, inputs.mean, inputs.std)
    if next(module.parameters(), None) is None:
        raise BadInput(f"model {name}: the network has no parameters, so there is nothing to train")
    place = next((t.device for t in (*module.parameters(), *module.buffers())), torch.device("cpu"))
    model.standardize.to(place)
    pixels = torch.rand(2, *inputs.shape, generator=torch.Generator().manual_seed(0)).to(place)
    called: list[str] = []
    handles = [
        part.register_forward_pre_hook(lambda _, __, path=path: called.append(path))
        for path, part in module.named_modules()
        if isinstance(part, nn.Linear)
    ]
    modes = [(part, part.training) for part in module.modules()]
    model.eval()  # normalisations keep their statistics, dropout draws nothing
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            output = model(pixels)
    except Exception as error:  # anything can happen in code that is not ours
        first = str(error).strip().splitlines()
        raise BadInput(
            f"model {name}: its forward fails on images of shape {tuple(pixels.shape)}: "
            f"{type(error).__name__}: {first[0] if first else ''}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
        model.train()
        for part, mode in modes:
            part.training = mode
    if not isinstance(output, Tensor):
        raise BadInput(
            f"model {name}: its forward returns {type(output).__name__}; expected logits of shape (B, {classes})"
        )
    if tuple(output.shape) != (2, classes) or not output.is_floating_point():
        raise BadInput(
            f"model {name}: its forward returns {tuple(output.shape)} ({str(output.dtype).removeprefix('torch.')}) "
            f"for 2 images; expected logits (2, {classes}), one for each class"
        )
    model.last = called[-1] if called else None
    model.notes = tuple(f"model {name}: {note}" for note in _softmaxed(output.float()))
    return model


def _softmaxed(output: Tensor) -> list[str]:
    """Notes for a network that ends in a softmax, which the loss applies again: output (2, K)."""
    one = torch.ones(len(output), device=output.device)
    if (output >= 0).all() and torch.allclose(output.sum(1), one, atol=1e-4):
        return [
            "the outputs of the network sum to one: it seems to end in a softmax, and the loss applies another "
            "softmax, which slows learning and flattens the probabilities; return logits instead"
        ]
    if (output <= 0).all() and torch.allclose(output.exp().sum(1), one, atol=1e-4):
        return [
            "the outputs of the network are logarithms of probabilities: it seems to end in a log-softmax, and the "
            "loss applies another, which changes nothing but takes time; return logits instead"
        ]
    return []


def source_digest(path: str | Path) -> str:
    """The sha256 of a source file and of the files that it imports beside it, in hexadecimal; nothing is executed.

    Of a file that imports none of its neighbours it is the sha256 of its bytes.

    Raises
    ------
    BadInput : when the file cannot be read.
    """
    return neighbours.digest(_sources(path))


def _sources(path: str | Path) -> dict[str, bytes]:
    try:
        return neighbours.sources(Path(path))
    except OSError as error:
        raise BadInput(
            f"model.kind: cannot read {path}: {error.strerror}; a relative path starts from the current folder"
        ) from error


def load_class(spec: CustomSpec) -> type[nn.Module]:
    """The class that `kind = "file.py:Net"` names. This executes the file and what it imports: ask for trust before.

    Modules and packages beside the file are its own: another folder's of the same name are never taken for them.

    Raises
    ------
    BadInput : when the file is missing, is not the one whose digest the experiment has, fails while it is executed, or
        has no such class.
    """
    file, _, name = spec.kind.rpartition(":")
    files = _sources(file)
    digest, alone = neighbours.digest(files), hashlib.sha256(next(iter(files.values()))).hexdigest()
    if spec.digest not in (None, digest, alone):  # of older runs the file's alone was recorded
        others = f", or one of the files that it imports ({', '.join(list(files)[1:])})," if len(files) > 1 else ""
        raise BadInput(
            f"model.digest: {file}{others} has changed since the experiment was written (sha256 {digest[:12]}…, "
            f"expected {str(spec.digest)[:12]}…); restore the old file, or leave model.digest out"
        )
    path = Path(file).resolve()
    place = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    space = neighbours.Space(path, files, f"smallvision_custom_{digest[:16]}_{place}")
    try:
        module = space.main()
    except Exception as error:
        raise BadInput(f"model.kind: {file} fails while it is imported: {space.told(error)}") from error
    known = [n for n, value in vars(module).items() if inspect.isclass(value) and issubclass(value, nn.Module)]
    if name not in known:
        raise BadInput(
            f'model.kind: {file} has no nn.Module called "{name}"; '
            f"{nearest(name, known) if known else 'it defines no nn.Module'}"
        )
    found: type[nn.Module] = vars(module)[name]
    return found


def load(spec: CustomSpec, inputs: InputSpec, trust_code: bool) -> Adopted:
    """Import, construct with `spec.options`, and adopt; the arguments are those of `nn.build`.

    Raises
    ------
    BadInput : without trust, or for any reason of `load_class` and `adopt`.
    """
    if spec.kind == "custom":
        raise BadInput(
            'model.kind: "custom" is only for a module passed in from Python; to use a file, write "FILE.py:CLASS"'
        )
    if not trust_code:
        raise BadInput(
            f"model.kind: {spec.kind} would execute that file on this machine; read it, then add "
            "--trust-code (in Python: trust_code=True)"
        )
    chosen = load_class(spec)
    try:
        net = chosen(**spec.options)
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise BadInput(
            f"model.options: {spec.kind} cannot be made with {spec.options}: {type(error).__name__}: {first}"
        ) from error
    return adopt(net, inputs, spec.kind)
