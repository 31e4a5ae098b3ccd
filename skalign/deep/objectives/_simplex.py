"""Distance of class means from the vertices of a simplex."""

from torch.nn import functional as F


class SimplexDistance:
    """Distance of the class means of each domain from a simplex, as a term of the loss.

    Parameters
    ----------
    head : SimplexETFHead
        Its vertices are the simplex.
    """

    def __init__(self, head):
        self.head = head

    def __call__(self, batch):
        """Return the sum over domains: ()"""
        parts = batch.features.split(batch.sizes), batch.y.split(batch.sizes)
        vertices = self.head.vertices
        return sum(
            simplex_distance(rows, y, vertices) for rows, y in zip(*parts, strict=True)
        )


def simplex_distance(features, y, vertices):
    """Squared distance of class means from the vertices of a simplex, as shapes.

    Both matrices are centred and scaled to Frobenius norm 1 [1]_.

    Parameters
    ----------
    features : Tensor of shape (batch, n_features)
    y : Tensor of shape (batch,)
        Numbers of the classes. Classes that do not occur are left out.
    vertices : Tensor of shape (n_features, n_classes)

    Returns
    -------
    distance : Tensor of shape ()
        From 0 to 4.

    References
    ----------
    .. [1] Y. Yang et al., "Inducing neural collapse in imbalanced learning: do we
       really need a learnable classifier at the end of deep neural network?", NeurIPS
       2022.
    """
    member = F.one_hot(y, vertices.shape[1]).to(features)
    counts = member.sum(dim=0)
    present = counts > 0
    means = (features.T @ member)[:, present] / counts[present]
    means = means - means.mean(dim=1, keepdim=True)
    goal = vertices[:, present]
    goal = goal - goal.mean(dim=1, keepdim=True)
    norms = means.norm().clamp(min=1e-12), goal.norm().clamp(min=1e-12)
    return ((means / norms[0] - goal / norms[1]) ** 2).sum()
