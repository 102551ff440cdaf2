"""Files that are something else than their name says are told by what other programs write."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cryofifa.system.file_kind import other_kind_of_file


def of_image(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("F" if kind == "TIFF" else "L", (8, 8)).save(file, kind)
    return file.getvalue()


def of_archive(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.mrcs", b"x")
    else:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("a.mrcs"))
    return file.getvalue()


CONTENTS = {
    "gzip": gzip.compress(b"x" * 2000),
    "bzip2": bz2.compress(b"x" * 2000),
    "xz": lzma.compress(b"x" * 2000),
    "zstd": bytes.fromhex("28b52ffd0458010000") + b"x" * 40,  # RFC 8878, 3.1.1
    "zip": of_archive("zip"),
    "tar": of_archive("tar"),
    "TIFF": of_image("TIFF"),
    "a picture": of_image("PNG"),
    "HDF5": b"\x89HDF\r\n\x1a\n\0\0\0",
    "pickle": pickle.dumps([0, 1, 2]),
    "git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 132096\n",
    "git annex get": b"/annex/objects/SHA256E-s132096--4d7a.mrcs\n",
    "a web page": b"\n<!DOCTYPE HTML PUBLIC>\n<html><body>404</body></html>",
}


@pytest.mark.parametrize("what", CONTENTS)
def test_kinds_are_named(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.mrcs"
    path.write_bytes(CONTENTS[what])
    assert what in str(other_kind_of_file(path))


@pytest.mark.parametrize("box", [8, 64, 640, 1200])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_an_mrc_header_is_none_of_them(tmp_path: Path, box: int, byte_order: str) -> None:
    path = tmp_path / "a.mrcs"
    path.write_bytes(np.array([box, box, 5000, 2], dtype=f"{byte_order}i4").tobytes() + bytes(1008))
    assert other_kind_of_file(path) is None


@pytest.mark.parametrize("text", ["", "data_\n", "# version 30001\n\ndata_optics\n", "0\n1\n"])
def test_text_is_none_of_them(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.star"
    path.write_text(text)
    assert other_kind_of_file(path) is None
