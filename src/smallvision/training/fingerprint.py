"""Fingerprints of networks and losses passed in from Python: digests of all that decides what they compute.

Functions count by their compiled code, which is what runs: defaults, closures and the globals that they read are part
of it, so comments change nothing. Classes count by their methods and attributes, modules by their weights, settings and
hooks. Objects of Python's library, torch and other installed packages count by their name and the package's version.
"""

import builtins
import copyreg
import dis
import enum
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import site
import struct
import sys
import sysconfig
import types
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

UNKNOWN = "unknown-"  # the digest of an object without a fingerprint begins with this; no two are equal

_BY_NAME = ("torch", "numpy", "smallvision")  # packages whose parts are told by name and version
_LARGE = 16_000_000  # bytes; a larger compiled library of an installed package counts by its size
_OUTSIDE = ("eval", "exec", "globals", "open", "input", "__import__")  # builtins that reach what no fingerprint sees
# Functions of libraries that reach files, other processes or the environment: (module, qualified name).
_READERS = {
    *(("numpy", name) for name in ("load", "fromfile", "loadtxt", "genfromtxt", "memmap")),
    ("torch.serialization", "load"),
    ("torch.jit._serialization", "load"),
    ("torch.hub", "load"),
    ("torch.hub", "load_state_dict_from_url"),
    ("safetensors.torch", "load_file"),
    ("safetensors", "safe_open"),
    ("PIL.Image", "open"),
    ("pathlib", "Path"),
    ("pathlib", "PosixPath"),
    ("os", "getenv"),
    ("os", "popen"),
    ("os", "system"),
    ("subprocess", "run"),
    ("subprocess", "Popen"),
    ("subprocess", "check_output"),
    ("urllib.request", "urlopen"),
}
_KEPT_DUNDER = ("__slots__", "__match_args__", "__constants__")
_GENERATED = (
    "_abc_impl",
    "_member_map_",
    "_member_names_",
    "_value2member_map_",
    "_unhashable_values_",
    "_hashable_values_",
)
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


@dataclass(frozen=True)
class Fingerprint:
    """What an object is.

    Attributes
    ----------
    digest : 64 hexadecimal digits, equal for objects that compute the same; "unknown-" and random digits where a part
        cannot be told, so that no two are equal.
    unknown : the part that cannot be told and why, as "handle of Net is a TextIOWrapper"; None where everything is
        told.
    """

    digest: str
    unknown: str | None = None


class _CannotTell(Exception):
    """Some part has a content that cannot be told."""


def fingerprint(thing: Any) -> Fingerprint:
    """The fingerprint of an object and of everything that it reaches.

    Parameters
    ----------
    thing : a module, class, function or any other object; it is read, never called.

    Returns
    -------
    Fingerprint : the same in every process that has the same code, data and versions.
    """
    try:
        return Fingerprint(_Walk().digest(thing))
    except _CannotTell as error:
        return Fingerprint(UNKNOWN + token_hex(28), str(error))
    except RecursionError:
        return Fingerprint(UNKNOWN + token_hex(28), f"a {type(thing).__name__} is nested too deeply to be read")


