"""Domain-adversarial training."""

import math
from numbers import Real
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skalign._validation import Interval
from skalign.deep.objectives._objective import (
    FRACTION_OF_STEPS,
    Objective,
    number_of_steps,
)

_N_HIDDEN = 256


class DANN(Objective):
    r"""Domain-adversarial training: features that do not reveal the domain.

    A discriminator is trained to predict the domain from the features, and the network
    to mislead it, by a reversed gradient [1]_: the network minimises

    .. math:: \frac{1}{D} \sum_{d=1}^{D} R_d - w L,

    where L is the cross-entropy of the discriminator. Samples without a label
    contribute: domain adaptation.

    Parameters
    ----------
    weight : float, default=1.0
        Weight w of the reversed gradient.

    warmup : float or int, default=0.0
        Warm-up, as a fraction of all steps (float) or a number of steps (int). The
        weight grows as ``tanh(5 t)`` at a fraction t of it. 1.0 is the schedule of
        [1]_, section 5.2.2: an untrained discriminator does not disturb the features.

    References
    ----------
    .. [1] Y. Ganin et al., "Domain-adversarial training of neural networks", JMLR 17,
       2016, section 4.2.

    Examples
    --------
    >>> from skalign import MultiDomainClassifier, deep
    >>> MultiDomainClassifier(deep.DANN(weight=0.1))
    MultiDomainClassifier(objective=DANN(weight=0.1))
    """

    _parameter_constraints = {
        "weight": [Interval(Real, 0, None, closed="left")],
        "warmup": FRACTION_OF_STEPS,
    }
    takes_unlabeled = learns_by_domain = True

    def __init__(self, weight: float = 1.0, warmup: float | int = 0.0) -> None:
        self.weight = weight
        self.warmup = warmup

    def start(self, training: Any) -> torch.nn.Module:
        """Return the discriminator: one hidden layer of 256 units."""
        return nn.Sequential(
            nn.Linear(training.n_features, _N_HIDDEN),
            nn.ReLU(),
            nn.Linear(_N_HIDDEN, training.n_domains),
        )

    def loss(self, batch: Any, learned: Any) -> torch.Tensor:
        """Return the mean risk plus the loss of the discriminator."""
        weight, n_warmup = self.weight, number_of_steps(self.warmup, batch.n_steps)
        if batch.step < n_warmup:
            weight *= math.tanh(5 * batch.step / n_warmup)
        guesses = learned(_ReverseGradient.apply(batch.features, weight))
        domain = torch.repeat_interleave(
            torch.arange(len(batch.sizes), device=batch.y.device),
            torch.tensor(batch.sizes, device=batch.y.device),
        )
        return batch.mean_risk + F.cross_entropy(guesses, domain)


class _ReverseGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied by ``-weight``."""

    @staticmethod
    def forward(ctx, X, weight):
        ctx.weight = weight
        return X.view_as(X)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.weight * gradient, None
