"""What training makes small: the risk, and what is added to it.

An objective is the criterion of a skorch net. It takes the features and logits of a
batch and the number of rows of each environment in it, which lie one after another.
What it has to learn itself, such as a discriminator, is trained along.
"""

import math
from numbers import Integral

import torch
from torch import nn
from torch.nn import functional as F

from skalign.deep._penalties import (
    DomainDiscriminator,
    coral_penalty,
    etf_penalty,
    irm_penalty,
    mmd_penalty,
    reverse_gradient,
    vrex_penalty,
)
from skalign.deep._precision import in_float32


def environment_risks(risk, logits, y, sizes):
    """Mean loss of the labelled rows of each environment, and the mean of these means.

    Parameters
    ----------
    risk : object
        With `losses(logits, y)`, 0 for rows without a label.
    logits : Tensor of shape (batch, n_classes)
    y : Tensor of shape (batch,)
        -1 for rows without a label.
    sizes : list of int
        Rows of each environment.

    Returns
    -------
    risks : Tensor of shape (n_environments,)
        0 for an environment without a label.
    mean : Tensor of shape ()
        Over environments with labels.
    """
    losses = risk.losses(logits, y).split(sizes)
    counts = torch.stack([rows.sum() for rows in (y >= 0).split(sizes)])
    risks = torch.stack([rows.sum() for rows in losses]) / counts.clamp(min=1)
    return risks, risks.sum() / (counts > 0).sum().clamp(min=1)


class Objective(nn.Module):
    """The criterion of a net.

    A subclass sets `risk`, with `losses(logits, y)`. What is made small is divided by
    `divisor`, and while it `warms_up` is not yet what it is to be.
    """

    divisor = 1.0
    warms_up = False


class ObjectiveWithMore(Objective):
    """Another objective, and more.

    Parameters
    ----------
    objective : Objective
    weight : float
        Of what is added.
    """

    def __init__(self, objective, weight):
        super().__init__()
        self.objective, self.weight = objective, weight

    @property
    def risk(self):
        return self.objective.risk

    @property
    def divisor(self):
        return self.objective.divisor

    @property
    def warms_up(self):
        return self.objective.warms_up


class MeanRisk(Objective):
    """The mean of the risks of the environments: empirical risk minimisation.

    Parameters
    ----------
    risk : object
        With `losses(logits, y)`, such as `CrossEntropy`.
    """

    def __init__(self, risk):
        super().__init__()
        self.risk = risk

    @in_float32
    def forward(self, features, logits, y, sizes):
        """(batch, n_features), (batch, n_classes), (batch,), list of int -> ()"""
        if len(set(sizes)) == 1:  # the mean of all rows
            return self.risk.mean(logits, y)
        return environment_risks(self.risk, logits, y, sizes)[1]


class PenalizedRisk(Objective):
    """The mean of the risks of the environments, plus a penalty.

    A penalty of weight above 1 counts with weight 1 until the warm-up is over. The sum
    is divided by the weight where that is above 1, so that it stays of one size, as in
    the code of invariant risk minimisation; `divisor` says by how much, for weight
    decay is part of that sum.

    Parameters
    ----------
    risk : object
        With `losses` and `scale_gradients`.
    weight : float
        Of the penalty.
    n_warmup : int
        Steps before the weight is in force.
    """

    def __init__(self, risk, weight, n_warmup=0):
        super().__init__()
        self.risk, self.weight, self.n_warmup = risk, weight, n_warmup
        self.n_steps, self.divisor = 0, 1.0

    def get_extra_state(self):
        return self.n_steps

    def set_extra_state(self, n_steps):
        self.n_steps = n_steps

    @property
    def warms_up(self):
        """Whether the next step is one before the weight is in force."""
        return self.weight > 1 and self.n_steps < self.n_warmup

    @in_float32
    def forward(self, features, logits, y, sizes):
        risks, mean = environment_risks(self.risk, logits, y, sizes)
        weight = 1.0 if self.warms_up else self.weight
        if self.training:
            self.n_steps += 1
            self.divisor = max(weight, 1.0)
        penalty = self.penalty(features, logits, y, sizes, risks) if weight else 0
        return (mean + weight * penalty) / max(weight, 1.0)


