"""What differs between environments, as numbers to make small.

Each function takes one tensor an environment, or one number an environment, and returns
a scalar tensor that is 0 where the environments agree.
"""

from itertools import combinations

import torch
from torch import nn

from skalign.deep._precision import in_float32

# The mixture of DomainBed and, with other factors, of multi-kernel MMD.
RBF_GAMMAS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)


@in_float32
def irm_penalty(scale_gradients, *, from_sample=False):
    """Squared derivative of each risk by a factor of the scores, their mean.

    Parameters
    ----------
    scale_gradients : sequence of Tensor of shape (batch,)
        Derivative of the loss of each row by a factor of its scores, at 1.
    from_sample : bool, default=False
        Whether rows are a sample of those that are meant. The square of the mean of a
        sample is too large, by the variance of that mean; the product of the means of
        every other row and of those between them is not, on average [1]_. It can be
        negative. A single row is squared.

    Returns
    -------
    penalty : Tensor of shape ()

    References
    ----------
    .. [1] M. Arjovsky, L. Bottou, I. Gulrajani and D. Lopez-Paz, "Invariant risk
       minimization", arXiv 1907.02893, IRMv1 in section 3; the estimate from a sample
       in appendix D.
    """
    halves = [
        (rows[::2], rows[1::2]) if from_sample and len(rows) > 1 else (rows, rows)
        for rows in scale_gradients
    ]
    return torch.stack([a.mean() * b.mean() for a, b in halves]).mean()


@in_float32
def vrex_penalty(risks):
    """Variance of the risks.

    Parameters
    ----------
    risks : Tensor of shape (n_environments,)

    Returns
    -------
    penalty : Tensor of shape ()

    References
    ----------
    .. [1] D. Krueger et al., "Out-of-distribution generalization via risk extrapolation
       (REx)", ICML 2021, eq. 8.
    """
    return risks.var(correction=0)


@in_float32
def coral_penalty(features):
    """Squared differences of means and of covariances, the mean over pairs.

    Parameters
    ----------
    features : sequence of Tensor of shape (batch, n_features)

    Returns
    -------
    penalty : Tensor of shape ()
        Mean over entries, as in DomainBed; Deep CORAL itself has covariances only.

    References
    ----------
    .. [1] B. Sun and K. Saenko, "Deep CORAL: correlation alignment for deep domain
       adaptation", ECCV workshops 2016, eq. 1.
    """
    means = [rows.mean(dim=0) for rows in features]
    centred = [rows - mean for rows, mean in zip(features, means, strict=True)]
    covariances = [rows.T @ rows / max(len(rows) - 1, 1) for rows in centred]
    return _over_pairs(
        len(features),
        lambda a, b: (
            ((means[a] - means[b]) ** 2).mean()
            + ((covariances[a] - covariances[b]) ** 2).mean()
        ),
    )


@in_float32
def mmd_penalty(features, gammas=RBF_GAMMAS):
    """Squared maximum mean discrepancy, a sum over RBF kernels, the mean over pairs.

    Parameters
    ----------
    features : sequence of Tensor of shape (batch, n_features)
    gammas : "scaled" or sequence of float
        Of the kernels ``exp(-gamma * ||x - y||^2)``. "scaled": 1/4, 1/2, 1, 2 and 4
        over the mean squared distance of all rows [2]_. The default numbers are those
        of DomainBed.

    Returns
    -------
    penalty : Tensor of shape ()
        The biased estimate, not negative but for rounding.

    Notes
    -----
    With fixed numbers the penalty also falls as all features shrink, which can end in
    features that are all the same. A scaled one does not see the unit of the features,
    and as gradients run through the mean distance too, no step gains by shrinking.

    References
    ----------
    .. [1] H. Li, S. J. Pan, S. Wang and A. C. Kot, "Domain generalization with
       adversarial feature learning", CVPR 2018, eq. 6.
    .. [2] M. Long, Y. Cao, J. Wang and M. I. Jordan, "Learning transferable features
       with deep adaptation networks", ICML 2015, section 3.
    """
    if isinstance(gammas, str):
        if gammas != "scaled":
            raise ValueError(f"gammas={gammas!r} must be 'scaled' or numbers.")
        rows = torch.cat(list(features))
        # The mean over all pairs, a row with itself left out.
        mean = 2 * rows.var(dim=0).sum()
        mean = mean.clamp(min=torch.finfo(rows.dtype).eps)
        gammas = [factor / mean for factor in (0.25, 0.5, 1.0, 2.0, 4.0)]
    kernels = {
        (a, b): _rbf_mean(features[a], features[b], gammas)
        for a in range(len(features))
        for b in range(a, len(features))
    }
    return _over_pairs(
        len(features),
        lambda a, b: kernels[a, a] + kernels[b, b] - 2 * kernels[a, b],
    )


def _rbf_mean(X, Y, gammas):
    centre = X.mean(dim=0)  # products of rows far from 0 would cancel
    X, Y = X - centre, Y - centre
    squared = (X**2).sum(dim=1)[:, None] + (Y**2).sum(dim=1) - 2 * X @ Y.T
    squared = squared.clamp(min=0)
    return sum(torch.exp(-gamma * squared).mean() for gamma in gammas)


def _over_pairs(n_environments, penalty):
    pairs = list(combinations(range(n_environments), 2))
    if not pairs:
        raise ValueError("At least 2 environments are compared.")
    return sum(penalty(a, b) for a, b in pairs) / len(pairs)


@in_float32
def etf_penalty(features, y, vertices):
    """Squared distance of class means from the vertices of a simplex, as shapes.

    Parameters
    ----------
    features : Tensor of shape (batch, n_features)
    y : Tensor of shape (batch,)
        Classes that are not there are left out.
    vertices : Tensor of shape (n_features, n_classes)

    Returns
    -------
    penalty : Tensor of shape ()
        From 0 to 4; both matrices have Frobenius norm 1.

    References
    ----------
    .. [1] Y. Yang et al., "Inducing neural collapse in imbalanced learning: do we
       really need a learnable classifier at the end of deep neural network?", NeurIPS
       2022.
    """
    member = torch.nn.functional.one_hot(y, vertices.shape[1]).to(features)
    counts = member.sum(dim=0)
    present = counts > 0
    means = (features.T @ member)[:, present] / counts[present]
    means = means - means.mean(dim=1, keepdim=True)
    goal = vertices[:, present]
    goal = goal - goal.mean(dim=1, keepdim=True)
    norms = means.norm().clamp(min=1e-12), goal.norm().clamp(min=1e-12)
    return ((means / norms[0] - goal / norms[1]) ** 2).sum()


class _ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X, weight):
        ctx.weight = weight
        return X.view_as(X)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.weight * gradient, None


def reverse_gradient(X, weight=1.0):
    """Return `X`, whose gradient comes back times ``-weight``.

    References
    ----------
    .. [1] Y. Ganin et al., "Domain-adversarial training of neural networks", JMLR 17,
       2016, section 4.2.
    """
    return _ReverseGradient.apply(X, weight)


class DomainDiscriminator(nn.Sequential):
    """Tells environments apart by features whose gradient is reversed.

    Parameters
    ----------
    n_features, n_environments : int
    n_hidden : int, default=256
        Width of the hidden layer.
    """

    def __init__(self, n_features, n_environments, n_hidden=256):
        super().__init__(
            nn.Linear(n_features, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, n_environments),
        )
