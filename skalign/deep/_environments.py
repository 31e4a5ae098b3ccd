"""Find environments where none are given: rows that one model explains better."""

import warnings
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.utils import (
    check_array,
    check_consistent_length,
    check_random_state,
    column_or_1d,
)
from sklearn.utils._param_validation import HasMethods, StrOptions, validate_params
from sklearn.utils.validation import has_fit_parameter

from skalign._rescale import near_one
from skalign._validation import FLOATS, Interval, check_classes

_MANY_ROWS = 10_000
_INTERRUPTED = "Training interrupted by user"


class Partition(NamedTuple):
    """Environments that were found."""

    environment: np.ndarray  # of each row, from 0
    n_iter: int
    changed: float  # share of rows that the last round moved
    evidence: float  # standard errors by which classes are foretold better than chance


def too_few_rows(y, n_environments):
    """Whether some class cannot have two rows in each environment."""
    return np.unique(y, return_counts=True)[1].min() < 2 * n_environments


def random_environments(y, n_environments, rng):
    """Draw environments, with at least two rows of each class in each."""
    environment = rng.randint(n_environments, size=len(y))
    return _reseed(environment, y, n_environments, rng.permutation(len(y)))


@validate_params(
    {
        "X": ["array-like"],
        "y": ["array-like"],
        "n_environments": [Interval(Integral, 2, None, closed="left")],
        "local_model": [HasMethods(["fit", "predict_proba"]), None],
        "assign_by": [StrOptions({"likelihood", "confidence"})],
        "cross_fit": ["boolean"],
        "class_weight": [StrOptions({"balanced"}), None],
        "tol": [Interval(Real, 0, 1, closed="both")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "initial": [StrOptions({"errors", "random"}), "array-like"],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def partition_environments(
    X,
    y,
    n_environments=2,
    *,
    local_model=None,
    assign_by="likelihood",
    cross_fit=True,
    class_weight="balanced",
    tol=0.002,
    max_iter=15,
    initial="errors",
    n_init=1,
    random_state=None,
):
    """Divide rows among local models, each row to the one that explains its class best.

    From a first division on: a model is fitted to each environment, and each row goes
    to the model under which its class is most likely. Two things keep this from its
    trivial answers: classes have equal weight in each environment, else "environment =
    class" explains all rows; and a row is judged by models that were not fitted to it,
    else any division is nearly a fixed point.

    What comes out is a division by whatever predicts the classes best. Where that is a
    shortcut, the environments are the rows that follow it and those that do not; where
    it is the cause itself, they are the rows that are labelled rightly and wrongly, and
    no number here can tell the two.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,)
        Classes.
    n_environments : int, default=2
        Number of environments.
    local_model : classifier or None, default=None
        With `predict_proba`. None is a network of 64 hidden units that is stopped
        early, after 10 steps of L-BFGS, or after one pass of Adam over 10,000 rows or
        more: it is to learn what predicts best, and to remember nothing.
    assign_by : {"likelihood", "confidence"}, default="likelihood"
        A row goes to the model with the largest probability of its class, or, reading
        the paper to the letter, of any class. The latter ignores `y` and fails on
        coloured digits.
    cross_fit : bool, default=True
        Judge a row by models fitted to the other half of the rows.
    class_weight : {"balanced"} or None, default="balanced"
        Weight of rows in a local model, or how often they come where its `fit` takes
        no `sample_weight`.
    tol : float, default=0.002
        Stop when a smaller share of rows changes its environment.
    max_iter : int, default=15
        Largest number of rounds.
    initial : {"errors", "random"} or array-like of shape (n_samples,), default="errors"
        "errors" starts from how well one model of all rows predicts the class of a row
        it was not fitted to: equal parts of that order, or for two environments the
        rows with a probability of their class below one half and the others, which of
        two classes are those that it gets wrong and right. "random" draws environments,
        as in the paper; a few thousand rows are needed then for one of them to get
        ahead. Or numbers from 0.
    n_init : int, default=1
        How often to do it all, each time from a start of its own; the division under
        which the rows fit best is kept. A random start may end in a division by
        something that tells less of the classes, under which rows fit worse.
    random_state : int, RandomState instance or None, default=None
        Determines the first division, halves and local models.

    Returns
    -------
    partition : Partition
        With `environment` of shape (n_samples,), `n_iter`, `changed`, the share of
        rows that the last round moved, and `evidence`: by how many standard errors the
        mean probability of a row's class, under a model of other rows, is above chance.
        Below about 3 the rows say nothing of the classes, and environments are noise.

    Raises
    ------
    ValueError
        If there is one class only, a label is missing, a class has fewer than two rows
        for each environment, or `initial` has another length than `y` or other numbers
        than those of the environments.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` rounds were not enough.

    Notes
    -----
    An environment that is left with fewer than two rows of a class is given those of
    this class that the other models explain worst.

    References
    ----------
    .. [1] Y. Chen et al., "Neural collapse inspired feature alignment for
       out-of-distribution generalization", NeurIPS 2024.

    .. [2] J. Liu, Z. Hu, P. Cui, B. Li and Z. Shen, "Heterogeneous risk minimization",
       ICML 2021, section 4.1.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.deep import partition_environments
    >>> rng = np.random.default_rng(0)
    >>> y, follows = rng.integers(2, size=1000), rng.random(1000) < 0.8
    >>> X = rng.normal(size=(1000, 2)) + 9 * np.where(follows, y, 1 - y)[:, None]
    >>> found = partition_environments(X, y, random_state=0).environment
    >>> share = np.mean(found == follows)
    >>> bool(max(share, 1 - share) > 0.99)
    True
    """
    X = check_array(X, dtype=FLOATS)
    classes, y = check_classes(y, X)
    if len(classes) < 2:
        raise ValueError(f"y holds one class, {classes.tolist()[0]!r}; 2 are needed.")
    if too_few_rows(y, n_environments):
        raise ValueError(
            f"Each class needs 2 rows for each of {n_environments} environments; the "
            f"smallest has {np.bincount(y).min()}."
        )
    # One shift and one scale for all: what is similar stays so.
    X = near_one(np.where((X[0] != X).any(axis=0), X, 0))
    X -= X.mean(axis=0)
    X /= np.sqrt(np.mean(X**2)) or 1.0
    rng = check_random_state(random_state)
    if not isinstance(initial, str):
        initial = _check_numbers(initial, y, n_environments)
    if local_model is None:
        local_model = _default_model(len(y) // n_environments // (1 + cross_fit))
    judge = {"model": local_model, "assign_by": assign_by, "rng": rng}
    judge |= {"class_weight": class_weight, "cross_fit": cross_fit}
    whole = judge | {"assign_by": "likelihood", "cross_fit": True}
    best, best_fit = None, -np.inf
    for _ in range(n_init):
        drawn = random_environments(y, n_environments, rng)
        alone = _fit_of_rows(X, y, np.zeros(len(y), int), 1, **whole)[0]
        starts = {"random": drawn, "errors": _by_errors(alone, n_environments)}
        start = starts[initial] if isinstance(initial, str) else initial
        found, fit = _divide(X, y, start, n_environments, tol, max_iter, judge)
        if fit > best_fit:
            best, best_fit = found._replace(evidence=_evidence(alone, y)), fit
    if best.changed > tol:
        warnings.warn(
            f"After {max_iter} rounds {best.changed:.1%} of the rows still changed "
            f"their environment (tol={tol}).",
            ConvergenceWarning,
            stacklevel=3,
        )
    return best


def _divide(X, y, environment, n_environments, tol, max_iter, judge):
    """Divide rows from one start; return that and how well they fit on average."""
    environment = _reseed(environment, y, n_environments, np.arange(len(y)))
    for n_iter in range(1, max_iter + 1):  # noqa: B007
        fit = _fit_of_rows(X, y, environment, n_environments, **judge)
        before, environment = environment, fit.argmax(axis=0)
        environment = _reseed(environment, y, n_environments, fit.max(axis=0).argsort())
        changed = float(np.mean(environment != before))
        if changed <= tol:
            break
    return Partition(environment, n_iter, changed, np.nan), fit.max(axis=0).mean()


def _check_numbers(initial, y, n_environments):
    environment = column_or_1d(initial)
    check_consistent_length(y, environment)
    if not np.isin(environment, np.arange(n_environments)).all():
        raise ValueError(
            f"initial must hold numbers from 0 to {n_environments - 1}; got "
            f"{np.unique(environment)}."
        )
    return environment.astype(int)


def _default_model(n_rows):
    """A network that is stopped before it remembers rows."""
    if n_rows < _MANY_ROWS:
        return MLPClassifier(64, solver="lbfgs", max_iter=10)
    return MLPClassifier(64, max_iter=1)


def _evidence(fit, y):
    """Standard errors of the mean of `fit` above chance, classes alike."""
    parts = [fit[y == c] for c in np.unique(y)]
    mean = np.mean([part.mean() for part in parts])
    error = np.sqrt(np.sum([part.var() / len(part) for part in parts])) / len(parts)
    return float((mean - 1 / len(parts)) / max(error, np.finfo(float).tiny))


def _by_errors(fit, n_environments):
    """Equal parts by how well rows fit; for two, those below and above one half."""
    if n_environments == 2:
        return (fit < 0.5).astype(int)
    return fit.argsort().argsort() * n_environments // len(fit)


def _fit_of_rows(
    X, y, environment, n_environments, *, model, assign_by, class_weight, cross_fit, rng
):
    """How well the model of each environment fits each row.

    Returns
    -------
    fit : ndarray of shape (n_environments, n_samples)
        Probability of the class of the row, or of the likeliest class.
    """
    half = _halves(environment, y, rng) if cross_fit else np.zeros(len(y), int)
    fit = np.empty((n_environments, len(y)))
    for e in range(n_environments):
        for h in np.unique(half):
            judged = half != h if cross_fit else half == h
            rows = (environment == e) & (half == h)
            local = _fitted(model, X[rows], y[rows], class_weight, rng)
            shares = local.predict_proba(X[judged])
            if assign_by == "likelihood":
                fit[e, judged] = shares[np.arange(len(shares)), y[judged]]
            else:
                fit[e, judged] = shares.max(axis=1)
    return fit


def _halves(environment, y, rng):
    """Divide the rows of each environment and class into random halves."""
    order = rng.permutation(len(y))
    order = order[np.lexsort((y[order], environment[order]))]
    half = np.empty(len(y), dtype=int)
    half[order] = np.arange(len(y)) % 2
    return half


def _reseed(environment, y, n_environments, worst_first):
    """Give each environment at least two rows of each class."""
    environment = environment.copy()
    for c in np.unique(y):
        of_class = worst_first[y[worst_first] == c]
        n_given = max(2, len(of_class) // (10 * n_environments))
        for e in range(n_environments):
            sizes = np.bincount(environment[of_class], minlength=n_environments)
            if sizes[e] >= 2:
                continue
            large = np.isin(environment[of_class], np.flatnonzero(sizes > n_given + 1))
            given = of_class[large][:n_given]
            environment[given] = e
            while np.sum(environment[of_class] == e) < 2:  # a small class: one by one
                sizes = np.bincount(environment[of_class])
                environment[of_class[environment[of_class] == sizes.argmax()][0]] = e
    return environment


def _fitted(local_model, X, y, class_weight, rng):
    model = clone(local_model)
    for name in sorted(model.get_params()):
        if name == "random_state" or name.endswith("__random_state"):
            model.set_params(**{name: rng.randint(2**31 - 1)})
    weights = {}
    if class_weight is not None:
        counts = np.bincount(y)
        if has_fit_parameter(model, "sample_weight"):
            weights["sample_weight"] = len(y) / (len(counts) * counts[y])
        else:  # rows of smaller classes come again, as often as needed
            of_classes = [rng.permutation(np.flatnonzero(y == c)) for c in np.unique(y)]
            drawn = np.concatenate([np.resize(c, counts.max()) for c in of_classes])
            X, y = X[drawn], y[drawn]
    # Weights are ours: no one has asked for them in the routing of metadata.
    unrouted = config_context(enable_metadata_routing=False)
    with warnings.catch_warnings(), unrouted:
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is to stop early
        # scikit-learn's networks make a warning of an interrupt, and go on.
        warnings.filterwarnings("error", _INTERRUPTED, UserWarning)
        try:
            return model.fit(X, y, **weights)
        except UserWarning as warning:
            if str(warning).startswith(_INTERRUPTED):
                raise KeyboardInterrupt from warning
            raise
