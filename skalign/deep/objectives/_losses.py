"""Per-sample losses."""

import torch
from torch.nn import functional as F

from skalign.deep.trainer import in_float32


class _Loss:
    def mean(self, output, y):
        """The mean of `losses`, for those that have a faster way: ()"""
        return self.losses(output, y).mean()


class _ClassLoss(_Loss):
    """A loss of logits of shape (batch, n_classes) and classes of shape (batch,)."""

    def row_scores(self, logits, y):
        """1 where the largest logit is right, else 0: (batch,)"""
        return (logits.argmax(dim=1) == y).float()


class CrossEntropy(_ClassLoss):
    """Softmax cross-entropy of logits, times a scale.

    Parameters
    ----------
    scale : float, default=1.0
        The inverse of a temperature.
    """

    def __init__(self, scale=1.0):
        self.scale = scale

    @in_float32
    def losses(self, logits, y):
        """(batch, n_classes), (batch,) -> (batch,), 0 where y is -1: no label."""
        logits = self._scaled(logits)
        return F.cross_entropy(logits, y, reduction="none", ignore_index=-1)

    @in_float32
    def mean(self, logits, y):
        return F.cross_entropy(self._scaled(logits), y)

    @in_float32
    def scale_gradients(self, logits, y):
        """Derivative of `losses` by a factor of the logits, at 1: (batch,).

        With it, a penalty on the gradient needs no second backward pass.
        """
        logits = self._scaled(logits)
        expected = (logits.softmax(dim=1) * logits).sum(dim=1)
        return expected - logits.gather(1, y[:, None]).squeeze(1)

    @in_float32
    def probabilities(self, logits):
        """(batch, n_classes) -> (batch, n_classes)"""
        return self._scaled(logits).softmax(dim=1)

    def _scaled(self, logits):
        return logits if self.scale == 1 else self.scale * logits


class _SimplexLoss(_ClassLoss):
    @in_float32
    def scale_gradients(self, logits, y):
        """Derivative of `VertexDistance` by a factor of the logits, at 1: (batch,).

        For two classes it is that of dot regression, too. For more, dot regression
        depends on one logit, which says little of a factor of all.
        """
        n_classes = logits.shape[1]
        return (n_classes - 1) / n_classes * (_error(logits, y) * logits).sum(1)

    @in_float32
    def probabilities(self, logits):
        """(batch, n_classes) -> (batch, n_classes)

        The feature of least expected squared distance from the vertices is their mean
        under the class probabilities p, and its logit of class k is
        (K p_k - 1) / (K - 1); solved for p, and cut off below 0. Logits of a simplex
        sum to 0, and others are shifted to do so.
        """
        n_classes, logits = logits.shape[1], logits - logits.mean(dim=1, keepdim=True)
        shares = (((n_classes - 1) * logits + 1) / n_classes).clamp(min=0)
        return shares / shares.sum(dim=1, keepdim=True)


class DotRegression(_SimplexLoss):
    """Half the squared distance of the logit of the right class from 1.

    The loss of [1]_ for a fixed classifier whose logits are cosines (eq. 9 there with
    features and classifier of norm 1).

    References
    ----------
    .. [1] Y. Yang et al., "Inducing neural collapse in imbalanced learning: do we
       really need a learnable classifier at the end of deep neural network?", NeurIPS
       2022.
    """

    @in_float32
    def losses(self, logits, y):
        """(batch, n_classes), (batch,) -> (batch,)"""
        return (logits.gather(1, y[:, None]).squeeze(1) - 1) ** 2 / 2


class VertexDistance(_SimplexLoss):
    """Half the squared distance of a feature from the vertex of its class.

    What the feature has in directions that no vertex has is left out. Written in logits
    l, with t those of the vertex: (K - 1) / (2 K) ||l - t||^2, where t is 1 for the
    right class and -1 / (K - 1) for the others. For two classes it is dot regression.
    For more, and features of any length, dot regression does not tell classes apart:
    one feature can have the logit 1 for K - 1 of them.
    """

    @in_float32
    def losses(self, logits, y):
        """(batch, n_classes), (batch,) -> (batch,)"""
        n_classes = logits.shape[1]
        return (n_classes - 1) / (2 * n_classes) * (_error(logits, y) ** 2).sum(1)


def _error(logits, y):
    """Difference of logits from those of the vertex of their class."""
    others = torch.full_like(logits, -1 / (logits.shape[1] - 1))
    return logits - others.scatter(1, y[:, None], 1.0)


class SquaredError(_Loss):
    """Squared distance of predictions from targets, the mean over columns."""

    @in_float32
    def losses(self, predicted, y):
        """(batch, n_targets), (batch, n_targets) -> (batch,)"""
        return F.mse_loss(predicted, y, reduction="none").mean(dim=1)

    @in_float32
    def mean(self, predicted, y):
        return F.mse_loss(predicted, y)

    def row_scores(self, predicted, y):
        """Minus the losses: (batch,)"""
        return -self.losses(predicted, y)
