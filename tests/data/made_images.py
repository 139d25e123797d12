"""Image files written byte by byte, with numpy and struct: TIFF 6.0 (and BigTIFF), PNG, Exif and XMP."""

import functools
import struct
import zlib

import numpy as np

NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773  # compressions of a TIFF
RAW, UNSIGNED, SIGNED, FLOAT = 0, 1, 2, 3  # sample formats of a TIFF


def turned(stored, orientation):
    """The upright image of what is stored, (H, W) or (H, W, C)."""
    height, width = stored.shape[:2]
    return stored.reshape(height * width, *stored.shape[2:])[places(height, width, orientation)]


@functools.cache
def places(height, width, orientation):
    """Which stored pixel, counted row by row, is at each place of the upright image: TIFF 6.0, tag 274."""
    out = np.empty((width, height) if orientation >= 5 else (height, width), np.int64)
    for row in range(height):
        for column in range(width):
            right, bottom = width - 1 - column, height - 1 - row
            place = {
                1: (row, column),  # row 0 is the top, column 0 the left side
                2: (row, right),  # top, right
                3: (bottom, right),  # bottom, right
                4: (bottom, column),  # bottom, left
                5: (column, row),  # left, top
                6: (column, bottom),  # right, top
                7: (right, bottom),  # right, bottom
                8: (right, row),  # left, bottom
            }[orientation]
            out[place] = row * width + column
    return out


def packed(samples, bits, order="<"):
    """The bytes of each row of samples (H, W, C), for 1, 2, 4, 8, 12, 16 or 32 bits; each row ends with whole bytes."""
    rows = samples.reshape(len(samples), -1)
    if samples.dtype.kind == "f" or bits in (8, 16, 32):
        return [np.ascontiguousarray(row, row.dtype.newbyteorder(order)).tobytes() for row in rows]
    one = (rows[:, :, None].astype(np.int64) >> np.arange(bits)[::-1]) & 1
    return [row.tobytes() for row in np.packbits(one.reshape(len(rows), -1).astype(np.uint8), axis=1)]


def lzw(content):
    """LZW of TIFF 6.0, section 13, of single bytes only: with a clear code often enough, each code has nine bits."""
    codes = []
    for start in range(0, len(content), 200):
        codes += [256, *content[start : start + 200]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def packbits(rows):
    """PackBits of TIFF 6.0, section 9, without any run: each row on its own, 128 bytes at a time."""
    parts = [row[at : at + 128] for row in rows for at in range(0, len(row), 128)]
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


COMPRESS = {
    NONE: b"".join,
    LZW: lambda rows: lzw(b"".join(rows)),
    DEFLATE: lambda rows: zlib.compress(b"".join(rows)),
    PACKBITS: packbits,
}


def directory(tags, start, order="<", big=False):
    """A directory of {number: (type, values)}, values numbers or bytes, that stands at `start`; values after it."""
    forms = {1: "B", 2: "s", 3: "H", 4: "L", 5: "L", 7: "B", 12: "d", 16: "Q"}
    inline = 8 if big else 4
    after = start + (8 if big else 2) + len(tags) * (20 if big else 12) + inline
    entries, outside = [], b""
    for number, (kind, values) in sorted(tags.items()):
        content = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{forms[kind]}", *values)
        count = len(values) // (2 if kind == 5 else 1)
        if len(content) > inline:
            place = struct.pack(order + ("Q" if big else "L"), after + len(outside))
            outside += content + b"\0" * (len(content) % 2)
        else:
            place = content.ljust(inline, b"\0")
        entries.append(struct.pack(order + ("HHQ" if big else "HHL"), number, kind, count) + place)
    return struct.pack(order + ("Q" if big else "H"), len(tags)) + b"".join(entries) + bytes(inline) + outside


def tiff(
    samples,
    bits=8,
    photometric=1,
    sample_format=UNSIGNED,
    extra=(),
    compression=NONE,
    rows=None,
    tile=None,
    order="<",
    big=False,
    planar=False,
    orientation=None,
    tags=(),
):
    """A TIFF of samples (H, W) or (H, W, C).

    `rows` of a strip, or `tile` (H, W); `orientation` an integer, or (type, values) of the tag; `tags` further ones.
    """
    samples = samples.reshape(*samples.shape[:2], -1)
    height, width, channels = samples.shape
    planes = [samples[:, :, [channel]] for channel in range(channels)] if planar else [samples]
    parts = []
    for plane in planes:
        if tile is None:
            step = rows or height
            parts += [plane[top : top + step] for top in range(0, height, step)]
        else:
            grown = np.pad(plane, ((0, -height % tile[0]), (0, -width % tile[1]), (0, 0)))
            for top in range(0, height, tile[0]):
                parts += [grown[top : top + tile[0], left : left + tile[1]] for left in range(0, width, tile[1])]
    contents = [COMPRESS[compression](packed(part, bits, order)) for part in parts]
    places, content = [], b""
    for one in contents:
        places.append((16 if big else 8) + len(content))
        content += one + b"\0" * (len(one) % 2)
    sizes = [len(one) for one in contents]
    found = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * channels), 259: (3, [compression])}
    found |= {262: (3, [photometric]), 277: (3, [channels]), 284: (3, [2 if planar else 1])}
    if tile is None:
        found |= {273: (4, places), 278: (4, [rows or height]), 279: (4, sizes)}
    else:
        found |= {322: (4, [tile[1]]), 323: (4, [tile[0]]), 324: (4, places), 325: (4, sizes)}
    if extra:
        found[338] = (3, list(extra))
    if sample_format != UNSIGNED:
        found[339] = (3, [sample_format] * channels)
    if orientation is not None:
        found[274] = (3, [orientation]) if isinstance(orientation, int) else orientation
    found |= dict(tags)
    start = (16 if big else 8) + len(content)
    mark = b"II" if order == "<" else b"MM"
    head = struct.pack(order + "HHHQ", 43, 8, 0, start) if big else struct.pack(order + "HL", 42, start)
    return mark + head + content + directory(found, start, order, big)


