"""Warnings that show the line of the user's code."""

import sys

_LIBRARIES = {"contextlib", "joblib", "skalign", "sklearn", "skorch", "torch"}


def user_level():
    """Return the `stacklevel` of a warning, raised where this is called.

    It is that of the innermost caller outside skalign and the libraries that call it,
    so that methods may be wrapped or divided without counting calls.
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and _package(frame) in _LIBRARIES:
        frame, level = frame.f_back, level + 1
    return level


def _package(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]
