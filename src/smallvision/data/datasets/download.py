"""Fetches what is missing: to a temporary name, verified by checksum, then renamed; one mirror after the other."""

import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

from smallvision.data.datasets.base import Source
from smallvision.errors import BadInput

_TIMEOUT = 30  # seconds without a byte before the next mirror is tried


def fetch(entry: Source, root: Path, found: dict[str, Path], mirrors: Sequence[str]) -> None:
    """Download the files of a source that are not in `found`.

    Raises
    ------
    BadInput : no mirror had the file intact, or it cannot be written. What was there before stays as it was.
    """
    for name, md5 in entry.downloads:
        if name.endswith(".tar.gz"):
            wanted = [file for file in entry.layouts[-1] if file not in found]
            archive = _download(entry, name, md5, root, mirrors, wanted[0])
            _unpack(archive, wanted, root)
            archive.unlink()
        elif name.removesuffix(".gz") not in found:
            _download(entry, name, md5, root / entry.folders[0], mirrors, name)


def _download(entry: Source, name: str, md5: str, folder: Path, mirrors: Sequence[str], wanted: str) -> Path:
    import pooch

    pooch.get_logger().setLevel("ERROR")  # the progress bar says enough
    failures = []
    for mirror in mirrors:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            downloader = pooch.HTTPDownloader(progressbar=True, timeout=_TIMEOUT)
            return Path(pooch.retrieve(f"{mirror}{name}", f"md5:{md5}", name, folder, downloader=downloader))
        except ValueError:
            failures.append(f"{mirror}{name}: wrong checksum")
        except OSError as error:  # what requests raises are OSErrors too
            if error.errno is not None and error.filename is not None:
                raise BadInput(f"{error.filename}: {error.strerror}; {_cure(entry)}") from None
            failures.append(f"{mirror}{name}: {_reason(error)}")
    raise BadInput(f"{folder / wanted}: missing, and not to be had (tried {'; '.join(failures)}); {_cure(entry)}")


def _reason(error: OSError) -> str:
    """requests nests the cause several exceptions deep; its name tells a person more than its text."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    return {
        "ConnectionError": "no connection",
        "ConnectTimeout": "no answer",
        "ReadTimeout": "no answer",
        "ChunkedEncodingError": "the connection broke",
        "SSLError": "no secure connection",
    }.get(type(error).__name__, error.strerror or type(error).__name__)


def _cure(entry: Source) -> str:
    folder = entry.folders[-2]
    return f"give --root or set SMALLVISION_DATA to the folder that has {folder}, or put the file there yourself"


def _unpack(archive: Path, wanted: Sequence[str], root: Path) -> None:
    """Take the wanted batches out of CIFAR's archive, each through a temporary name; nothing else is looked at."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True, exist_ok=True)
    left = set(wanted)
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                content = tar.extractfile(member) if member.isfile() and name in left else None
                if content is None:
                    continue
                part = folder / f"{name}.part"
                with part.open("wb") as file:
                    while data := content.read(1 << 20):
                        file.write(data)
                os.replace(part, folder / name)
                left.discard(name)
    except (tarfile.TarError, EOFError) as error:
        raise BadInput(f"{archive}: damaged archive ({error}); delete it and fetch it again") from None
    except OSError as error:
        raise BadInput(f"{archive}: cannot be unpacked ({error.strerror or error})") from None
    if left:
        raise BadInput(f"{archive}: has no {sorted(left)[0]}; delete it and fetch it again")
