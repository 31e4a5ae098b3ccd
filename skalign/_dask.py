"""Dask arrays and dataframes, whose samples are read partition by partition."""

from contextlib import contextmanager
from copy import copy
from functools import wraps
from inspect import signature
from itertools import pairwise

import numpy as np


def is_dask(samples):
    """Return whether samples are a Dask collection, without importing Dask."""
    return type(samples).__module__.partition(".")[0] == "dask"


def _is_array(samples):
    return type(samples).__module__.startswith("dask.array")


def _check_whole_samples(samples, name):
    """Raise an error unless each partition holds all columns of its samples."""
    if not type(samples).__module__.startswith(("dask.array", "dask.dataframe")):
        raise TypeError(
            f"{name} is a {type(samples).__name__} of Dask; an array or a dataframe "
            "was expected."
        )
    for sizes in samples.chunks[1:] if _is_array(samples) else ():
        if len(sizes) > 1:
            raise ValueError(
                f"{name} is chunked along its columns, in {len(sizes)} chunks; a chunk "
                f"must hold whole samples: pass {name}.rechunk({{1: -1}})."
            )
        if np.isnan(sizes).any():
            raise ValueError(
                f"The number of columns of {name} is unknown: call "
                f"{name}.compute_chunk_sizes()."
            )


def _sizes(samples):
    """Return the numbers of samples of the partitions, NaN where unknown."""
    return samples.chunks[0] if _is_array(samples) else (np.nan,) * samples.npartitions


def _delayed(samples):
    parts = samples.to_delayed()
    return parts.ravel().tolist() if _is_array(samples) else list(parts)


def one_sample(samples, name="X"):
    """Return a made sample with the columns and the dtype of a Dask collection."""
    _check_whole_samples(samples, name)
    if _is_array(samples):
        return np.ones((1, *samples.shape[1:]), dtype=samples.dtype)
    from dask.dataframe.utils import meta_nonempty

    return meta_nonempty(samples._meta).iloc[:1]


def as_array(samples):
    """Return a Dask array of the values of a Dask array or dataframe."""
    return samples if _is_array(samples) else samples.to_dask_array()


def split(samples):
    """Split collections that describe the same samples, partition by partition.

    Parameters
    ----------
    samples : dict of str to Dask collection or array-like
        At least one Dask collection. Others are cut to the lengths of its partitions.

    Returns
    -------
    parts : list of dict
        The same names, with a delayed object or an array for each partition.

    Raises
    ------
    ValueError
        If numbers or known lengths of partitions differ, a collection is chunked along
        its columns, or an array comes with partitions of unknown length.
    """
    lazy = {name: values for name, values in samples.items() if is_dask(values)}
    for name, values in lazy.items():
        _check_whole_samples(values, name)
    sizes = {name: _sizes(values) for name, values in lazy.items()}
    if len(set(map(len, sizes.values()))) > 1:
        found = ", ".join(f"{len(of)} of {name}" for name, of in sizes.items())
        raise ValueError(
            "Samples that belong together need equally many partitions, of the same "
            f"lengths; got {found}. Rechunk the arrays, or repartition the dataframes."
        )
    lengths = []
    for i, at in enumerate(zip(*sizes.values(), strict=True)):
        known = {int(n) for n in at if not np.isnan(n)}
        if len(known) > 1:
            found = ", ".join(
                f"{n} of {name}" for name, n in zip(sizes, at, strict=True)
            )
            raise ValueError(
                f"Partition {i} has different numbers of samples: {found}."
            )
        lengths.append(known.pop() if known else None)
    parts = {name: _delayed(values) for name, values in lazy.items()}
    for name in samples.keys() - lazy.keys():
        if None in lengths:
            raise ValueError(
                f"{name} is a {type(samples[name]).__name__}, but the lengths of the "
                f"partitions of {', '.join(lazy)} are unknown: pass {name} with the "
                "same partitions."
            )
        if (n := len(samples[name])) != sum(lengths):
            raise ValueError(
                f"{name} has {n} entries, but {', '.join(lazy)} {sum(lengths)}."
            )
        stops = np.cumsum([0, *lengths])
        parts[name] = [samples[name][start:stop] for start, stop in pairwise(stops)]
    return [
        dict(zip(parts, at, strict=True)) for at in zip(*parts.values(), strict=True)
    ]


def map_and_merge(function, held, parts):
    """Compute a function of each part, and merge the results in pairs where they are.

    Parameters
    ----------
    function : callable
        Function of `held` and of the entries of a part, whose results `merge_sums`
        merges.
    held : object
        Object that all calls need, sent once.
    parts : iterable of tuple
        Arguments, in which delayed objects are computed.

    Returns
    -------
    result : object
        The only object that is gathered.
    """
    import dask

    function, held, merge = map(dask.delayed, (function, held, merge_sums))
    parts = [function(held, *part) for part in parts]
    while len(parts) > 1:
        merged = [merge(*parts[k : k + 2]) for k in range(0, len(parts) - 1, 2)]
        parts = merged + parts[2 * len(merged) :]
    return parts[0].compute()