def exif(orientation, order="<", prefix=b""):
    """Exif with the tag Orientation alone, an integer or (type, values)."""
    tag = (3, [orientation]) if isinstance(orientation, int) else orientation
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HL", 42, 8)
    return prefix + head + directory({274: tag}, 8, order)


def xmp(orientation, form="attribute"):
    """An XMP packet with tiff:Orientation as an attribute or as an element."""
    inside = {
        "attribute": f'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        f'tiff:Orientation="{orientation}"/>',
        "quoted once": "<rdf:Description xmlns:tiff='http://ns.adobe.com/tiff/1.0/' "
        f"tiff:Orientation = '{orientation}'/>",
        "element": '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/">'
        f"<tiff:Orientation>{orientation}</tiff:Orientation></rdf:Description>",
    }[form]
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"{inside}</rdf:RDF></x:xmpmeta>"
    ).encode()


def png_chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def raw_profile(kind, content, name=b"tEXt"):
    """A profile as ImageMagick writes it: an empty line, its kind, its length, and lines of 72 hexadecimal digits."""
    digits = content.hex().encode()
    lines = b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = b"\n%s\n%8d\n%s\n" % (kind, len(content), lines)
    text = b"\0" + zlib.compress(text) if name == b"zTXt" else text
    return png_chunk(name, b"Raw profile type " + kind + b"\0" + text)


def xmp_chunk(packet, compressed=False):
    head = b"XML:com.adobe.xmp\0" + (b"\1" if compressed else b"\0") + b"\0\0\0"
    return png_chunk(b"iTXt", head + (zlib.compress(packet) if compressed else packet))


def png(samples, bits=8, color=0, before=(), after=(), interlaced=False):
    """A PNG of samples (H, W) or (H, W, C); chunks `before` and `after` the pixels."""
    samples = samples.reshape(*samples.shape[:2], -1)
    height, width = samples.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlaced:  # Adam7: first row, first column, rows apart, columns apart
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    content = b""
    for top, left, down, right in passes:
        part = samples[top::down, left::right]
        if part.size:
            content += b"".join(b"\0" + row for row in packed(part, bits, ">"))
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlaced)
    chunks = [png_chunk(b"IHDR", header), *before, png_chunk(b"IDAT", zlib.compress(content)), *after]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + png_chunk(b"IEND", b"")


def jpeg_with(content, *segments):
    """A JPEG with further segments APP1 after its first two bytes."""
    added = b"".join(b"\xff\xe1" + struct.pack(">H", 2 + len(one)) + one for one in segments)
    return content[:2] + added + content[2:]
