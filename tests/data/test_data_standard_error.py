"""Libraries in C print nothing beside our one line, and standard error is as before."""

import io
import os
import threading
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from smallvision.data.readers.standard_error import silent
from smallvision.errors import BadInput

IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8))


def damaged(compression):
    """A TIFF some bytes of whose pixels are others than were written."""
    buffer = io.BytesIO()
    (IMAGE.convert("1") if compression == "group4" else IMAGE).save(buffer, "TIFF", compression=compression)
    data = bytearray(buffer.getvalue())
    first = Image.open(io.BytesIO(data)).tag_v2[273][0] + 20  # of the first strip
    data[first : first + 40] = b"\xff" * 40
    return bytes(data)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "group4"])
def test_a_damaged_tiff_is_one_line_and_libtiff_says_nothing(compression, tmp_path, capfd):
    from smallvision.data.readers import image_file

    path = tmp_path / "a.tif"
    path.write_bytes(damaged(compression))
    with suppress(OSError), Image.open(path) as image:  # else the test could not fail
        image.load()
    assert capfd.readouterr().err
    with suppress(BadInput):
        image_file.read_image(path, "gray")
    assert capfd.readouterr().err == ""
    os.write(2, b"here\n")
    assert capfd.readouterr().err == "here\n"


def test_standard_error_is_given_back_when_the_last_thread_has_left(capfd):
    inside, leave = threading.Barrier(3), threading.Event()

    def other():
        with silent():
            inside.wait()
            leave.wait()

    threads = [threading.Thread(target=other) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait()
    os.write(2, b"lost\n")
    with silent():
        os.write(2, b"lost\n")
    os.write(2, b"lost\n")
    leave.set()
    for thread in threads:
        thread.join()
    os.write(2, b"here\n")
    assert capfd.readouterr().err == "here\n"


def test_without_standard_error_nothing_happens():
    kept = os.dup(2)
    os.close(2)
    try:
        with silent():
            pass
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(2)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
