"""Fixed classification head: the vertices of a simplex."""

import torch
from torch import nn

from skalign.metrics import simplex_etf


class SimplexETFHead(nn.Module):
    """Linear head whose weights are a fixed simplex equiangular tight frame.

    The logits are the inner products of the features with the vertices of the simplex;
    for features of norm 1 they are cosines. The vertices are unit vectors with equal
    pairwise angles, the largest possible for this number of vectors. They are a buffer
    and are not trained [1]_.

    Parameters
    ----------
    n_features : int
        Number of features, at least `n_classes`.
    n_classes : int
        Number of classes, at least 2.
    random_state : int, RandomState instance or None, default=None
        Determines the orientation of the simplex in the feature space.

    References
    ----------
    .. [1] Y. Yang et al., "Inducing neural collapse in imbalanced learning: do we
       really need a learnable classifier at the end of deep neural network?", NeurIPS
       2022, definition 1.
    """

    def __init__(self, n_features, n_classes, *, random_state=None):
        super().__init__()
        if torch.get_default_device().type == "meta":  # sizes alone
            vertices = torch.empty(n_features, n_classes)
        else:
            vertices = simplex_etf(n_classes, n_features, random_state=random_state)
            vertices = torch.from_numpy(vertices).float()
        self.register_buffer("vertices", vertices)

    def forward(self, features):
        """(batch, n_features) -> (batch, n_classes)"""
        return features @ self.vertices
