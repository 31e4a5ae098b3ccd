"""Sums over the samples of both sides, from which a streaming aligner is fitted."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from skalign.moments._groups import GroupMoments
from skalign.moments._reading import as_numpy, read_count
from skalign.moments._sums import Moments

_WIDTHS = {"n_features", "n_targets", "y_ndim"}
_NAMES = {"feature_names": "n_features", "target_names": "n_targets"}
_PARTS = ("pairs", "source", "target")


class Sums:
    """Sums over the samples of both sides, with the widths and names of their columns.

    They are computed by the method `collect` of an aligner; its method `fit_sums`
    learns the map from them.

    Attributes
    ----------
    parts : dict of str to Moments or GroupMoments
        Sums over "pairs", or over "source" and "target", one of which may be missing.
    dtype : {"float64", "float32"}
        Dtype of the map.
    n_features, n_targets : int or None
        Numbers of columns of both sides; None for a side that is missing.
    feature_names, target_names : ndarray of str, or None
        Names of the columns.
    y_ndim : {1, 2} or None
        Number of dimensions of the target that came with pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import LinearAligner
    >>> from skalign.moments import Sums
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(90, 3))
    >>> y = X[:, :2] + 0.1 * rng.normal(size=(90, 2))
    >>> aligner = LinearAligner(alpha=1.0)
    >>> whole, fold = aligner.collect(X, y), aligner.collect(X[:30], y[:30])
    >>> without_fold = aligner.fit_sums(whole.subtract(fold)).coef_
    >>> np.allclose(without_fold, LinearAligner(alpha=1.0).fit(X[30:], y[30:]).coef_)
    True

    As plain arrays, sums can be stored and sent:

    >>> arrays = whole.to_dict()
    >>> Sums.from_dict(arrays).parts["pairs"].n_samples
    90
    """

    def __init__(self) -> None:
        raise TypeError(
            "Sums cannot be constructed directly; use collect of an aligner or "
            "Sums.from_dict."
        )

    @classmethod
    def of(
        cls, parts: dict[str, Moments | GroupMoments], dtype: str, **header: Any
    ) -> Self:
        """Return sums with these attributes; missing ones of the header are None."""
        self = cls.__new__(cls)
        self.parts, self.dtype = parts, dtype
        vars(self).update(dict.fromkeys((*_WIDTHS, *_NAMES)) | header)
        return self

    def with_parts(self, parts: dict[str, Moments | GroupMoments]) -> Self:
        """Return other sums with the same header."""
        return self.of(**(vars(self) | {"parts": parts}))

    def merge(self, other: Self) -> Self:
        """Combine with the sums over other samples.

        Parameters
        ----------
        other : Sums
            Sums over other samples of the same spaces, possibly of one side only.

        Returns
        -------
        sums : Sums
            Sums over all samples, as a new object; neither of the two is changed.

        Raises
        ------
        ValueError
            If products, orders, widths or names of columns differ.
        """
        self._check_sums(other)
        header = {}
        for name in (*_WIDTHS, *_NAMES):
            mine, theirs = getattr(self, name), getattr(other, name)
            header[name] = theirs if mine is None else mine
            if theirs is not None and not np.array_equal(header[name], theirs):
                raise ValueError(
                    f"{name} must be the same in both; got {mine} and {theirs}."
                )
        both = {
            part: self.parts[part].merge(other.parts[part])
            for part in self.parts
            if part in other.parts
        }
        parts = self.parts | other.parts | both
        dtype = np.result_type(self.dtype, other.dtype).name
        return self.of(parts, dtype, **header)

    def subtract(self, other: Self) -> Self:
        """Remove samples from the sums: the inverse of `merge`.

        Parameters
        ----------
        other : Sums
            Sums over some of the samples, such as a fold of cross-validation. A part
            that is missing in it remains unchanged.

        Returns
        -------
        sums : Sums
            Sums over the remaining samples; see `Moments.subtract` and
            `GroupMoments.subtract` for their accuracy.

        Raises
        ------
        ValueError
            If products, orders or widths differ, no sample remains, or `other` has more
            samples of a class or a part that these sums lack.
        """
        self._check_sums(other)
        if more := other.parts.keys() - self.parts.keys():
            raise ValueError(f"There are no sums of {sorted(more)} to subtract from.")
        rest = {
            part: self.parts[part].subtract(sums) for part, sums in other.parts.items()
        }
        return self.with_parts(self.parts | rest)

    def to_dict(self) -> dict[Any, Any]:
        """Convert the sums to plain arrays.

        Returns
        -------
        arrays : dict of str to ndarray
            Arrays by name. No entry is of dtype object: ``numpy.savez`` can write it,
            and ``numpy.load`` read it, without pickle.

        Raises
        ------
        ValueError
            If classes are neither strings nor numbers that a NumPy dtype can hold.
        """
        arrays = {"dtype": self.dtype}
        for name in (*sorted(_WIDTHS), *_NAMES):
            if (value := getattr(self, name)) is not None:
                arrays[name] = value.astype(str) if name in _NAMES else value
        for part, sums in self.parts.items():
            for name, value in sums.to_dict().items():
                arrays[f"{part}.{name}"] = value
        return {name: np.asarray(value) for name, value in arrays.items()}

    @classmethod
    def from_dict(cls, arrays: dict[Any, Any], *, exact: bool = True) -> Self:
        """Restore sums from the result of `to_dict`.

        Parameters
        ----------
        arrays : dict of str to ndarray
            Result of `to_dict`. Other entries are ignored.
        exact : bool, default=True
            Whether to refuse sums that no samples can have, such as negative squares,
            which noise can produce. If False, "pairs" may also hold the sums of one
            side with the columns ``[X, y]``.

        Returns
        -------
        sums : Sums
            Restored sums.

        Raises
        ------
        ValueError
            If an entry is missing or malformed, or widths are inconsistent.
        """
        if not isinstance(arrays, Mapping):
            raise ValueError(f"Sums must be a dict of arrays; got {type(arrays)}.")
        header = dict.fromkeys(_WIDTHS)
        for name in _WIDTHS & arrays.keys():
            header[name] = read_count(arrays, name)
        for name, width in _NAMES.items():
            header[name] = _names(arrays, name, header[width])
        if str(dtype := arrays.get("dtype")) not in ("float32", "float64"):
            raise ValueError(f"dtype={dtype} is neither float32 nor float64.")
        parts = {}
        for part in _PARTS:
            inner = {
                key.removeprefix(f"{part}."): value
                for key, value in arrays.items()
                if isinstance(key, str) and key.startswith(f"{part}.")
            }
            if not inner:
                continue
            kind = GroupMoments if "groups" in inner else Moments
            try:
                parts[part] = kind.from_dict(inner, exact=exact)
            except ValueError as error:
                raise ValueError(f"{part}.{error}") from None
        if not parts:
            raise ValueError("There are no sums.")
        sums = cls.of(parts, str(dtype), **header)
        sums._check_widths(exact)
        return sums

    def _check_sums(self, other):
        if not isinstance(other, Sums):
            raise TypeError(f"other must be Sums; got {type(other).__name__}.")

    def _check_widths(self, exact):
        x, y = self.n_features, self.n_targets
        expected = {"pairs": [(x, y)], "source": [(x,)], "target": [(y,)]}
        if not exact and None not in (x, y):
            expected["pairs"].append((x + y,))
        for part, sums in self.parts.items():
            if sums.widths not in expected[part]:
                raise ValueError(
                    f"{part} has the widths {sums.widths}, with n_features={x} and "
                    f"n_targets={y}."
                )
        one_column = self.y_ndim in (None, 2) or (self.y_ndim == 1 and y == 1)
        if not one_column:
            raise ValueError(f"y_ndim={self.y_ndim}, with n_targets={y}.")


def _names(arrays, name, width):
    """Return the names of columns, or None if they are missing."""
    if name not in arrays:
        return None
    names = as_numpy(arrays, name)
    if names.dtype.kind != "U" or names.shape != (width,):
        raise ValueError(f"{name} must be {width} strings; got {arrays[name]!r:.60}.")
    return names.astype(object)
