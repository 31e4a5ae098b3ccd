"""Federated fitting of closed-form aligners from sums."""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import reduce
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils._param_validation import validate_params

from skalign._validation import Interval
from skalign._warnings import user_level
from skalign.federated._privacy import noisy_moments, repaired, split_pairs
from skalign.federated._updates import keep_sound
from skalign.moments import GroupMoments, Sums


@validate_params(
    {
        "clip": [Interval(Real, 0, None, closed="neither"), None],
        "epsilon": [Interval(Real, 0, None, closed="neither"), None],
        "delta": [Interval(Real, 0, 1, closed="neither")],
        "random_state": [None, Interval(Integral, 0, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def client_sums(
    aligner: Any,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    clip: float | None = None,
    epsilon: float | None = None,
    delta: float = 1e-5,
    random_state: int | None = None,
    labels: ArrayLike | None = None,
    target_labels: ArrayLike | None = None,
) -> dict[Any, Any]:
    """Compute the sums over a client's samples that a closed-form aligner needs.

    With `clip` and `epsilon`, samples longer than `clip` are scaled to that length and
    Gaussian noise is added to the sums [1]_ [2]_. The result is
    (epsilon, delta)-differentially private in the values of one sample of the client.
    The number of samples is disclosed. Read more in the
    :ref:`User Guide <federated>`.

    Parameters
    ----------
    aligner : estimator
        Aligner with `partial_fit` and `merge`, such as
        :class:`~skalign.LinearAligner`, :class:`~skalign.CORALAligner` or
        :class:`~skalign.ClassMeanAligner`, with the parameters that the server will
        use. It is not fitted.
    X : array-like of shape (n_samples, n_features), default=None
        Samples of the source space. May be None if the aligner is unpaired and the
        client has target samples only.
    y : array-like of shape (n_target_samples, n_targets), default=None
        Samples of the target space; for a paired aligner, the same items as in `X`. May
        be None if the aligner is unpaired and the client has source samples only.
    clip : float, default=None
        Maximum Euclidean length of a sample; of a pair, that of ``[x, y]``. Longer
        samples are scaled down. Choose it, and a common origin and scale of the
        columns, independently of the data.
    epsilon : float, default=None
        Privacy loss per sample. None computes exact sums.
    delta : float, default=1e-5
        Probability of a larger privacy loss. Choose it well below ``1 / n_samples``.
    random_state : int, default=None
        Seed of the noise. The noise can be removed if the seed is known, so pass an int
        in tests only; None uses fresh entropy.
    labels, target_labels : array-like of shape (n_samples,) and (n_target_samples,), \
            default=None
        Classes of the samples, for an aligner that uses them. The classes of a client
        and their sizes are disclosed, and noise is not available.

    Returns
    -------
    update : dict of str to ndarray
        Sums to send to the server, for :func:`fit_from_sums`. No entry is of dtype
        object: ``numpy.savez`` can write it, and ``numpy.load`` read it, without
        pickle.

    Raises
    ------
    TypeError
        If `aligner` cannot be fitted from sums.
    ValueError
        If the aligner with its parameters needs the samples themselves, values are not
        finite, lengths or widths do not match, both `X` and `y` are None, only one of
        `clip` and `epsilon` is given, or noise is requested for sums over classes.

    See Also
    --------
    fit_from_sums : Fit an aligner from the sums of all clients.

    References
    ----------
    .. [1] C. Dwork, K. Talwar, A. Thakurta and L. Zhang, "Analyze Gauss: optimal bounds
       for privacy-preserving principal component analysis", STOC 2014, pp. 11-20.

    .. [2] B. Balle and Y.-X. Wang, "Improving the Gaussian mechanism for differential
       privacy: analytical calibration and optimal denoising", ICML 2018, pp. 394-403.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import RigidAligner
    >>> from skalign.federated import client_sums
    >>> rng = np.random.default_rng(0)
    >>> update = client_sums(RigidAligner(), rng.normal(size=(9, 3)), np.eye(9, 2))
    >>> {name: value.shape for name, value in update.items() if value.ndim == 2}
    {'pairs.xy': (3, 2)}
    """
    _check_streams(aligner)
    if (clip is None) != (epsilon is None):
        raise ValueError(
            f"clip={clip} and epsilon={epsilon}: noise needs both; leave out both for "
            "exact sums."
        )
    classes = {"labels": labels, "target_labels": target_labels}
    classes = {name: values for name, values in classes.items() if values is not None}
    sums = aligner.collect(X, y, **classes)
    if epsilon is not None:
        rng = np.random.default_rng(random_state)
        noisy = {}
        for part, moments in sums.parts.items():
            if isinstance(moments, GroupMoments):
                raise ValueError(
                    f"{type(aligner).__name__} needs sums over classes, in which noise "
                    "would not hide a sample of a small class; leave out epsilon."
                )
            sides = {"pairs": (X, y), "source": (X,), "target": (y,)}[part]
            sides = [np.asarray(side, dtype=sums.dtype) for side in sides]
            rows = np.hstack([side.reshape(len(side), -1) for side in sides])
            noisy[part] = noisy_moments(rows, clip, epsilon, delta, rng)
        sums = sums.with_parts(noisy)
    return sums.to_dict() | {"private": np.asarray(epsilon is not None)}


def fit_from_sums(aligner: Any, updates: dict[Any, Any] | list[Any]) -> Any:
    """Fit an aligner from the sums of many clients.

    With exact sums the result equals a fit to the pooled samples of all clients, up to
    rounding. Noisy sums are added up first; negative eigenvalues of the total are then
    set to zero. Read more in the :ref:`User Guide <federated>`.

    Parameters
    ----------
    aligner : estimator
        Aligner with the same parameters as in :func:`client_sums`. It is not modified.
    updates : dict of str to dict, or list of dict
        Results of :func:`client_sums`, by the name of the client. An update is left out
        with a warning of the logger "skalign.federated" if it is malformed, if no
        samples can have its sums, or if its widths or kind differ from those of most
        updates.

    Returns
    -------
    fitted : estimator
        Fitted clone of `aligner`, of dtype float32 if the samples of all clients were.

    Raises
    ------
    TypeError
        If `aligner` cannot be fitted from sums.
    ValueError
        If a parameter of `aligner` is out of range, if the aligner with its parameters
        needs the samples themselves, or if the valid updates hold too few samples (two)
        or too few classes on both sides (two).

    See Also
    --------
    client_sums : Compute the sums of a client.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import LinearAligner
    >>> from skalign.federated import client_sums, fit_from_sums
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(90, 3))
    >>> y = X[:, :2] + 0.1 * rng.normal(size=(90, 2))
    >>> clients = [slice(10), slice(10, 40), slice(40, None)]
    >>> updates = [client_sums(LinearAligner(), X[rows], y[rows]) for rows in clients]
    >>> pooled = LinearAligner().fit(X, y)
    >>> np.allclose(fit_from_sums(LinearAligner(), updates).coef_, pooled.coef_)
    True
    """
    _check_streams(aligner)
    aligner = clone(aligner)
    aligner._validate_params()
    if not isinstance(updates, Mapping):
        is_number = isinstance(updates, np.ndarray) and not updates.ndim
        if is_number or not isinstance(updates, Iterable):
            raise TypeError(
                "updates must be a list or dict of results of client_sums; got "
                f"{updates!r}."
            )
        updates = dict(enumerate(updates))
    read = [_Update(update, aligner) for update in updates.values()]
    most = _header_of_most([update.header for update in read if not update.problem])
    sound = keep_sound(
        zip(updates, read, strict=True),
        lambda update: update.problem or _disagreement(update.header, most),
    )
    if not sound:
        raise ValueError(f"None of the {len(read)} updates can be used.")
    _warn_of_missing_names([update.sums for update in sound], most)
    sums = reduce(Sums.merge, (update.sums for update in sound))
    if most["private"]:
        repairs = {part: repaired(noisy) for part, noisy in sums.parts.items()}
        sums = _split(sums.with_parts(repairs))
    return aligner.fit_sums(sums)


def _check_streams(aligner):
    """Raise an error if the aligner cannot be fitted from sums."""
    if not hasattr(type(aligner), "fit_sums"):
        raise TypeError(
            f"The map of {type(aligner).__name__} is not made of sums over samples; "
            "use an aligner with the methods collect and fit_sums."
        )
    if not hasattr(aligner, "fit_sums"):
        raise ValueError(f"{aligner!r} needs the samples themselves.")


class _Update:
    """Update sent by a client, or the reason why it cannot be used.

    Attributes
    ----------
    problem : str or None
        Reason why the update cannot be used.
    header : dict
        Properties that must be the same in all updates, as far as they are known;
        entries of a side that the client does not have are missing.
    sums : Sums
        Sums that the aligner needs; noisy sums as they were sent.
    """

    def __init__(self, update, aligner):
        self.problem = None
        try:
            self._read(update, aligner)
        except ValueError as error:
            self.problem = str(error)

    def _read(self, update, aligner):
        private = update.get("private") if isinstance(update, Mapping) else None
        private = np.asarray(private)
        if private.shape != () or private.dtype != bool:
            raise ValueError("its entry 'private' is missing or not a boolean.")
        private = bool(private)
        self.sums = Sums.from_dict(update, exact=not private)
        needed = aligner.select_sums(_split(self.sums) if private else self.sums)
        self.sums = self.sums if private else needed
        header = {"private": private}
        for name in ("n_features", "n_targets", "y_ndim"):
            header[name] = getattr(self.sums, name)
        for part, sums in self.sums.parts.items():
            if isinstance(sums, GroupMoments):
                words = sums.groups.dtype.kind == "U"
                header["labels"] = "words" if words else "numbers"
            elif sums.weight != sums.n_samples:
                raise ValueError(
                    f"{part} has n_samples={sums.n_samples} but weight={sums.weight}."
                )
        for name in ("feature_names", "target_names"):
            names = getattr(self.sums, name)
            header[name] = None if names is None else tuple(names)
        self.header = {key: value for key, value in header.items() if value is not None}


def _split(sums):
    """Split the noisy products of ``[X, y]`` into those of each side."""
    parts = {}
    for part, moments in sums.parts.items():
        parts[part] = moments.select(("xx",))
        if part == "pairs":
            parts[part] = split_pairs(parts[part], sums.n_features)
    return sums.with_parts(parts)


def _header_of_most(headers):
    """Majority value of each entry, among the headers that agree on earlier ones."""
    most = {}
    for name in dict.fromkeys(name for header in headers for name in header):
        counts = Counter(header[name] for header in headers if name in header)
        if counts:
            most[name] = max(counts, key=counts.get)
        headers = [header for header in headers if not _disagreement(header, most)]
    return most


def _disagreement(header, most):
    """Return the first difference of a header from that of most, or None."""
    for name in header:
        if name in most and header[name] != most[name]:
            return f"{name} is {header[name]} and that of most {most[name]}."
    return None


def _warn_of_missing_names(updates, most):
    """Warn of updates without column names if other updates have them."""
    for side, width in (("feature", "n_features"), ("target", "n_targets")):
        of_side = [sums for sums in updates if getattr(sums, width) is not None]
        without = [sums for sums in of_side if getattr(sums, f"{side}_names") is None]
        if f"{side}_names" in most and without:
            warnings.warn(
                f"{len(without)} of {len(of_side)} updates have no {side} names, but "
                "the others do; the order of their columns cannot be checked.",
                UserWarning,
                stacklevel=user_level(),
            )