def merge_sums(first, second):
    """Merge sums over two sets of samples; None is that of no samples.

    Sums are numbers, objects with a method `merge`, tuples of sums, or dicts of them.
    """
    if first is None or second is None:
        return second if first is None else first
    if isinstance(first, tuple):
        return tuple(map(merge_sums, first, second))
    if isinstance(first, dict):
        names = first | second
        return {name: merge_sums(first.get(name), second.get(name)) for name in names}
    return first.merge(second) if hasattr(first, "merge") else first + second


@contextmanager
def naming(part):
    """Add the name of a part of the samples, if it has one, to an error."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if not part:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{part}: {error}") from error


def lazy(method):
    """Let a method that maps samples map those of Dask lazily.

    The first argument holds the samples, and `_described_by` of the estimator, if it
    has one, maps arguments that describe them to attributes with possible values. Other
    arguments apply to all partitions.

    The method is tried on a made sample, so that wrong columns raise an error at once;
    a value that is not finite raises one when its partition is computed. The result is
    an array, or a dataframe if the method returns one (`set_output`).
    """
    names = [*signature(method).parameters][1:]

    @wraps(method)
    def wrapper(self, *args, **kwargs):
        samples = args[0] if args else kwargs.get(names[0])
        if not is_dask(samples):
            return method(self, *args, **kwargs)
        given = dict(zip(names, args, strict=False)) | kwargs
        examples = {names[0]: one_sample(given.pop(names[0]), names[0])}
        samples = {names[0]: samples}
        for name, attribute in getattr(self, "_described_by", {}).items():
            if given.get(name) is not None:
                samples[name] = given.pop(name)
                examples[name] = getattr(self, attribute, ())[:1]
        made = method(self, **examples, **given)
        return _map_lazily(self, method.__name__, samples, made, given)

    wrapper.is_lazy = True
    return wrapper


def make_lazy(cls):
    """Make `transform`, with the wrapper of `set_output`, `lazy`, and `fit_transform`.

    Other methods that map samples must be decorated explicitly.
    """
    if not hasattr(cls.transform, "is_lazy"):
        cls.transform = lazy(cls.transform)
        cls.fit_transform = _fit_then_transform(cls.fit_transform)
    return cls


def _fit_then_transform(fit_transform):
    @wraps(fit_transform)
    def wrapper(self, X, y=None, **fit_params):
        if not is_dask(X):
            return fit_transform(self, X, y, **fit_params)
        described = getattr(self, "_described_by", {}).keys() & fit_params
        described = {name: fit_params[name] for name in described}
        return self.fit(X, y, **fit_params).transform(X, **described)

    return wrapper


def _map_lazily(estimator, method, samples, made, arguments):
    """Map the samples of each partition by a method of an estimator, as it is now.

    Parameters
    ----------
    estimator : object
    method : str
    samples : dict of str to Dask collection or array-like
        Samples to map, a Dask collection, and what describes them, by argument.
    made : ndarray or DataFrame
        Mapped samples of the same kind.
    arguments : dict
        Arguments for all partitions.

    Returns
    -------
    mapped : Dask array or dataframe
    """
    import dask
    import dask.array as da

    parts = split(samples)
    first = next(iter(samples.values()))
    is_frame = hasattr(made, "iloc")
    if not is_frame and not isinstance(made, np.ndarray):
        raise ValueError(
            f"{method} of Dask samples returns arrays or pandas dataframes; "
            f"set_output asks for a {type(made).__module__} {type(made).__name__}."
        )
    as_array = not is_frame or _is_array(first)
    none = np.asarray(made[:0]) if as_array else made[:0]
    map_part = dask.delayed(_map_part)
    estimator = dask.delayed(copy(estimator))
    parts = [
        map_part(estimator, method, part, arguments, none, i)
        for i, part in enumerate(parts)
    ]
    if not as_array:
        import dask.dataframe as dd

        return dd.from_delayed(parts, meta=none, divisions=first.divisions)
    mapped = da.concatenate([
        da.from_delayed(part, shape=(n, *none.shape[1:]), meta=none)
        for part, n in zip(parts, _sizes(first), strict=True)
    ])  # fmt: skip
    if is_frame:
        import dask.dataframe as dd

        return dd.from_dask_array(mapped, columns=made.columns)
    return mapped


def _map_part(estimator, method, samples, arguments, none, i):
    """Map the samples of a partition; `none` is the result of no samples."""
    if len(next(iter(samples.values()))) == 0:
        return none
    with naming(f"Partition {i}"):
        mapped = getattr(estimator, method)(**samples, **arguments)
    return np.asarray(mapped) if isinstance(none, np.ndarray) else mapped
