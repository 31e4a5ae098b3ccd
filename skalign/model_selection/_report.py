"""How well each kind of map serves a pair of spaces, by cross-validation."""

from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Bunch, check_array, check_consistent_length
from sklearn.utils._param_validation import validate_params

from skalign._determined import without_warning
from skalign._draws import one_seed
from skalign._labels import check_labels
from skalign._parameters import Interval
from skalign._rescale import power_of
from skalign._routing import predicted
from skalign._validation import FLOATS, check_varies
from skalign.anchors import KMeansAnchors, RandomAnchors
from skalign.metrics import mmd, retrieval_accuracy, sliced_wasserstein_distance
from skalign.model_selection._splits import check_aligners, check_splits, follow
from skalign.paired import AnchoredAligner, LinearAligner, RigidAligner

REPORT_METRICS = {
    "relative_error": False,
    "r2": True,
    "hits@1": True,
    "mmd": False,
    "sliced_wasserstein": False,
    "accuracy": True,
}
"""Metrics of `alignment_report`, and whether greater is better."""


@validate_params(
    {
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "n_targets": [Interval(Integral, 1, None, closed="left")],
        "rank": [Interval(Integral, 1, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def default_aligners(n_features, n_targets, *, n_anchors=0.1, rank=None, seed=0):
    """Return the maps that `alignment_report` compares, by name.

    Parameters
    ----------
    n_features, n_targets : int
        Widths of the two spaces.
    n_anchors : int or float, default=0.1
        Pairs that the anchored variants may use, or their share of the rows.
    rank : int, default=None
        Rank of the low-rank map; a quarter of the narrower width by default.
    seed : int, default=0
        Draws the anchors.

    Returns
    -------
    aligners : dict of str to estimator
        From the least to the most flexible, baselines first. The identity is among
        them where the widths are equal.
    """
    if rank is None:
        rank = max(1, min(n_features, n_targets) // 4)
    some = RandomAnchors(n_anchors, random_state=seed)
    spread = KMeansAnchors(n_anchors)
    aligners = {"mean of the target": DummyRegressor()}
    if n_features == n_targets:
        aligners["identity"] = FunctionTransformer()
    return aligners | {
        "rigid": RigidAligner(),
        "similarity": RigidAligner(scaling=True),
        f"reduced rank ({rank})": LinearAligner(rank=rank),
        "linear": LinearAligner(),
        "least squares": LinearAligner(alpha=0.0),
        "similarity, k-means anchors": AnchoredAligner(
            RigidAligner(scaling=True), spread
        ),
        "linear, k-means anchors": AnchoredAligner(LinearAligner(), spread),
        "linear, random anchors": AnchoredAligner(LinearAligner(), some),
        "least squares, random anchors": AnchoredAligner(LinearAligner(0.0), some),
    }


@validate_params(
    {"aligners": [dict, None], "progress": [callable]},
    prefer_skip_nested_validation=True,
)
def alignment_report(
    X, y, *, labels=None, aligners=None, cv=5, random_state=0, progress=iter
):
    """Compare maps between two paired spaces by cross-validation.

    Each map is fitted on the training pairs of a split and judged on its test pairs,
    which it never saw. Read more in the :ref:`User Guide <command_line>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows of the source space.
    y : array-like of shape (n_samples, n_targets)
        The same items, row by row, in the target space.
    labels : array-like of shape (n_samples,), default=None
        Classes of the items. A logistic regression is then trained on the target rows
        of each training part, and fed the mapped source rows of the test part.
    aligners : dict of str to estimator, default=None
        Maps to compare, by name; those of `default_aligners` by default.
    cv : int, cross-validation generator or iterable, default=5
        Splits; a number stands for that many shuffled folds.
    random_state : int, RandomState instance or None, default=0
        Shuffles the folds and draws the projections of the sliced distance, which are
        the same for all maps.
    progress : callable, default=iter
        Wraps the list of fits that are due, such as ``tqdm.tqdm``.

    Returns
    -------
    report : :class:`~sklearn.utils.Bunch`
        With the attributes

        names : list of str
            Names of the maps.
        scores : dict of str to ndarray of shape (n_aligners, n_splits)
            Of each metric: "relative_error", the sum of squared errors over that of
            predicting the mean of the training targets; "r2", averaged over columns;
            "hits@1", the share of test rows whose own target row is the nearest of
            all test targets, by cosine about the mean of the training targets; "mmd"
            (squared, biased, with the kernel width of the target) and
            "sliced_wasserstein" between mapped rows and target rows; with labels
            "accuracy". Of the row "identity", "mmd" and "sliced_wasserstein" are
            those before alignment.
        head_accuracy : ndarray of shape (n_splits,) or None
            Accuracy of the head on the target's own test rows.
        n_train, n_test : int
            Rows of the first split.

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, all rows of `y` are equal, `aligners`
        is empty, or `cv` yields no split or positions that are none.
    """
    random_state = one_seed(random_state)
    X, y = (
        check_array(rows, dtype=FLOATS, input_name=name)
        for name, rows in (("X", X), ("y", y))
    )
    check_consistent_length(X, y, labels)
    check_varies(y)
    labels = check_labels(labels, X, "labels")
    if isinstance(cv, Integral):
        cv = KFold(cv, shuffle=True, random_state=random_state)
    splits = check_splits(cv, X, y if labels is None else labels)
    if aligners is None:
        aligners = default_aligners(X.shape[1], y.shape[1])
    check_aligners(aligners)
    metrics = [
        name for name in REPORT_METRICS if labels is not None or name != "accuracy"
    ]
    scores = {name: np.empty((len(aligners), len(splits))) for name in metrics}
    own = None if labels is None else np.empty(len(splits))
    heads = {}
    due = [(j, i) for j in range(len(splits)) for i in range(len(aligners))]
    for j, i in follow(progress, due):
        train, test = splits[j]
        if labels is not None and j not in heads:
            heads[j] = LogisticRegression(max_iter=1000).fit(y[train], labels[train])
            own[j] = heads[j].score(y[test], labels[test])
        aligner = clone(list(aligners.values())[i])
        with without_warning():
            aligner.fit(X[train], y[train])
        mapped = predicted(aligner, X[test])
        centre = y[train].mean(axis=0)
        found = _distances(mapped, y[test], centre, random_state)
        if labels is not None:
            found["accuracy"] = heads[j].score(mapped, labels[test])
        for name, value in found.items():
            scores[name][i, j] = value
    return Bunch(
        names=list(aligners),
        scores=scores,
        head_accuracy=own,
        n_train=len(splits[0][0]),
        n_test=len(splits[0][1]),
    )


def _distances(mapped, y, centre, random_state):
    sliced = sliced_wasserstein_distance(mapped, y, random_state=random_state)
    # The others are the same in any unit; squares overflow in some.
    power = -power_of(y - centre)
    mapped, y, centre = (np.ldexp(rows, power) for rows in (mapped, y, centre))
    error = np.sum((mapped - y) ** 2, dtype=np.float64)
    return {
        "relative_error": error / np.sum((y - centre) ** 2, dtype=np.float64),
        "r2": r2_score(y, mapped),
        "hits@1": retrieval_accuracy(mapped - centre, y - centre),
        "mmd": mmd(mapped, y, gamma="target", unbiased=False),
        "sliced_wasserstein": sliced,
    }
