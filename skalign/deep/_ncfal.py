"""Neural-collapse-inspired feature alignment."""

import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, RealNotInt, StrOptions
from torch import nn
from torch.nn import functional as F

from skalign.deep._domain_classifier import DomainClassifier
from skalign.deep._environments import (
    partition_environments,
    random_environments,
    too_few_rows,
)
from skalign.deep._etf import SimplexETFHead
from skalign.deep._masks import ChannelMix, StochasticMask
from skalign.deep._modules import Classifier, n_outputs
from skalign.deep._objectives import (
    ETFRisk,
    IRMRisk,
    PenalizedRisk,
    VRExRisk,
    n_warmup_steps,
)
from skalign.deep._risks import CrossEntropy, DotRegression, VertexDistance
from skalign.metrics import class_prototypes

# Mutual information with the classes and share of rows still moving above which, and
# evidence of the classes below which, environments that were found are doubted.
_LIKE_LABELS, _MOVING, _EVIDENCE = 0.3, 0.1, 3.0


class NoPenaltyRisk(PenalizedRisk):
    """The mean of the risks of the environments alone."""

    def __init__(self, risk, weight, n_warmup):
        super().__init__(risk, 0.0)


_PENALTIES = {"irm": IRMRisk, "vrex": VRExRisk, "none": NoPenaltyRisk}


