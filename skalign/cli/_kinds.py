"""Kinds of files: what a name, a suffix or the first bytes state.

It imports little, so that names that do not suit are refused at once.
"""

import codecs
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile

REPORTS = {
    "table": (".txt",),
    "markdown": (".md",),
    "json": (".json",),
    "html": (".html",),
}
MATRICES = {
    "npy": (".npy",),
    "npz": (".npz",),
    "safetensors": (".safetensors",),
    "csv": (".csv",),
    "parquet": (".parquet",),
    "arrow": (".arrow", ".feather"),
}
TABLES = ("csv", "parquet", "arrow")
SUFFIXES = {
    "report": REPORTS,
    "fit": {"skops": (".skops",)},
    "apply": MATRICES,
}
_PACKAGES = {  # and the extra that installs them
    "csv": ("pyarrow", "files"),
    "parquet": ("pyarrow", "files"),
    "arrow": ("pyarrow", "files"),
    "safetensors": ("safetensors", "files"),
    "html": ("matplotlib", "plot"),
    "completion": ("shtab", "completion"),
}
_WITH_KEY = re.compile(
    r"(-|.*?\.(?:npz|csv|parquet|arrow|feather|safetensors)):(.*)", re.I | re.S
)


class InputError(Exception):
    """Error in the user's input, with a message of one line."""


def split_key(name):
    """Return the path and the key of FILE or FILE.npz:KEY."""
    found = _WITH_KEY.fullmatch(name)
    return found.groups() if found else (name, "")


def require_package(kind, name):
    """Raise an error if the package that reads or writes a kind is not installed."""
    package, extra = _PACKAGES.get(kind, (None, None))
    if package is not None and find_spec(package) is None:
        raise InputError(
            f'{name} needs {package}: python -m pip install "skalign[{extra}]".'
        )


def kind_of(file, name):
    """Return what a binary file holds, by its first bytes; CSV by its suffix."""
    start = file.read(4096)
    if not start:
        raise ValueError("it is empty")
    if start.startswith(b"\x93NUMPY"):
        return "npy"
    if start.startswith(b"PK"):
        return "npz"
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    if start[8:9] == b"{":
        return "safetensors"
    is_text = b"\0" not in start and _is_utf8(start)
    if is_text and (name == "-" or Path(name).suffix.lower() == ".csv"):
        return "csv"
    raise ValueError(
        "it is neither .npy, .npz, .parquet, .arrow, .safetensors nor .csv (in UTF-8)"
    )


def _is_utf8(start):
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # the end may be cut
    except UnicodeDecodeError:
        return False
    return True


def standard_input():
    """Return standard input as a binary file."""
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("standard input (-) is a terminal: pipe a file into it.")
    return sys.stdin.buffer


def copied(stream):
    """Copy a stream to a temporary file, which is deleted when it is closed."""
    file = NamedTemporaryFile(prefix="skalign-")  # noqa: SIM115, closed by its owner
    shutil.copyfileobj(stream, file)
    file.flush()
    return file
