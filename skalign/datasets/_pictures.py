"""Picture files, in a folder or in a zip file, as arrays."""

import os
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np

_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def import_pillow():
    """Import Pillow, which is optional, with the modules that are used here."""
    try:
        import PIL.Image
        import PIL.ImageDraw
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError(
            "Reading pictures needs Pillow, which is not installed: pip install pillow"
        ) from error
    return PIL


def find_pictures(path):
    """Find the picture files in a folder or a zip file.

    Hidden files, and files that are no pictures by their name, are left out.

    Returns
    -------
    names : list of PurePosixPath, in sorted order, relative to `path`

    Raises
    ------
    FileNotFoundError
        If `path` is neither a folder nor a zip file.
    ValueError
        If it holds no picture, or a folder in it does not.
    """
    path = Path(path)
    if path.is_dir():
        folders, files = _walk(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            entries = archive.namelist()
        folders = {PurePosixPath(name) for name in entries if name.endswith("/")}
        files = {PurePosixPath(name) for name in entries if not name.endswith("/")}
    else:
        raise FileNotFoundError(f"There is no folder and no zip file {path}.")
    pictures = sorted(
        name
        for name in files
        if name.suffix.lower() in _SUFFIXES and not _is_hidden(name)
    )
    if not pictures:
        raise ValueError(f"{path} holds no picture.")
    filled = {parent for name in pictures for parent in name.parents}
    empty = sorted(name for name in folders - filled if not _is_hidden(name))
    if empty:
        raise ValueError(f"The folder {empty[0]} in {path} holds no picture.")
    return pictures


def _walk(path):
    """Return what is in a folder and in those below it, linked ones too.

    Returns
    -------
    folders, files : set of PurePosixPath, relative to `path`
    """
    folders, files = set(), set()
    for folder, below, names in os.walk(path, followlinks=True):
        folder = Path(folder)
        place, real = PurePosixPath(folder.relative_to(path)), folder.resolve()
        # A link back to where we came from would lead round and round.
        below[:] = [n for n in below if not real.is_relative_to((folder / n).resolve())]
        folders |= {place / name for name in below}
        files |= {place / name for name in names}
    return folders, files


def read_picture(file, name):
    """Read a picture of 8 or 16 bits a channel, as RGB of 8 bits.

    Parameters
    ----------
    file : str, path-like or binary file
    name : str
        What to call it in an error.

    Raises
    ------
    ValueError
        If it is no picture or is damaged, or has pixels without a known range.
    """
    PIL = import_pillow()
    damaged = OSError, SyntaxError, zipfile.BadZipFile, zlib.error
    try:
        with PIL.Image.open(file) as picture:
            mode, wide = picture.mode, picture.mode.startswith("I;16")
            if mode == "F" or (mode.startswith("I") and not wide):
                raise ValueError(
                    f"{name} has pixels of mode {mode!r}, whose range is not known: "
                    "store it with 8 or 16 bits."
                )
            if wide:
                pixels = np.asarray(picture) / 257  # 65,535 is 255
                picture = PIL.Image.fromarray(pixels.round().astype(np.uint8))
            return picture.convert("RGB")
    except (*damaged, PIL.Image.DecompressionBombError) as error:  # what Pillow raises
        raise ValueError(f"{name} is no picture, or damaged: {error}") from error


def read_pictures(path, names, size, dtype):
    """Read pictures of a folder or a zip file, cut to the middle square and resized.

    Returns
    -------
    data : ndarray of shape (len(names), 3, size, size)
        Of uint8, 0 to 255, or of float32, 0 to 1, as `dtype` says.

    Raises
    ------
    ValueError
        As of :func:`read_picture`.
    """
    PIL = import_pillow()
    data = np.empty((len(names), 3, size, size), dtype=dtype)
    with _opener(Path(path)) as open_file:
        for place, name in enumerate(names):
            with open_file(str(name)) as file:
                picture = read_picture(file, f"{name} in {path}")
            square = PIL.ImageOps.fit(picture, (size, size))
            data[place] = np.asarray(square).transpose(2, 0, 1)
    if data.dtype != np.uint8:
        data /= 255
    return data


@contextmanager
def _opener(path):
    if path.is_dir():
        yield lambda name: (path / name).open("rb")
    else:
        with zipfile.ZipFile(path) as archive:
            yield archive.open


def _is_hidden(name):
    return any(part.startswith((".", "__MACOSX")) for part in name.parts)
