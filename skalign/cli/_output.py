"""Output files of the command line.

It imports little, so that names that do not suit are refused at once.
"""

import os
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

from skalign._files import check_writable, writing
from skalign.cli._kinds import SUFFIXES, InputError, require_package, split_key

_INPUTS = (
    "source",
    "target",
    "labels",
    "target_labels",
    "pairs",
    "domains",
    "prior",
    "map",
)
_DEFAULTS = {"report": "table", "fit": "skops", "apply": "npy"}


def check_inputs(options):
    """Raise an error if two inputs are standard input."""
    given = [vars(options).get(key) for key in _INPUTS]
    if sum(name is not None and split_key(name)[0] == "-" for name in given) > 1:
        raise InputError("only one input can be standard input (-).")


def check_output(options):
    """Raise an error for an output that cannot be written, before the computation."""
    path = options.output
    if path is None:
        return
    if path == "-":
        if options.command != "apply":
            raise InputError(
                f"the output of {options.command} cannot go to standard output (-): "
                "name a file."
            )
        return
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
    require_package(format_of(options), path)
    for key in _INPUTS:
        if (given := vars(options).get(key)) and mode is not None:
            with suppress(OSError):  # reported when the file is read
                if os.path.samefile(path, split_key(given)[0]):
                    raise InputError(f"{path} is an input: choose another output.")


def format_of(options, default=None):
    """Return the format that --format or the suffix of --output states."""
    known = SUFFIXES[options.command]
    wanted = vars(options).get("format")
    suffix = Path(options.output or "").suffix.lower()
    by_suffix = next((f for f, suffixes in known.items() if suffix in suffixes), None)
    if by_suffix is None and suffix:
        every = [s for suffixes in known.values() for s in suffixes]
        raise InputError(
            f"{options.output} must end with {' or '.join(every)}: {options.command} "
            "writes no other format."
        )
    if by_suffix is not None and wanted not in (None, by_suffix):
        raise InputError(
            f"{options.output} must end with {' or '.join(known[wanted])} for --format "
            f"{wanted}."
        )
    return wanted or by_suffix or default or _DEFAULTS[options.command]


@contextmanager
def writing_to(path):
    """Open an output for bytes: a file that appears when it is complete, or - ."""
    if path == "-":
        with suppress(BrokenPipeError):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    with (
        naming_output(path),
        writing(path) as unfinished,
        unfinished.open("wb") as file,
    ):
        yield file
        file.flush()


@contextmanager
def naming_output(path):
    """Add the name of an output to an error of the system."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from None
