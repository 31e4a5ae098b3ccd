"""Discovery of domains in samples without domain labels."""

import warnings
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.utils import (
    check_array,
    check_consistent_length,
    check_random_state,
    column_or_1d,
)
from sklearn.utils._param_validation import HasMethods, StrOptions, validate_params
from sklearn.utils.validation import has_fit_parameter

from skalign._labels import check_classes
from skalign._rescale import near_one
from skalign._validation import FLOATS, Interval
from skalign._warnings import user_level

# From so many samples in a local model on, one pass over them is enough. Otherwise the
# model is chosen from candidates, on at most so many samples.
_MANY_ROWS, _COMPARED = 10_000, 4_000
_CANDIDATES = (
    *(LogisticRegression(C=C, max_iter=200) for C in (1.0, 0.1, 0.01)),
    *(
        MLPClassifier(32, solver="lbfgs", alpha=alpha, max_iter=50)
        for alpha in (1.0, 10.0)
    ),
)
_INTERRUPTED = "Training interrupted by user"


class FoundDomains(NamedTuple):
    """Domains found by :func:`partition_domains`.

    Attributes
    ----------
    domain : ndarray of shape (n_samples,)
        Domain of each sample, from 0.
    n_iter : int
        Number of iterations.
    changed : float
        Share of the samples that the last iteration moved.
    evidence : float
        Distance of the mean out-of-sample probability of the true class from chance,
        in standard errors.

    Examples
    --------
    >>> from skalign.domains import partition_domains
    >>> X, y = [[0], [1]] * 40 + [[0], [1]] * 10, [0, 1] * 40 + [1, 0] * 10
    >>> found = partition_domains(X, y, random_state=0)
    >>> found.domain.shape
    (100,)
    """

    domain: np.ndarray
    n_iter: int
    changed: float
    evidence: float


def _random_domains(y, n_domains, rng):
    """Draw domains at random, each with at least two samples of each class."""
    domain = rng.randint(n_domains, size=len(y))
    return _reseed(domain, y, n_domains, rng.permutation(len(y)))


