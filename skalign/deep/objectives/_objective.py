"""Training objectives: what a classifier minimises over several domains."""

from abc import ABCMeta, abstractmethod
from functools import cached_property
from numbers import Integral, Real
from typing import Any, NamedTuple

import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import RealNotInt
from torch import nn

from skalign._documented import DocumentedMixin
from skalign._validation import Interval
from skalign.deep.trainer import in_float32

FRACTION_OF_STEPS = [
    Interval(Integral, 0, None, closed="left"),
    Interval(RealNotInt, 0, 1, closed="both"),
]


class Training(NamedTuple):
    """What an objective may know about a training before it starts.

    Attributes
    ----------
    module : nn.Module
        Network to train.
    n_features : int
        Number of network features.
    n_domains : int
        Number of domains.

    Examples
    --------
    >>> from torch import nn
    >>> from skalign.deep import DANN, Training
    >>> discriminator = DANN().start(Training(nn.Linear(4, 8), 8, n_domains=3))
    >>> discriminator[-1].out_features
    3
    """

    module: nn.Module
    n_features: int
    n_domains: int


class Batch:
    """One step of training, as an objective sees it.

    Attributes
    ----------
    features : Tensor of shape (n_samples, n_features)
        Network features. The samples of a domain lie one after another.
    logits : Tensor of shape (n_samples, n_classes)
        Class scores.
    y : Tensor of shape (n_samples,)
        Numbers of the classes; -1 for samples without a label.
    sizes : list of int
        Number of samples of each domain.
    loss : object
        Per-sample loss: ``loss.losses(logits, y)`` of shape (n_samples,) is 0 where `y`
        is -1, ``loss.mean(logits, y)`` is its mean, and ``loss.scale_gradients(logits,
        y)`` is its derivative by a factor of the logits, at 1.
    step, n_steps : int
        Number of steps before this one, and of the whole training.
    is_drawn : bool
        True if the batch is a random part of the training samples, False if it is all
        of them.
    is_training : bool
        False while the objective is only evaluated.

    Examples
    --------
    The risks of two domains, of which the second has one sample without a label:

    >>> import torch
    >>> from skalign.deep import Batch
    >>> class Wrong:
    ...     def losses(self, logits, y):
    ...         return ((logits.argmax(dim=1) != y) & (y >= 0)).float()
    >>> logits, y = torch.eye(4), torch.tensor([0, 3, 2, -1])
    >>> batch = Batch(None, logits, y, [2, 2], loss=Wrong(), step=0, n_steps=1,
    ...               is_drawn=False, is_training=True)
    >>> batch.risks, batch.mean_risk
    (tensor([0.5000, 0.0000]), tensor(0.2500))
    """

    def __init__(
        self,
        features: torch.Tensor,
        logits: torch.Tensor,
        y: torch.Tensor,
        sizes: list[int],
        *,
        loss: Any,
        step: int,
        n_steps: int,
        is_drawn: bool,
        is_training: bool,
    ) -> None:
        self.features, self.logits, self.y, self.sizes = features, logits, y, sizes
        self.loss, self.step, self.n_steps = loss, step, n_steps
        self.is_drawn, self.is_training = is_drawn, is_training

    @cached_property
    def _risks(self):
        losses = self.loss.losses(self.logits, self.y).split(self.sizes)
        counts = torch.stack([(y >= 0).sum() for y in self.y.split(self.sizes)])
        risks = torch.stack([part.sum() for part in losses]) / counts.clamp(min=1)
        return risks, risks.sum() / (counts > 0).sum().clamp(min=1)

    @property
    def risks(self) -> torch.Tensor:
        """Mean loss of the labelled samples of each domain: (n_domains,)"""
        return self._risks[0]

    @property
    def mean_risk(self) -> torch.Tensor:
        """Mean of `risks` over the domains that have labels: ()"""
        return self._risks[1]


