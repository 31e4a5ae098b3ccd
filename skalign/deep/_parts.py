"""Parts that a classifier by neural-collapse-inspired feature alignment is made of."""

from numbers import Integral, Real
from typing import Any, Literal

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import HasMethods, StrOptions

from skalign._documented import DocumentedMixin
from skalign._validation import Interval


class Partition(DocumentedMixin, BaseEstimator):
    """How :class:`~skalign.NCFALClassifier` finds domains if none are given.

    Parameters
    ----------
    n_domains : int, default=2
        Number of domains to find.

    assign_by : {"likelihood", "confidence", "random"}, default="likelihood"
        How a sample is assigned to a domain, see
        :func:`~skalign.domains.partition_domains`. "random" draws domains, as a
        control.

    initial : {"errors", "random"}, default="errors"
        Initial partition, see :func:`~skalign.domains.partition_domains`.

    local_model : classifier or None, default=None
        Model of one domain. None is a regularised linear model or small network, see
        :func:`~skalign.domains.partition_domains`. Images are given to it as flat
        samples, which ``MultiDomainClassifier(image_shape=...)`` accepts.

    class_weight : {"balanced"} or None, default="balanced"
        Weights of samples in a local model.

    cross_fit : bool, default=True
        Whether a sample is judged by models fitted to the other half of the samples.

    tol : float, default=0.002
        Stop if a smaller fraction of samples changes its domain.

    max_iter : int, default=15
        Maximum number of iterations.

    n_init : int, default=1
        Number of initial partitions; the best result is kept.

    inputs : {"rest", "all"}, default="rest"
        What local models are given from the second round on: what the mask removes, or
        the whole samples, as in the first round and without a mask.

    n_rounds : int, default=1
        Number of times that domains are found and the network is trained.

    Examples
    --------
    >>> from skalign import NCFALClassifier
    >>> from skalign.deep import Partition
    >>> NCFALClassifier(partition=Partition(n_domains=3))
    NCFALClassifier(partition=Partition(n_domains=3))
    """

    _parameter_constraints = {
        "n_domains": [Interval(Integral, 2, None, closed="left")],
        "assign_by": [StrOptions({"likelihood", "confidence", "random"})],
        "initial": [StrOptions({"errors", "random"})],
        "local_model": [HasMethods(["fit", "predict_proba"]), None],
        "class_weight": [StrOptions({"balanced"}), None],
        "cross_fit": ["boolean"],
        "tol": [Interval(Real, 0, 1, closed="both")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "inputs": [StrOptions({"rest", "all"})],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_domains: int = 2,
        *,
        assign_by: Literal["likelihood", "confidence", "random"] = "likelihood",
        initial: Literal["errors", "random"] = "errors",
        local_model: Any = None,
        class_weight: Literal["balanced"] | None = "balanced",
        cross_fit: bool = True,
        tol: float = 0.002,
        max_iter: int = 15,
        n_init: int = 1,
        inputs: Literal["rest", "all"] = "rest",
        n_rounds: int = 1,
    ) -> None:
        self.n_domains = n_domains
        self.assign_by = assign_by
        self.initial = initial
        self.local_model = local_model
        self.class_weight = class_weight
        self.cross_fit = cross_fit
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.inputs = inputs
        self.n_rounds = n_rounds


class Mask(DocumentedMixin, BaseEstimator):
    """A learned mask on the inputs or features of :class:`~skalign.NCFALClassifier`.

    Parameters
    ----------
    level : {"pixel", "feature", "channel"}, default="pixel"
        What is masked: stochastic gates on the inputs or on the features, or a learned
        mixture of the channels of images.

    gate : {"clip", "sigmoid", "gumbel"}, default="clip"
        Function from a learned location and noise to the gate: "clip" cuts their sum to
        the range from 0 to 1. Ignored if ``level="channel"``.

    scope : {"shared", "domain", "sample"}, default="shared"
        One mask for all samples, one for each domain (predictions use their mean), or
        one for each sample, computed by a small network.

    noise : float, default=0.1
        Standard deviation of the noise of the gates during training, or the temperature
        of "gumbel".

    penalty : float, default=0.0
        Weight of the penalty on open gates, for masks that samples share.

    target : float or None, default=None
        Fraction of gates that stay open: the penalty is the squared difference of the
        expected fraction from it. None is the mean gate.

    lr : float, default=0.3
        Learning rate of the mask, as a multiple of that of the network.

    Examples
    --------
    >>> from skalign import NCFALClassifier
    >>> from skalign.deep import Mask
    >>> NCFALClassifier(mask=Mask("feature", penalty=0.1))
    NCFALClassifier(mask=Mask(level='feature', penalty=0.1))
    """

    _parameter_constraints = {
        "level": [StrOptions({"pixel", "feature", "channel"})],
        "gate": [StrOptions({"clip", "sigmoid", "gumbel"})],
        "scope": [StrOptions({"shared", "domain", "sample"})],
        "noise": [Interval(Real, 0, None, closed="left")],
        "penalty": [Interval(Real, 0, None, closed="left")],
        "target": [Interval(Real, 0, 1, closed="both"), None],
        "lr": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        level: Literal["pixel", "feature", "channel"] = "pixel",
        *,
        gate: Literal["clip", "sigmoid", "gumbel"] = "clip",
        scope: Literal["shared", "domain", "sample"] = "shared",
        noise: float = 0.1,
        penalty: float = 0.0,
        target: float | None = None,
        lr: float = 0.3,
    ) -> None:
        self.level = level
        self.gate = gate
        self.scope = scope
        self.noise = noise
        self.penalty = penalty
        self.target = target
        self.lr = lr


class SimplexHead(DocumentedMixin, BaseEstimator):
    """Features and class scores of :class:`~skalign.NCFALClassifier`.

    Parameters
    ----------
    n_features : int or None, default=None
        Number of network features, at least the number of classes. None is 16, or the
        number of classes if it is larger.

    fixed : bool, default=True
        Whether the classifier is the fixed simplex. False is a linear layer that is
        trained, for comparison.

    loss : {"dot", "cross_entropy"}, default="dot"
        Dot regression, or cross-entropy of the logits divided by `temperature`. Dot
        regression requires features of length 1 and the simplex; otherwise "dot" is
        half the squared distance from the vertex, in the directions of vertices, which
        is the same for two classes.

    temperature : float, default=1.0
        Temperature of the cross-entropy.

    normalize : bool, "batch" or "auto", default="auto"
        Whether features are divided by their length; "batch" standardises them over
        the batch before that, as in [1]_. "auto" is True if domains are given and False
        if they are found, the better choice on coloured digits.

    distance_weight : float, default=0.0
        Weight of the squared distance of the class means of each domain from the
        simplex, both of Frobenius norm 1.

    References
    ----------
    .. [1] Y. Yang et al., "Inducing neural collapse in imbalanced learning: do we
       really need a learnable classifier at the end of deep neural network?", NeurIPS
       2022.

    Examples
    --------
    >>> from skalign import NCFALClassifier
    >>> from skalign.deep import SimplexHead
    >>> NCFALClassifier(head=SimplexHead(loss="cross_entropy"))
    NCFALClassifier(head=SimplexHead(loss='cross_entropy'))
    """

    _parameter_constraints = {
        "n_features": [Interval(Integral, 2, None, closed="left"), None],
        "fixed": ["boolean"],
        "loss": [StrOptions({"dot", "cross_entropy"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "normalize": ["boolean", StrOptions({"batch", "auto"})],
        "distance_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_features: int | None = None,
        *,
        fixed: bool = True,
        loss: Literal["dot", "cross_entropy"] = "dot",
        temperature: float = 1.0,
        normalize: bool | Literal["batch"] | Literal["auto"] = "auto",
        distance_weight: float = 0.0,
    ) -> None:
        self.n_features = n_features
        self.fixed = fixed
        self.loss = loss
        self.temperature = temperature
        self.normalize = normalize
        self.distance_weight = distance_weight