@validate_params(
    {
        "X": ["array-like"],
        "y": ["array-like"],
        "n_domains": [Interval(Integral, 2, None, closed="left")],
        "local_model": [HasMethods(["fit", "predict_proba"]), None],
        "assign_by": [StrOptions({"likelihood", "confidence", "random"})],
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
def partition_domains(
    X: ArrayLike,
    y: ArrayLike,
    n_domains: int = 2,
    *,
    local_model: Any = None,
    assign_by: Literal["likelihood", "confidence", "random"] = "likelihood",
    cross_fit: bool = True,
    class_weight: Literal["balanced"] | None = "balanced",
    tol: float = 0.002,
    max_iter: int = 15,
    initial: Literal["errors", "random"] | ArrayLike = "errors",
    n_init: int = 1,
    random_state: int | np.random.RandomState | None = None,
) -> Any:
    r"""Partition samples into domains by the fit of local classifiers.

    Alternates between fitting a classifier :math:`p_e` to each domain :math:`e` and
    assigning each sample to the domain whose classifier gives its class the largest
    probability,

    .. math::

        e_i = \arg\max_e \; p_e(y_i \mid x_i).

    Two precautions exclude trivial solutions: classes have equal weight in each domain,
    since otherwise "domain = class" fits all samples, and a sample is assigned by
    classifiers that were not fitted to it, since otherwise almost every partition is a
    fixed point.

    The partition follows the feature that predicts the classes best. If that feature is
    a shortcut, one domain contains the samples that agree with it and the other those
    that do not. If it is the true cause, the domains contain the correctly and the
    wrongly labelled samples. No quantity computed here distinguishes the two cases.
    Read more in the :ref:`User Guide <domain_selection>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Samples.
    y : array-like of shape (n_samples,)
        Class labels.
    n_domains : int, default=2
        Number of domains.
    local_model : classifier or None, default=None
        Classifier with `predict_proba`. None compares logistic regressions and networks
        of 32 hidden units of different L2 strengths by their likelihood for held-out
        samples, once and before any division, and uses the best, since a model that
        memorises samples explains every division. If a model is fitted to 10,000
        samples or more, None is a network of 64 hidden units and one pass of Adam.
    assign_by : {"likelihood", "confidence", "random"}, default="likelihood"
        Assignment of a sample: to the model with the largest probability of its class,
        to that with the largest probability of any class, or at random. "confidence"
        follows the paper to the letter; it ignores `y` and fails on coloured digits.
        "random" is a control without models: at least two samples of each class are in
        each domain, and `evidence` is NaN.
    cross_fit : bool, default=True
        Whether to judge a sample by models fitted to the other half of the samples.
    class_weight : {"balanced"} or None, default="balanced"
        Weight of the samples in a local model. Where its `fit` has no `sample_weight`,
        samples are repeated instead.
    tol : float, default=0.002
        Tolerance: stop when a smaller share of the samples changes its domain.
    max_iter : int, default=15
        Maximum number of iterations.
    initial : {"errors", "random"} or array-like of shape (n_samples,), default="errors"
        Initial division. "errors" sorts the samples by the out-of-sample probability
        of their class under one model and divides them into equal parts; for two
        domains, it divides at a probability of one half. "random" draws the domains as
        in the paper, and needs a few thousand samples to converge to a useful division.
        An array holds domains, numbered from 0.
    n_init : int, default=1
        Number of runs with different initial divisions; the division with the best fit
        is kept. A random start may end in a division by a feature that is less
        predictive of the classes and fits worse.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial division, of the halves and of the local models.

    Returns
    -------
    found : named tuple
        Named tuple of `domain`, an array of shape (n_samples,), `n_iter`, `changed`,
        the share of the samples that the last iteration moved, and `evidence`, the
        distance of the mean out-of-sample probability of the true class from chance,
        in standard errors. With an evidence below about 3, `X` does not predict the
        classes, and the domains are noise.

    Raises
    ------
    ValueError
        If there is one class only, a label is missing, a class has fewer than two
        samples for each domain, or `initial` differs from `y` in length or holds other
        numbers than those of the domains.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` iterations were not enough.

    Notes
    -----
    A domain with fewer than two samples of a class receives the samples of this class
    that the other models fit worst.

    References
    ----------
    .. [1] Y. Chen et al., "Neural collapse inspired feature alignment for
       out-of-distribution generalization", NeurIPS 2024.

    .. [2] J. Liu, Z. Hu, P. Cui, B. Li and Z. Shen, "Heterogeneous risk minimization",
       ICML 2021, section 4.1.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.domains import partition_domains
    >>> rng = np.random.default_rng(0)
    >>> y, follows = rng.integers(2, size=1000), rng.random(1000) < 0.8
    >>> X = rng.normal(size=(1000, 2)) + 9 * np.where(follows, y, 1 - y)[:, None]
    >>> found = partition_domains(X, y, random_state=0).domain
    >>> share = np.mean(found == follows)
    >>> bool(max(share, 1 - share) > 0.99)
    True
    """
    X = check_array(X, dtype=FLOATS)
    classes, y = check_classes(y, X)
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class, {classes.tolist()[0]!r}; at least 2 are needed."
        )
    if np.bincount(y).min() < 2 * n_domains:
        raise ValueError(
            f"Each class needs 2 samples for each of {n_domains} domains; the "
            f"smallest has {np.bincount(y).min()}."
        )
    # One shift and one scale for all columns keep similarities.
    X = near_one(np.where((X[0] != X).any(axis=0), X, 0))
    X -= X.mean(axis=0)
    X /= np.sqrt(np.mean(X**2)) or 1.0
    rng = check_random_state(random_state)
    if assign_by == "random":
        return FoundDomains(_random_domains(y, n_domains, rng), 0, 0.0, np.nan)
    if not isinstance(initial, str):
        initial = _check_numbers(initial, y, n_domains)
    if local_model is None:
        n_rows = len(y) // n_domains // (1 + cross_fit)
        local_model = _default_model(X, y, n_rows, class_weight, rng)
    judge = {"model": local_model, "assign_by": assign_by, "rng": rng}
    judge |= {"class_weight": class_weight, "cross_fit": cross_fit}
    whole = judge | {"assign_by": "likelihood", "cross_fit": True}
    best, best_fit = None, -np.inf
    for _ in range(n_init):
        drawn = _random_domains(y, n_domains, rng)
        alone = _fit_of_rows(X, y, np.zeros(len(y), int), 1, **whole)[0]
        starts = {"random": drawn, "errors": _by_errors(alone, n_domains)}
        start = starts[initial] if isinstance(initial, str) else initial
        found, fit = _divide(X, y, start, n_domains, tol, max_iter, judge)
        if fit > best_fit:
            best, best_fit = found._replace(evidence=_evidence(alone, y)), fit
    if best.changed > tol:
        warnings.warn(
            f"{best.changed:.1%} of the samples still changed their domain in the last "
            f"of {max_iter} iterations (tol={tol}). Increase max_iter, or the number "
            "of samples.",
            ConvergenceWarning,
            stacklevel=user_level(),
        )
    return best


def _divide(X, y, domain, n_domains, tol, max_iter, judge):
    """Return the partition reached from one start, and its mean fit."""
    domain = _reseed(domain, y, n_domains, np.arange(len(y)))
    for n_iter in range(1, max_iter + 1):  # noqa: B007
        fit = _fit_of_rows(X, y, domain, n_domains, **judge)
        before, domain = domain, fit.argmax(axis=0)
        domain = _reseed(domain, y, n_domains, fit.max(axis=0).argsort())
        changed = float(np.mean(domain != before))
        if changed <= tol:
            break
    return FoundDomains(domain, n_iter, changed, np.nan), fit.max(axis=0).mean()


def _check_numbers(initial, y, n_domains):
    domain = column_or_1d(initial)
    check_consistent_length(y, domain)
    if not np.isin(domain, np.arange(n_domains)).all():
        raise ValueError(
            f"initial must hold domains from 0 to {n_domains - 1}; got "
            f"{np.unique(domain)}."
        )
    return domain.astype(int)


def _default_model(X, y, n_rows, class_weight, rng):
    """Return the model with the largest held-out likelihood, or a network for many."""
    if n_rows >= _MANY_ROWS:
        return MLPClassifier(64, max_iter=1)
    seed = rng.randint(2**31 - 1)  # the same halves for all candidates
    rows = _evenly(y, _COMPARED, rng)
    X, y = X[rows], y[rows]

    def likelihood(model):
        fit = _fit_of_rows(
            X,
            y,
            np.zeros(len(y), int),
            1,
            model=model,
            assign_by="likelihood",
            class_weight=class_weight,
            cross_fit=True,
            rng=np.random.RandomState(seed),
        )
        logs = np.log(fit[0].clip(np.finfo(float).eps))
        return np.mean([logs[y == c].mean() for c in np.unique(y)])

    return max(_CANDIDATES, key=likelihood)


def _evenly(y, n_rows, rng):
    """Draw about `n_rows` samples, the same share and at least two of each class."""
    rows = rng.permutation(len(y))
    rows = rows[np.argsort(y[rows], kind="stable")]
    counts = np.bincount(y)
    kept = np.ceil(counts * min(1, n_rows / len(y))).astype(int).clip(2)
    place = np.arange(len(y)) - np.repeat(counts.cumsum() - counts, counts)
    return rows[place < np.repeat(kept, counts)]


def _evidence(fit, y):
    """Return the mean of `fit` above chance in standard errors, classes averaged."""
    parts = [fit[y == c] for c in np.unique(y)]
    mean = np.mean([part.mean() for part in parts])
    error = np.sqrt(np.sum([part.var() / len(part) for part in parts])) / len(parts)
    return float((mean - 1 / len(parts)) / max(error, np.finfo(float).tiny))


def _by_errors(fit, n_domains):
    """Divide samples by their fit: equal parts, or for two at one half."""
    if n_domains == 2:
        return (fit < 0.5).astype(int)
    return fit.argsort().argsort() * n_domains // len(fit)


def _fit_of_rows(
    X, y, domain, n_domains, *, model, assign_by, class_weight, cross_fit, rng
):
    """Return the fit of the model of each domain to each sample.

    Returns
    -------
    fit : ndarray of shape (n_domains, n_samples)
        Probability of the class of the sample, or of the most probable class.
    """
    half = _halves(domain, y, rng) if cross_fit else np.zeros(len(y), int)
    fit = np.empty((n_domains, len(y)))
    for e in range(n_domains):
        for h in np.unique(half):
            judged = half != h if cross_fit else half == h
            rows = (domain == e) & (half == h)
            local = _fitted(model, X[rows], y[rows], class_weight, rng)
            shares = local.predict_proba(X[judged])
            if assign_by == "likelihood":
                fit[e, judged] = shares[np.arange(len(shares)), y[judged]]
            else:
                fit[e, judged] = shares.max(axis=1)
    return fit


def _halves(domain, y, rng):
    """Divide the samples of each domain and class into random halves."""
    order = rng.permutation(len(y))
    order = order[np.lexsort((y[order], domain[order]))]
    half = np.empty(len(y), dtype=int)
    half[order] = np.arange(len(y)) % 2
    return half


def _reseed(domain, y, n_domains, worst_first):
    """Give each domain at least two samples of each class."""
    domain = domain.copy()
    for c in np.unique(y):
        of_class = worst_first[y[worst_first] == c]
        n_given = max(2, len(of_class) // (10 * n_domains))
        for e in range(n_domains):
            sizes = np.bincount(domain[of_class], minlength=n_domains)
            if sizes[e] >= 2:
                continue
            large = np.isin(domain[of_class], np.flatnonzero(sizes > n_given + 1))
            given = of_class[large][:n_given]
            domain[given] = e
            while np.sum(domain[of_class] == e) < 2:  # a small class: one by one
                sizes = np.bincount(domain[of_class])
                domain[of_class[domain[of_class] == sizes.argmax()][0]] = e
    return domain


def _fitted(local_model, X, y, class_weight, rng):
    model = clone(local_model)
    for name in sorted(model.get_params()):
        if name == "random_state" or name.endswith("_random_state"):
            model.set_params(**{name: rng.randint(2**31 - 1)})
    weights = {}
    if class_weight is not None:
        counts = np.bincount(y)
        if has_fit_parameter(model, "sample_weight"):
            weights["sample_weight"] = len(y) / (len(counts) * counts[y])
        else:  # repeat the samples of smaller classes
            of_classes = [rng.permutation(np.flatnonzero(y == c)) for c in np.unique(y)]
            drawn = np.concatenate([np.resize(c, counts.max()) for c in of_classes])
            X, y = X[drawn], y[drawn]
    # The weights are internal: the caller's metadata routing does not request them.
    unrouted = config_context(enable_metadata_routing=False)
    with warnings.catch_warnings(), unrouted:
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early on purpose
        # scikit-learn's networks turn an interrupt into a warning and continue.
        warnings.filterwarnings("error", _INTERRUPTED, UserWarning)
        try:
            return model.fit(X, y, **weights)
        except UserWarning as warning:
            if str(warning).startswith(_INTERRUPTED):
                raise KeyboardInterrupt from warning
            raise
