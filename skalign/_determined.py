"""Warnings about directions that the data leave undetermined."""

import warnings
from contextlib import contextmanager
from contextvars import ContextVar

from skalign._warnings import user_level

_SILENT = ContextVar("silent", default=False)


def undetermined(aligner, otherwise="are mapped to the mean", width=None):
    """Describe, in a list, the directions that the data leave undetermined.

    Parameters
    ----------
    aligner : object
        Fitted aligner with `determined_rank_`.
    otherwise : str
        Treatment of these directions.
    width : int, default=None
        Number of directions that could be determined; the smaller width by default.

    Returns
    -------
    doubts : list of str
    """
    rank = aligner.determined_rank_
    if width is None:
        width = min(aligner.n_features_in_, aligner.n_targets_)
    if rank == width:
        return []
    return [
        f"the data determine {rank} of {width} directions, and the others {otherwise}"
    ]


def warn_undetermined(aligner, *what):
    """Warn about directions that the data leave undetermined, by `warn_of_fit`."""
    for doubt in undetermined(aligner, *what):
        warn_of_fit(f"{type(aligner).__name__} may have failed: {doubt}.")


def warn_of_fit(message):
    """Warn about a fit. Not inside `without_warning`."""
    if not _SILENT.get():
        warnings.warn(message, UserWarning, stacklevel=user_level())


@contextmanager
def without_warning():
    """Silence `warn_of_fit` in the fits of this block.

    For an aligner that fits others and warns, if at all, on its own account. Fits in
    other threads are not affected.
    """
    token = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(token)
