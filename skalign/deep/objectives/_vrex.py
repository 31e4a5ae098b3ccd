"""Risk extrapolation."""

from typing import Any

import torch

from skalign.deep.objectives._objective import Penalty


class VREx(Penalty):
    r"""Risk extrapolation (V-REx): equal risks in all domains.

    Adds to the mean risk the variance of the risks of the domains [1]_,

    .. math:: \frac{1}{D} \sum_{d=1}^{D} \left(R_d - \bar R\right)^2.

    Parameters
    ----------
    weight : float, default=10.0
        Weight of the variance. The loss is divided by it if it is above 1. The default
        is that of DomainBed for batches of 32; use about 1e4 if ``batch_size=None``.

    warmup : float or int, default=0.38
        Warm-up, as a fraction of all steps (float) or a number of steps (int). Until
        its end a `weight` above 1 counts as 1.

    References
    ----------
    .. [1] D. Krueger et al., "Out-of-distribution generalization via risk extrapolation
       (REx)", ICML 2021, eq. 8.

    Examples
    --------
    >>> from skalign import MultiDomainClassifier, deep
    >>> MultiDomainClassifier(deep.VREx(weight=1, warmup=0.1))
    MultiDomainClassifier(objective=VREx(warmup=0.1, weight=1))
    """

    def __init__(self, weight: float = 10.0, warmup: float | int = 0.38) -> None:
        super().__init__(weight, warmup)

    def penalty(self, batch: Any) -> torch.Tensor:
        """Return the variance of the risks."""
        return batch.risks.var(correction=0)
