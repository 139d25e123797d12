"""A person's source file and the files that it imports beside it: found without executing them, and imported as a space
of their own.

Two folders with a `helper.py` each do not meet: modules of a space are found by the files of that space alone, also by
imports that are executed later, inside a function.
"""

import ast
import builtins
import hashlib
import importlib
import importlib.util
import sys
import traceback
import types
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any

from smallvision.storage.reading import read_limited

LARGEST = 64_000_000  # bytes of a source file or compiled module
SOURCE = ((ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceFileLoader, [".py"]))


def sources(path: Path) -> dict[str, bytes]:
    """A source file and the files beside it that it imports, and those that these import.

    Parameters
    ----------
    path : the file; modules and packages are looked for in its folder.

    Returns
    -------
    dict : content by path relative to the folder, with "/"; the file itself first, the others in the order of their
        names. A file that is not Python, or cannot be read, imports nothing.

    Raises
    ------
    OSError : the file itself cannot be read.
    BadInput : it is not a regular file, or it or a file beside it is larger than LARGEST.
    """
    folder = path.parent
    found = {path.name: read_limited(path, LARGEST, "a source file")}
    waiting = [(path.name, "")]
    while waiting:
        name, package = waiting.pop()
        for module in _imported(found[name], package, folder):
            for file, inside in _files(module, folder):
                if file not in found:
                    try:
                        found[file] = read_limited(folder / file, LARGEST, "a source file")
                    except OSError:
                        continue
                    waiting.append((file, inside))
    return {path.name: found.pop(path.name), **dict(sorted(found.items()))}


