"""Output of the command line, and its number of threads."""

import os
import shutil
import sys
from functools import partial
from pathlib import Path

from threadpoolctl import ThreadpoolController
from tqdm import tqdm

from skalign.cli._kinds import InputError

_THREADED_WORK = 2e9  # number of multiplications above which threads save time


def say(*lines, end="\n"):
    """Print lines; after a broken pipe, discard all further output."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = "\n".join(lines).encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(text, end=end, flush=True)
    except OSError as error:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())  # discards what is still buffered
        os.close(null)
        if not isinstance(error, BrokenPipeError):
            raise InputError(f"standard output cannot be written: {error}") from None


def width():
    """Return the number of columns of the terminal; 80 if there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def progress(unit, total=None):
    """Return a wrapper that shows a progress bar after two seconds on a terminal."""
    return partial(tqdm, unit=unit, total=total, delay=2, disable=None, leave=False)


def use_threads_if_large(options, *matrices):
    """Use all threads for large products; small ones are faster with one thread.

    A BLAS beside NumPy's, as SciPy's wheels have one, keeps one thread: threads of both
    wait actively, and take the cores from one another. Returns the number of threads.
    """
    n_samples, width = len(matrices[0]), max(matrix.shape[1] for matrix in matrices)
    if n_samples * width * (n_samples + width) < _THREADED_WORK:
        return 1
    options.threads.restore_original_limits()
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    others = [library for library in libraries if not _is_of_numpy(library)]
    if len(others) < len(libraries):
        for library in others:
            library.set_num_threads(1)
    return max((library.num_threads for library in libraries), default=1)


def _is_of_numpy(library):
    return Path(library.filepath).parent.name == "numpy.libs"
