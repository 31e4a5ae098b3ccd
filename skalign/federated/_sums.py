"""Closed forms over many clients: sums travel, rows stay."""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import reduce
from numbers import Integral, Real

import numpy as np
from scipy.linalg import eigvalsh
from sklearn.base import clone
from sklearn.utils import check_array
from sklearn.utils._param_validation import (
    validate_parameter_constraints,
    validate_params,
)

from skalign._column_names import check_same_features, column_names
from skalign._parameters import Interval
from skalign._validation import FLOATS, check_pairs
from skalign.federated._privacy import noisy_moments, repaired, select
from skalign.federated._updates import is_count, keep_sound
from skalign.moments import Moments
from skalign.paired._streaming import StreamingMixin
from skalign.unpaired._second_moments import SideMomentsMixin

_SIDES = ("feature", "target")
_HEADER = ("n_features", "n_targets", "y_ndim", "private")
_STATE = (
    *("n_samples", "weight", "_x_shift", "_x_offset", "_y_shift", "_y_offset"),
    *("precision", "x_precision", "y_precision"),
)
_PRODUCTS = ("xx", "xy", "x2", "y2")
# Up to here no sum over clients overflows, however many rows there are.
_LARGEST_MEAN = 1e100
_LARGEST = 1e250
_ROUNDING = float(np.sqrt(np.finfo(np.float32).eps))


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
):
    """Sums over a client's rows: all that a closed form needs to know of them.

    With `clip` and `epsilon` the sums hide each row: they are those of rows shortened
    to length `clip`, with Gaussian noise [1]_ [2]_, and are (epsilon, delta)-
    differentially private in what one row of the client is. The number of rows is told.
    Read more in the :ref:`User Guide <federated>`.

    Parameters
    ----------
    aligner : estimator
        :class:`~skalign.LinearAligner`, :class:`~skalign.RigidAligner`,
        :class:`~skalign.CORALAligner`, :class:`~skalign.GaussianOTAligner` or
        :class:`~skalign.MeanVarianceAligner`, with the parameters that the server will
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
        If the aligner needs the rows themselves, rows are not finite, lengths or
        widths do not fit, there is nothing to sum, or one of `clip` and `epsilon` is
        missing.

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
    paired = _takes_pairs(aligner)
    if (clip is None) != (epsilon is None):
        raise ValueError(
            f"clip={clip} and epsilon={epsilon}: noise needs both, exact sums neither."
        )
    aligner, y_ndim = clone(aligner), 2
    if paired:
        X, y, _ = check_pairs(aligner, X, y, ensure_min_samples=1)
        y_ndim, dtype = aligner._y_ndim, X.dtype
    else:
        X, y, dtype = _check_either_side(aligner, X, y)
    parts = {"pairs": (X, y)} if paired else {"source": (X,), "target": (y,)}
    rng, sums = np.random.default_rng(random_state), {}
    for part, rows in parts.items():
        if rows[0] is None:
            continue
        if epsilon is None:
            sums[part] = Moments.from_arrays(*rows, products=_products(aligner))
        else:
            sums[part] = noisy_moments(np.hstack(rows), clip, epsilon, delta, rng)
    update = {
        "n_features": aligner.n_features_in_,
        "n_targets": aligner.n_targets_,
        "y_ndim": y_ndim,
        "private": epsilon is not None,
        "dtype": dtype.name,
    }
    for side in _SIDES:
        if hasattr(aligner, f"{side}_names_in_"):
            update[f"{side}_names"] = getattr(aligner, f"{side}_names_in_").astype(str)
    for part, moments in sums.items():
        for name in (*_STATE, *_PRODUCTS):
            if (value := getattr(moments, name)) is not None:
                update[f"{part}.{name.strip('_')}"] = value
    return {name: np.asarray(value) for name, value in update.items()}


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
        If a parameter of `aligner` is out of range, it needs the rows themselves, or
        what the sound updates hold is too little: no update, fewer than two rows.

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
    paired = _takes_pairs(aligner)
    aligner = clone(aligner)
    validate_parameter_constraints(
        aligner._parameter_constraints,
        aligner.get_params(deep=False),
        caller_name=type(aligner).__name__,
    )
    if not isinstance(updates, Mapping):
        is_number = isinstance(updates, np.ndarray) and not updates.ndim
        if is_number or not isinstance(updates, Iterable):
            raise TypeError(
                "updates must be a list or dict of what client_sums returns; got "
                f"{updates!r}."
            )
        updates = dict(enumerate(updates))
    updates = {name: _arrays(update) for name, update in updates.items()}
    kinds = Counter(filter(None, map(_kind, updates.values())))
    kind = max(kinds, key=kinds.get, default=(0, 0, 0, 0))
    aligner.n_features_in_, aligner.n_targets_, y_ndim, private = kind
    named = {side: _names_of_most(updates.values(), side, kind) for side in _SIDES}
    updates = keep_sound(
        updates.items(), lambda update: _problem(update, kind, aligner, named)
    )
    _set_names(aligner, named, updates)
    dtype = np.result_type(*(str(u["dtype"]) for u in updates), np.float32)
    sums = {}
    for part in _parts(aligner):
        names = _shapes(part, kind, aligner)
        parts = [
            _unpack(update, part, names)
            for update in updates
            if f"{part}.weight" in update
        ]
        n_samples = sum(moments.n_samples for moments in parts)
        if n_samples < 2:
            raise ValueError(
                f"The updates of {len(parts)} clients hold {n_samples} {part} rows; at "
                "least 2 are wanted."
            )
        sums[part] = reduce(Moments.merge, parts)
        if private:
            sums[part] = select(
                repaired(sums[part]), _products(aligner), kind[0] if paired else None
            )
    if paired:
        aligner._y_ndim = y_ndim
        aligner._solve(sums["pairs"], dtype)
    else:
        aligner._dtype = dtype
        aligner._take(sums["source"], sums["target"])
    return aligner


def _takes_pairs(aligner):
    """Tell whether an aligner made of sums takes pairs, or raise if it is not."""
    if not isinstance(aligner, StreamingMixin | SideMomentsMixin):
        raise TypeError(
            f"The map of {type(aligner).__name__} is not made of sums over rows: "
            "LinearAligner, RigidAligner, CORALAligner, GaussianOTAligner and "
            "MeanVarianceAligner are."
        )
    if not hasattr(aligner, "partial_fit"):
        raise ValueError(f"{aligner!r} needs the rows themselves.")
    return isinstance(aligner, StreamingMixin)


def _check_either_side(aligner, X, y):
    for side, rows in zip(_SIDES, (X, y), strict=True):
        if rows is not None and (names := column_names(rows)) is not None:
            setattr(aligner, f"{side}_names_in_", names)
    given = {
        name: check_array(rows, dtype=FLOATS, input_name=name)
        for name, rows in (("X", X), ("y", y))
        if rows is not None
    }
    widths = {name: rows.shape[1] for name, rows in given.items()}
    if len(set(widths.values())) != 1:
        raise ValueError(
            f"{type(aligner).__name__} needs source rows X, target rows y, or both of "
            f"equal width; got the widths {widths}."
        )
    check_same_features(aligner)
    aligner.n_features_in_ = aligner.n_targets_ = next(iter(widths.values()))
    dtype = next(iter(given.values())).dtype
    X, y = (given[name].astype(dtype) if name in given else None for name in ("X", "y"))
    return X, y, dtype


def _parts(aligner):
    return ("pairs",) if isinstance(aligner, StreamingMixin) else ("source", "target")


def _products(aligner):
    paired = isinstance(aligner, StreamingMixin)
    return aligner._products() if paired else aligner._products


def _arrays(update):
    """Return the entries of an update as arrays; nothing if that cannot be."""
    try:
        arrays = {name: np.asarray(value) for name, value in update.items()}
    except (AttributeError, TypeError, ValueError):
        return {}
    if getattr(products := arrays.get("pairs.xx"), "ndim", 0) == 2:
        arrays.setdefault("pairs.x2", np.diag(products))
    return arrays


def _kind(update):
    """Return what the header of an update says, or None if that is no header."""
    header = [update.get(name) for name in _HEADER]
    if not all(
        value is not None and value.ndim == 0 and value.dtype.kind in "iub"
        for value in header
    ):
        return None
    n_features, n_targets, y_ndim, private = kind = tuple(map(int, header))
    one_column = y_ndim == 2 or (y_ndim == 1 and n_targets == 1)
    widths = is_count(n_features) and is_count(n_targets)
    return kind if widths and one_column and private in (0, 1) else None


def _names(update, side, kind):
    """Return the names of the columns of a side, or None if they are none."""
    names = update.get(f"{side}_names")
    width = kind[_SIDES.index(side)]
    if names is None or names.dtype.kind != "U" or names.shape != (width,):
        return None
    return tuple(names.tolist())


def _names_of_most(updates, side, kind):
    """Return the names that most of the updates of a kind have; None without any."""
    counts = Counter(
        names
        for update in updates
        if _kind(update) == kind and (names := _names(update, side, kind))
    )
    return max(counts, key=counts.get, default=None)


def _set_names(aligner, named, updates):
    """Let an aligner know the names of columns; warn of updates without them."""
    parts = _parts(aligner) * (2 // len(_parts(aligner)))
    for side, part in zip(_SIDES, parts, strict=True):
        if named[side] is None:
            continue
        setattr(aligner, f"{side}_names_in_", np.array(named[side], dtype=object))
        summed = [update for update in updates if f"{part}.weight" in update]
        if n_without := sum(f"{side}_names" not in update for update in summed):
            warnings.warn(
                f"{n_without} of {len(summed)} updates have no {side} names, but the "
                "others do: that the columns are in the same order cannot be checked.",
                UserWarning,
                stacklevel=3,
            )
    check_same_features(aligner)


def _problem(update, kind, aligner, named):
    """Say what is wrong with an update, or return None."""
    if (own := _kind(update)) != kind:
        own, most = (
            "nothing" if values is None else dict(zip(_HEADER, values, strict=True))
            for values in (own, kind)
        )
        return f"its header says {own}, that of most {most}."
    for side, names in named.items():
        if f"{side}_names" in update and (own := _names(update, side, kind)) != names:
            return f"its {side} names are {own}, those of most {names}."
    if str(update.get("dtype")) not in ("float32", "float64"):
        return f"dtype={update.get('dtype')} is neither float32 nor float64."
    parts = [part for part in _parts(aligner) if f"{part}.weight" in update]
    if not parts:
        return "it holds no sums."
    for part in parts:
        shapes = _shapes(part, kind, aligner)
        for name, shape in shapes.items():
            value = np.asarray(update.get(f"{part}.{name}"))
            if value.dtype.kind not in "iuf" or value.shape != shape:
                return (
                    f"{part}.{name} is of shape {value.shape} and dtype {value.dtype}; "
                    f"numbers of shape {shape} were wanted."
                )
            if not np.isfinite(value).all():
                return f"{part}.{name} is not finite."
            if name.endswith("precision") and not np.all((value > 0) & (value <= 1)):
                return f"{part}.{name} is not from 0 to 1."
            is_mean = name.endswith(("shift", "offset"))
            largest = _LARGEST_MEAN if is_mean else _LARGEST
            if np.abs(value.astype(np.float64)).max(initial=0) > largest:
                return f"{part}.{name} is above {largest:g}: the rows want scaling."
        count, weight = (update[f"{part}.{name}"].item() for name in _STATE[:2])
        if not is_count(count) or weight != count:
            return f"it counts {count} {part} rows of weight {weight}."
        if not kind[-1]:
            own = {name: update[f"{part}.{name}"].astype(float) for name in shapes}
            if problem := _impossible(own):
                return f"{part}.{problem}: they are those of no rows."
    return None


def _impossible(sums):
    """Say which sums of products no rows can have, or return None.

    Squares have no negative sum, and no product is larger than its two squares allow;
    rounding may pass these limits.
    """
    squares = {side: sums.get(f"{side}2") for side in "xy"}
    slack = {
        side: _ROUNDING * sums["weight"] * np.max(sums[f"{side}_offset"] ** 2)
        for side in "xy"
        if f"{side}_offset" in sums
    }
    if "xx" in sums:
        products = sums["xx"]
        squares["x"] = np.diag(products)
        slack["x"] += _ROUNDING * np.abs(products).max()
        if np.abs(products - products.T).max() > slack["x"]:
            return "xx is not symmetric"
        if eigvalsh(products, subset_by_index=[0, 0])[0] < -len(products) * slack["x"]:
            return "xx has negative eigenvalues"
    for side, values in squares.items():
        if values is not None and values.min() < -slack[side]:
            return f"{side}2 is negative"
    if "xy" in sums and squares["x"] is not None and squares["y"] is not None:
        x, y = (squares[side].clip(0) + slack[side] for side in "xy")
        if (np.abs(sums["xy"]) > (1 + _ROUNDING) * np.sqrt(np.outer(x, y))).any():
            return "xy is larger than the squares allow"
    return None


def _shapes(part, kind, aligner):
    """Return the shape of each array of a part."""
    n_features, n_targets, _, private = kind
    widths = {"x": n_features}
    if part == "pairs":
        widths = {"x": n_features + n_targets} if private else widths | {"y": n_targets}
    shapes = {"n_samples": (), "weight": (), "precision": ()}
    for side, width in widths.items():
        for vector in ("shift", "offset", "precision"):
            shapes[f"{side}_{vector}"] = (width,)
    for name in ("xx",) if private else _products(aligner):
        shapes[name] = tuple(widths[side] for side in name if side in widths)
    return shapes


def _unpack(update, part, names):
    """Return the `Moments` of a part, made of these arrays of it."""
    moments = object.__new__(Moments)
    for name in (*_STATE, *_PRODUCTS):
        value = None
        if name.strip("_") in names:
            value = update[f"{part}.{name.strip('_')}"]
            value = value.item() if value.ndim == 0 else value.astype(np.float64)
        setattr(moments, name, value)
    return moments
