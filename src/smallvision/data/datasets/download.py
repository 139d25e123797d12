"""Downloads missing files: to a temporary name, verified by checksum, then renamed; one mirror after the other."""

import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

from smallvision.data.datasets.base import Dataset
from smallvision.errors import BadInput
from smallvision.storage.reading import require_regular

_TIMEOUT = 30  # seconds without a byte before the next mirror is tried


def fetch(dataset: Dataset, root: Path, missing: Sequence[str], mirrors: Sequence[str]) -> None:
    """Downloads the files of a data set that are missing.

    Parameters
    ----------
    dataset : says what can be downloaded; an archive (.tar.gz) is unpacked.
    root : the folder of the data sets.
    missing : names of the files to fetch, at least one, as `files.missing` returns them.
    mirrors : base addresses, tried in order.

    Raises
    ------
    BadInput : no mirror delivered a file intact, or it cannot be written. What was there before stays as it was.
    """
    folder = root / dataset.download_folder
    for name, md5 in dataset.downloads:
        if name.endswith(".tar.gz"):
            archive = _download(dataset, name, md5, root, mirrors, missing[0])
            _unpack(archive, missing, folder)
            archive.unlink()
        elif name.removesuffix(".gz") in missing:
            _download(dataset, name, md5, folder, mirrors, name)


def how_to_provide(dataset: Dataset, file: str) -> str:
    """A clause that says what a person can do when `file` is missing."""
    place = dataset.download_folder.partition("/")[0] or file
    return f"give --root or set SMALLVISION_DATA to the folder that has {place}, or copy the file there yourself"


def _download(dataset: Dataset, name: str, md5: str, folder: Path, mirrors: Sequence[str], wanted: str) -> Path:
    """The path of the file `name` in `folder`, downloaded. `wanted` is the file that messages name."""
    import pooch

    pooch.get_logger().setLevel("ERROR")  # the progress bar says enough
    failures = []
    for mirror in mirrors:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(folder / name):
                require_regular(folder / name)
            downloader = pooch.HTTPDownloader(progressbar=True, timeout=_TIMEOUT)
            return Path(pooch.retrieve(f"{mirror}{name}", f"md5:{md5}", name, folder, downloader=downloader))
        except BadInput:
            raise
        except ValueError:
            failures.append(f"{mirror}{name}: wrong checksum")
        except OSError as error:  # the exceptions of requests are OSErrors too
            if error.errno is not None and error.filename is not None:
                cure = how_to_provide(dataset, wanted)
                raise BadInput(f"{error.filename}: {error.strerror}; {cure}") from None
            failures.append(f"{mirror}{name}: {_reason(error)}")
    tried = (
        f"no mirror could deliver it (tried {'; '.join(failures)})"
        if failures
        else ("there is no mirror to download it from")
    )
    raise BadInput(f"{folder / wanted}: the file is missing, and {tried}; {how_to_provide(dataset, wanted)}")


def _reason(error: OSError) -> str:
    """What went wrong, in words. requests nests the cause several exceptions deep, so the exception's name is used."""
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


def _unpack(archive: Path, wanted: Sequence[str], folder: Path) -> None:
    """Extracts the wanted files from an archive into `folder`, each through a temporary name, and no other file."""
    left = set(wanted)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                content = tar.extractfile(member) if member.isfile() and name in left else None
                if content is None:
                    continue
                part = folder / f"{name}.part"
                part.unlink(missing_ok=True)
                with part.open("xb") as file:
                    while data := content.read(1 << 20):
                        file.write(data)
                os.replace(part, folder / name)
                left.discard(name)
    except (tarfile.TarError, EOFError) as error:
        raise BadInput(f"{archive}: the archive is damaged ({error}); delete it and download it again") from None
    except OSError as error:
        raise BadInput(f"{archive}: the archive cannot be unpacked ({error.strerror or error})") from None
    if left:
        raise BadInput(f"{archive}: the archive does not contain {sorted(left)[0]}; delete it and download it again")
