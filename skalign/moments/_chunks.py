"""Sums over samples that come in chunks: of Dask, of a memory map, or as batches.

Only the sums of a chunk are kept, so that memory does not grow with the samples.
"""

import mmap
from collections.abc import Iterable, Mapping
from functools import wraps
from inspect import signature
from itertools import compress

import numpy as np
from sklearn import clone, get_config
from sklearn.utils import gen_batches

from skalign._atomic import trial_of
from skalign._dask import is_dask, map_and_merge, merge_sums, naming, one_sample, split
from skalign.moments._sums import Moments


def are_batches(samples):
    """Return whether samples are an iterable of batches rather than an array-like."""
    is_array_like = hasattr(samples, "__getitem__") or hasattr(samples, "shape")
    return isinstance(samples, Iterable) and not is_array_like


def in_chunks(given):
    """Return whether one of the arguments of a `fit` is of Dask or holds batches."""
    return any(is_dask(values) or are_batches(values) for values in given.values())


def exceed_memory(given):
    """Return whether memory-mapped samples exceed scikit-learn's `working_memory`."""
    n_bytes = sum(v.nbytes for v in given.values() if isinstance(v, np.memmap))
    return n_bytes > get_config()["working_memory"] * 2**20


def by_chunks(fit):
    """Let a `fit` learn from the sums over samples that come in chunks.

    It is then ``fit_sums(collect(...))``: for samples of Dask, for batches, and for
    memory-mapped samples beyond `working_memory` if sums suffice. Otherwise it is as
    `atomic` makes it.
    """
    names = [*signature(fit).parameters][1:]

    @wraps(fit)
    def wrapper(self, *args, **kwargs):
        given = dict(zip(names, args, strict=False)) | kwargs
        given = {name: values for name, values in given.items() if values is not None}
        if in_chunks(given):
            self._validate_params()
            _check_summable(self, given)
        elif not (exceed_memory(given) and _are_summable(self, given)):
            with trial_of(self) as trial:
                result = fit(trial, *args, **kwargs)
            return self if result is trial else result
        return self.fit_sums(self.collect(**given))

    wrapper.is_atomic = True
    return wrapper


class SamplesNeeded(ValueError):
    """Error of an aligner that its sums do not suffice, though all samples would."""


def _check_summable(aligner, given):
    """Raise an error, before any work, if sums over chunks do not determine the map."""
    name = type(aligner).__name__
    try:
        _ = aligner._streams
    except AttributeError as error:
        raise SamplesNeeded(
            f"{name} cannot be fitted chunk by chunk: {error}"
        ) from None
    if not are_batches(given.get("X")):
        found = aligner.collect(**_first_samples(given)).parts
        if lacking := aligner._parts.keys() - found:
            raise SamplesNeeded(f"There are no {lacking.pop()} samples to fit {name}.")


def _are_summable(aligner, given):
    """Return whether memory-mapped samples can be replaced by their sums."""
    try:
        _check_summable(aligner, given)
    except SamplesNeeded:
        return False
    return True


def _first_samples(given):
    for name, values in given.items():
        if are_batches(values):
            raise ValueError(
                f"{name} is a {type(values).__name__}, while X is no iterable of "
                "batches: pass an array, or X alone, as batches of all arguments."
            )
    return {
        name: one_sample(values, name) if is_dask(values) else _take(values, slice(1))
        for name, values in given.items()
        if name != "sample_weight"  # may be zero
    }


