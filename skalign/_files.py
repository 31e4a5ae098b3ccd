"""Write files whole or not at all."""

import errno
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


@contextmanager
def writing(path):
    """Give a path to write to, which takes the place of `path` once it is whole.

    A failure or an interrupt leaves the file that was there. Links stay links, the
    mode of a file is kept, and devices and pipes are written to directly.

    Parameters
    ----------
    path : str or path-like

    Yields
    ------
    unfinished : Path

    Raises
    ------
    OSError
        If `path` is a folder or cannot be written.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        yield Path(path)
        return
    target = Path(os.path.realpath(path))
    if mode is not None and stat.S_ISDIR(mode):
        raise _os_error(errno.EISDIR, path)
    if mode is not None and not os.access(target, os.W_OK):
        raise _os_error(errno.EACCES, path)
    if not target.parent.is_dir():
        raise _os_error(errno.ENOENT, target.parent)
    unfinished = target.with_name(f".{uuid4().hex}.part")
    try:
        unfinished.touch(exist_ok=False)
        if mode is not None:  # before it holds a byte: a private file stays private
            shutil.copymode(target, unfinished)
        yield unfinished
        unfinished.replace(target)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _os_error(number, path):
    return OSError(number, os.strerror(number), str(path))
