"""How wrong an output is, row by row."""

import torch
from torch.nn import functional as F


class _ClassRisk:
    """Row by row, from logits of shape (batch, n_classes) and y of shape (batch,)."""

    def row_scores(self, logits, y):
        """1 where the largest logit is right, else 0: (batch,)"""
        return (logits.argmax(dim=1) == y).float()


class CrossEntropy(_ClassRisk):
    """Softmax cross-entropy of logits, times a scale.

    Parameters
    ----------
    scale : float, default=1.0
        The inverse of a temperature.
    """

    def __init__(self, scale=1.0):
        self.scale = scale

    def losses(self, logits, y):
        """(batch, n_classes), (batch,) -> (batch,)"""
        return F.cross_entropy(self.scale * logits, y, reduction="none")

    def scale_gradients(self, logits, y):
        """Derivative of `losses` by a factor of the logits, at 1: (batch,).

        With it, a penalty on the gradient needs no second backward pass.
        """
        logits = self.scale * logits
        expected = (logits.softmax(dim=1) * logits).sum(dim=1)
        return expected - logits.gather(1, y[:, None]).squeeze(1)

    def probabilities(self, logits):
        """(batch, n_classes) -> (batch, n_classes)"""
        return (self.scale * logits).softmax(dim=1)


class DotRegression(_ClassRisk):
    """Half the squared distance of the logit of the right class from 1.

    The loss of [1]_ for a fixed classifier whose logits are cosines (eq. 9 there with
    features and classifier of norm 1).

    References
    ----------
    .. [1] Y. Yang et al., "Inducing neural collapse in imbalanced learning: do we
       really need a learnable classifier at the end of deep neural network?", NeurIPS
       2022.
    """

    def losses(self, logits, y):
        """(batch, n_classes), (batch,) -> (batch,)"""
        return (logits.gather(1, y[:, None]).squeeze(1) - 1) ** 2 / 2

    def scale_gradients(self, logits, y):
        """Derivative of `losses` by a factor of the logits, at 1: (batch,)."""
        right = logits.gather(1, y[:, None]).squeeze(1)
        return (right - 1) * right

    def probabilities(self, logits):
        """(batch, n_classes) -> (batch, n_classes)

        The feature of least expected squared distance from the vertices is their mean
        under the class probabilities p, and its logit of class k is
        (K p_k - 1) / (K - 1); solved for p, and cut off below 0.
        """
        n_classes = logits.shape[1]
        shares = (((n_classes - 1) * logits + 1) / n_classes).clamp(min=0)
        total = shares.sum(dim=1, keepdim=True)
        uniform = torch.full_like(shares, 1 / n_classes)
        return torch.where(total > 0, shares / total, uniform)


class SquaredError:
    """Squared distance of predictions from targets, the mean over columns."""

    def losses(self, predicted, y):
        """(batch, n_targets), (batch, n_targets) -> (batch,)"""
        return F.mse_loss(predicted, y, reduction="none").mean(dim=1)

    def row_scores(self, predicted, y):
        """Minus the losses: (batch,)"""
        return -self.losses(predicted, y)
