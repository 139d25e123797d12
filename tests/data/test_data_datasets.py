"""Finding files in every layout, and fetching those that are missing, from a server of our own on this machine."""

import gzip
import hashlib
import io
import pickle
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from data_files import idx_bytes

from smallvision.data import load
from smallvision.data.datasets import DATASETS, check_source, digits, files, lookup, published
from smallvision.data.datasets.base import Dataset
from smallvision.data.datasets.cifar10 import CIFAR_BATCHES
from smallvision.data.datasets.mnist import IDX_FILES
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec

pytestmark = pytest.mark.slow  # real runs, pages or processes for most tests

CONTENT = {
    f"{name}.gz": gzip.compress(idx_bytes(np.full((4, 3, 3) if "images" in name else 4, place, np.uint8)), mtime=0)
    for place, name in enumerate(IDX_FILES)
}


def locate(name, root=None, mirrors=None):
    return files.locate(lookup(name), root, mirrors)


def md5(data):
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def server():
    """Serves `files`; under /broken/ half of each, under /damaged/ with one byte changed; `asked` lists the paths."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            place, _, name = self.path[1:].rpartition("/")
            self.server.asked.append(self.path)
            data = self.server.files.get(name) if place in ("good", "broken", "damaged") else None
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if place == "broken":
                data = data[: len(data) // 2]
            if place == "damaged":
                data = data[:-1] + bytes([data[-1] ^ 1])
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.asked = dict(CONTENT), []
        running.base = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(autouse=True)
def checksums(monkeypatch):
    """MNIST's checksums are those of our small files."""
    downloads = tuple((name, md5(data)) for name, data in CONTENT.items())
    proof = md5(gzip.decompress(CONTENT[f"{IDX_FILES[-1]}.gz"]))
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], downloads=downloads, mirrors=(), proof=proof))


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_missing_is_downloaded_once(tmp_path, server):
    paths = locate("mnist", tmp_path, [f"{server.base}/good/"])
    assert {name: path.name for name, path in paths.items()} == {name: f"{name}.gz" for name in IDX_FILES}
    assert everything_below(tmp_path) == sorted(f"MNIST/raw/{name}" for name in CONTENT)
    assert len(server.asked) == 4
    assert locate("mnist", tmp_path, [f"{server.base}/good/"]) == paths
    assert len(server.asked) == 4
    (tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    assert locate("mnist", tmp_path, [f"{server.base}/good/"]) == paths
    assert server.asked[4:] == ["/good/t10k-labels-idx1-ubyte.gz"]


def test_a_download_shows_a_progress_bar(tmp_path, server, capfd):
    locate("mnist", tmp_path, [f"{server.base}/good/"])
    assert "100%" in capfd.readouterr().err


@pytest.mark.parametrize("place", ["damaged", "broken", "nowhere"])
def test_the_next_mirror_is_tried(tmp_path, server, place):
    paths = locate("mnist", tmp_path, [f"{server.base}/{place}/", f"{server.base}/good/"])
    assert all(path.read_bytes() == CONTENT[path.name] for path in paths.values())
    assert everything_below(tmp_path) == sorted(f"MNIST/raw/{name}" for name in CONTENT)


@pytest.mark.parametrize(
    ("place", "reason"),
    [("damaged", "wrong checksum"), ("broken", "the connection broke"), ("nowhere", "HTTP status 404")],
)
def test_a_download_that_fails_leaves_nothing_and_names_the_cure(tmp_path, server, place, reason):
    url = f"{server.base}/{place}/"
    with pytest.raises(BadInput) as caught:
        locate("mnist", tmp_path, [url])
    text = str(caught.value)
    for word in (
        str(tmp_path / "MNIST/raw/train-images-idx3-ubyte.gz"),
        url,
        reason,
        "--root",
        "SMALLVISION_DATA",
        "MNIST",
    ):
        assert word in text
    assert "\n" not in text
    assert everything_below(tmp_path) == []


def test_without_a_network_the_line_says_so(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with pytest.raises(BadInput, match=f"tried {url}train-images-idx3-ubyte.gz: no connection.*--root"):
        locate("mnist", tmp_path, [url])


def test_a_root_that_cannot_be_written_is_named(tmp_path, server):
    (tmp_path / "MNIST").write_text("a file where a folder should be")
    with pytest.raises(BadInput, match="MNIST"):
        locate("mnist", tmp_path, [f"{server.base}/good/"])


def cifar_archive():
    random = np.random.default_rng(0)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in (*CIFAR_BATCHES, "../outside"):
            pixels = random.integers(0, 256, (20, 3072), dtype=np.uint8)
            labels = [place % 10 for place in range(20)]
            data = pickle.dumps({b"data": pixels, b"labels": labels}, protocol=2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_cifar10_comes_out_of_its_archive(tmp_path, server, monkeypatch):
    archive = cifar_archive()
    server.files["cifar-10-python.tar.gz"] = archive
    entry = replace(
        DATASETS["cifar10"], downloads=(("cifar-10-python.tar.gz", md5(archive)),), mirrors=(f"{server.base}/good/",)
    )
    monkeypatch.setitem(DATASETS, "cifar10", entry)
    splits = load.load(DataSpec(source="cifar10"), tmp_path)
    assert len(splits.train) == 100
    assert len(splits.test) == 20
    assert everything_below(tmp_path) == sorted(f"cifar-10-batches-py/{name}" for name in CIFAR_BATCHES)
    assert not (tmp_path.parent / "outside").exists()


def test_binary_and_pickled_cifar10_are_the_same(tmp_path):
    folder = tmp_path / "py" / "cifar-10-batches-py"
    other = tmp_path / "bin" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    other.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(cifar_archive())) as tar:
        for name in CIFAR_BATCHES:
            data = tar.extractfile(f"cifar-10-batches-py/{name}").read()
            (folder / name).write_bytes(data)
            record = pickle.loads(data)
            rows = np.hstack([np.array(record[b"labels"], np.uint8)[:, None], record[b"data"]])
            (other / f"{name}.bin").write_bytes(rows.tobytes())
    spec = DataSpec(source="cifar10", validation=0.2, limit=50)
    one, two = (load.load(spec, tmp_path / root) for root in ("py", "bin"))
    for name in ("train", "validation", "test"):
        assert getattr(one, name).pixels.equal(getattr(two, name).pixels)
        assert getattr(one, name).ids.equal(getattr(two, name).ids)
    (other / "data_batch_3.bin").unlink()
    shutil.move(folder, other.parent)
    assert load.load(spec, tmp_path / "bin").train.ids.equal(one.train.ids)


@pytest.mark.parametrize("folder", ["MNIST/raw", "MNIST", ""])
def test_files_are_found_raw_or_gzipped_where_people_put_them(tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(IDX_FILES):
        data = CONTENT[f"{name}.gz"]
        (tmp_path / folder / (name if place % 2 else f"{name}.gz")).write_bytes(
            gzip.decompress(data) if place % 2 else data
        )
    assert set(locate("mnist", tmp_path, [])) == set(IDX_FILES)


def test_fashion_mnist_is_never_taken_for_mnist(tmp_path):
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    assert set(locate("fashion-mnist", tmp_path, [])) == set(IDX_FILES)
    with pytest.raises(BadInput, match="train-images"):
        locate("mnist", tmp_path, [])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_files_straight_in_the_root_have_to_prove_whose_they_are(tmp_path, pack):
    for name, data in CONTENT.items():
        (tmp_path / (name if pack is gzip.compress else name.removesuffix(".gz"))).write_bytes(
            pack(gzip.decompress(data))
        )
    assert {path.parent for path in locate("mnist", tmp_path, []).values()} == {tmp_path}
    with pytest.raises(
        BadInput, match=r"FashionMNIST/raw.*--root or set SMALLVISION_DATA to the folder that has FashionMNIST"
    ):
        locate("fashion-mnist", tmp_path, [])
    labels = sorted(tmp_path.glob("t10k-labels*"))[0]
    for other in (gzip.compress(b"x"), gzip.compress(b"x")[:-9], b""):
        labels.write_bytes(other)
        with pytest.raises(BadInput, match="MNIST/raw"):
            locate("mnist", tmp_path, [])


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST/raw"), ("fashion-mnist", "FashionMNIST/raw")])
def test_the_real_files_prove_whose_they_are(real_data, monkeypatch, name, folder):
    monkeypatch.undo()
    assert {path.parent for path in locate(name, real_data / folder, []).values()} == {real_data / folder}


def test_folders_that_may_not_be_entered_and_homes_of_nobody_are_one_line(tmp_path, monkeypatch):
    for root in ("~nosuchuser/data", "\udcff"):
        with pytest.raises(BadInput):
            locate("mnist", root, [])
    with pytest.raises(BadInput, match="name too long"):
        locate("mnist", tmp_path / ("x" * 300), [])
    monkeypatch.setenv("SMALLVISION_DATA", "~nosuchuser")
    with pytest.raises(BadInput, match="no home folder"):
        files.default_root()

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(files.Path, "is_file", refused)
    with pytest.raises(BadInput, match=r"MNIST/raw/.*Permission denied"):
        locate("mnist", tmp_path, [])


def test_the_root(tmp_path, monkeypatch):
    monkeypatch.setenv("SMALLVISION_DATA", str(tmp_path))
    assert files.default_root() == tmp_path
    monkeypatch.delenv("SMALLVISION_DATA")
    assert files.default_root().parts[-2:] == ("smallvision", "data")


def test_unknown_names_get_the_nearest():
    with pytest.raises(BadInput, match='did you mean "cifar10"'):
        locate("cifar-10")
    assert locate("digits") == {}


def one_file(dataset, spec, root):
    raise AssertionError("not read here")


def small(folders, layout=("a.mat", "b.mat"), **options):
    contents = {name: name.encode() * 5 for name in layout}
    downloads = tuple((name, md5(data)) for name, data in contents.items())
    dataset = Dataset(
        name="small", about="", read=one_file, folders=folders, layouts=(layout,), downloads=downloads, **options
    )
    return dataset, contents


@pytest.mark.parametrize(("folders", "target"), [(("small",), "small"), (("",), ""), (("x/y", ""), "x/y")])
def test_a_data_set_with_one_folder_or_with_files_in_the_root_is_fetched(tmp_path, server, folders, target):
    dataset, contents = small(folders, download_folder=target)
    server.files = contents
    with pytest.raises(BadInput) as caught:
        files.locate(dataset, tmp_path, [f"{server.base}/nowhere/"])
    text = str(caught.value)
    assert str(tmp_path / target / "a.mat") in text
    assert "HTTP status 404" in text
    assert f"SMALLVISION_DATA to the folder that has {target.split('/')[0] or 'a.mat'}" in text
    assert everything_below(tmp_path) == []
    paths = files.locate(dataset, tmp_path, [f"{server.base}/good/"])
    assert paths == {name: tmp_path / target / name for name in contents}
    assert all(path.read_bytes() == contents[name] for name, path in paths.items())


@pytest.mark.parametrize("folder", ["small", ""])
def test_an_archive_is_unpacked_into_the_folder_of_its_data_set(tmp_path, server, folder):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in ("a.mat", "b.mat"):
            info = tarfile.TarInfo(f"top/{name}")
            info.size = 3
            tar.addfile(info, io.BytesIO(b"abc"))
    archive = out.getvalue()
    server.files["all.tar.gz"] = archive
    dataset = replace(
        small((folder,), download_folder=folder)[0],
        downloads=(("all.tar.gz", md5(archive)),),
        mirrors=(f"{server.base}/good/",),
    )
    assert files.locate(dataset, tmp_path) == {name: tmp_path / folder / name for name in ("a.mat", "b.mat")}
    assert everything_below(tmp_path / folder) == ["a.mat", "b.mat"]
    assert server.asked == ["/good/all.tar.gz"]


def test_without_mirrors_or_downloads_the_missing_file_and_its_place_are_named(tmp_path):
    dataset, _ = small(("small",), download_folder="small")
    for changed, reason in (
        (dataset, "there is no mirror"),
        (replace(dataset, downloads=()), "not one of the files that are downloaded"),
    ):
        with pytest.raises(BadInput) as caught:
            files.locate(changed, tmp_path, [])
        assert str(caught.value).startswith(f"{tmp_path / 'small' / 'a.mat'}: the file is missing, and ")
        assert reason in str(caught.value)
        assert "--root" in str(caught.value)
    assert everything_below(tmp_path) == []


def test_every_data_set_has_what_its_files_need():
    for name, dataset in DATASETS.items():
        assert dataset.name == name
        assert (dataset.shape is None) == (dataset.classes == ())
        assert dataset.shape is None or (dataset.license and dataset.homepage)
        assert bool(dataset.layouts) == bool(dataset.folders) == bool(dataset.downloads)
        assert dataset.download_folder in (dataset.folders or ("",))
    assert set(published()) == {"digits", "mnist", "fashion-mnist", "cifar10"}
    assert set(DATASETS) - set(published()) == {"folder", "npz", "arrays"}


def test_a_source_is_checked_against_the_table_without_torch():
    for name in DATASETS:
        check_source(DataSpec.model_construct(source=name))
    with pytest.raises(BadInput, match=r'^data.source: unknown source "minst"; did you mean "mnist"\?$'):
        check_source(DataSpec.model_construct(source="minst"))
    with pytest.raises(BadInput, match=r'^data.source: unknown source "zzz"; known: arrays, cifar10, digits, '):
        load.load(DataSpec.model_construct(source="zzz"))
    script = (
        "import sys; from smallvision.data import datasets; from smallvision.experiment.data import DataSpec; "
        "datasets.check_source(DataSpec(source='digits')); "
        "print([name for name in ('torch', 'sklearn', 'scipy', 'PIL', 'pooch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_a_new_data_set_is_one_line_of_the_table(monkeypatch):
    def read(dataset, spec, root):
        return digits.read(replace(dataset, classes=DATASETS["digits"].classes), spec, root)

    monkeypatch.setitem(DATASETS, "new", replace(DATASETS["digits"], name="new", read=read))
    splits = load.load(DataSpec(source="digits").model_copy(update={"source": "new"}))
    assert (splits.train.name, splits.source, len(splits.train)) == ("new train", "new", 1437)
    assert "new" in published()
