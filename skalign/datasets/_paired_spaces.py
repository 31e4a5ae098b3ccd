"""Simulated pairs of spaces with a known map between them."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import validate_params

from skalign._validation import Interval

_NORMAL = 1e-6  # skewness too small to be observed, or computed accurately
_DESCR = """\
Two simulated spaces with a known map
-------------------------------------

{n_samples} source samples with {n_features} features and
{n_target_samples} target samples with {n_targets} features, {relation}. A source
sample x corresponds to the target sample x @ coef + intercept, plus noise of standard
deviation {noise}.
"""


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "n_targets": [Interval(Integral, 1, None, closed="left"), None],
        "n_target_samples": [Interval(Integral, 1, None, closed="left"), None],
        "scale": [Interval(Real, 0, None, closed="neither")],
        "rank": [Interval(Integral, 1, None, closed="left"), None],
        "condition_number": [Interval(Real, 1, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "offset": [Interval(Real, 0, None, closed="left")],
        "n_classes": [Interval(Integral, 1, None, closed="left")],
        "class_sep": [Interval(Real, 0, None, closed="left")],
        "spread": [Interval(Real, 1, None, closed="left")],
        "skewness": [Interval(Real, 0, 1e6, closed="both")],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def make_paired_spaces(
    n_samples: int = 500,
    n_features: int = 8,
    n_targets: int | None = None,
    *,
    n_target_samples: int | None = None,
    scale: float = 1.0,
    rank: int | None = None,
    condition_number: float = 1.0,
    noise: float = 0.0,
    offset: float = 1.0,
    n_classes: int = 1,
    class_sep: float = 1.0,
    spread: float = 1.0,
    skewness: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
    return_X_y: bool = False,
) -> Any:
    """Generate samples in two spaces related by a known affine map.

    By default the map is a rotation and a translation; a `condition_number` above 1 or
    a `rank` below the number of features gives a general linear map. Samples are paired
    unless `n_target_samples` is given. Read more in the :ref:`User Guide <datasets>`.

    Parameters
    ----------
    n_samples : int, default=500
        Number of source samples.
    n_features : int, default=8
        Number of features of the source space.
    n_targets : int, default=None
        Number of features of the target space. None uses `n_features`.
    n_target_samples : int, default=None
        Number of target samples, drawn independently from the same distribution. None
        pairs the spaces: sample i of `target` is sample i of `data`, mapped.
    scale : float, default=1.0
        Largest singular value of the map.
    rank : int, default=None
        Rank of the map. None uses ``min(n_features, n_targets)``.
    condition_number : float, default=1.0
        Ratio of the largest to the smallest nonzero singular value of the map. Singular
        values are spaced geometrically; with 1 all are equal.
    noise : float, default=0.0
        Standard deviation of Gaussian noise in `target`.
    offset : float, default=1.0
        Standard deviation of the entries of the source mean, and of `intercept`.
    n_classes : int, default=1
        Number of classes, of equal size up to one sample.
    class_sep : float, default=1.0
        Ratio of the standard deviation of the class means to the standard deviation
        within classes, for each feature.
    spread : float, default=1.0
        Ratio of the largest to the smallest within-class standard deviation of the
        source features. Standard deviations decrease geometrically from 1.
    skewness : float, default=0.0
        Within-class skewness of each source feature, at most a million. With 0 features
        are normal, otherwise gamma distributed. Without pairs and labels, a `spread`
        above 1 identifies a rotation up to the signs of its axes, and skewness
        identifies the signs.
    random_state : int, RandomState instance or None, default=None
        Seed of the map and the samples. The map is drawn first: calls that differ only
        in the numbers of samples, `noise` or `skewness` share the map and the class
        means.
    return_X_y : bool, default=False
        If True, return `data` and `target` only.

    Returns
    -------
    spaces : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (n_samples, n_features)
            Source samples.
        target : ndarray of shape (n_target_samples, n_targets)
            Target samples; sample i belongs to sample i of `data` if they are paired.
        labels, target_labels : ndarray of shape (n_samples,) and (n_target_samples,)
            Class labels, from 0 to ``n_classes - 1``; equal for paired samples.
        coef : ndarray of shape (n_features, n_targets)
            Linear part of the map; with the default `rank` and `condition_number`,
            ``scale`` times a matrix with orthonormal rows or columns. A square map of
            full rank has a positive determinant: it is not a reflection.
        intercept : ndarray of shape (n_targets,)
            Translation; ``data @ coef + intercept`` is `target` without noise.
        DESCR : str
            Description of the data.
    (data, target) : tuple if ``return_X_y=True``
        Source and target samples.

    Raises
    ------
    ValueError
        If `rank` is above ``min(n_features, n_targets)``, or another parameter is out
        of range.

    See Also
    --------
    load_digits_latents : Latent spaces of two trained autoencoders.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.datasets import make_paired_spaces
    >>> spaces = make_paired_spaces(100, 5, 7, n_classes=3, random_state=0)
    >>> spaces.data.shape, spaces.target.shape
    ((100, 5), (100, 7))
    >>> np.allclose(spaces.data @ spaces.coef + spaces.intercept, spaces.target)
    True
    >>> np.bincount(spaces.labels)
    array([34, 33, 33])
    """
    n_targets = n_features if n_targets is None else n_targets
    if rank is not None and rank > min(n_features, n_targets):
        raise ValueError(
            f"rank={rank} must be at most min(n_features, n_targets)="
            f"{min(n_features, n_targets)}."
        )
    rank = min(n_features, n_targets) if rank is None else rank
    rng = check_random_state(random_state)
    coef = scale * _make_map(n_features, n_targets, rank, condition_number, rng)
    mean = offset * rng.standard_normal(n_features)
    intercept = offset * rng.standard_normal(n_targets)
    stds = np.geomspace(1, 1 / spread, n_features)
    class_means = class_sep * rng.standard_normal((n_classes, n_features))
    class_means = mean + stds * (class_means - class_means.mean(axis=0))

    def draw(n_rows):
        labels = rng.permutation(np.arange(n_rows) % n_classes)
        rows = _standardised_rows((n_rows, n_features), skewness, rng)
        return class_means[labels] + stds * rows, labels

    data, labels = draw(n_samples)
    if n_target_samples is None:
        rows, target_labels, relation = data, labels.copy(), "paired one by one"
    else:
        rows, target_labels = draw(n_target_samples)
        relation = "drawn independently"
    target = rows @ coef + intercept
    target += noise * rng.standard_normal(target.shape)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        labels=labels,
        target_labels=target_labels,
        coef=coef,
        intercept=intercept,
        DESCR=_DESCR.format(
            n_samples=len(data),
            n_target_samples=len(target),
            n_features=n_features,
            n_targets=n_targets,
            relation=relation,
            noise=noise,
        ),
    )


def _make_map(n_features, n_targets, rank, condition_number, rng):
    """Return a map with singular values from 1 down to 1 / condition_number."""
    left = np.linalg.qr(rng.standard_normal((n_features, rank)))[0]
    right = np.linalg.qr(rng.standard_normal((n_targets, rank)))[0]
    coef = (left * np.geomspace(1, 1 / condition_number, rank)) @ right.T
    if n_features == n_targets == rank and np.linalg.slogdet(coef).sign < 0:
        coef -= 2 * np.outer(left[:, 0], right[:, 0])
    return coef


def _standardised_rows(shape, skewness, rng):
    if skewness < _NORMAL:
        return rng.standard_normal(shape)
    # The skewness of a gamma variable of shape k, whose variance is k, is 2 / sqrt(k).
    k = 4 / skewness**2
    return (rng.standard_gamma(k, size=shape) - k) / np.sqrt(k)
