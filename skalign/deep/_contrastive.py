"""Contrastive projection of paired spaces into a common space."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import StrOptions
from torch import nn
from torch.nn import functional as F

from skalign._canonical import canonical_maps, check_n_components
from skalign._layers import Network, affine
from skalign._progress import Progress
from skalign._validation import Interval, check_pairs
from skalign.deep._stitching import centre_and_scale, scaled
from skalign.deep.networks import make_encoder
from skalign.deep.objectives import ERM, Criterion, InfoNCE
from skalign.deep.trainer import TRAINING_CONSTRAINTS, TrainedMixin, drawn_like
from skalign.paired import CommonSpaceMixin


class ProjectionHead(nn.Module):
    """Linear map, plus a network if there are hidden layers, onto the unit sphere.

    Parameters
    ----------
    n_inputs, n_components : int
    hidden_layer_sizes : sequence of int
    noise : float
        Standard deviation of the noise added to inputs during training.
    """

    def __init__(self, n_inputs, n_components, hidden_layer_sizes, noise):
        super().__init__()
        self.linear, self.noise = nn.Linear(n_inputs, n_components), noise
        self.bend = None
        if np.size(hidden_layer_sizes):
            self.bend = nn.Sequential(
                make_encoder((n_inputs,), hidden_layer_sizes),
                nn.Linear(hidden_layer_sizes[-1], n_components),
            )

    def begin_at(self, coef, mean):
        """Set the head to the linear map ``(rows - mean) @ coef``."""
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(coef.T))
            self.linear.bias.copy_(torch.from_numpy(-mean @ coef))
            if self.bend is not None:
                self.bend[-1].weight.zero_()
                self.bend[-1].bias.zero_()

    def forward(self, rows):
        """(batch, n_inputs) -> (batch, n_components)"""
        if self.training and self.noise:
            rows = rows + self.noise * drawn_like(torch.randn_like, rows)
        projected = self.linear(rows)
        if self.bend is not None:
            projected = projected + self.bend(rows)
        return F.normalize(projected, dim=1)


class TwoHeads(nn.Module):
    """One head for each space, and the loss, whose temperature is learnt too.

    Parameters
    ----------
    source, target : ProjectionHead
    loss : InfoNCE
    """

    def __init__(self, source, target, loss):
        super().__init__()
        self.source, self.target, self.loss = source, target, loss

    def forward(self, pairs):
        """(batch, n_features + n_targets) -> the input, (batch, 2, n_components)"""
        n_features = self.source.linear.in_features
        source = self.source(pairs[:, :n_features])
        target = self.target(pairs[:, n_features:])
        return pairs, torch.stack([source, target], dim=1)


class ContrastiveAligner(TrainedMixin, CommonSpaceMixin, BaseEstimator):
    r"""Projection of paired spaces into a common space by a contrastive loss.

    Each space has its own head, a linear map or a network onto the unit sphere. The
    heads are trained by the loss of CLIP [1]_ on fixed features: of all samples of a
    batch, the two samples of a pair should be the most similar. With heads :math:`f`
    and :math:`g`, temperature :math:`\tau` and similarities
    :math:`s_{ij} = f(x_i)^\top g(y_j) / \tau`, the loss of :math:`n` pairs is

    .. math::
        -\frac{1}{2n} \sum_i \left(
        \log \frac{\exp s_{ii}}{\sum_j \exp s_{ij}}
        + \log \frac{\exp s_{ii}}{\sum_j \exp s_{ji}} \right) .

    Use it for retrieval between the two spaces if there are many pairs; with few,
    :class:`CanonicalAligner` is as accurate. Read more in the
    :ref:`User Guide <contrastive>`.

    Parameters
    ----------
    n_components : int, default=None
        Dimension of the common space. None is ``min(n_features, n_targets)``, which is
        also the maximum with ``init="canonical"``.

    hidden_layer_sizes : sequence of int, default=()
        Widths of the ReLU layers of a network in each head, whose output is added to
        that of the linear map. Without layers, the heads are linear.

    init : {"canonical", "random"}, default="canonical"
        Initial heads: the maps of :class:`CanonicalAligner`, or random weights, which
        need an `lr` about ten times as large and more epochs.

    shrinkage : float, default=1.0
        Penalty of the canonical initial maps, relative to the mean variance of a
        feature. It is also the variance, in the same unit, of the noise added to
        inputs during training, which regularises the heads as a ridge penalty
        regularises a linear map [2]_. Not negative. Increase it if there are fewer
        pairs than features; with many pairs, a tenth of the default is better.

    temperature : float, default=0.07
        Initial temperature of the softmax, from 0.01 to 1. It is learnt during
        training and clipped to this range.

    lr : float, default=1e-4
        Learning rate of Adam.

    weight_decay : float, default=0.0
        Weight of half the sum of squared parameters, without the temperature, which
        is added to the loss.

    batch_size : int or None, default=1024
        Number of pairs in a batch. With larger batches, each pair is compared with
        more other samples. None uses all pairs at each step. Memory grows linearly with
        the batch size.

    max_epochs : int, default=30
        Number of epochs.

    steps_per_epoch : int or None, default=None
        Number of steps of an epoch. None is one pass over the pairs.

    early_stopping : bool, default=False
        Whether to hold out a part of the pairs, stop when their loss has not decreased
        for `n_iter_no_change` epochs, and return to the best epoch.

    validation_fraction : float, default=0.1
        Fraction of pairs held out. They must be at least 5.

    n_iter_no_change : int, default=10
        Number of epochs to wait for a better one.

    device : str, default="auto"
        Device to train on: "cpu", "cuda", "cuda:1", "mps". "auto" is "cuda" if
        available, else "cpu".

    warm_start : bool, default=False
        Whether the next call of `fit` continues with the present heads.

    callbacks : list of skorch callbacks or None, default=None
        Callbacks during training, in addition to the callbacks of scikit-learn.

    random_state : int, RandomState instance or None, default=None
        Determines random weights, noise, held-out pairs and the order of pairs. With an
        int, a fit is reproducible bit by bit on the same CPU.

    Attributes
    ----------
    net_ : skorch net
        `net_.module_` has the heads `source` and `target`. `net_.history` has an entry
        per epoch: `train_loss`, and with `early_stopping` also `valid_loss` and
        `valid_score`, the negative of that loss.

    temperature_ : float
        Learnt temperature.

    n_components_ : int
        Dimension of the common space. With ``init="canonical"``, components beyond the
        rank of the pairs are 0.

    x_mean_, y_mean_ : ndarray of shape (n_features,) and (n_targets,)
        Means of the training samples, subtracted from the inputs of the heads.

    x_scale_, y_scale_ : float
        Root mean squared deviation of each space, by which its samples are divided.

    n_iter_ : int
        Number of epochs.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Numbers of source and target features, and arrays of their names if all are
        strings.

    See Also
    --------
    CanonicalAligner : Linear projections in closed form, for few pairs.
    AlignedRetriever : Search in the target space by samples of the source space.

    Notes
    -----
    All other pairs of a batch are treated as negatives. Duplicate items therefore act
    as false negatives for each other.

    References
    ----------
    .. [1] A. Radford et al., "Learning transferable visual models from natural language
       supervision", ICML 2021.

    .. [2] C. M. Bishop, "Training with noise is equivalent to Tikhonov regularization",
       Neural Computation 7(1), 1995, pp. 108-116.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import ContrastiveAligner
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.normal(size=(300, 5))
    >>> X, y = (np.c_[shared, 3 * rng.normal(size=(300, 5))] for _ in range(2))
    >>> aligner = ContrastiveAligner(5, shrinkage=0.1, max_epochs=5, random_state=0)
    >>> aligner.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.9
    True
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "hidden_layer_sizes": ["array-like"],
        "init": [StrOptions({"canonical", "random"})],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
        "temperature": [Interval(Real, 0.01, 1, closed="both")],
        **TRAINING_CONSTRAINTS,
        "batch_size": [Interval(Integral, 2, None, closed="left"), None],
    }
    _start = None

    def __init__(
        self,
        n_components: int | None = None,
        *,
        hidden_layer_sizes: Sequence[Any] = (),
        init: Literal["canonical", "random"] = "canonical",
        shrinkage: float = 1.0,
        temperature: float = 0.07,
        lr: float = 1e-4,
        weight_decay: float = 0.0,
        batch_size: int | None = 1024,
        max_epochs: int = 30,
        steps_per_epoch: int | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        device: str = "auto",
        warm_start: bool = False,
        callbacks: list[Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.init = init
        self.shrinkage = shrinkage
        self.temperature = temperature
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.steps_per_epoch = steps_per_epoch
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.device = device
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train the heads on pairs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same samples, row by row, in the target space.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If the lengths differ, there are fewer than two samples, a value is not
            finite, the device is not available, a width is below 1, fewer than 5 pairs
            would be held out, or, with ``init="canonical"``, `n_components` is too
            large or all samples of a space are equal.
        FloatingPointError
            If the loss becomes infinite or NaN. The estimator is left unchanged.
        """
        X, y, _ = check_pairs(self, X, y, reset=not self._goes_on)
        if not self._goes_on:
            self.x_mean_, self.x_scale_ = centre_and_scale(X)
            self.y_mean_, self.y_scale_ = centre_and_scale(y)
            self.n_components_ = self._choose_width(X, y)
        pairs = np.hstack(
            [
                scaled(X, self.x_mean_, self.x_scale_),
                scaled(y, self.y_mean_, self.y_scale_),
            ]
        )
        progress = Progress(self, self.max_epochs, X, y)
        nothing = np.empty((len(pairs), 0), dtype=np.float32)
        self._train(pairs, nothing, np.zeros(len(pairs), dtype=int), progress)
        progress.end()
        self._start = None
        self.temperature_ = self.net_.module_.loss.temperature
        return self

    def _choose_width(self, X, y):
        if self.init == "canonical":
            return check_n_components(self.n_components, X, y)
        return self.n_components or min(X.shape[1], y.shape[1])

    def _begin(self, rows):
        if self.init == "random" or self._goes_on:
            return
        sides = np.split(rows.cpu().numpy(), [self.n_features_in_], axis=1)
        means = [side.mean(axis=0, dtype=np.float64) for side in sides]
        *coefs, correlations = canonical_maps(
            *sides, self.shrinkage, self.n_components_
        )
        length = np.linalg.norm(correlations) or 1.0
        missing = self.n_components_ - len(correlations)
        self._start = [
            (np.pad(coef / length, [(0, 0), (0, missing)]), mean)
            for coef, mean in zip(coefs, means, strict=True)
        ]

    def _make_module(self):
        heads = [
            ProjectionHead(
                width,
                self.n_components_,
                self.hidden_layer_sizes,
                float(np.sqrt(self.shrinkage)),
            )
            for width in (self.n_features_in_, self.n_targets_)
        ]
        if self._start is not None:
            for head, (coef, mean) in zip(heads, self._start, strict=True):
                head.begin_at(coef, mean)
        return TwoHeads(*heads, InfoNCE(self.temperature))

    def _make_criterion(self, module, n_steps):
        return Criterion(ERM(), module.loss)

    def _param_groups(self):
        return [("*log_scale", {"weight_decay": 0.0})]

    def _map(self, X):
        rows = scaled(X, self.x_mean_, self.x_scale_)
        return self._project(rows, self.net_.module_.source, X.dtype)

    def _layers(self):
        scale = np.ones(self.n_features_in_) / self.x_scale_
        return affine(self.x_mean_, scale), Network(self.net_.module_.source)

    def _map_target(self, y):
        rows = scaled(y, self.y_mean_, self.y_scale_)
        return self._project(rows, self.net_.module_.target, y.dtype)

    def _project(self, rows, head, dtype):
        (projected,) = self.net_.forward_rows(
            torch.from_numpy(rows), module=lambda part: (head(part),)
        )
        return projected.cpu().numpy().astype(dtype, copy=False)
