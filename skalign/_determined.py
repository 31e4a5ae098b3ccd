"""What an aligner says of directions that its data leave open."""

import warnings


def undetermined(aligner, otherwise="are mapped to the mean", width=None):
    """What to say, in a list, of directions that the data leave open.

    Parameters
    ----------
    aligner : object
        Fitted aligner with `determined_rank_`.
    otherwise : str
        What becomes of these directions.
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
    """Warn of directions that the data leave open, unless they are another's care."""
    if aligner._says_rank:
        for doubt in undetermined(aligner, *what):
            warnings.warn(
                f"{type(aligner).__name__} may have failed: {doubt}.",
                UserWarning,
                stacklevel=6,
            )


def without_warning(aligner):
    """The aligner, not to warn of directions that it leaves open."""
    if hasattr(aligner, "_says_rank"):
        aligner._says_rank = False
    return aligner
