"""Contrastive loss of pairs, computed without the matrix of all similarities."""

import math

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from skalign._autocast import autocast_off
from skalign.deep.trainer import in_float32

_MAX_LOG_SCALE = math.log(100)


class _InfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, source, target, scale, chunk_size):
        by_source = []
        by_target = source.new_full((len(target),), -math.inf)
        for rows in source.split(chunk_size):
            logits = scale * (rows @ target.T)
            by_source.append(logits.logsumexp(dim=1))
            by_target = torch.logaddexp(by_target, logits.logsumexp(dim=0))
        by_source = torch.cat(by_source)
        ctx.save_for_backward(source, target, scale, by_source, by_target)
        ctx.chunk_size = chunk_size
        return (by_source + by_target) / 2 - scale * (source * target).sum(dim=1)

    @staticmethod
    @once_differentiable
    @autocast_off()
    def backward(ctx, gradient):
        source, target, scale, by_source, by_target = ctx.saved_tensors
        to_source, to_target = -gradient[:, None] * target, -gradient[:, None] * source
        for start in range(0, len(source), ctx.chunk_size):
            rows = slice(start, start + ctx.chunk_size)
            logits = scale * (source[rows] @ target.T)
            weights = (logits - by_source[rows, None]).exp_().mul_(gradient[rows, None])
            weights += logits.sub_(by_target).exp_().mul_(gradient)
            to_source[rows] += weights @ target / 2
            to_target += weights.T @ source[rows] / 2
        to_scale = (to_source * source).sum()
        return scale * to_source, scale * to_target, to_scale, None


@in_float32
def info_nce(
    source: torch.Tensor,
    target: torch.Tensor,
    scale: torch.Tensor,
    *,
    chunk_size: int = 1024,
) -> torch.Tensor:
    """Contrastive loss of each pair.

    The loss is the mean of two cross-entropies [1]_ [2]_: of the partner among all
    target samples, and of the partner among all source samples. The logits are inner
    products times `scale`.

    Parameters
    ----------
    source, target : Tensor of shape (batch, n_components)
        Pairs, row by row, usually of unit length.
    scale : Tensor of shape ()
        Inverse of a temperature.
    chunk_size : int, default=1024
        Number of source samples that are compared with all target samples at a time.
        It limits the memory: only their logits are held, and they are computed again
        for the gradient. The loss does not depend on it.

    Returns
    -------
    losses : Tensor of shape (batch,)
        Not negative; about log(batch) if the pairs are not distinguished.

    Notes
    -----
    The loss can be differentiated once, with respect to all three tensors.

    References
    ----------
    .. [1] A. van den Oord, Y. Li and O. Vinyals, "Representation learning with
       contrastive predictive coding", arXiv 1807.03748, eq. 4.

    .. [2] A. Radford et al., "Learning transferable visual models from natural language
       supervision", ICML 2021, figure 3.

    Examples
    --------
    >>> import torch
    >>> from skalign.deep.objectives import info_nce
    >>> rows = torch.eye(3)
    >>> info_nce(rows, rows, torch.tensor(10.0)).mean() < 1e-3
    tensor(True)
    """
    return _InfoNCE.apply(source, target, scale, chunk_size)


class InfoNCE(nn.Module):
    """Contrastive loss with a learned temperature.

    Parameters
    ----------
    temperature : float, default=0.07
        Initial temperature. It is kept between 0.01, as in [1]_, and 1.
    chunk_size : int, default=1024
        As in :func:`info_nce`.

    References
    ----------
    .. [1] A. Radford et al., "Learning transferable visual models from natural language
       supervision", ICML 2021, section 2.5.
    """

    def __init__(self, temperature=0.07, chunk_size=1024):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.chunk_size = chunk_size

    @property
    def temperature(self):
        """Current temperature, a float."""
        return math.exp(-min(max(float(self.log_scale.detach()), 0.0), _MAX_LOG_SCALE))

    def losses(self, embeddings, y=None):
        """Source and target side by side: (batch, 2, n_components) -> (batch,)"""
        with torch.no_grad():
            self.log_scale.clamp_(0, _MAX_LOG_SCALE)
        source, target = embeddings.unbind(dim=1)
        return info_nce(
            source, target, self.log_scale.exp(), chunk_size=self.chunk_size
        )

    def mean(self, embeddings, y=None):
        """(batch, 2, n_components) -> ()"""
        return self.losses(embeddings).mean()

    def row_scores(self, embeddings, y=None):
        """Minus the losses: (batch,)"""
        return -self.losses(embeddings)