class _Walk:
    """One walk over an object; parts that are met again count by the place where they were met first."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}
        self._alive: list[Any] = []  # so that no id is given twice
        self._where: list[str] = []  # the way to the part, for messages

    def digest(self, thing: Any) -> str:
        """The digest of everything that `thing` reaches. Raises _CannotTell."""
        hashed = hashlib.sha256()
        for word in self._words(thing):
            data = word if isinstance(word, bytes) else word.encode("utf-8", "surrogatepass")
            hashed.update(str(len(data)).encode() + b":")
            hashed.update(data)
        return hashed.hexdigest()

    def _words(self, thing: Any) -> Iterator[str | bytes]:
        """Words that tell an object apart from every other; containers are told with the number of their parts."""
        kind = type(thing)
        if thing is None or kind in (
            bool,
            int,
            complex,
            str,
            bytes,
            bytearray,
            range,
            slice,
            type(...),
            type(NotImplemented),
        ):
            yield from (
                kind.__name__,
                bytes(thing) if kind in (bytes, bytearray) else thing if kind is str else repr(thing),
            )
            return
        if kind is float:
            yield from ("float", struct.pack(">d", thing))
            return
        if kind in (tuple, frozenset, set):
            yield from self._many(kind.__name__, thing if kind is tuple else self._sorted(thing))
            return
        if id(thing) in self._met:
            yield from ("met before", str(self._met[id(thing)]))
            return
        self._met[id(thing)] = len(self._met)
        self._alive.append(thing)
        yield from self._content(thing)

    def _content(self, thing: Any) -> Iterator[str | bytes]:
        """Words of an object that may be part of itself."""
        torch: Any = sys.modules.get("torch")
        if any(thing is one for one in _generators()):  # the seed decides what it gives
            yield from ("the process's own generator of random numbers", type(thing).__name__)
        elif torch is not None and isinstance(thing, torch.Tensor):
            yield from self._tensor(thing, torch)
        elif torch is not None and isinstance(thing, torch.nn.Module):
            yield from self._module(thing, torch)
        elif torch is not None and isinstance(thing, torch.dtype | torch.device | torch.layout | torch.memory_format):
            yield from (type(thing).__name__, str(thing))
        elif (
            torch is not None
            and type(thing).__name__ in ("OpOverload", "OpOverloadPacket")
            and type(thing).__module__ == "torch._ops"
        ):
            yield from self._operator(str(thing), torch)
        elif type(thing) is list:
            yield from self._many("list", thing)
        elif type(thing) is dict:
            yield from self._many("dict", [part for item in thing.items() for part in item])
        elif isinstance(thing, types.ModuleType):
            yield from self._python_module(thing)
        elif isinstance(thing, type):
            yield from self._class(thing)
        elif isinstance(thing, types.FunctionType):
            yield from self._function(thing)
        elif isinstance(thing, types.CodeType):
            yield from self._code(thing)
        elif isinstance(thing, types.MethodType):
            yield from self._many("method", [thing.__func__, thing.__self__])
        elif isinstance(thing, enum.Enum):
            yield from self._many("enum", [type(thing), thing.name])
        elif "numpy" in sys.modules and type(thing).__module__.partition(".")[0] == "numpy":
            yield from self._numpy(thing)
        else:
            yield from self._other(thing, torch)

    def _other(self, thing: Any, torch: Any) -> Iterator[str | bytes]:
        """Words of wrappers around functions, of built-in functions, and of everything else."""
        if isinstance(thing, types.BuiltinFunctionType | types.MethodWrapperType):
            yield from self._builtin(thing)
        elif isinstance(
            thing,
            types.MethodDescriptorType
            | types.WrapperDescriptorType
            | types.ClassMethodDescriptorType
            | types.GetSetDescriptorType
            | types.MemberDescriptorType,
        ):
            yield from ("descriptor", thing.__name__)
            yield from self._words(thing.__objclass__)
        elif type(thing) is functools.partial:
            yield from self._many(
                "partial", [thing.func, thing.args, *_sorted_items(thing.keywords), *_sorted_items(vars(thing))]
            )
        elif isinstance(thing, property):
            yield from self._many("property", [thing.fget, thing.fset, thing.fdel])
        elif isinstance(thing, classmethod | staticmethod):
            yield from self._many(type(thing).__name__, [thing.__func__])
        elif isinstance(thing, functools.cached_property):
            yield from self._many("cached property", [thing.func])
        elif isinstance(thing, functools._lru_cache_wrapper):
            yield from self._many("cached", [thing.__wrapped__])
        elif type(thing) is weakref.ref:
            yield from self._many("reference", [thing()])
        elif isinstance(thing, types.CellType):
            try:
                content = [thing.cell_contents]
            except ValueError:  # nothing was put into it yet
                content = []
            yield from self._many("cell", content)
        elif isinstance(thing, types.MappingProxyType):
            yield from self._many("mapping", _items(thing))
        elif callable(thing) and (known := _known(thing, getattr(thing, "__module__", None))) is not None:
            yield from ("compiled function", *known)
        else:
            yield from self._object(thing)

    def _many(self, name: str, parts: Iterable[Any]) -> Iterator[str | bytes]:
        parts = list(parts)
        yield from (name, str(len(parts)))
        for part in parts:
            yield from self._words(part)

    def _named(self, owner: str, parts: Mapping[str, Any]) -> Iterator[str | bytes]:
        """Words of attributes in the order of their names."""
        yield from ("attributes", str(len(parts)))
        for name in sorted(parts, key=str):
            yield str(name)
            self._where.append(f"{name} of {owner}")
            yield from self._words(parts[name])
            self._where.pop()

    def _sorted(self, parts: Iterable[Any]) -> list[Any]:
        """The members of a set in an order that does not depend on the process."""
        plain: dict[str, Any] = {}
        for part in parts:
            key = _Walk().digest(part) if _is_plain(part) else f"{type(part).__qualname__} {_name(part)}"
            if key in plain:
                raise self._cannot(part, "is one of several objects in a set that differ only in their place in memory")
            plain[key] = part
        return [plain[key] for key in sorted(plain)]

    def _cannot(self, thing: Any, why: str = "") -> _CannotTell:
        """The reason to give up, with the attribute at which it was found."""
        place = self._where[-1] if self._where else "it"
        kind = type(thing).__qualname__
        return _CannotTell(f"{place} {why}" if why else f"{place} is {'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}")

    # torch and numpy

    def _tensor(self, thing: Any, torch: Any) -> Iterator[str | bytes]:
        yield from ("tensor", str(thing.dtype), str(bool(thing.requires_grad)))
        if type(thing) not in (torch.Tensor, torch.nn.Parameter):
            yield from self._words(type(thing))
        if torch.nn.parameter.is_lazy(thing):
            yield "not yet made"
            return
        yield str(tuple(thing.shape))
        try:
            plain = thing.detach().as_subclass(torch.Tensor)
            if plain.layout != torch.strided:
                yield str(plain.layout)
                plain = plain.to_dense()
            plain = plain.cpu().resolve_conj().resolve_neg().contiguous()
            yield plain.reshape(-1).view(torch.uint8).numpy().tobytes()
        except (RuntimeError, TypeError, ValueError, NotImplementedError):
            raise self._cannot(
                thing, f"is a tensor whose values cannot be read ({thing.layout}, {thing.device})"
            ) from None
        if vars(thing):
            yield from self._named(type(thing).__name__, vars(thing))

    def _module(self, thing: Any, torch: Any) -> Iterator[str | bytes]:
        """A network or a loss: its class and attributes, among them weights, submodules, training flags and hooks."""
        name = type(thing).__qualname__
        compiled = type(thing).__name__ == "OptimizedModule" or getattr(thing, "_compiled_call_impl", None) is not None
        if compiled or isinstance(thing, torch.jit.ScriptModule):
            raise self._cannot(thing, f"is compiled ({name})")
        yield "network"
        yield from self._words(type(thing))
        own = dict(vars(thing))
        hooks = {
            key: value
            for key, value in own.items()
            if "hooks" in key and isinstance(value, dict) and all(type(k) is int for k in value)
        }
        ids = sorted({number for value in hooks.values() for number in value})  # they count all hooks of the process
        for key, value in hooks.items():
            own[key] = [(ids.index(number), hook) for number, hook in value.items()]
        for key in ("_parameters", "_buffers", "_modules"):  # a plain dict or an ordered one, as torch's version has it
            own[key] = list((own.get(key) or {}).items())
        yield from self._named(name, own)

    def _operator(self, name: str, torch: Any) -> Iterator[str | bytes]:
        if name.partition(".")[0] not in ("aten", "prim", "prims"):
            raise _CannotTell(f"the operator {name} is compiled and does not belong to torch")
        yield from ("operator", name, torch.__version__)

    def _numpy(self, thing: Any) -> Iterator[str | bytes]:
        import numpy as np

        if type(thing) is np.ndarray:
            yield from ("array", str(thing.dtype.descr if thing.dtype.names else thing.dtype.str), str(thing.shape))
            if thing.dtype.hasobject:
                yield from self._many("objects", thing.reshape(-1).tolist())
            else:
                yield np.ascontiguousarray(thing).tobytes()
        elif isinstance(thing, np.generic):
            yield from ("number", thing.dtype.str, thing.tobytes())
        elif isinstance(thing, np.dtype):
            yield from ("dtype", str(thing.descr if thing.names else thing.str))
        else:
            yield from self._object(thing)

    # code

    def _python_module(self, thing: types.ModuleType) -> Iterator[str | bytes]:
        """A module of Python: one of a library by its name, another by all that is in it."""
        known = _library(thing.__name__)
        if known is not None:
            yield from ("module", thing.__name__, known)
            return
        if getattr(thing, "__file__", None) and not str(thing.__file__).endswith(".py"):
            raise _CannotTell(f"the module {thing.__name__} is compiled")
        yield from ("module", thing.__name__.rpartition(".")[2])
        yield from self._named(
            thing.__name__, {name: value for name, value in vars(thing).items() if not _dunder(name)}
        )

    def _class(self, thing: type) -> Iterator[str | bytes]:
        """A class: one of a library by its name, another by its bases, methods and attributes."""
        known = _known(thing, thing.__module__)
        if known is not None:
            yield from ("class", *known)
            return
        if not _is_python(thing):
            raise _CannotTell(f"the class {thing.__qualname__} is compiled")
        yield from ("class", thing.__qualname__)
        yield from self._words(thing.__bases__)
        if type(thing) is not type:
            yield from self._words(type(thing))
        own = {name: value for name, value in vars(thing).items() if _counts(name, value)}
        if issubclass(thing, enum.Enum):
            members = [(name, member.value) for name, member in thing.__members__.items()]
            yield from self._many("members", members)
            own = {
                name: value
                for name, value in own.items()
                if name not in thing.__members__ and not isinstance(value, thing) and name not in _ENUM_MADE
            }
        yield from self._named(thing.__qualname__, own)

    def _function(self, thing: types.FunctionType) -> Iterator[str | bytes]:
        """A function: its code, defaults and closure, and what it reads of its module."""
        if hasattr(thing, "_torchdynamo_orig_callable"):
            raise self._cannot(
                thing,
                f"is compiled ({thing.__qualname__})"
                if self._where
                else f"is compiled by torch ({thing.__qualname__})",
            )
        known = _known(thing, thing.__module__)
        if known is not None:
            yield from ("function", *known)
            return
        yield "function"
        yield from self._words(thing.__code__)
        yield from self._words(thing.__defaults__)
        yield from self._many("by name", _sorted_items(thing.__kwdefaults__ or {}))
        yield from self._many("closed over", thing.__closure__ or ())
        if vars(thing):
            yield from self._named(thing.__qualname__, vars(thing))
        made_by = _library(str(thing.__globals__.get("__name__")))
        if made_by is not None and thing.__globals__ is vars(sys.modules[thing.__globals__["__name__"]]):
            yield made_by  # a library's own inner function: its globals are the library's
            return
        for path, value in _read(thing.__code__, thing.__globals__):
            yield path
            self._where.append(f"{path} of {thing.__qualname__}")
            yield from self._words(value)
            self._where.pop()

    def _code(self, thing: types.CodeType) -> Iterator[str | bytes]:
        counts = (thing.co_argcount, thing.co_posonlyargcount, thing.co_kwonlyargcount, thing.co_flags)
        names = (thing.co_names, thing.co_varnames, thing.co_freevars, thing.co_cellvars)
        yield from ("code", thing.co_code, thing.co_exceptiontable, repr(counts), repr(names))
        yield from self._words(thing.co_consts)

    def _builtin(self, thing: Any) -> Iterator[str | bytes]:
        """A compiled function: of a library by its name, bound to an object with that."""
        owner = thing.__self__
        if isinstance(owner, types.ModuleType) or owner is None:
            name = owner.__name__ if owner is not None else thing.__module__ or "nowhere"
            known = _library(name)
            if known is None:
                raise _CannotTell(f"{name}.{thing.__name__} is a compiled function")
            yield from ("built in", name, thing.__name__, known)
        else:
            yield from ("bound", thing.__name__)
            yield from self._words(owner)

    # everything else

    def _object(self, thing: Any) -> Iterator[str | bytes]:
        """An object: its class and attributes; what compiled code holds in it as pickling would tell it."""
        cls = type(thing)
        compiled = [base for base in cls.__mro__ if base is not object and not _is_python(base)]
        giver = next(
            (base for base in cls.__mro__ if "__reduce__" in vars(base) or "__reduce_ex__" in vars(base)), object
        )
        trusted = giver is not object and _known(giver, giver.__module__) is not None
        if callable(thing) and any(
            _library(base.__module__) not in ("python", *_versions("numpy")) for base in compiled
        ):
            raise self._cannot(thing, f"is compiled ({cls.__qualname__})")
        yield "object"
        yield from self._words(cls)
        if compiled or trusted or cls in copyreg.dispatch_table:
            yield from self._reduced(thing)
        state = {name: value for base in cls.__mro__ for name, value in _slots(base, thing)}
        if not (trusted and _known(cls, cls.__module__)):  # a library's own class that says itself what it is
            state |= getattr(thing, "__dict__", {})
        yield from self._named(cls.__qualname__, state)

    def _reduced(self, thing: Any) -> Iterator[str | bytes]:
        """What pickling would write of an object: how it is made, from what, and what is put into it then."""
        try:
            made = copyreg.dispatch_table.get(type(thing))
            found = made(thing) if made is not None else thing.__reduce_ex__(2)
            parts = (
                [found]
                if isinstance(found, str)
                else [list(part) if isinstance(part, Iterator) else part for part in found]
            )
        except Exception:  # a file, a lock, a generator: it is not data
            raise self._cannot(thing) from None
        self._alive.append(parts)
        yield from self._many("made of", parts)


_ENUM_MADE = (
    "_generate_next_value_",
    "_missing_",
    "_member_type_",
    "_value_repr_",
    "_use_args_",
    "_new_member_",
    "__new__",
    "_boundary_",
    "_flag_mask_",
    "_all_bits_",
    "_inverted_",
    "_singles_mask_",
    "_sort_order_",
)


def _generators() -> Iterator[Any]:
    """The generators that a whole process shares: Python's, numpy's and torch's."""
    for module, name in (("random", "_inst"), ("numpy.random.mtrand", "_rand"), ("torch", "default_generator")):
        if module in sys.modules:
            yield getattr(sys.modules[module], name, _generators)


