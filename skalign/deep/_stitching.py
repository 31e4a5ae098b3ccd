"""Stitching networks: small networks between paired spaces."""

from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from torch import nn

from skalign._aligner import AlignerMixin, PairedMixin
from skalign._layers import Network, affine
from skalign._progress import Progress
from skalign._rescale import power_of
from skalign._validation import Interval, check_pairs
from skalign.deep.objectives import ERM, Criterion, SquaredError
from skalign.deep.trainer import TRAINING_CONSTRAINTS, TrainedMixin


class Regressor(nn.Sequential):
    """Layers that also return their input, in place of a classifier's features."""

    def forward(self, X):
        return X, super().forward(X)


class StitchingRegressor(TrainedMixin, PairedMixin, AlignerMixin, BaseEstimator):
    r"""Nonlinear map between paired spaces by a network with three layers.

    This is the stitching network of [1]_, with two hidden layers and ReLU
    activations. It minimises the mean squared error over networks :math:`f`,

    .. math::
        \min_f \\; \frac{1}{n} \sum_i \lVert f(x_i) - y_i \rVert^2 .

    Use it if the relation between the spaces is nonlinear and thousands of pairs are
    available. Read more in the :ref:`User Guide <stitching_networks>`.

    Parameters
    ----------
    hidden_factor : int, default=2
        Width of both hidden layers, as a multiple of the number of source features.

    lr : float, default=1e-3
        Learning rate of Adam.

    weight_decay : float, default=0.0
        Weight of half the sum of squared parameters, which is added to the loss.

    batch_size : int or None, default=64
        Number of samples in a batch. None uses all samples at each step.

    max_epochs : int, default=30
        Number of epochs.

    steps_per_epoch : int or None, default=None
        Number of steps of an epoch. None is one pass over the samples.

    early_stopping : bool, default=False
        Whether to hold out a part of the samples, stop when its error has not
        decreased for `n_iter_no_change` epochs, and return to the best epoch.

    validation_fraction : float, default=0.1
        Fraction of samples held out. They must be at least 5.

    n_iter_no_change : int, default=10
        Number of epochs to wait for a better one.

    device : str, default="auto"
        Device to train on: "cpu", "cuda", "cuda:1", "mps". "auto" is "cuda" if
        available, else "cpu".

    warm_start : bool, default=False
        Whether the next call of `fit` continues with the present network.

    callbacks : list of skorch callbacks or None, default=None
        Callbacks during training, in addition to the callbacks of scikit-learn.

    random_state : int, RandomState instance or None, default=None
        Determines initial weights, held-out samples and the order of samples. With an
        int, a fit is reproducible bit by bit on the same CPU.

    Attributes
    ----------
    net_ : skorch net
        `net_.module_` is the trained network. `net_.history` has an entry per epoch:
        `train_loss`, and with `early_stopping` also `valid_loss` and `valid_score`,
        the negative of that loss. Losses are divided by the mean variance of a target
        feature.

    x_mean_, y_mean_ : ndarray of shape (n_features,) and (n_targets,)
        Means of the training samples, subtracted from the input of the network and
        added to its output.

    x_scale_, y_scale_ : float
        Root mean squared deviation of each space, by which its samples are divided.

    n_iter_ : int
        Number of epochs.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Numbers of source and target features, and arrays of their names if all are
        strings.

    See Also
    --------
    LinearAligner : Linear map, which needs fewer pairs.

    Notes
    -----
    Each space is centred and divided by one scalar, so that the result does not depend
    on its unit or origin.

    References
    ----------
    .. [1] Z. Lähner and M. Moeller, "On the direct alignment of latent spaces",
       UniReps workshop, NeurIPS 2023, eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import StitchingRegressor
    >>> X = np.random.default_rng(0).normal(size=(2000, 2))
    >>> y = np.c_[np.abs(X[:, 0]), X.sum(axis=1)]
    >>> aligner = StitchingRegressor(8, random_state=0).fit(X, y)
    >>> bool(aligner.score(X, y) > 0.99)
    True
    """

    _parameter_constraints = {
        "hidden_factor": [Interval(Integral, 1, None, closed="left")],
        **TRAINING_CONSTRAINTS,
    }

    def __init__(
        self,
        hidden_factor: int = 2,
        *,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        batch_size: int | None = 64,
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
        self.hidden_factor = hidden_factor
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
        """Train the network on pairs.

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
            finite, the device is not available, or fewer than 5 samples would be held
            out.
        FloatingPointError
            If the loss becomes infinite or NaN. The estimator is left unchanged.
        """
        X, y, _ = check_pairs(self, X, y, reset=not self._goes_on)
        if not self._goes_on:
            self.x_mean_, self.x_scale_ = centre_and_scale(X)
            self.y_mean_, self.y_scale_ = centre_and_scale(y)
        rows = scaled(X, self.x_mean_, self.x_scale_)
        targets = scaled(y, self.y_mean_, self.y_scale_)
        progress = Progress(self, self.max_epochs, X, y)
        self._train(rows, targets, np.zeros(len(rows), dtype=int), progress)
        progress.end()
        return self

    def _map(self, X):
        rows = scaled(X, self.x_mean_, self.x_scale_)
        _, mapped = self.net_.forward_rows(torch.from_numpy(rows))
        mapped = mapped.cpu().numpy().astype(X.dtype, copy=False)
        return (mapped * self.y_scale_ + self.y_mean_).astype(X.dtype, copy=False)

    def _layers(self):
        one = np.ones(self.n_features_in_)
        network = nn.Sequential(*self.net_.module_)  # without the input it returns too
        return (
            affine(self.x_mean_, one / self.x_scale_),
            Network(network),
            affine(0.0, self.y_scale_ * np.ones(self.n_targets_), self.y_mean_),
        )

    def _make_module(self):
        n_hidden = self.hidden_factor * self.n_features_in_
        return Regressor(
            nn.Linear(self.n_features_in_, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, self.n_targets_),
        )

    def _make_criterion(self, module, n_steps):
        return Criterion(ERM(), SquaredError())


def centre_and_scale(rows):
    """Return the mean of each column, and the overall deviation or 1 if it is 0."""
    power = power_of(rows)
    rows = np.ldexp(rows, -power)  # so that squares neither overflow nor underflow
    mean = rows.mean(axis=0, dtype=np.float64)
    deviation = rows - mean
    scale = np.sqrt(np.mean(np.square(deviation, out=deviation)))
    return np.ldexp(mean, power), float(np.ldexp(scale, power)) or 1.0


def scaled(rows, mean, scale):
    """Centre and scale samples, in float32.

    Raises
    ------
    ValueError
        If a value is so far from the training samples that its square overflows in
        float32.
    """
    with np.errstate(over="ignore"):  # refused below
        rows = (rows - mean) / scale
    if not (np.abs(rows) < np.sqrt(np.finfo(np.float32).max)).all():
        raise ValueError(
            "A value is too large to be scaled in float32: it is "
            f"{np.abs(rows).max():.1g} standard deviations from the training mean. "
            "Remove or rescale such samples."
        )
    return rows.astype(np.float32)
