"""Empirical risk minimisation."""

from typing import Any

import torch

from skalign.deep.objectives._objective import Objective


class ERM(Objective):
    r"""Empirical risk minimisation: the mean loss over domains.

    Minimises :math:`\frac{1}{D} \sum_{d=1}^{D} R_d`, where :math:`R_d` is the mean loss
    of the labelled samples of domain d [1]_. It is the baseline for all other
    objectives.

    References
    ----------
    .. [1] I. Gulrajani and D. Lopez-Paz, "In search of lost domain generalization",
       ICLR 2021.

    Examples
    --------
    >>> from skalign import MultiDomainClassifier, deep
    >>> MultiDomainClassifier(deep.ERM())
    MultiDomainClassifier(objective=ERM())
    """

    needs_domains = False

    def loss(self, batch: Any, learned: Any) -> torch.Tensor:
        """Return the mean loss over domains."""
        if len(set(batch.sizes)) == 1:  # the mean over samples, which is faster
            return batch.loss.mean(batch.logits, batch.y)
        return batch.mean_risk
