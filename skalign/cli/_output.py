"""Output files of the command line, and one-line errors.

It imports little, so that the help is shown at once.
"""

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path

from skalign._files import check_writable, writing

FORMATS = {"table": ".txt", "markdown": ".md", "json": ".json"}
_SUFFIXES = {"report": (*FORMATS.values(),), "fit": (".skops",), "apply": (".npy",)}


class InputError(Exception):
    """Error in the user's input, with a message of one line."""


def check_output(options):
    """Raise an error for an output that cannot be written, before the computation."""
    path = options.output
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
    suffixes = _SUFFIXES[options.command]
    if Path(path).suffix.lower() not in ("", *suffixes):
        raise InputError(
            f"{path} must end with {' or '.join(suffixes)}: {options.command} writes "
            "no other format."
        )
    if options.command == "report":
        format_of_report(options)
    for key in ("source", "target", "labels", "map"):
        if (given := vars(options).get(key)) and mode is not None:
            with suppress(OSError):  # reported when the file is read
                if os.path.samefile(path, split_key(given)[0]):
                    raise InputError(f"{path} is an input: choose another output.")


def format_of_report(options):
    """Return the format that --format or the suffix of --output states."""
    suffix = Path(options.output or "").suffix.lower()
    by_suffix = next((f for f, known in FORMATS.items() if known == suffix), None)
    wanted = options.format or by_suffix or "table"
    if by_suffix not in (None, wanted):
        raise InputError(
            f"{options.output} must end with {FORMATS[wanted]} for --format {wanted}."
        )
    return wanted


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
