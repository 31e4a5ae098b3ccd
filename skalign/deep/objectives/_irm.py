"""Invariant risk minimisation."""

from typing import Any

import torch

from skalign.deep.objectives._objective import Penalty


class IRM(Penalty):
    r"""Invariant risk minimisation: one classifier that is optimal in every domain.

    Adds to the mean risk the penalty of IRMv1 [1]_,

    .. math:: \frac{1}{D} \sum_{d=1}^{D}
              \left(\frac{\partial R_d(s \cdot f)}{\partial s}\Big|_{s=1}\right)^2,

    where :math:`R_d(s \cdot f)` is the mean loss of domain d for logits multiplied by
    s. It is zero if no domain would gain by rescaling the classifier. The square of a
    batch mean overestimates the square of the mean; for drawn batches it is therefore
    estimated by the product of the means of the two halves of the batch (appendix D of
    [1]_), which can be negative.

    Parameters
    ----------
    weight : float, default=100.0
        Weight of the penalty. The loss is divided by it if it is above 1. The default
        is that of DomainBed for batches of 32; use 1e4 or more if ``batch_size=None``.

    warmup : float or int, default=0.38
        Warm-up, as a fraction of all steps (float) or a number of steps (int). Until
        its end a `weight` above 1 counts as 1.

    References
    ----------
    .. [1] M. Arjovsky, L. Bottou, I. Gulrajani and D. Lopez-Paz, "Invariant risk
       minimization", arXiv 1907.02893.

    Examples
    --------
    >>> from skalign import MultiDomainClassifier, deep
    >>> MultiDomainClassifier(deep.IRM(weight=10))
    MultiDomainClassifier(objective=IRM(weight=10))
    """

    def __init__(self, weight: float = 100.0, warmup: float | int = 0.38) -> None:
        super().__init__(weight, warmup)

    def penalty(self, batch: Any) -> torch.Tensor:
        """Return the mean squared derivative of the risks by a factor of the logits."""
        gradients = batch.loss.scale_gradients(batch.logits, batch.y)
        halves = [
            (rows[::2], rows[1::2])
            if batch.is_drawn and len(rows) > 1
            else (rows, rows)
            for rows in gradients.split(batch.sizes)
        ]
        return torch.stack([a.mean() * b.mean() for a, b in halves]).mean()
