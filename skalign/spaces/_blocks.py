"""Spaces as column blocks, with missing samples."""

from itertools import pairwise

import numpy as np
from scipy.sparse.csgraph import connected_components
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from skalign._arrays import (
    among_zeros,
    arrive,
    beside,
    dtype_name,
    floats,
    join,
    namespace,
    take_rows,
    to_numpy,
)
from skalign._rescale import largest_about_mean
from skalign._validation import column_names
from skalign.moments import check_scale


def block_sizes(space_sizes, n_features):
    """Validate the sizes of column blocks; None stands for a single block."""
    if space_sizes is None:
        return [n_features]
    sizes = np.asarray(space_sizes)
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or sizes.min(initial=1) < 1:
        raise ValueError(f"space_sizes={space_sizes} must be positive integers.")
    if sizes.sum() != n_features:
        raise ValueError(
            f"space_sizes={space_sizes} sum to {sizes.sum()}, but X has "
            f"{n_features} columns."
        )
    return sizes.tolist()


def join_blocks(spaces, space_sizes):
    """Return spaces as column blocks, their sizes, and their names of columns."""
    try:
        spaces = list(spaces)
    except TypeError:
        kind = type(spaces).__name__
        raise ValueError(f"spaces must be a list of arrays; got {kind}.") from None
    names = [column_names(rows) for rows in spaces]
    spaces = [arrive(rows, f"space {k}", stays=True) for k, rows in enumerate(spaces)]
    spaces = [join(rows, spaces[0], f"space {k}") for k, rows in enumerate(spaces)]
    spaces = [
        check_array(rows, dtype=floats(rows), ensure_all_finite="allow-nan")
        for rows in spaces
    ]
    check_consistent_length(*spaces)
    sizes = [rows.shape[1] for rows in spaces]
    given = None if space_sizes is None else np.array(space_sizes).tolist()
    if given not in (None, sizes):
        raise ValueError(
            f"space_sizes={space_sizes}, but the spaces have widths {sizes}."
        )
    return namespace(*spaces).concat(spaces, axis=1), sizes, names


def split_blocks(X, sizes):
    """Return the spaces, and the NumPy mask (n_samples, n_spaces) of samples."""
    stops = np.cumsum([0, *sizes]).tolist()
    spaces = [X[:, start:stop] for start, stop in pairwise(stops)]
    present = np.column_stack([rows_present(X, k) for k, X in enumerate(spaces)])
    if not (anywhere := present.any(axis=1)).all():
        raise ValueError(
            f"{np.sum(~anywhere)} samples are NaN in all spaces, first sample "
            f"{anywhere.argmin()}."
        )
    return spaces, present


def rows_present(X, space):
    """Return which samples a space has; missing ones are NaN in all columns."""
    xp, missing = namespace(X), namespace(X).isnan(X)
    nowhere = ~to_numpy(xp.any(missing, axis=1))
    if (in_part := ~nowhere & ~to_numpy(xp.all(missing, axis=1))).any():
        raise ValueError(
            f"{in_part.sum()} samples of space {space} are partly NaN, first sample "
            f"{in_part.argmax()}; a missing sample must be NaN in all columns of the "
            "space."
        )
    return nowhere


def shared_samples(present, k):
    """Return the samples that space k shares with others, and a mask of the others."""
    n_spaces = present.shape[1]
    others = np.arange(n_spaces) != k if n_spaces > 1 else np.array([True])
    return present[:, k] & present[:, others].any(axis=1), others


def check_new_space(X, n_samples, space):
    """Return samples of a space, NaN if missing, and which ones it has."""
    X = check_array(X, dtype=floats(X), ensure_all_finite="allow-nan")
    if X.shape[0] != n_samples:
        raise ValueError(
            f"X has {X.shape[0]} samples, but the consensus has {n_samples}."
        )
    seen = rows_present(X, space)
    if seen.sum() < 2:
        raise ValueError(
            f"X has {seen.sum()} samples that are not NaN; at least 2 are needed."
        )
    return X, seen


def mapped_mean(aligners, spaces, present):
    """Return the mean of the mapped samples that are `present`."""
    xp, shape = namespace(*spaces), (len(present), aligners[0].n_targets_)
    total = xp.zeros(shape, dtype=spaces[0].dtype, device=spaces[0].device)
    for aligner, rows, seen in zip(aligners, spaces, present.T, strict=False):
        if seen.any():
            total = total + among_zeros(aligner.predict(take_rows(rows, seen)), seen)
    count = present.sum(axis=1, dtype=dtype_name(total))
    return total / beside(count[:, None], total)


def check_linked(spaces, present):
    """Check that spaces have samples of a sound scale, and share some with others."""
    n_terms = len(present) * sum(rows.shape[1] for rows in spaces)
    if (n_rows := present.sum(axis=0)).min() < 2:
        k = int(n_rows.argmin())
        raise ValueError(f"Space {k} has {n_rows[k]} samples; at least 2 are needed.")
    for k, (rows, seen) in enumerate(zip(spaces, present.T, strict=True)):
        largest = largest_about_mean(take_rows(rows, seen))
        check_scale(largest, dtype_name(rows), f"space {k}", n_terms=n_terms)
    shared = present.T.astype(int) @ present
    n_groups, group = connected_components(shared >= 2)
    if n_groups > 1:
        raise ValueError(
            f"Spaces {np.flatnonzero(group == 0).tolist()} share fewer than 2 "
            f"samples with any of the spaces {np.flatnonzero(group > 0).tolist()}."
        )