def digest(files: Mapping[str, bytes]) -> str:
    """The sha256, in hexadecimal, of a source file and of its neighbours. `files`: as `sources` gives them."""
    first, *others = (hashlib.sha256(content).hexdigest() for content in files.values())
    if not others:
        return first
    names = list(files)[1:]
    lines = [first, *(f"{name} {own}" for name, own in zip(names, others, strict=True))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _imported(content: bytes, package: str, folder: Path) -> Iterator[str]:
    """The dotted names that a source imports, anywhere in it; those with relative names resolved within `package`."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node.module or "", package, node.level)
            if base is None:
                continue
            yield from [base] if base else []
            for alias in node.names:
                inner = f"{base}.{alias.name}".strip(".")
                yield from _submodules(base, folder) if alias.name == "*" else [inner]
        elif (
            isinstance(node, ast.Call)
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                name = node.args[0].value
                yield _absolute(name.lstrip("."), package, len(name) - len(name.lstrip("."))) or ""


def _absolute(name: str, package: str, level: int) -> str | None:
    """A relative name made absolute; None where it leads out of the package."""
    if not level:
        return name
    parts = package.split(".") if package else []
    if level > len(parts):
        return None
    return ".".join([*parts[: len(parts) - level + 1], *([name] if name else [])])


def _submodules(package: str, folder: Path) -> list[str]:
    """What `from package import *` may import: every module in it."""
    place = folder.joinpath(*package.split("."))
    return [f"{package}.{file.stem}" for file in sorted(place.glob("*.py"))] if package and place.is_dir() else []


def _files(module: str, folder: Path) -> Iterator[tuple[str, str]]:
    """The files in the folder that are executed when a dotted name is imported, each with the package that it is in."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return
    for count in range(1, len(parts) + 1):
        place = "/".join(parts[:count])
        if (folder / place / "__init__.py").is_file():
            yield f"{place}/__init__.py", ".".join(parts[:count])
            continue
        file = next(
            (f"{place}{end}" for end in (*EXTENSION_SUFFIXES, ".py") if (folder / f"{place}{end}").is_file()), None
        )
        if file is not None:
            yield file, ".".join(parts[: count - 1])
            return
        if not (folder / place).is_dir():
            return


class Space:
    """The modules of one source file and its neighbours, which find each other and nothing beside another file.

    Parameters
    ----------
    path : of the file.
    files : as `sources` gives them: these contents are executed, also when a file is changed meanwhile.
    name : what its module is called in `sys.modules`; those of its neighbours are called `name.helper` and so on there.
    """

    def __init__(self, path: Path, files: Mapping[str, bytes], name: str) -> None:
        self.path, self.folder, self.name = path.resolve(), path.resolve().parent, name
        self.files = {self.folder / part: content for part, content in files.items()}
        self.modules: dict[str, types.ModuleType] = {}
        self._there: dict[str, bool] = {}
        self._builtins = {**vars(builtins), "__import__": self._import}
        self._importlib = types.ModuleType("importlib")
        vars(self._importlib).update({**vars(importlib), "import_module": self._import_module})

    def main(self) -> types.ModuleType:
        """Execute the file. `sys.path` is as before afterwards. Raises what its code raises; nothing stays then."""
        before = list(sys.path)
        spec = importlib.util.spec_from_file_location(self.name, self.path)
        assert spec is not None
        try:
            return self._execute(self.path.stem, spec, self.path)
        except BaseException:
            for name in self.modules:
                sys.modules.pop(f"{self.name}.{name}", None)
            raise
        finally:
            sys.path[:] = before

    def told(self, error: BaseException) -> str:
        """An error of the space's code in one line: in which neighbour, if not in the file itself, and what it was."""
        text = next(iter(str(error).strip().replace(f"{self.name}.", "").splitlines()), "")
        steps = [step for step in traceback.extract_tb(error.__traceback__) if self._inside(step.filename) is not None]
        said = f"{type(error).__name__}: {text}" if text else type(error).__name__
        where = self._inside(steps[-1].filename) if steps else None
        return said if where in (None, self.path.name) else f"{where}, line {steps[-1].lineno}: {said}"

    def _inside(self, file: str) -> str | None:
        path = Path(file)
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else None

    def _execute(self, name: str, spec: ModuleSpec, file: Path | None) -> types.ModuleType:
        """A module from its spec, known before its code is executed, so that imports may go in a circle."""
        source = file is not None and file.suffix == ".py"
        module = importlib.util.module_from_spec(spec)
        self.modules[name] = sys.modules[spec.name] = module  # dataclasses and the like look their module up there
        spec._initializing = True  # type: ignore[attr-defined]   # so that Python says when a circle is the reason
        try:
            if source and file is not None:
                content = self.files.get(file)
                vars(module)["__builtins__"] = self._builtins
                content = read_limited(file, LARGEST, "a source file") if content is None else content
                exec(compile(content, str(file), "exec"), vars(module))
            elif spec.loader is not None:
                spec.loader.exec_module(module)
        except BaseException:
            del self.modules[name]
            sys.modules.pop(spec.name, None)
            raise
        finally:
            spec._initializing = False  # type: ignore[attr-defined]
        return module

    def _find(self, name: str) -> ModuleSpec | None:
        """Where a dotted name stands in the folder; None where it does not."""
        parent, _, last = name.rpartition(".")
        place = self.folder.joinpath(*parent.split(".")) if parent else self.folder
        return FileFinder(str(place), *SOURCE).find_spec(f"{self.name}.{name}") if last and place.is_dir() else None

    def _has(self, top: str) -> bool:
        """Whether the first part of a name is beside the file; folders that are not packages come after all others."""
        if top in self.modules:
            return True
        if top not in self._there:
            self._there[top] = self._looked(top)
        return self._there[top]

    def _looked(self, top: str) -> bool:
        spec = self._find(top)
        if spec is None or spec.loader is not None:
            return spec is not None
        if not any((self.folder / top).rglob("*.py")):
            return False
        try:
            return importlib.util.find_spec(top) is None
        except (ImportError, ValueError):
            return True

    def load(self, name: str) -> types.ModuleType:
        """The module of a dotted name, executed with its parents unless it was before. Raises what its code raises."""
        parent, _, last = name.rpartition(".")
        above = self.load(parent) if parent else None
        if name in self.modules:
            return self.modules[name]
        spec = self._find(name) if above is None or hasattr(above, "__path__") else None
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        module = self._execute(name, spec, Path(spec.origin) if spec.origin else None)
        if above is not None:
            setattr(above, last, module)
        return module

    def _import(
        self,
        name: str,
        known: Mapping[str, Any] | None = None,
        local: Any = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """What an import statement of the space's code calls, in the place of Python's own."""
        package = str((known or {}).get("__package__") or "")
        inside = package.removeprefix(self.name).removeprefix(".") if package.startswith(f"{self.name}.") else ""
        absolute = _absolute(name, inside, level)
        if not absolute or not self._has(absolute.partition(".")[0]):
            if not level and name.partition(".")[0] == "importlib":
                builtins.__import__(name)
                return self._importlib if not fromlist or name == "importlib" else sys.modules[name]
            return builtins.__import__(name, known, local, fromlist or (), level)
        module = self.load(absolute)
        if not fromlist:
            return self.load(absolute.partition(".")[0])
        wanted = [*fromlist] if "*" not in fromlist else [*fromlist, *getattr(module, "__all__", ())]
        for part in wanted if hasattr(module, "__path__") else ():
            if part != "*" and not hasattr(module, part) and self._find(f"{absolute}.{part}") is not None:
                self.load(f"{absolute}.{part}")
        return module

    def _import_module(self, name: str, package: str | None = None) -> types.ModuleType:
        """`importlib.import_module` for the space's code."""
        level = len(name) - len(name.lstrip("."))
        inside = (package or "").removeprefix(self.name).removeprefix(".")
        absolute = _absolute(name.lstrip("."), inside, level)
        return (
            self.load(absolute)
            if absolute and self._has(absolute.partition(".")[0])
            else importlib.import_module(name, package)
        )
