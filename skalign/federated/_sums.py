"""Closed forms over many clients: sums travel, samples stay."""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import reduce
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import validate_params

from skalign._parameters import Interval
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
    aligner,
    X=None,
    y=None,
    *,
    clip=None,
    epsilon=None,
    delta=1e-5,
    random_state=None,
    labels=None,
    target_labels=None,
):
    """Sums over a client's samples: all that a closed form needs to know of them.

    With `clip` and `epsilon` the sums hide each sample: they are those of samples
    shortened to length `clip`, with Gaussian noise [1]_ [2]_, and are (epsilon, delta)-
    differentially private in the values of one sample of the client. The number of
    samples is disclosed.
    Read more in the :ref:`User Guide <federated>`.

    Parameters
    ----------
    aligner : estimator
        Any aligner with `partial_fit` and `merge`, such as
        :class:`~skalign.LinearAligner`, :class:`~skalign.CORALAligner` or
        :class:`~skalign.ClassMeanAligner`, with the parameters that the server will
        use. It is not fitted.
    X : array-like of shape (n_samples, n_features), default=None
        Rows of the source space. None where the aligner takes no pairs and the client
        has target rows only.
    y : array-like of shape (n_target_samples, n_targets), default=None
        Rows of the target space: the same items for an aligner that takes pairs. None
        where it does not and the client has source rows only.
    clip : float, default=None
        Largest length of a row; of a pair, that of both rows side by side. A longer
        one is scaled down. Choose it, and a common origin and scale of the columns,
        without a look at the rows.
    epsilon : float, default=None
        Privacy loss, for each row. None sends the sums as they are.
    delta : float, default=1e-5
        Probability of a larger loss; well below one over the number of rows.
    random_state : int, default=None
        Determines the noise. Whoever knows it can take the noise off, so that an int
        is for tests only; None takes fresh entropy.
    labels, target_labels : array-like of shape (n_samples,) and (n_target_samples,), \
            default=None
        Classes of the samples, for an aligner that takes them. The classes of a client
        and their sizes are disclosed, and noise is refused.

    Returns
    -------
    update : dict of str to ndarray
        What to send to the server, for :func:`fit_from_sums`. No entry is of dtype
        object: ``numpy.savez`` can write it, and ``numpy.load`` read it, without
        pickle.

    Raises
    ------
    TypeError
        If the map of `aligner` is not made of such sums.
    ValueError
        If the aligner needs the samples themselves, values are not finite, lengths or
        widths do not fit, there is nothing to add up, one of `clip` and `epsilon` is
        missing, or noise is asked for on sums over classes.

    See Also
    --------
    fit_from_sums : What the server does with them.

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
            f"clip={clip} and epsilon={epsilon}: noise needs both, exact sums neither."
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


def fit_from_sums(aligner, updates):
    """Fit an aligner to the rows of many clients, from their sums alone.

    From exact sums this is the fit to the rows of all clients together. Noisy sums are
    added up first and repaired once: negative eigenvalues of the products become zero.
    Read more in the :ref:`User Guide <federated>`.

    Parameters
    ----------
    aligner : estimator
        As in :func:`client_sums`. It is not fitted itself.
    updates : dict of str to dict, or list of dict
        What :func:`client_sums` has returned, by the name of the client. One that is
        malformed, holds sums that no rows have, or is of other widths or kind than
        most, is left out with a line in the log of "skalign.federated".

    Returns
    -------
    fitted : estimator
        A fitted clone of `aligner`; of dtype float32 if the rows of all clients were.

    Raises
    ------
    TypeError
        If the map of `aligner` is not made of such sums.
    ValueError
        If a parameter of `aligner` is out of range, it needs the samples themselves, or
        the sound updates hold fewer than two samples, or two classes on both sides.

    See Also
    --------
    client_sums : What the clients do.

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
                "updates must be a list or dict of what client_sums returns; got "
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
    """Refuse aligners whose map is not made of sums."""
    if not hasattr(type(aligner), "fit_sums"):
        raise TypeError(
            f"The map of {type(aligner).__name__} is not made of sums over samples; "
            "that of the aligners with collect and fit_sums is."
        )
    if not hasattr(aligner, "fit_sums"):
        raise ValueError(f"{aligner!r} needs the samples themselves.")


class _Update:
    """What a client has sent, or what is wrong with it.

    Attributes
    ----------
    problem : str or None
    header : dict
        What must be the same in all updates, as far as it is known; a side that the
        client does not have is not in it.
    sums : Sums
        Those that the aligner needs; noisy ones as they were sent.
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
            raise ValueError("it does not say whether its sums are private.")
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
                    f"it counts {sums.n_samples} {part} of weight {sums.weight}."
                )
        for name in ("feature_names", "target_names"):
            names = getattr(self.sums, name)
            header[name] = None if names is None else tuple(names)
        self.header = {key: value for key, value in header.items() if value is not None}


def _split(sums):
    """Take noisy products, of pairs side by side, apart."""
    parts = {}
    for part, moments in sums.parts.items():
        parts[part] = moments.select(("xx",))
        if part == "pairs":
            parts[part] = split_pairs(parts[part], sums.n_features)
    return sums.with_parts(parts)


def _header_of_most(headers):
    """Vote entry by entry; who disagrees has no vote on the next."""
    most = {}
    for name in dict.fromkeys(name for header in headers for name in header):
        counts = Counter(header[name] for header in headers if name in header)
        if counts:
            most[name] = max(counts, key=counts.get)
        headers = [header for header in headers if not _disagreement(header, most)]
    return most


def _disagreement(header, most):
    """Say in what a header differs from that of most, or return None."""
    for name in header:
        if name in most and header[name] != most[name]:
            return f"{name} is {header[name]} and that of most {most[name]}."
    return None


def _warn_of_missing_names(updates, most):
    """Warn of updates without names of columns that others have."""
    for side, width in (("feature", "n_features"), ("target", "n_targets")):
        of_side = [sums for sums in updates if getattr(sums, width) is not None]
        without = [sums for sums in of_side if getattr(sums, f"{side}_names") is None]
        if f"{side}_names" in most and without:
            warnings.warn(
                f"{len(without)} of {len(of_side)} updates have no {side} names, but "
                "the others do: that the columns are in the same order cannot be "
                "checked.",
                UserWarning,
                stacklevel=3,
            )