def sum_chunks(aligner, given, together):
    """Compute the sums over samples that come in chunks.

    Parameters
    ----------
    aligner : object
        Aligner whose `collect` computes the sums over a chunk.
    given : dict of str to object
        Arguments of `collect`, in chunks or large.
    together : sequence of tuple of str
        Names of the arguments that describe the same samples.

    Returns
    -------
    sums : Sums

    Raises
    ------
    ValueError
        If there are no samples, or as in `collect`, naming the chunk.
    """
    aligner, total = clone(aligner), None
    if "X" in given and are_batches(given["X"]):
        if given.keys() != {"X"}:
            raise ValueError(
                "X holds batches, which include all other arguments; "
                f"{', '.join(given.keys() - {'X'})} must be None."
            )
        for i, batch in enumerate(given["X"]):
            samples = _arguments(aligner, batch, i)
            total = merge_sums(total, _sum_chunk(aligner, samples, f"Batch {i}"))
    else:
        aligner.collect(**_first_samples(given))  # finds wrong columns at once
        groups = [
            {name: given[name] for name in names if name in given} for names in together
        ]
        lazy = [any(map(is_dask, group.values())) for group in groups]
        if any(lazy):
            parts = (
                (part, f"Partition {i} of {', '.join(group)}")
                for group in compress(groups, lazy)
                for i, part in enumerate(split(group))
            )
            total = map_and_merge(_sum_chunk, aligner, parts)
        for group, of_dask in zip(groups, lazy, strict=True):
            for block in () if of_dask else _blocks(group):
                total = merge_sums(total, _sum_chunk(aligner, block))
                forget(*group.values())
    if total is None:
        raise ValueError("There is no sample of positive weight.")
    return total


def moments_of_dask(X, **kwargs):
    """Compute `Moments` of the samples of a Dask array or dataframe.

    Parameters
    ----------
    X : Dask array or dataframe
    **kwargs
        Arguments of `Moments.from_arrays`, for all partitions.

    Returns
    -------
    moments : Moments

    Raises
    ------
    ValueError
        If a partition has a value that is not finite; the error names it.
    """
    parts = ((part["X"], f"Partition {i}") for i, part in enumerate(split({"X": X})))
    moments = map_and_merge(_moments_of_part, kwargs, parts)
    if moments is None:
        raise ValueError("X has no samples.")
    return moments


def _moments_of_part(kwargs, X, name):
    if len(X) == 0:
        return None
    with naming(name):
        return Moments.from_arrays(X, **kwargs)


def _arguments(aligner, batch, i):
    """Return a batch as arguments of `partial_fit`."""
    if isinstance(batch, Mapping):
        return dict(batch)
    if not isinstance(batch, tuple):
        raise TypeError(
            f"Batch {i} is a {type(batch).__name__}; a tuple of the arguments of "
            "partial_fit, such as (X, y), or a dict of them was expected."
        )
    names = [*signature(aligner.partial_fit).parameters]
    return dict(zip(names, batch, strict=False))


def _sum_chunk(aligner, samples, what=""):
    """Return the sums over a chunk, or None if all its weights are zero."""
    samples = {name: values for name, values in samples.items() if values is not None}
    if all(len(values) == 0 for values in samples.values()):
        return None
    with naming(what):
        if (weight := samples.get("sample_weight")) is not None and not np.any(weight):
            aligner.collect(**samples | {"sample_weight": None})  # validates
            return None
        return aligner.collect(**samples)


def _blocks(samples):
    """Cut arrays to blocks of samples of an eighth of `working_memory`."""
    n_samples = {name: len(values) for name, values in samples.items()}
    if len({*n_samples.values()}) > 1:
        raise ValueError(f"The numbers of samples differ: {n_samples}.")
    n = max(n_samples.values(), default=0)
    size = sum(np.asarray(values[:1]).nbytes for values in samples.values())
    rows = max(1, int(get_config()["working_memory"] * 2**17) // max(size, 1))
    for block in gen_batches(n, rows):
        yield {name: _take(values, block) for name, values in samples.items()}


def _take(samples, block):
    """Index samples, as plain arrays if they are memory-mapped."""
    taken = samples[block]
    return taken.view(np.ndarray) if isinstance(taken, np.memmap) else taken


def forget(*arrays):
    """Release the pages of memory maps that were read, which else stay in memory."""
    for array in arrays:
        while isinstance(array, np.ndarray):
            if getattr(array, "mode", "c") == "c":
                break  # it may hold changes that are not saved
            array = array.base
        if isinstance(array, mmap.mmap) and hasattr(array, "madvise"):
            array.madvise(mmap.MADV_DONTNEED)
