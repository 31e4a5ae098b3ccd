"""Distributionally robust optimisation over groups."""

import math
from numbers import Real
from typing import Any

import torch
from torch import nn

from skalign._validation import Interval
from skalign.deep.objectives._objective import Objective


class GroupDRO(Objective):
    r"""Distributionally robust optimisation: the risk of the worst domain.

    Minimises :math:`\sum_d q_d R_d`, where the weights :math:`q` follow the risks by
    exponentiated gradient ascent, :math:`q_d \propto q_d \exp(\eta R_d)` (algorithm 1
    of [1]_).

    Parameters
    ----------
    step_size : float, default=0.01
        Step size :math:`\eta` of the ascent.

    References
    ----------
    .. [1] S. Sagawa, P. W. Koh, T. B. Hashimoto and P. Liang, "Distributionally robust
       neural networks for group shifts", ICLR 2020.

    Examples
    --------
    >>> from skalign import MultiDomainClassifier, deep
    >>> MultiDomainClassifier(deep.GroupDRO(step_size=0.1))
    MultiDomainClassifier(objective=GroupDRO(step_size=0.1))
    """

    _parameter_constraints = {"step_size": [Interval(Real, 0, None, closed="left")]}
    learns_by_domain = True

    def __init__(self, step_size: float = 0.01) -> None:
        self.step_size = step_size

    def start(self, training: Any) -> torch.nn.Module:
        """Return equal weights of the domains."""
        return _DomainWeights(training.n_domains)

    def loss(self, batch: Any, learned: Any) -> torch.Tensor:
        """Update the weights, and return the weighted risk."""
        if batch.is_training:
            learned.ascend(self.step_size * batch.risks.detach())
        return learned.weights @ batch.risks


class _DomainWeights(nn.Module):
    """Weights of sum 1, kept as logarithms so that a tiny one can grow again."""

    def __init__(self, n_domains):
        super().__init__()
        equal = torch.full((n_domains,), -math.log(n_domains))
        self.register_buffer("log_weights", equal)

    @property
    def weights(self):
        """(n_domains,)"""
        return self.log_weights.exp()

    def ascend(self, steps):
        self.log_weights = (self.log_weights + steps).log_softmax(dim=0)