def _items(mapping: Mapping[Any, Any]) -> list[Any]:
    return [part for item in mapping.items() for part in item]


def _sorted_items(mapping: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(mapping.items(), key=lambda item: item[0])


def _is_plain(thing: Any) -> bool:
    """Whether a member of a set is data alone, so that it can be told without what stands around it."""
    if type(thing) in (tuple, frozenset):
        return all(map(_is_plain, thing))
    return thing is None or type(thing) in (bool, int, float, complex, str, bytes)


def _name(thing: Any) -> str:
    name = getattr(thing, "__qualname__", getattr(thing, "name", type(thing).__name__))
    return f"{getattr(thing, '__module__', '')} {name}"


def _dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _counts(name: str, value: Any) -> bool:
    """Whether an entry of a class decides what it does. Documentation, annotations and caches do not."""
    if isinstance(value, types.GetSetDescriptorType | types.MemberDescriptorType) or name in _GENERATED:
        return False
    if not _dunder(name) or name in _KEPT_DUNDER:
        return True
    return (value is None and name != "__doc__") or isinstance(
        value, types.FunctionType | classmethod | staticmethod | property
    )


def _is_python(cls: type) -> bool:
    """Whether a class was made by Python code, so that its entries tell what it does."""
    if not cls.__flags__ & _HEAP_TYPE or str(type(cls).__module__).startswith("pybind11"):
        return False
    made = (types.WrapperDescriptorType, types.MethodDescriptorType)
    if any(isinstance(value, made) and value.__objclass__ is cls for value in vars(cls).values()):
        return False
    return not isinstance(vars(cls).get("__new__"), types.BuiltinFunctionType)


def _slots(cls: type, thing: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds in the slots of one of its classes."""
    for name, value in vars(cls).items():
        if isinstance(value, types.MemberDescriptorType) and _is_python(cls):
            with suppress(AttributeError):
                yield name, getattr(thing, name)


def _read(code: types.CodeType, known: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What code reads of its module: (dotted name, value), names sorted; attributes of modules are followed."""
    found: dict[str, Any] = {}
    for name, attributes in _globals_of(code):
        if name not in known:
            if name in _OUTSIDE:
                raise _CannotTell(f"{code.co_qualname} calls {name}()")
            found.setdefault(name, getattr(builtins, name, None))
            continue
        value, path = known[name], name
        while isinstance(value, types.ModuleType) and attributes and hasattr(value, attributes[0]):
            value, path = getattr(value, attributes[0]), f"{path}.{attributes[0]}"
            attributes = attributes[1:]
        if (
            value is os.environ
            or (getattr(value, "__module__", None), getattr(value, "__qualname__", None)) in _READERS
        ):
            raise _CannotTell(f"{code.co_qualname} reads something outside the program through {path}")
        found[path] = value
    for name in _imported_by(code):
        try:
            found[f"import {name}"] = importlib.import_module(name, known.get("__package__") or None)
        except Exception:
            raise _CannotTell(f"{code.co_qualname} imports {name}, which cannot be imported") from None
    return sorted(found.items(), key=lambda item: item[0])


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _globals_of(code: types.CodeType) -> Iterator[tuple[str, list[str]]]:
    """The globals that code and the functions inside it read, each with the attributes that are taken of it at once."""
    for one in _codes(code):
        steps = [
            step for step in dis.get_instructions(one) if step.opname not in ("CACHE", "EXTENDED_ARG", "PUSH_NULL")
        ]
        for place, step in enumerate(steps):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
                attributes = []
                for later in steps[place + 1 :]:
                    if later.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
                        break
                    attributes.append(str(later.argval))
                yield str(step.argval), attributes


def _imported_by(code: types.CodeType) -> Iterator[str]:
    """The modules that code imports while it runs."""
    for one in _codes(code):
        steps = [step for step in dis.get_instructions(one) if step.opname not in ("CACHE", "EXTENDED_ARG")]
        for place, step in enumerate(steps):
            if step.opname == "IMPORT_NAME":
                level = next(
                    (earlier.argval for earlier in reversed(steps[:place]) if isinstance(earlier.argval, int)), 0
                )
                yield "." * level + str(step.argval)


# Libraries


def _known(thing: Any, module: str | None) -> tuple[str, str, str] | None:
    """(module, name, version) of what a library has under its own name; None for everything else."""
    version = _library(module) if isinstance(module, str) else None
    if version is None:
        return None
    value: Any = sys.modules.get(str(module))
    if not isinstance(name := getattr(thing, "__qualname__", None), str):
        return None
    for part in name.split("."):
        value = getattr(value, part, None)
    if value is not thing and not (isinstance(thing, type) and version == "python" and not _is_python(thing)):
        return None
    return str(module), name, version


def _library(name: str) -> str | None:
    """What tells a library apart from its other versions; None for modules that are a person's own."""
    top = name.partition(".")[0]
    module = sys.modules.get(name) or sys.modules.get(top)
    if module is None or top == "__main__":
        return None
    if top in _BY_NAME and _within_package(module, top):
        return f"{top} {getattr(sys.modules[top], '__version__', '')}"
    file = getattr(module, "__file__", None)
    if file is None:
        shared = getattr(sys.modules.get(top), "__file__", None)
        if top in sys.stdlib_module_names and (shared is None or _of_python(str(shared))):
            return "python"
        return _package(top, str(shared)) if shared and _installed(str(shared)) else None
    if _installed(str(file)):
        return _package(top, str(getattr(sys.modules.get(top), "__file__", None) or file))
    return "python" if top in sys.stdlib_module_names and _of_python(str(file)) else None


def _versions(*names: str) -> list[str]:
    return [f"{name} {getattr(sys.modules.get(name), '__version__', '')}" for name in names]


def _within_package(module: types.ModuleType, top: str) -> bool:
    """Whether a module stands in the folder of the package; compiled modules without a file do."""
    file, home = getattr(module, "__file__", None), getattr(sys.modules.get(top), "__file__", None)
    return home is not None and (file is None or Path(file).is_relative_to(Path(home).parent))


@functools.cache
def _site_folders() -> tuple[Path, ...]:
    paths = [
        *site.getsitepackages(),
        site.getusersitepackages(),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
    ]
    return tuple(dict.fromkeys(Path(path).resolve() for path in paths))


@functools.cache
def _installed(file: str) -> bool:
    return any(Path(file).resolve().is_relative_to(folder) for folder in _site_folders())


@functools.cache
def _of_python(file: str) -> bool:
    folders = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    return any(Path(file).resolve().is_relative_to(folder) for folder in folders)


@functools.cache
def _package(top: str, file: str) -> str:
    """An installed package by the content of its files, as a version number may stay while somebody works on it."""
    path = Path(file).resolve()
    single = path.name != "__init__.py"
    files = (
        [path]
        if single
        else sorted(part for part in path.parent.rglob("*") if part.suffix in (".py", ".so", ".pyd") and part.is_file())
    )
    hashed = hashlib.sha256()
    for part in files:
        large = part.stat().st_size > _LARGE
        content = str(part.stat().st_size).encode() if large else hashlib.sha256(part.read_bytes()).digest()
        hashed.update(f"{part.relative_to(path.parent).as_posix()} ".encode() + content)
    return f"{top} {hashed.hexdigest()}"
