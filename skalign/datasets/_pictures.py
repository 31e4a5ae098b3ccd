"""Reading of image files, from a folder or a zip file, into arrays."""

import os
import warnings
import zipfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from skalign._files import check_growth, damaged

_FORMATS = ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"]  # others run programs
_ORIENTATION = 0x0112  # a tag of EXIF
_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def import_pillow():
    """Import Pillow, an optional dependency, and the modules used here."""
    try:
        import PIL.Image
        import PIL.ImageDraw
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError(
            "Reading images needs Pillow, which is not installed: pip install pillow"
        ) from error
    return PIL


def find_pictures(path):
    """Find the image files in a folder or a zip file.

    Hidden files and files without an image suffix are ignored.

    Returns
    -------
    names : list of PurePosixPath, in sorted order, relative to `path`

    Raises
    ------
    FileNotFoundError
        If `path` is neither a folder nor a zip file.
    ValueError
        If it, or a folder in it, contains no image.
    """
    path = Path(path)
    if path.is_dir():
        folders, files = _walk(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        with damaged(f"{path} is no zip file"), zipfile.ZipFile(path) as archive:
            entries = archive.namelist()
        folders = {PurePosixPath(name) for name in entries if name.endswith("/")}
        files = {PurePosixPath(name) for name in entries if not name.endswith("/")}
    else:
        raise FileNotFoundError(f"{path} is neither a folder nor a zip file.")
    pictures = sorted(
        name
        for name in files
        if name.suffix.lower() in _SUFFIXES and not _is_hidden(name)
    )
    if not pictures:
        raise ValueError(f"{path} contains no image.")
    filled = {parent for name in pictures for parent in name.parents}
    empty = sorted(name for name in folders - filled if not _is_hidden(name))
    if empty:
        raise ValueError(f"The folder {empty[0]} in {path} contains no image.")
    return pictures


def _walk(path):
    """Return the folders and files below a folder, following links.

    Returns
    -------
    folders, files : set of PurePosixPath, relative to `path`
    """
    folders, files = set(), set()
    for folder, below, names in os.walk(path, followlinks=True):
        folder = Path(folder)
        place, real = PurePosixPath(folder.relative_to(path)), folder.resolve()
        # A link to a parent folder would cause infinite recursion.
        below[:] = [n for n in below if not real.is_relative_to((folder / n).resolve())]
        folders |= {place / name for name in below}
        files |= {place / name for name in names}
    return folders, files


def read_picture(open_file, name):
    """Read an image with 8 or 16 bits per channel as upright 8-bit RGB.

    The image is turned according to the orientation in its EXIF data.

    Parameters
    ----------
    open_file : callable
        Function that returns the file, opened for binary reading.
    name : str
        Name of the image in error messages.

    Returns
    -------
    picture : Image
    turn : Transpose or None
        Transposition applied to the stored pixels.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the file is not an image or is damaged, has more pixels than
        ``PIL.Image.MAX_IMAGE_PIXELS``, or has pixel values of unknown range.
    """
    PIL = import_pillow()
    with (
        damaged(f"{name} is not an image"),
        warnings.catch_warnings(),
        open_file() as file,
    ):
        warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
        with PIL.Image.open(file, formats=_FORMATS) as picture:
            turn, mode = _turn(picture), picture.mode
            # Pillow 10 calls pixels of 16 bits "I" where they come from a PNG file.
            wide = mode.startswith("I;16") or (mode, picture.format) == ("I", "PNG")
            known = mode != "F" and (wide or not mode.startswith("I"))
            if known:
                picture.load()
                due = None if picture.format == "TIFF" else turn  # Pillow turns these
            if wide:
                pixels = np.asarray(picture)  # 65,535 is 255 * 257
                pixels = pixels // 257 + (pixels % 257 > 128)
                picture = PIL.Image.fromarray(pixels.astype(np.uint8))
            if known and picture.mode != "RGB":
                picture = picture.convert("RGB")
    if not known:
        raise ValueError(
            f"{name} has pixels of mode {mode!r}, whose range is not known: store it "
            "with 8 or 16 bits."
        )
    return picture if due is None else picture.transpose(due), turn


def _turn(picture):
    """Return the transposition that turns stored pixels upright, from the EXIF data."""
    PIL = import_pillow()
    turns = PIL.Image.Transpose
    return {
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_270,
        7: turns.TRANSVERSE,
        8: turns.ROTATE_90,
    }.get(picture.getexif().get(_ORIENTATION))


def read_pictures(path, names, size, dtype):
    """Read images from a folder or a zip file, crop them to squares and resize them.

    Returns
    -------
    data : ndarray of shape (len(names), 3, size, size)
        Pixel values, 0 to 255 for uint8 and 0 to 1 for float32.

    Raises
    ------
    ValueError
        As in :func:`read_picture`.
    """
    PIL = import_pillow()
    data = np.empty((len(names), 3, size, size), dtype=dtype)
    with _opener(Path(path)) as open_file:
        for place, name in enumerate(names):
            picture, _ = read_picture(partial(open_file, name), f"{name} in {path}")
            square = PIL.ImageOps.fit(picture, (size, size))
            data[place] = np.asarray(square).transpose(2, 0, 1)
    if data.dtype != np.uint8:
        data /= 255
    return data


def open_picture(path):
    """Open a regular file; a pipe, which would block, raises an error."""
    if path.exists() and not path.is_file():
        raise ValueError("it is not a regular file")
    return path.open("rb")


@contextmanager
def _opener(path):
    if path.is_dir():
        yield lambda name: open_picture(path / name)
        return
    n_stored = path.stat().st_size
    with zipfile.ZipFile(path) as archive:

        def open_member(name):
            member = archive.getinfo(str(name))
            check_growth(member.file_size, n_stored, "it")
            return archive.open(member)

        yield open_member


def _is_hidden(name):
    return any(part.startswith((".", "__MACOSX")) for part in name.parts)