class Objective(DocumentedMixin, BaseEstimator):
    """Base class of objectives that :class:`~skalign.MultiDomainClassifier` minimises.

    A subclass has keyword parameters, as every scikit-learn estimator, and a method
    `loss`. For a penalty that is added to the mean risk, :class:`Penalty` needs less.

    The trainer draws equally many samples of each domain for a batch, or takes all
    samples if ``batch_size=None``. At each step it calls `loss`, divides the result and
    the weight decay by `divisor`, and takes one step of Adam. Early stopping ignores
    epochs that begin while `warms_up` is true. On several processes, each calls `loss`
    with the whole batch: nothing need be done for them.

    Attributes
    ----------
    needs_domains : bool
        Whether the objective is only meaningful for at least two domains, True unless
        a subclass sets it. The classifier minimises the mean loss and warns if there is
        no `sample_domain`.
    takes_unlabeled : bool
        Whether samples without a label contribute, as in domain adaptation; False
        unless a subclass sets it.
    learns_by_domain : bool
        Whether `start` returns parameters that belong to one domain each, so that
        `warm_start` needs the same domains; False unless a subclass sets it.

    Examples
    --------
    A worst-case objective: the largest risk of all domains.

    >>> import numpy as np
    >>> from skalign import MultiDomainClassifier
    >>> from skalign.deep import Objective
    >>> class LargestRisk(Objective):
    ...     def loss(self, batch, learned):
    ...         return batch.risks.max()
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=400)
    >>> X = y[:, None] + 0.1 * rng.normal(size=(400, 3))
    >>> classifier = MultiDomainClassifier(LargestRisk(), random_state=0)
    >>> sample_domain = np.repeat(["a", "b"], 200)
    >>> classifier.fit(X, y, sample_domain=sample_domain).score(X, y)
    1.0
    """

    _parameter_constraints = {}
    needs_domains = True
    takes_unlabeled = False
    learns_by_domain = False

    def wrap(self, encoder: Any) -> torch.nn.Module:
        """Return the network to train in place of `encoder`: by default itself."""
        return encoder

    def start(self, training: Training) -> torch.nn.Module | None:
        """Return a module to train along with the network, or None.

        Parameters
        ----------
        training : Training
            Network, number of features and number of domains.

        Returns
        -------
        learned : nn.Module or None
            Given to `loss` at each step.
        """
        return None

    def loss(self, batch: Batch, learned: torch.nn.Module | None) -> torch.Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        batch : Batch
            Features, logits, classes and sizes of the domains.
        learned : nn.Module or None
            What `start` returned.

        Returns
        -------
        loss : Tensor of shape ()
        """
        raise NotImplementedError(f"{type(self).__name__} has no method loss.")

    def divisor(self, step: int, n_steps: int) -> float:
        """Number by which the loss and the weight decay of a step are divided."""
        return 1.0

    def warms_up(self, step: int, n_steps: int) -> bool:
        """Whether the objective is not yet complete at a step."""
        return False


class Penalty(Objective, metaclass=ABCMeta):
    """Base class of objectives that add a weighted penalty to the mean risk.

    Minimises ``(mean_risk + w * penalty) / max(w, 1)``, where w is 1 during the warm-up
    if `weight` is above 1, and `weight` otherwise. The division keeps the loss of one
    size, as in the reference code of invariant risk minimisation.

    Parameters
    ----------
    weight : float, default=1.0
        Weight of the penalty.

    warmup : float or int, default=0.0
        Warm-up, as a fraction of all steps (float) or a number of steps (int).

    Examples
    --------
    A penalty on confident predictions:

    >>> import numpy as np
    >>> from skalign import MultiDomainClassifier
    >>> from skalign.deep import Penalty
    >>> class Confidence(Penalty):
    ...     def penalty(self, batch):
    ...         return (batch.logits.softmax(dim=1) ** 2).sum(dim=1).mean()
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=400)
    >>> X = y[:, None] + 0.1 * rng.normal(size=(400, 3))
    >>> classifier = MultiDomainClassifier(Confidence(0.1), random_state=0)
    >>> sample_domain = np.repeat(["a", "b"], 200)
    >>> classifier.fit(X, y, sample_domain=sample_domain).score(X, y)
    1.0
    """

    _parameter_constraints = {
        "weight": [Interval(Real, 0, None, closed="left")],
        "warmup": FRACTION_OF_STEPS,
    }

    def __init__(self, weight: float = 1.0, warmup: float | int = 0.0) -> None:
        self.weight = weight
        self.warmup = warmup

    @abstractmethod
    def penalty(self, batch: Batch) -> torch.Tensor:
        """Return the penalty of a batch.

        Parameters
        ----------
        batch : Batch
            Features, logits, classes and sizes of the domains.

        Returns
        -------
        penalty : Tensor of shape ()
        """

    def loss(self, batch: Batch, learned: Any) -> torch.Tensor:
        """Return the mean risk plus the weighted penalty."""
        weight = self._weight(batch.step, batch.n_steps)
        return batch.mean_risk + weight * (self.penalty(batch) if weight else 0)

    def divisor(self, step: int, n_steps: int) -> float:
        """Return the weight in force, at least 1."""
        return max(self._weight(step, n_steps), 1.0)

    def warms_up(self, step: int, n_steps: int) -> bool:
        """Return True before the end of the warm-up of a weight above 1."""
        return self.weight > 1 and step < number_of_steps(self.warmup, n_steps)

    def _weight(self, step, n_steps):
        return 1.0 if self.warms_up(step, n_steps) else self.weight


def number_of_steps(warmup, n_steps):
    """Convert a fraction of `n_steps` into a number of steps; keep a number."""
    return warmup if isinstance(warmup, Integral) else round(warmup * n_steps)


class Criterion(nn.Module):
    """Criterion of a skorch net: an objective during one training.

    Parameters
    ----------
    objective : Objective
    loss : object
        Per-sample loss, see :class:`Batch`.
    training : Training, default=None
        None where the objective learns nothing itself.
    n_steps : int, default=1
        Number of steps of the training.
    is_drawn : bool, default=True
        Whether batches are random parts of the training samples.
    terms : sequence of (float, callable), default=()
        Weights and further terms of the loss, functions of the batch.
    """

    def __init__(
        self, objective, loss, training=None, *, n_steps=1, is_drawn=True, terms=()
    ):
        super().__init__()
        self.objective, self.loss = objective, loss
        self.learned = None if training is None else objective.start(training)
        self.step, self.n_steps, self.is_drawn = 0, n_steps, is_drawn
        self.terms, self.divisor = tuple(terms), 1.0

    def get_extra_state(self):
        return self.step

    def set_extra_state(self, step):
        self.step = step

    @property
    def warms_up(self):
        """Whether the objective is not yet complete at the next step."""
        return self.objective.warms_up(self.step, self.n_steps)

    @in_float32
    def forward(self, features, logits, y, sizes):
        """(batch, n_features), (batch, n_classes), (batch,), list of int -> ()"""
        batch = Batch(
            features,
            logits,
            y,
            sizes,
            loss=self.loss,
            step=self.step,
            n_steps=self.n_steps,
            is_drawn=self.is_drawn,
            is_training=self.training,
        )
        divisor = self.objective.divisor(self.step, self.n_steps)
        if self.training:
            self.step, self.divisor = self.step + 1, divisor
        loss = self.objective.loss(batch, self.learned) / divisor
        for weight, term in self.terms:
            loss = loss + weight * term(batch) / self.divisor
        return loss