class NCFALClassifier(DomainClassifier):
    """Neural-collapse-inspired feature alignment.

    Features of each class go to a vertex of one fixed simplex, the same in every
    environment, by a penalty on what differs between the environments [1]_. Where no
    environments are given it finds them: rows that follow the strongest shortcut and
    rows that do not. Read more in the :ref:`User Guide <out_of_distribution>`.

    Parameters
    ----------
    n_environments : int, default=2
        Number of environments to find. Not used with `sample_domain`.

    partition : {"likelihood", "confidence", "random"}, default="likelihood"
        How a row finds its environment, as `assign_by` of
        :func:`~skalign.deep.partition_environments`; "random" draws it, as a control.

    start : {"errors", "random"}, default="errors"
        Division that the partition starts from, as `initial` of
        :func:`~skalign.deep.partition_environments`.

    local_model : classifier or None, default=None
        Local model of the partition; None is a small network trained for one pass.

    n_rounds : int, default=1
        Number of times that environments are found and the network is trained. From
        the second on, the local models see what the mask takes away, or, without a
        mask, the rows as they are.

    n_network_features : int or None, default=None
        Width of the features, at least the number of classes. None is 16, or that
        number where it is larger.

    head : {"etf", "linear"}, default="etf"
        The fixed simplex, or a linear layer that is trained, for comparison.

    loss : {"dot", "cross_entropy"}, default="dot"
        Dot regression, or cross-entropy of the logits divided by `temperature`. Dot
        regression is for features of length 1 and the simplex; otherwise, it is half
        the squared distance from the vertex, which is the same for two classes.

    temperature : float, default=1.0
        Of the cross-entropy.

    normalize : bool or "auto", default="auto"
        Divide features by their length. "auto" does where environments are given, and
        not where they are found, as measured on coloured digits.

    penalty : {"irm", "vrex", "none", "auto"}, default="auto"
        On the losses of the environments: the squared derivative by a factor of the
        logits, their variance, or none; the simplex alone makes nothing invariant.
        "auto" is "irm" where environments are given and "vrex" where they are found.

    weight : float, default=100.0
        Of the penalty. The sum is divided by it where it is above 1. Losses of a small
        batch differ by chance too, and a large weight on that leaves nothing to learn;
        with ``batch_size=None`` take 1e4.

    warmup : float or int, default=0.38
        Share of all steps, or number of steps, before `weight` is in force; 1 until
        then.

    f_norm : float, default=0.0
        Weight of the squared distance of each environment's class means from the
        simplex, both of Frobenius norm 1.

    mask : {"pixel", "feature", "channel"} or None, default=None
        Stochastic gates on the inputs or on the features, or a learnt mixture of the
        channels of pictures.

    mask_noise : float, default=0.1
        Standard deviation of the noise of the gates while they are learnt.

    mask_lr : float, default=0.3
        Learning rate of the mask, as a share of `lr`.

    module, hidden_layer_sizes, image_shape, lr, weight_decay, batch_size, max_epochs, \
            steps_per_epoch, early_stopping, validation_fraction, n_iter_no_change, \
            device, warm_start, callbacks, random_state
        Network and training, as of :class:`ERMClassifier`. A linear layer to the
        features comes after the network.

    Attributes
    ----------
    environment_ : ndarray of shape (n_samples,)
        Number of the environment of each training row, found or given.

    environments_ : ndarray of shape (n_environments,)
        Names of the environments; numbers where they were found.

    prototypes_ : ndarray of shape (n_environments, n_classes, n_network_features)
        Mean feature of each class in each environment.

    vertices_ : ndarray of shape (n_network_features, n_classes) or None
        The simplex; None with ``head="linear"``.

    mask_ : ndarray or None
        Gates from 0 (closed) to 1, of the shape of a row or (n_network_features,), or
        the mixture of shape (n_channels, n_channels); None without a mask.

    partition_changed_ : float or None
        Share of rows that the last round of the partition moved; None if environments
        were given or drawn.

    net_ : skorch net
        `net_.module_` is the trained network, `net_.history` has a row an epoch:
        `train_loss`, and with `early_stopping` also `valid_loss` and `valid_score`,
        means over environments.

    classes_ : ndarray of shape (n_classes,)
        Classes.

    shape_ : tuple of int
        Of a row: (n_features,), or (n_channels, height, width).

    n_iter_ : int
        Number of epochs.

    n_features_in_ : int
        Width of a row, or the number of values of a picture.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `X` had any.

    See Also
    --------
    ERMClassifier : Without environments.
    IRMClassifier, VRExClassifier : The same penalties with a trained head.
    skalign.deep.partition_environments : The partition alone.
    skalign.metrics.etf_distance : How far features are from the simplex.

    Notes
    -----
    The paper's own loss, weights and schedule are not public; what is chosen here, and
    measured, is in the user guide. Found environments have the strongest predictor of
    the classes taken out of them. Where that is the cause and not a shortcut, give the
    environments instead.

    References
    ----------
    .. [1] Y. Chen et al., "Neural collapse inspired feature alignment for
       out-of-distribution generalization", NeurIPS 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import NCFALClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=2000)
    >>> cause = np.where(rng.random(2000) < 0.8, y, 1 - y)
    >>> shortcut = np.where(rng.random(2000) < 0.9, y, 1 - y)
    >>> X = np.c_[cause, 9 * shortcut] + 0.1 * rng.normal(size=(2000, 2))
    >>> classifier = NCFALClassifier(random_state=0).fit(X, y)
    >>> X[:, 1] = 9 * (1 - y)  # the shortcut turns round
    >>> bool(classifier.score(X, y) > 0.75)
    True
    """

    _parameter_constraints = {
        **DomainClassifier._parameter_constraints,
        "n_environments": [Interval(Integral, 2, None, closed="left")],
        "partition": [StrOptions({"likelihood", "confidence", "random"})],
        "start": [StrOptions({"errors", "random"})],
        "local_model": [HasMethods(["fit", "predict_proba"]), None],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
        "n_network_features": [Interval(Integral, 2, None, closed="left"), None],
        "head": [StrOptions({"etf", "linear"})],
        "loss": [StrOptions({"dot", "cross_entropy"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "normalize": ["boolean", StrOptions({"auto"})],
        "penalty": [StrOptions({*_PENALTIES, "auto"})],
        "weight": [Interval(Real, 0, None, closed="left")],
        "warmup": [
            Interval(Integral, 0, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="both"),
        ],
        "f_norm": [Interval(Real, 0, None, closed="left")],
        "mask": [StrOptions({"pixel", "feature", "channel"}), None],
        "mask_noise": [Interval(Real, 0, None, closed="left")],
        "mask_lr": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_environments=2,
        *,
        partition="likelihood",
        start="errors",
        local_model=None,
        n_rounds=1,
        n_network_features=None,
        head="etf",
        loss="dot",
        temperature=1.0,
        normalize="auto",
        penalty="auto",
        weight=100.0,
        warmup=0.38,
        f_norm=0.0,
        mask=None,
        mask_noise=0.1,
        mask_lr=0.3,
        module=None,
        hidden_layer_sizes=(128, 128),
        image_shape=None,
        lr=1e-3,
        weight_decay=0.0,
        batch_size=32,
        max_epochs=50,
        steps_per_epoch=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        device="auto",
        warm_start=False,
        callbacks=None,
        random_state=None,
    ):
        self.n_environments = n_environments
        self.partition = partition
        self.start = start
        self.local_model = local_model
        self.n_rounds = n_rounds
        self.n_network_features = n_network_features
        self.head = head
        self.loss = loss
        self.temperature = temperature
        self.normalize = normalize
        self.penalty = penalty
        self.weight = weight
        self.warmup = warmup
        self.f_norm = f_norm
        self.mask = mask
        self.mask_noise = mask_noise
        self.mask_lr = mask_lr
        super().__init__(
            module=module,
            hidden_layer_sizes=hidden_layer_sizes,
            image_shape=image_shape,
            lr=lr,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_epochs=max_epochs,
            steps_per_epoch=steps_per_epoch,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            device=device,
            warm_start=warm_start,
            callbacks=callbacks,
            random_state=random_state,
        )

    def _max_epochs(self):
        return self.max_epochs * self.n_rounds

    def _fit(self, X, y, sample_domain, progress):
        self._n_features_out = self.n_network_features or max(16, len(self.classes_))
        if self._n_features_out < len(self.classes_):
            raise ValueError(
                f"n_network_features={self.n_network_features} must be at least the "
                f"number of classes, {len(self.classes_)}."
            )
        if self.f_norm and self.head == "linear":
            raise ValueError("f_norm needs head='etf': a linear head has no simplex.")
        if self.mask == "channel" and len(self.shape_) != 3:
            raise ValueError("mask='channel' needs pictures; X has rows.")
        self.partition_changed_ = None
        if sample_domain is not None:
            self._given = True
            self.environment_ = self._check_environments(y, sample_domain)
            self._train(X, y, self.environment_, progress, labels=y)
        else:
            self._given = False
            rng = check_random_state(self.random_state)
            seen, self.environment_ = X.reshape(len(X), -1), None
            for n_left in reversed(range(self.n_rounds)):
                self._find_environments(seen, y, rng)
                self._train(X, y, self.environment_, progress, labels=y)
                if self.net_.stopped:
                    break
                if n_left:
                    seen = self._masked_away(X)
        features = self.net_.forward_rows(torch.from_numpy(X))[0].cpu()
        self.prototypes_ = class_prototypes(
            features.double().numpy(), y, sample_domain=self.environment_
        )
        module = self.net_.module_
        self.vertices_ = self.mask_ = None
        if self.head == "etf":
            self.vertices_ = module.head.vertices.cpu().numpy()
        if self.mask is not None:
            mask = module.encoder.mask
            gates = mask.weight if self.mask == "channel" else mask.mean
            self.mask_ = gates.detach().cpu().numpy()

    def _find_environments(self, X, y, rng):
        """Set `environment_`, and say where it is to be doubted."""
        if too_few_rows(y, self.n_environments):
            warnings.warn(
                f"There is no sample_domain, and a class has {np.bincount(y).min()} "
                f"rows, too few for {self.n_environments} environments: all rows are "
                "one environment.",
                UserWarning,
                stacklevel=6,
            )
            self.environments_ = np.zeros(1, dtype=int)
            self.environment_ = np.zeros(len(y), dtype=int)
            return
        self.environments_ = np.arange(self.n_environments)
        if self.partition == "random":
            self.environment_ = random_environments(y, self.n_environments, rng)
            return
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "After .* rounds")  # said below
            found = partition_environments(
                X,
                y,
                self.n_environments,
                local_model=self.local_model,
                assign_by=self.partition,
                initial=self.start if self.environment_ is None else self.environment_,
                random_state=rng,
            )
        self.environment_, self.partition_changed_ = found.environment, found.changed
        alike = adjusted_mutual_info_score(y, self.environment_)
        doubt = ""
        if alike > _LIKE_LABELS:
            doubt = f"look like the classes (mutual information {alike:.2f})"
        elif found.evidence < _EVIDENCE:
            doubt = "look like noise (the rows say nothing of the classes)"
        elif found.changed > _MOVING:
            doubt = f"look like noise ({found.changed:.0%} of the rows still move)"
        if doubt:
            warnings.warn(
                f"The environments that were found {doubt}: there may be no shortcut. "
                "Pass sample_domain, or use ERMClassifier.",
                UserWarning,
                stacklevel=6,
            )

    def _masked_away(self, X):
        """What the mask takes away, as rows."""
        if self.mask is None:
            return X.reshape(len(X), -1)
        encoder, away = self.net_.module_.encoder, []
        encoder.eval()
        with torch.inference_mode():
            for rows in torch.from_numpy(X).split(1024):
                rows = rows.to(self.net_.device)
                if self.mask == "feature":
                    rows = encoder.last(encoder.network(rows))
                away.append((rows - encoder.mask(rows)).flatten(1).cpu())
        return torch.cat(away).numpy()

    def _make_module(self):
        network = self._make_encoder()
        n_features = self._n_features_out
        last = nn.Linear(n_outputs(network, self.shape_), n_features)
        if self.head == "linear":
            head = nn.Linear(n_features, len(self.classes_))
        else:
            head = SimplexETFHead(
                n_features,
                len(self.classes_),
                random_state=check_random_state(self.random_state),
            )
        mask = None
        if self.mask == "channel":
            mask = ChannelMix(self.shape_[0])
        elif self.mask is not None:
            shape = self.shape_ if self.mask == "pixel" else n_features
            mask = StochasticMask(shape, self.mask_noise)
        return Classifier(
            _MaskedEncoder(network, last, mask, self.mask, self._normalizes), head
        )

    @property
    def _normalizes(self):
        return self._given if self.normalize == "auto" else self.normalize

    @property
    def _risk(self):
        if self.loss == "cross_entropy":
            return CrossEntropy(1 / self.temperature)
        if self.head == "etf" and self._normalizes:
            return DotRegression()
        return VertexDistance()

    def _objective(self, module, n_steps):
        penalty = self.penalty
        if penalty == "auto":
            penalty = "irm" if self._given else "vrex"
        objective = _PENALTIES[penalty](
            self._risk, self.weight, n_warmup_steps(self.warmup, n_steps)
        )
        if self.f_norm:
            return ETFRisk(objective, self.f_norm, module.head.vertices)
        return objective

    def _param_groups(self):
        return [("encoder.mask.*", {"lr": self.mask_lr * self.lr})] if self.mask else []


class _MaskedEncoder(nn.Module):
    """A network, a linear layer, and a mask before or after them."""

    def __init__(self, network, last, mask, place, normalize):
        super().__init__()
        self.network, self.last, self.mask = network, last, mask
        self.place, self.normalize = place, normalize

    def forward(self, X):
        """(batch, ...) -> (batch, n_network_features)"""
        if self.mask is not None and self.place != "feature":
            X = self.mask(X)
        features = self.last(self.network(X))
        if self.place == "feature":
            features = self.mask(features)
        return F.normalize(features, dim=1) if self.normalize else features
