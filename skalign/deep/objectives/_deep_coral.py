"""Deep CORAL."""

from typing import Any

import torch

from skalign.deep.objectives._objective import Penalty
from skalign.deep.objectives._pairs import mean_over_pairs


class DeepCORAL(Penalty):
    r"""Deep CORAL: features with equal means and covariances in all domains.

    Adds to the mean risk the squared differences of the means and of the covariances of
    the features [1]_,

    .. math:: \frac{1}{p} \|\mu_a - \mu_b\|^2 + \frac{1}{p^2} \|C_a - C_b\|_F^2,

    averaged over all pairs of domains a and b, for p features. As in DomainBed, entries
    are averaged and means are included; [1]_ compares covariances only. Samples without
    a label contribute: domain adaptation.

    Parameters
    ----------
    weight : float, default=1.0
        Weight of the penalty. The loss is divided by it if it is above 1.

    warmup : float or int, default=0.0
        Warm-up, as a fraction of all steps (float) or a number of steps (int). Until
        its end a `weight` above 1 counts as 1.

    References
    ----------
    .. [1] B. Sun and K. Saenko, "Deep CORAL: correlation alignment for deep domain
       adaptation", ECCV workshops 2016, eq. 1.

    Examples
    --------
    >>> from skalign import MultiDomainClassifier, deep
    >>> MultiDomainClassifier(deep.DeepCORAL(weight=0.1))
    MultiDomainClassifier(objective=DeepCORAL(weight=0.1))
    """

    takes_unlabeled = True

    def penalty(self, batch: Any) -> torch.Tensor:
        """Return the mean squared difference of means and covariances over pairs."""
        features = batch.features.split(batch.sizes)
        means = [rows.mean(dim=0) for rows in features]
        centred = [rows - mean for rows, mean in zip(features, means, strict=True)]
        covariances = [rows.T @ rows / max(len(rows) - 1, 1) for rows in centred]
        return mean_over_pairs(
            len(features),
            lambda a, b: (
                ((means[a] - means[b]) ** 2).mean()
                + ((covariances[a] - covariances[b]) ** 2).mean()
            ),
        )
