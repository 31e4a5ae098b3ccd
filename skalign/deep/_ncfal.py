"""Neural-collapse-inspired feature alignment."""

import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn import config_context
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, RealNotInt, StrOptions
from torch import nn
from torch.nn import functional as F

from skalign._parameters import Interval
from skalign.deep._domain_classifier import DomainClassifier
from skalign.deep._etf import SimplexETFHead
from skalign.deep._masks import (
    ByEnvironment,
    ChannelMix,
    SparseRisk,
    StochasticMask,
    location_network,
)
from skalign.deep._modules import Classifier, n_outputs
from skalign.deep._net import choose_device, inference, seeded
from skalign.deep._objectives import (
    ETFRisk,
    IRMRisk,
    PenalizedRisk,
    VRExRisk,
    n_warmup_steps,
)
from skalign.deep._risks import CrossEntropy, DotRegression, VertexDistance
from skalign.domains._partition import (
    partition_domains,
    random_domains,
    too_few_rows,
)
from skalign.metrics import class_prototypes

# Mutual information with the classes and share of rows still moving above which, and
# evidence of the classes below which, environments that were found are doubted.
_LIKE_LABELS, _MOVING, _EVIDENCE = 0.3, 0.1, 3.0
_FURTHER = {"class_weight", "cross_fit", "max_iter", "n_init", "tol"}


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
        :func:`~skalign.domains.partition_domains`; "random" draws it, as a control.

    start : {"errors", "random"}, default="errors"
        Division that the partition starts from, as `initial` of
        :func:`~skalign.domains.partition_domains`.

    local_model : classifier or None, default=None
        Local model of the partition; None is a small network trained for one pass.
        Pictures come to it as rows, which ``ERMClassifier(image_shape=...)`` takes.

    partition_params : dict or None, default=None
        Further settings of :func:`~skalign.domains.partition_domains`:
        `class_weight`, `cross_fit`, `max_iter`, `n_init` and `tol`.

    partition_on : {"rest", "rows"}, default="rest"
        What local models see from the second round on: what the mask takes away, or
        the rows as they are, as in the first round and without a mask.

    n_rounds : int, default=1
        Number of times that environments are found and the network is trained.

    encoder : {"shared", "environment"}, default="shared"
        One network, or one for each environment. What it predicts then comes from the
        mean of their features: without `normalize`, the mean of their logits.

    n_network_features : int or None, default=None
        Width of the features, at least the number of classes. None is 16, or that
        number where it is larger.

    head : {"etf", "linear"}, default="etf"
        The fixed simplex, or a linear layer that is trained, for comparison.

    loss : {"dot", "cross_entropy"}, default="dot"
        Dot regression, or cross-entropy of the logits divided by `temperature`. Dot
        regression is for features of length 1 and the simplex; otherwise, it is half
        the squared distance from the vertex, in the directions of vertices, which is
        the same for two classes.

    temperature : float, default=1.0
        Of the cross-entropy.

    normalize : bool, "batch" or "auto", default="auto"
        Divide features by their length; "batch" standardises them over the batch
        before that, as was done for the fixed simplex in [2]_. "auto" divides where
        environments are given, and not where they are found, as measured on coloured
        digits.

    penalty : {"irm", "vrex", "none", "auto"}, default="auto"
        On the losses of the environments: the squared derivative by a factor of the
        logits, their variance, or none; the simplex alone makes nothing invariant. The
        derivative is that of the squared distance from the vertex where `loss` is
        "dot": dot regression sees one logit, which for more than two classes says
        little of a factor of all.
        "auto" is "irm" where environments are given and "vrex" where they are found.

    weight : float, default=100.0
        Of the penalty. The sum is divided by it where it is above 1. Losses of a small
        batch differ by chance too, and a large weight on that leaves less to be learnt:
        for pictures of few objects take 1; with ``batch_size=None`` and two classes,
        1e4.

    warmup : float or int, default=0.38
        Share of all steps, or number of steps, before a `weight` above 1 is in force,
        which is 1 until then. Epochs of `early_stopping` count from there on.

    f_norm : float, default=0.0
        Weight of the squared distance of each environment's class means from the
        simplex, both of Frobenius norm 1.

    mask : {"pixel", "feature", "channel"} or None, default=None
        Stochastic gates on the inputs or on the features, or a learnt mixture of the
        channels of pictures.

    mask_gate : {"clip", "sigmoid", "gumbel"}, default="clip"
        How a gate opens, as `gate` of :class:`~skalign.deep.StochasticMask`. Not used
        with ``mask="channel"``.

    mask_scope : {"shared", "environment", "sample"}, default="shared"
        One mask for all rows, one for each environment, of which predictions take the
        mean, or one for each row, by a small network.

    mask_noise : float, default=0.1
        Standard deviation of the noise of the gates while they are learnt, or the
        temperature of "gumbel".

    mask_penalty : float, default=0.0
        Weight of the penalty on open gates, of masks that rows share.

    mask_target : float or None, default=None
        Share of gates to stay open: the penalty is the squared difference of the
        expected share from it. None is the mean gate.

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
        the mixture of shape (n_channels, n_channels); the mean of them where there are
        several; None without a mask.

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
        Number of epochs, of the last round.

    n_features_in_ : int
        Width of a row, or the number of values of a picture.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `X` had any.

    See Also
    --------
    ERMClassifier : Without environments.
    IRMClassifier, VRExClassifier : The same penalties with a trained head.
    skalign.domains.partition_domains : The partition alone.
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
    .. [2] Y. Yang et al., "Inducing neural collapse in imbalanced learning: do we
       really need a learnable classifier at the end of deep neural network?", NeurIPS
       2022.

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
        "partition_params": [dict, None],
        "partition_on": [StrOptions({"rest", "rows"})],
        "encoder": [StrOptions({"shared", "environment"})],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
        "n_network_features": [Interval(Integral, 2, None, closed="left"), None],
        "head": [StrOptions({"etf", "linear"})],
        "loss": [StrOptions({"dot", "cross_entropy"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "normalize": ["boolean", StrOptions({"batch", "auto"})],
        "penalty": [StrOptions({"irm", "vrex", "none", "auto"})],
        "weight": [Interval(Real, 0, None, closed="left")],
        "warmup": [
            Interval(Integral, 0, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="both"),
        ],
        "f_norm": [Interval(Real, 0, None, closed="left")],
        "mask": [StrOptions({"pixel", "feature", "channel"}), None],
        "mask_gate": [StrOptions({"clip", "sigmoid", "gumbel"})],
        "mask_scope": [StrOptions({"shared", "environment", "sample"})],
        "mask_penalty": [Interval(Real, 0, None, closed="left")],
        "mask_target": [Interval(Real, 0, 1, closed="both"), None],
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
        partition_params=None,
        partition_on="rest",
        n_rounds=1,
        encoder="shared",
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
        mask_gate="clip",
        mask_scope="shared",
        mask_noise=0.1,
        mask_penalty=0.0,
        mask_target=None,
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
        self.partition_params = partition_params
        self.partition_on = partition_on
        self.n_rounds = n_rounds
        self.encoder = encoder
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
        self.mask_gate = mask_gate
        self.mask_scope = mask_scope
        self.mask_noise = mask_noise
        self.mask_penalty = mask_penalty
        self.mask_target = mask_target
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
        self._check_mask()
        unknown = sorted(set(self.partition_params or {}) - _FURTHER)
        if unknown:
            raise ValueError(
                f"partition_params takes {', '.join(sorted(_FURTHER))}; got {unknown}."
            )
        self.partition_changed_ = None
        given = sample_domain is not None
        if self._goes_on and self._learns_by_environment and given != self._given:
            raise ValueError(
                "warm_start needs the environments of the fit before, which were "
                f"{'given' if self._given else 'found'}, and now are not."
            )
        self._given = given
        if sample_domain is not None:
            self.environment_ = self._check_environments(y, sample_domain)
            self._train(X, y, self.environment_, progress, labels=y)
        else:
            choose_device(self.device)
            with seeded(0):  # does it take the rows? Environments are found before
                n_outputs(self._make_encoder(), self.shape_)
            rng = check_random_state(self.random_state)
            seen, self.environment_ = X.reshape(len(X), -1), None
            before = {name: net for name, net in vars(self).items() if name == "net_"}
            for n_left in reversed(range(self.n_rounds)):
                self._find_environments(seen, y, rng)
                self._train(X, y, self.environment_, progress, labels=y)
                if self.net_.stopped:
                    break
                if n_left:
                    seen = self._masked_away(X)
                    del self.net_  # a round goes on from the fit before, if at all
                    vars(self).update(before)
        features = self.net_.forward_rows(torch.from_numpy(X))[0].cpu()
        self.prototypes_ = class_prototypes(
            features.double().numpy(), y, sample_domain=self.environment_
        )
        module = self.net_.module_
        self.vertices_ = self.mask_ = None
        if self.head == "etf":
            self.vertices_ = module.head.vertices.numpy(force=True).copy()
        if self.mask is not None:
            self.mask_ = self._mean_mask(X)

    def _check_mask(self):
        if self.mask == "channel" and len(self.shape_) != 3:
            raise ValueError("mask='channel' needs pictures; X has rows.")
        if self.mask == "channel" and self.mask_scope == "sample":
            raise ValueError("mask_scope='sample' needs mask='pixel' or 'feature'.")
        if self.mask_penalty:
            if self.mask not in ("pixel", "feature") or self.mask_scope == "sample":
                raise ValueError(
                    "mask_penalty needs gates that rows share: mask='pixel' or "
                    f"'feature', and mask_scope other than 'sample'; got {self.mask!r} "
                    f"and {self.mask_scope!r}."
                )
            counted = self.mask_gate == "clip" and not self.mask_noise
            if self.mask_target is not None and counted:
                raise ValueError(
                    "mask_target needs mask_noise > 0: a number of gates that are "
                    "open for sure has no derivative."
                )

    def _find_environments(self, X, y, rng):
        """Set `environment_`, and say where it is to be doubted."""
        if too_few_rows(y, self.n_environments):
            warnings.warn(
                f"There is no sample_domain, and a class has {np.bincount(y).min()} "
                f"rows, too few for {self.n_environments} environments: all rows are "
                "one environment, and nothing is added to their risk.",
                UserWarning,
                stacklevel=6,
            )
            self.environments_ = np.zeros(1, dtype=int)
            self.environment_ = np.zeros(len(y), dtype=int)
            return
        self.environments_ = np.arange(self.n_environments)
        if self.partition == "random":
            self.environment_ = random_domains(y, self.n_environments, rng)
            return
        # partition_params are validated by nobody else.
        validated = config_context(skip_parameter_validation=False)
        with warnings.catch_warnings(), validated:
            warnings.filterwarnings("ignore", ".* changed their domain")  # said below
            found = partition_domains(
                X,
                y,
                self.n_environments,
                local_model=self.local_model,
                assign_by=self.partition,
                initial=self.start if self.environment_ is None else self.environment_,
                random_state=rng,
                **(self.partition_params or {}),
            )
        self.environment_, self.partition_changed_ = found.domain, found.changed
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

    @inference()
    def _masked_away(self, X):
        """What the mask takes away, as rows."""
        if self.mask is None or self.partition_on == "rows":
            return X.reshape(len(X), -1)
        mask = self.net_.module_.encoder.mask
        parts = [(seen - mask(seen)).flatten(1).cpu() for seen in self._seen(X)]
        return torch.cat(parts).numpy()

    @inference()
    def _mean_mask(self, X):
        """The mask that rows share, or the mean of theirs, without noise."""
        mask = self.net_.module_.encoder.mask
        if self.mask_scope != "sample":
            return mask.mean.numpy(force=True).copy()
        total = sum(mask.gates(seen).sum(dim=0) for seen in self._seen(X))
        return (total / len(X)).cpu().numpy()

    def _seen(self, X):
        """What the mask is given, in parts."""
        encoder = self.net_.module_.encoder.eval()
        parts = torch.from_numpy(X).split(1024)
        return [encoder.before_mask(rows.to(self.net_.device)) for rows in parts]

    def _make_net(self, device, n_steps=1):
        net = super()._make_net(device, n_steps)
        if self._goes_on:
            form = self.net_.module_.encoder.normalize
            if net.module_.encoder.normalize != form:
                raise ValueError(
                    f"warm_start needs features as in the fit before, normalize={form} "
                    f"in force; now it is {self._normalizes}. With normalize='auto' "
                    "it depends on whether sample_domain is given."
                )
        return net

    def _make_module(self):
        n_features = self._n_features_out
        if self.head == "linear":
            head = nn.Linear(n_features, len(self.classes_))
        else:
            head = SimplexETFHead(
                n_features,
                len(self.classes_),
                random_state=check_random_state(self.random_state),
            )
        body = self._for_environments(self.encoder, self._make_body)
        mask = None
        if self.mask is not None:
            mask = self._for_environments(self.mask_scope, self._make_mask)
        encoder = _MaskedEncoder(body, mask, self.mask, self._normalizes, n_features)
        return Classifier(encoder, head)

    @property
    def _learns_by_environment(self):
        return "environment" in (self.encoder, self.mask and self.mask_scope)

    def _for_environments(self, scope, make):
        if scope != "environment":
            return make()
        return ByEnvironment([make() for _ in self.environments_])

    def _make_body(self):
        network = self._make_encoder()
        last = nn.Linear(n_outputs(network, self.shape_), self._n_features_out)
        return nn.Sequential(network, last)

    def _make_mask(self):
        if self.mask == "channel":
            return ChannelMix(self.shape_[0])
        shape = self.shape_ if self.mask == "pixel" else (self._n_features_out,)
        network = location_network(shape) if self.mask_scope == "sample" else None
        return StochasticMask(
            shape, self.mask_noise, gate=self.mask_gate, network=network
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
        n_warmup = n_warmup_steps(self.warmup, n_steps)
        objective = PenalizedRisk(self._risk, 0.0)
        if penalty == "vrex":
            objective = VRExRisk(self._risk, self.weight, n_warmup)
        elif penalty == "irm":
            # The derivative of dot regression sees one logit of K: level for K = 2.
            one_logit = isinstance(self._risk, DotRegression)
            objective = IRMRisk(
                self._risk,
                self.weight,
                n_warmup,
                from_sample=self.batch_size is not None,
                penalized=VertexDistance() if one_logit else None,
            )
        if self.f_norm:
            objective = ETFRisk(objective, self.f_norm, module.head.vertices)
        if self.mask_penalty:
            objective = SparseRisk(
                objective, module.encoder.mask, self.mask_penalty, self.mask_target
            )
        return objective

    def _param_groups(self):
        return [("encoder.mask.*", {"lr": self.mask_lr * self.lr})] if self.mask else []


class _MaskedEncoder(nn.Module):
    """A network to features, and a mask before or after it."""

    def __init__(self, body, mask, place, normalize, n_features):
        super().__init__()
        self.body, self.mask = body, mask
        self.place, self.normalize = place, normalize
        self.standardize = nn.Identity()
        if normalize == "batch":
            self.standardize = nn.BatchNorm1d(n_features)

    def before_mask(self, X):
        return self.body(X) if self.place == "feature" else X

    def forward(self, X):
        """(batch, ...) -> (batch, n_network_features)"""
        seen = self.before_mask(X)
        if self.mask is not None:
            seen = self.mask(seen)
        features = seen if self.place == "feature" else self.body(seen)
        features = self.standardize(features)
        return F.normalize(features, dim=1) if self.normalize else features
