"""Files of binary formats, well formed and not: IDX, CIFAR-10, NPZ, safetensors, and images of every format read."""

import gzip
import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from campaign.damage import EXTREME, ODD
from campaign.values import TEXTS, hostile_json, wrong_json

ZIPPED = 8_000_000  # bytes that a small zipped file unpacks to, where it means harm


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """An IDX file."""
    return b"\0\0" + bytes([kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def wrong_idx(draw: random.Random, data: bytes, values: Sequence[int] = ODD) -> bytes:
    """An IDX file with another type, number of dimensions or size in its header, or another label."""
    out, dimensions = bytearray(data), 3 if len(data) > 500 else 1
    way = draw.randrange(5)
    if way == 0:
        out[2] = draw.choice((0, 9, 11, 12, 13, 14, 255))
    elif way == 1:
        out[3] = draw.choice((0, 1, 2, 3, 4, 255))
    elif way == 2:
        out[draw.randrange(2)] = draw.choice((1, 8, 255))
    elif way == 3:
        at = 4 + 4 * draw.randrange(dimensions)
        out[at : at + 4] = struct.pack(">I", draw.choice(values) % 2**32)
    else:
        out[4 + 4 * dimensions + draw.randrange(len(data) - 4 - 4 * dimensions)] = draw.choice((10, 11, 99, 255))
    return bytes(out)


def hostile_idx(draw: random.Random, data: bytes) -> bytes:
    """An IDX file with a size that no memory holds."""
    changed = bytearray(wrong_idx(draw, data, EXTREME))
    at = 4 + 4 * draw.randrange(2 if len(data) > 500 else 1)
    changed[at : at + 4] = struct.pack(">I", draw.choice(EXTREME) % 2**32)
    return bytes(changed)


def zipped(change: Callable[[random.Random, bytes], bytes]) -> Callable[[random.Random, bytes], bytes]:
    """The same change to what a gzipped file holds; sometimes it unpacks to far more."""

    def changed(draw: random.Random, data: bytes) -> bytes:
        inner = change(draw, gzip.decompress(data))
        if draw.random() < 0.1:
            inner += bytes(draw.choice((1, 1000, ZIPPED)))
        return gzip.compress(inner, 1, mtime=0) + (gzip.compress(b"more", mtime=0) if draw.random() < 0.1 else b"")

    return changed


def cifar_pickle(pixels: np.ndarray, labels: Any, **more: Any) -> bytes:
    """A batch of CIFAR-10 in the Python layout: pixels (N, 3072)."""
    table = {b"batch_label": b"training batch", b"labels": labels, b"data": pixels, b"filenames": [b"a.png"] * 4}
    return pickle.dumps(table | {key.encode(): value for key, value in more.items()}, protocol=2)


def wrong_pickle(draw: random.Random, data: bytes) -> bytes:
    """A batch of CIFAR-10 with a key gone or renamed, or values of another type, shape or number."""
    table = pickle.loads(data, encoding="bytes")
    pixels, labels = table[b"data"], table[b"labels"]
    changes: tuple[Callable[[], Any], ...] = (
        lambda: table.pop(draw.choice((b"data", b"labels"))),
        lambda: table.update({b"data": pixels.astype(draw.choice(("f4", "i8", "u2", "?")))}),
        lambda: table.update({b"data": pixels[:, : draw.randrange(3072)]}),
        lambda: table.update({b"data": pixels.tolist()}),
        lambda: table.update({b"data": pixels[: draw.randrange(len(pixels))]}),
        lambda: table.update({b"labels": draw.choice(([], labels[1:], labels * 2, None, 3, "abcd", {}, [[1]] * 4))}),
        lambda: table.update({b"labels": [draw.choice((-1, 10, 2**70, 1.5, True, None, b"3")), *labels[1:]]}),
        lambda: table.update({b"labels": np.array(labels)}),
        lambda: table.update({draw.choice((b"fine_labels", 7, None, (1, 2))): table.pop(b"labels")}),
        lambda: table.update({b"data": pixels.reshape(-1, 3, 32, 32)}),
        lambda: table.update({b"data": np.asfortranarray(pixels)}),
    )
    draw.choice(changes)()
    return pickle.dumps(draw.choice((table, table, table, [table], pixels, labels)), protocol=draw.choice((0, 2, 2, 4)))


def hostile_pickle(draw: random.Random, data: bytes) -> bytes:
    """A pickle that names other functions, says sizes that no memory holds, or is nested deeply."""
    global_ = draw.choice(
        (
            b"os\nsystem\n",
            b"builtins\neval\n",
            b"posix\nsystem\n",
            b"numpy\nload\n",
            b"numpy\nones\n",
            b"a\x1b[31m\nb\n",
        )
    )
    made: tuple[Callable[[], bytes], ...] = (
        lambda: b"c" + global_ + b"(S'touch MARK'\ntR.",
        lambda: b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\ntouch MARK\x85R.",
        lambda: (
            b"\x80\x04" + draw.choice((b"\x8e", b"\x8d", b"\x96")) + struct.pack("<Q", draw.choice(EXTREME)) + b"x."
        ),
        lambda: (
            b"\x80\x02" + draw.choice((b"T", b"X", b"B", b"\x8b")) + struct.pack("<I", draw.choice(EXTREME)) + b"x."
        ),
        lambda: b"\x80\x02" + b"]" * draw.choice((10, 5000)) + b"a" * draw.choice((9, 4999)) + b".",
        lambda: b"\x80\x02(" + b"K\x01" * 50_000 + b"t.",
        lambda: b"\x80\x02r" + struct.pack("<I", draw.choice(EXTREME)) + b".",
        lambda: b"I" + b"9" * draw.choice((10, 5000)) + b"\n.",
        lambda: b"\x80" + bytes([draw.choice((0, 6, 255))]) + data[2:],
        lambda: data.replace(b"ndarray", draw.choice((b"ndarrax", b"memmap\n", b"\x1b[31m\x07x"))),
        lambda: data.replace(b"u1", draw.choice((b"O8", b"f8", b"V9", b"U9"))),
        lambda: data.replace(b"_reconstruct", draw.choice((b"_reconstrucT", b"scalar\n12345"))),
        lambda: data[: draw.randrange(len(data))] + b"0" * 40 + b"." + data[-50:],
    )
    return draw.choice(made)()


def cifar_binary(pixels: np.ndarray, labels: Sequence[int]) -> bytes:
    """A batch of CIFAR-10 in the binary layout: pixels (N, 3072)."""
    return b"".join(bytes([label]) + row.tobytes() for label, row in zip(labels, pixels, strict=True))


def wrong_binary(draw: random.Random, data: bytes) -> bytes:
    """Records with labels that there are not, or of another length."""
    out, at = bytearray(data), 3073 * draw.randrange(len(data) // 3073)
    if draw.random() < 0.6:
        out[at] = draw.randint(10, 255)
        return bytes(out)
    return bytes(out[:at] + out[at + draw.choice((1, 2, 1024, 3072)) :]) + bytes(draw.choice((0, 0, 1, 3072)))


def hostile_binary(draw: random.Random, data: bytes) -> bytes:
    """Far more records, most of them with labels that there are not."""
    label = bytes([draw.choice((0, 9, 10, 128, 255))])
    return (label + bytes(3072)) * draw.choice((1, 100, 3000)) + draw.choice((b"", b"", label, bytes(3072)))


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An NPZ file."""
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def arrays_of(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an NPZ file of ours."""
    with np.load(io.BytesIO(data)) as found:
        return {name: found[name] for name in found.files}


def wrong_npz(draw: random.Random, data: bytes) -> bytes:
    """Arrays gone, renamed, exchanged, of another type, shape, length or range."""
    arrays = arrays_of(data)
    for _ in range(draw.choice((1, 1, 2))):
        name = draw.choice(sorted(arrays))
        value, way = arrays[name], draw.randrange(9)
        if way == 0 and len(arrays) > 1:
            del arrays[name]
        elif way == 1:
            arrays[draw.choice(("x", f"{name}s", name.upper(), "x_train", "split"))] = arrays.pop(name)
        elif way == 2:
            arrays[name] = arrays[draw.choice(sorted(arrays))]
        elif way == 3 and value.dtype.kind in "iufb":
            arrays[name] = value.astype(draw.choice(("i1", "i8", "u1", "f2", "f4", "f8", "c8", "?", "u8", "U5")))
        elif way == 4:
            arrays[name] = value[None] if draw.random() < 0.5 or not value.ndim else value[0]
        elif way == 5 and value.ndim:
            arrays[name] = value[: draw.randrange(len(value) + 1)]
        elif way == 6 and value.dtype.kind in "iu" and value.size:
            arrays[name] = (value.astype("i8") + draw.choice((1, -1, 1000, -1000, 2**40))).astype(
                draw.choice(("i8", value.dtype))
            )
        elif way == 7 and value.ndim > 1:
            arrays[name] = np.asfortranarray(value) if draw.random() < 0.5 else np.moveaxis(value, 0, -1)
        else:
            arrays[name] = np.array(draw.choice((0, 1.5, "text", [], [1, 2, 3], [["a"]], [float("nan")])))
    return npz(arrays)


def hostile_npz(draw: random.Random, data: bytes) -> bytes:
    """Numbers that are none, objects, sizes that no memory holds, members that unpack to far more, odd names."""
    arrays = arrays_of(data)
    name, way = draw.choice(sorted(arrays)), draw.randrange(7)
    value = arrays[name]
    if way == 0:
        bad = draw.choice((float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324))
        arrays[name] = np.full(value.shape, bad)
        return npz(arrays)
    if way == 1:
        arrays[name] = np.array([{"a": 1}] * 3, object)
        return npz(arrays)
    if way == 2:
        arrays[name] = np.array([draw.choice(TEXTS).replace("\0", "x")[:2000]] * max(1, min(9, value.size)))
        return npz(arrays)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for other, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
            held, member = content.getvalue(), f"{other}.npy"
            if other == name and way == 3:
                held = held[:10] + _header(draw, held[10:])
            elif other == name and way == 4:
                held += bytes(ZIPPED)
            elif other == name and way == 5:
                member = draw.choice(
                    ("../../x.npy", "/etc/x.npy", "a\x1b[31m.npy", f"{other}.npy/", "x" * 5000, ".", "a.txt")
                )
            archive.writestr(member, held)
            if other == name and way == 6:
                for number in range(draw.choice((1, 3000))):
                    archive.writestr(f"{number}.npy", b"")
    return out.getvalue()


def _header(draw: random.Random, rest: bytes) -> bytes:
    """The header of an .npy after its length, with a shape or type that means harm; as long as it was."""
    end = rest.index(b"\n") + 1
    text = draw.choice(
        (
            "{'descr': '|u1', 'fortran_order': False, 'shape': (999999999999,), }",
            "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (2147483648, 2147483648), }",
            "{'descr': '<f8', 'fortran_order': True, 'shape': (), }",
            "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (3,), }",
            "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (3,), }",
            "{'descr': '<f8'}",
            "1" * 100,
            "(" * 100,
        )
    )
    return text.encode().ljust(end - 1)[: end - 1] + b"\n" + rest[end:]


def wrong_safetensors(draw: random.Random, data: bytes) -> bytes:
    """A safetensors file with wrong fields in its header."""
    return _of_header(draw, data, wrong_json)


def hostile_safetensors(draw: random.Random, data: bytes) -> bytes:
    """A safetensors file with a hostile value in its header, or with a length that no memory holds."""
    if draw.random() < 0.25:
        return struct.pack("<Q", draw.choice((*EXTREME, 2**63, 2**64 - 1, len(data)))) + data[8:]
    return _of_header(draw, data, hostile_json)


def _of_header(draw: random.Random, data: bytes, change: Callable[[random.Random, bytes], bytes]) -> bytes:
    (length,) = struct.unpack("<Q", data[:8])
    header = change(draw, json.dumps(json.loads(data[8 : 8 + length])).encode())
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def images(kind: str, draw: random.Random) -> list[bytes]:
    """Image files of one format, several modes, small."""
    from PIL import Image, TiffImagePlugin

    modes = {
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
        "JPEG": ("L", "RGB", "CMYK"),
        "GIF": ("1", "L", "P", "RGB"),
        "BMP": ("1", "L", "P", "RGB"),
        "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"),
        "WEBP": ("RGB", "RGBA"),
        "PPM": ("1", "L", "RGB", "I;16"),
        "JPEG2000": ("L", "LA", "RGB", "RGBA"),
        "AVIF": ("RGB", "RGBA"),
    }[kind]
    found = []
    for mode in modes:
        size = draw.choice(((16, 12), (9, 20), (12, 12)))
        numbers = np.random.default_rng(draw.randrange(2**32))
        if mode == "I;16":
            picture = Image.fromarray(numbers.integers(0, 65536, size, dtype=np.uint16))
        elif mode == "F":
            picture = Image.fromarray(numbers.random(size, dtype=np.float32))
        else:
            picture = Image.fromarray(numbers.integers(0, 256, (*size, 3), dtype=np.uint8)).convert(mode)
        options: list[dict[str, Any]] = [{}]
        if kind == "TIFF" and mode not in ("F",):
            options += [{"compression": "tiff_deflate"}, {"compression": "tiff_lzw"}]
            turned = TiffImagePlugin.ImageFileDirectory_v2()
            turned[274] = draw.choice((3, 6, 8))
            options.append({"tiffinfo": turned})
        if kind == "PNG":
            turned_exif = Image.Exif()
            turned_exif[274] = draw.choice((2, 3, 6, 8))
            options.append({"exif": turned_exif})
        if kind == "JPEG":
            options.append({"progressive": True})
        if kind == "WEBP":
            options.append({"lossless": True})
        for option in options:
            out = io.BytesIO()
            picture.save(out, kind, **option)
            found.append(out.getvalue())
    return found
