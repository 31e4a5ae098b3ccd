"""Maximum mean discrepancy of features."""

from typing import Any, Literal

import torch
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import StrOptions

from skalign._validation import check_numbers
from skalign.deep.objectives._objective import Penalty
from skalign.deep.objectives._pairs import mean_over_pairs


class MMD(Penalty):
    r"""Maximum mean discrepancy: features with equal distributions in all domains.

    Adds to the mean risk the squared maximum mean discrepancy of the features (biased
    estimate) under a sum of RBF kernels :math:`k(x, y) = \sum_\gamma
    \exp(-\gamma \|x - y\|^2)` [1]_,

    .. math:: \overline{k(X_a, X_a)} + \overline{k(X_b, X_b)}
              - 2 \, \overline{k(X_a, X_b)},

    averaged over all pairs of domains a and b. Samples without a label contribute:
    domain adaptation.

    Parameters
    ----------
    weight : float, default=1.0
        Weight of the penalty. The loss is divided by it if it is above 1.

    warmup : float or int, default=0.0
        Warm-up, as a fraction of all steps (float) or a number of steps (int). Until
        its end a `weight` above 1 counts as 1.

    gammas : "scaled" or array-like of float, default="scaled"
        Coefficients of the kernels. "scaled" is 1/4, 1/2, 1, 2 and 4 divided by the
        mean squared distance of the samples in the batch [2]_, with gradients through
        that mean, so that shrinking all features gains nothing. With fixed numbers,
        such as DomainBed's 0.001, 0.01, ..., 1000, features can collapse to a point.

    See Also
    --------
    skalign.metrics.mmd : The statistic for arrays.

    References
    ----------
    .. [1] H. Li, S. J. Pan, S. Wang and A. C. Kot, "Domain generalization with
       adversarial feature learning", CVPR 2018, eq. 6.
    .. [2] M. Long, Y. Cao, J. Wang and M. I. Jordan, "Learning transferable features
       with deep adaptation networks", ICML 2015, section 3.

    Examples
    --------
    >>> from skalign import MultiDomainClassifier, deep
    >>> MultiDomainClassifier(deep.MMD(gammas=[0.1, 1.0]))
    MultiDomainClassifier(objective=MMD(gammas=[0.1, 1.0]))
    """

    _parameter_constraints = {
        **Penalty._parameter_constraints,
        "gammas": [StrOptions({"scaled"}), "array-like"],
    }
    takes_unlabeled = True

    def __init__(
        self,
        weight: float = 1.0,
        warmup: float | int = 0.0,
        *,
        gammas: Literal["scaled"] | ArrayLike = "scaled",
    ) -> None:
        super().__init__(weight, warmup)
        self.gammas = gammas

    def start(self, training: Any) -> None:
        """Validate the coefficients of the kernels."""
        if not isinstance(self.gammas, str):
            check_numbers(self.gammas, "gammas", positive=True)

    def penalty(self, batch: Any) -> torch.Tensor:
        """Return the mean squared MMD over pairs of domains."""
        gammas = self.gammas
        if isinstance(gammas, str):
            # The mean over all pairs, a sample with itself left out.
            mean = 2 * batch.features.var(dim=0).sum()
            mean = mean.clamp(min=torch.finfo(mean.dtype).eps)
            gammas = [factor / mean for factor in (0.25, 0.5, 1.0, 2.0, 4.0)]
        features = batch.features.split(batch.sizes)
        kernels = {
            (a, b): _rbf_mean(features[a], features[b], gammas)
            for a in range(len(features))
            for b in range(a, len(features))
        }
        return mean_over_pairs(
            len(features),
            lambda a, b: kernels[a, a] + kernels[b, b] - 2 * kernels[a, b],
        )


def _rbf_mean(X, Y, gammas):
    centre = X.mean(dim=0)  # products of vectors far from 0 would cancel
    X, Y = X - centre, Y - centre
    squared = (X**2).sum(dim=1)[:, None] + (Y**2).sum(dim=1) - 2 * X @ Y.T
    squared = squared.clamp(min=0)
    return sum(torch.exp(-gamma * squared).mean() for gamma in gammas)
