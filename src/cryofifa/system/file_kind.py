"""What a file is by its first bytes, for files that are something else than their name says."""

import re
from pathlib import Path

# First bytes, what the file is, and what to do about it. FILE stands for its path.
_KINDS: tuple[tuple[re.Pattern[bytes], str, str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), what, remedy)
    for pattern, what, remedy in (
        (rb"\x1f\x8b", "compressed (gzip)", "unpack it with gunzip"),
        (rb"\x28\xb5\x2f\xfd", "compressed (zstd)", "unpack it with unzstd"),
        (rb"BZh[1-9]", "compressed (bzip2)", "unpack it with bunzip2"),
        (rb"\xfd7zXZ\x00", "compressed (xz)", "unpack it with unxz"),
        (rb"\x04\x22\x4d\x18", "compressed (lz4)", "unpack it with unlz4"),
        (rb"7z\xbc\xaf\x27\x1c", "compressed (7z)", "unpack it"),
        (rb"PK\x03\x04", "a zip archive", "unpack it with unzip"),
        (rb".{257}ustar", "a tar archive", "unpack it with tar -xf"),
        (
            rb"version https://git-lfs",
            "the pointer that git-lfs keeps in place of a large file",
            "fetch the file: git lfs pull",
        ),
        (
            rb"\.{0,2}/(?:\S*/)?annex/objects/",
            "the pointer that git-annex keeps in place of a large file",
            "fetch the file: git annex get FILE",
        ),
        (rb"\s*<(?i:!doctype html|html|\?xml)", "a web page or XML", "download the file again"),
        (rb"\x89HDF\r\n\x1a\n", "HDF5", "convert it to MRC, with e2proc2d.py of EMAN2 for example"),
        (rb"II[*+]\x00|MM\x00[*+]", "TIFF", "convert it to MRC, with tif2mrc of IMOD for example"),
        (rb"\x89PNG|\xff\xd8\xff", "a picture", "give the file of numbers that it was made from"),
        (rb"\x93NUMPY", "a numpy array", "give a file of the format asked for"),
        (
            rb"\x95CSDAT",
            "cryoSPARC's compressed container (CSDAT)",
            "save it as a numpy array, with cryosparc-tools: "
            "python -c \"from cryosparc.dataset import Dataset; Dataset.load('FILE').save('numpy.cs')\"",
        ),
        (rb"\x80[\x02-\x05][^\x00]", "a Python pickle", "save it in another format: pickles are never loaded"),
    )
)
LONGEST = 300  # first bytes that tell


def other_kind(path: Path, first: bytes) -> str | None:
    """What the file is and what to do, if its first bytes are those of another kind of file; None if they are not.

    >>> other_kind(Path("a.mrcs"), b"BZh9")
    'is compressed (bzip2); unpack it with bunzip2'
    """
    for pattern, what, remedy in _KINDS:
        if pattern.match(first):
            return f"is {what}; {remedy.replace('FILE', str(path))}"
    return None


def other_kind_of_file(path: Path) -> str | None:
    """The same for a file that is not read yet.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        return other_kind(path, file.read(LONGEST))
