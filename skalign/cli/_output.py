"""Output files of the command line, and one-line errors.

It imports little, so that the help is shown at once.
"""

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path

from skalign._files import check_writable, writing

_SUFFIXES = {"report": ".json", "fit": ".skops", "apply": ".npy"}


class InputError(Exception):
    """Error in the user's input, with a message of one line."""


def check_output(options):
    """Raise an error for an output that cannot be written, before the computation."""
    path = vars(options).get("output", vars(options).get("json"))
    if path is None:
        return
    if path == "-":
        raise InputError("output cannot go to standard output (-): name a file.")
    try:
        mode = check_writable(path)
    except IsADirectoryError:
        raise InputError(f"{path} cannot be written: it is a folder.") from None
    except FileNotFoundError:
        raise InputError(f"{path} cannot be written: no such folder.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from None
    if mode is not None and not stat.S_ISREG(mode):
        return
    suffix = _SUFFIXES[options.command]
    if Path(path).suffix.lower() not in ("", suffix):
        raise InputError(
            f"{path} must end with {suffix}: {options.command} writes no other format."
        )
    for key in ("source", "target", "labels", "map"):
        if (given := vars(options).get(key)) and mode is not None:
            with suppress(OSError):  # reported when the file is read
                if os.path.samefile(path, split_key(given)[0]):
                    raise InputError(f"{path} is an input: choose another output.")


def split_key(name):
    """Return the path and the key of FILE.npy or FILE.npz:KEY."""
    path, mark, key = name.partition(".npz:")
    return path + mark.removesuffix(":"), key


@contextmanager
def writing_to(path):
    try:
        with writing(path) as unfinished:
            yield unfinished
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from None
