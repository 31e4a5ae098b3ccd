"""Mixup."""

from numbers import Real
from typing import Any, Literal

import torch
from sklearn.utils._param_validation import StrOptions
from torch import nn

from skalign._validation import Interval
from skalign.deep.networks import draw_beta, draw_partners
from skalign.deep.objectives._objective import Objective
from skalign.deep.trainer import in_float32_and_back, own, whole


class Mixup(Objective):
    r"""Mixup: convex combinations of samples and of their classes.

    Each sample :math:`x_i` of a batch is replaced by :math:`(1 - \lambda) x_i + \lambda
    x_j`, with another sample j of any domain, and its loss by :math:`(1 - \lambda)
    L(y_i) + \lambda L(y_j)` [1]_.

    Parameters
    ----------
    alpha : float, default=0.2
        Parameter of the distribution Beta(alpha, alpha), from which :math:`\lambda` is
        drawn once a batch.

    level : {"input", "features"}, default="input"
        What is mixed: the inputs of the network, or its features, as manifold mixup
        does at its last level [2]_.

    References
    ----------
    .. [1] H. Zhang, M. Cisse, Y. N. Dauphin and D. Lopez-Paz, "mixup: beyond empirical
       risk minimization", ICLR 2018.
    .. [2] V. Verma et al., "Manifold mixup: better representations by interpolating
       hidden states", ICML 2019.

    Examples
    --------
    >>> from skalign import MultiDomainClassifier, deep
    >>> MultiDomainClassifier(deep.Mixup(level='features'))
    MultiDomainClassifier(objective=Mixup(level='features'))
    """

    _parameter_constraints = {
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "level": [StrOptions({"input", "features"})],
    }
    needs_domains = False

    def __init__(
        self, alpha: float = 0.2, *, level: Literal["input", "features"] = "input"
    ) -> None:
        self.alpha = alpha
        self.level = level

    def wrap(self, encoder: Any) -> torch.nn.Module:
        """Return the network with a layer that mixes samples before or after it."""
        layers = [MixupLayer(self.alpha), encoder]
        return nn.Sequential(*(layers if self.level == "input" else layers[::-1]))

    def start(self, training: Any) -> torch.nn.Module:
        """Return the layer that mixes, which knows what it has mixed."""
        layers = [m for m in training.module.modules() if isinstance(m, MixupLayer)]
        if len(layers) != 1:
            raise ValueError(
                f"Mixup needs one network for all domains; got {len(layers)}."
            )
        return layers[0]

    def loss(self, batch: Any, learned: Any) -> torch.Tensor:
        """Return the mean loss of mixed samples for both their classes."""
        own = batch.loss.mean(batch.logits, batch.y)
        if not batch.is_training:
            return own
        other = batch.loss.mean(batch.logits, batch.y[learned.partner])
        return own.lerp(other, learned.share)


class MixupLayer(nn.Module):
    """Replace each sample of a batch by a combination with another one.

    In evaluation mode it is the identity. After a batch, `partner` (batch,) holds the
    other samples and `share` () their share, from 0 to 1.
    """

    def __init__(self, alpha):
        super().__init__()
        self.alpha = alpha

    @in_float32_and_back
    def forward(self, X):
        """(batch, ...) -> (batch, ...)"""
        if not self.training:
            return X
        X = whole(X)
        self.partner = draw_partners(len(X), None, X.device)
        self.share = draw_beta(self.alpha, (), X)
        return own(torch.lerp(X, X[self.partner], self.share))

    def extra_repr(self):
        return f"alpha={self.alpha}"
