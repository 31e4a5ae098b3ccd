"""Sums over the samples of each domain, for samples of Dask."""

from functools import reduce

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_array

from skalign._dask import map_and_merge, naming, split
from skalign._labels import as_written, check_domain
from skalign._validation import FLOATS
from skalign.moments import Sums


def sum_by_domain(aligner, X, sample_domain, labels=None):
    """Compute the sums that an unpaired aligner needs, of each domain.

    Parameters
    ----------
    aligner : object
        Aligner that is fitted from sums of both sides.
    X : Dask array or dataframe
    sample_domain : Dask array, Series or array-like of shape (n_samples,)
    labels : Dask array, Series or array-like of shape (n_samples,), default=None

    Returns
    -------
    sums : dict of Sums by domain
        Sums of the source, sorted by domain.

    Raises
    ------
    ValueError
        If the aligner needs the samples themselves, partitions do not correspond, or a
        partition has NaN; the error names it.
    """
    if "source" not in getattr(aligner, "_parts", {}) or not hasattr(
        aligner, "collect"
    ):
        raise ValueError(
            f"{aligner!r} needs all samples at once. For samples of Dask, use an "
            "aligner that is fitted from sums over each side, such as CORALAligner."
        )
    given = {"X": X, "sample_domain": sample_domain, "labels": labels}
    parts = split({name: of for name, of in given.items() if of is not None})
    sums = map_and_merge(_sum_part, clone(aligner), enumerate(parts))
    return {name: sums[name] for name in np.unique([*sums]).tolist()}


def _sum_part(aligner, i, part):
    sums = {}
    if len(part["X"]) == 0:
        return sums
    with naming(f"Partition {i}"):
        X = check_array(part["X"], dtype=FLOATS, input_name="X")
        domain = check_domain(part["sample_domain"], X)
        labels = as_written(part["labels"]) if "labels" in part else None
        for name in np.unique(domain).tolist():
            rows = domain == name
            given = {} if labels is None else {"labels": labels[rows]}
            sums[name] = aligner.collect(X[rows], **given)
    return sums


def pooled(sums):
    """Return the sums over the samples of several domains."""
    return reduce(Sums.merge, sums)


def pair_up(source, target):
    """Return sums of a source and of a target, from sums of the source each."""
    return source.merge(
        Sums.of(
            {"target": target.parts["source"]},
            target.dtype,
            n_targets=target.n_features,
        )
    )


def means_of(sums):
    """Return the means of the samples, or of each class."""
    part = sums.parts["source"]
    return part.means if hasattr(part, "means") else part.x_mean[np.newaxis]