class IRMRisk(PenalizedRisk):
    """With the IRMv1 penalty, `from_sample` as of :func:`irm_penalty`.

    Parameters
    ----------
    penalized : object, default=None
        Risk whose derivative the penalty takes, if not that of `risk`: one that tells
        how good a factor of all logits is, where `risk` looks at one of them.
    """

    def __init__(self, risk, weight, n_warmup=0, from_sample=False, penalized=None):
        super().__init__(risk, weight, n_warmup)
        self.from_sample = from_sample
        self.penalized = risk if penalized is None else penalized

    def penalty(self, features, logits, y, sizes, risks):
        of_rows = self.penalized.scale_gradients(logits, y).split(sizes)
        return irm_penalty(of_rows, from_sample=self.from_sample)


class VRExRisk(PenalizedRisk):
    """With the variance of the risks."""

    def penalty(self, features, logits, y, sizes, risks):
        return vrex_penalty(risks)


class CORALRisk(PenalizedRisk):
    """With differences of means and covariances of the features."""

    def penalty(self, features, logits, y, sizes, risks):
        return coral_penalty(features.split(sizes))


class MMDRisk(PenalizedRisk):
    """With the maximum mean discrepancy of the features, as of :func:`mmd_penalty`."""

    def __init__(self, risk, weight, n_warmup=0, gammas="scaled"):
        super().__init__(risk, weight, n_warmup)
        self.gammas = gammas

    def penalty(self, features, logits, y, sizes, risks):
        return mmd_penalty(features.split(sizes), self.gammas)


class DANNRisk(PenalizedRisk):
    """With a discriminator of environments, whose gradient is reversed.

    The discriminator is trained by the same step. The weight grows from the first step
    on: there is no epoch without it.

    Parameters
    ----------
    n_features, n_environments : int
        Of what it sees, and of what it tells apart.
    n_warmup : int, default=0
        Steps over which the weight grows, as tanh(5 t) at a share t of them.
    """

    warms_up = False

    def __init__(self, risk, weight, n_features, n_environments, n_warmup=0):
        super().__init__(risk, weight, n_warmup)
        self.discriminator = DomainDiscriminator(n_features, n_environments)

    @in_float32
    def forward(self, features, logits, y, sizes):
        _, mean = environment_risks(self.risk, logits, y, sizes)
        weight = self.weight
        if self.n_steps < self.n_warmup:
            weight *= math.tanh(5 * self.n_steps / self.n_warmup)
        if self.training:
            self.n_steps += 1
        guesses = self.discriminator(reverse_gradient(features, weight))
        environment = torch.repeat_interleave(
            torch.arange(len(sizes), device=y.device),
            torch.tensor(sizes, device=y.device),
        )
        return mean + F.cross_entropy(guesses, environment)


class GroupDRORisk(Objective):
    """The risks weighted by exponentiated gradient ascent (algorithm 1 of [1]_).

    Parameters
    ----------
    risk : object
        With `losses`.
    n_environments : int
    step_size : float
        Of the ascent.

    References
    ----------
    .. [1] S. Sagawa, P. W. Koh, T. B. Hashimoto and P. Liang, "Distributionally robust
       neural networks for group shifts", ICLR 2020.
    """

    def __init__(self, risk, n_environments, step_size):
        super().__init__()
        self.risk, self.step_size = risk, step_size
        # Logarithms: a weight that is too small for a number can grow again.
        equal = torch.full((n_environments,), -math.log(n_environments))
        self.register_buffer("log_weights", equal)

    @property
    def weights(self):
        """(n_environments,), their sum 1"""
        return self.log_weights.exp()

    @in_float32
    def forward(self, features, logits, y, sizes):
        risks, _ = environment_risks(self.risk, logits, y, sizes)
        if self.training:
            ascent = self.log_weights + self.step_size * risks.detach()
            self.log_weights = ascent.log_softmax(dim=0)
        return self.weights @ risks


class ETFRisk(ObjectiveWithMore):
    """An objective, plus the distance of each environment's class means from a simplex.

    Parameters
    ----------
    objective : Objective
    weight : float
        Of the distance: the sum over environments of the squared Frobenius norm of the
        difference of both matrices, each of norm 1.
    vertices : Tensor of shape (n_features, n_classes)
    """

    def __init__(self, objective, weight, vertices):
        super().__init__(objective, weight)
        self.register_buffer("vertices", vertices)

    @in_float32
    def forward(self, features, logits, y, sizes):
        loss = self.objective(features, logits, y, sizes)
        parts = zip(features.split(sizes), y.split(sizes), strict=True)
        distance = sum(etf_penalty(rows, of, self.vertices) for rows, of in parts)
        return loss + self.weight * distance / self.divisor


def n_warmup_steps(warmup, n_steps):
    """Number of steps that `warmup`, a number or a share of `n_steps`, stands for."""
    return warmup if isinstance(warmup, Integral) else round(warmup * n_steps)
