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
    >>> import numpy as np
    >>> from skalign import MultiDomainClassifier
    >>> from skalign.deep import ERM
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=400)
    >>> X = y[:, None] + 0.1 * rng.normal(size=(400, 3))
    >>> classifier = MultiDomainClassifier(ERM(), random_state=0)
    >>> classifier.fit(X, y, sample_domain=np.repeat(["a", "b"], 200)).score(X, y)
    1.0
    """

    needs_domains = False

    def loss(self, batch: Any, learned: Any) -> torch.Tensor:
        """Return the mean loss over domains."""
        if len(set(batch.sizes)) == 1:  # the mean over samples, which is faster
            return batch.loss.mean(batch.logits, batch.y)
        return batch.mean_risk
