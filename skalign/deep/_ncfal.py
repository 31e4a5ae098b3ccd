"""Neural-collapse-inspired feature alignment."""

import warnings
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from torch import nn
from torch.nn import functional as F

from skalign._warnings import user_level
from skalign.deep._found_domains import find_domains
from skalign.deep._multi_domain import MultiDomainClassifier
from skalign.deep._parts import Mask, Partition, SimplexHead
from skalign.deep.networks import (
    ByDomain,
    ChannelMix,
    Classifier,
    OpenGates,
    SimplexETFHead,
    StochasticMask,
    location_network,
    n_outputs,
)
from skalign.deep.objectives import (
    IRM,
    CrossEntropy,
    DotRegression,
    SimplexDistance,
    VertexDistance,
    VREx,
)
from skalign.deep.trainer import (
    choose_device,
    inference,
    seeded,
    with_state_of_first,
)
from skalign.metrics import class_prototypes


class NCFALClassifier(MultiDomainClassifier):
    """Neural-collapse-inspired feature alignment.

    Pulls the features of each class to a vertex of one fixed simplex, the same in every
    domain, with a penalty on what differs between the domains [1]_. If no domains are
    given, it finds two: samples that follow the strongest shortcut and samples that do
    not. Read more in the :ref:`User Guide <out_of_distribution>`.

    Parameters
    ----------
    objective : Objective or None, default=None
        What training minimises over the domains. None is ``IRM(weight=100)`` if domains
        are given and ``VREx(weight=100)`` if they are found. The simplex alone makes
        nothing invariant. The loss of a small batch differs between domains by chance,
        too, and a large weight on that leaves less to be learnt: for images of a few
        objects use 1; with ``batch_size=None`` and two classes, 1e4.

    partition : Partition or None, default=None
        How domains are found if none are given. None is ``Partition()``.

    mask : Mask or None, default=None
        Mask on the inputs or on the features. None is no mask.

    head : SimplexHead or None, default=None
        Number of features, classifier and loss. None is ``SimplexHead()``.

    encoder : {"shared", "domain"}, default="shared"
        One network for all domains, or one for each domain. Predictions then use the
        mean of their features.

    module, hidden_layer_sizes, image_shape, lr, weight_decay, batch_size, max_epochs, \
            steps_per_epoch, early_stopping, validation_fraction, n_iter_no_change, \
            device, warm_start, callbacks, random_state
        Network and training, see :class:`MultiDomainClassifier`. A linear layer from
        the network to the features is added.

    Attributes
    ----------
    domain_ : ndarray of shape (n_samples,)
        Number of the domain of each training sample, found or given.

    found_domain_, found_dependence_
        Domains that early stopping selects by, see :class:`MultiDomainClassifier`.

    domains_ : ndarray of shape (n_domains,)
        Names of the domains; numbers if they were found.

    prototypes_ : ndarray of shape (n_domains, n_classes, n_network_features)
        Mean feature of each class in each domain.

    vertices_ : ndarray of shape (n_network_features, n_classes) or None
        The simplex; None with ``SimplexHead(fixed=False)``.

    mask_ : ndarray or None
        Gates from 0 (closed) to 1, of the shape of a sample or (n_network_features,),
        or the mixture of shape (n_channels, n_channels); the mean if there are several
        masks; None without a mask.

    partition_changed_ : float or None
        Fraction of samples that the last iteration of the partition moved; None if
        domains were given or drawn.

    net_ : skorch net
        `net_.module_` is the trained network. `net_.history` has an entry per epoch:
        `train_loss`, and with `early_stopping` also `valid_loss` and `valid_score`, see
        :class:`MultiDomainClassifier`.

    classes_ : ndarray of shape (n_classes,)
        Classes.

    shape_ : tuple of int
        Shape of a sample: (n_features,), or (n_channels, height, width).

    n_iter_ : int
        Number of epochs of the last round.

    n_features_in_ : int
        Number of features of a sample, or of values of an image.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had any.

    See Also
    --------
    MultiDomainClassifier : The same objectives with a trained classifier.
    skalign.domains.partition_domains : The partition alone.
    skalign.metrics.etf_distance : Distance of features from the simplex.

    Notes
    -----
    The loss, weights and schedule of the paper are not public; those used here were
    measured, see the user guide. Found domains remove the strongest predictor of the
    classes. If it is the cause rather than a shortcut, pass `sample_domain` instead.

    References
    ----------
    .. [1] Y. Chen et al., "Neural collapse inspired feature alignment for
       out-of-distribution generalization", NeurIPS 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import NCFALClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=1000)
    >>> cause = np.where(rng.random(1000) < 0.8, y, 1 - y)
    >>> shortcut = np.where(rng.random(1000) < 0.9, y, 1 - y)
    >>> X = np.c_[cause, 9 * shortcut] + 0.1 * rng.normal(size=(1000, 2))
    >>> classifier = NCFALClassifier(random_state=0).fit(X, y)
    >>> X[:, 1] = 9 * (1 - y)  # the shortcut turns round
    >>> bool(classifier.score(X, y) > 0.75)
    True
    """

    _parameter_constraints = {
        **MultiDomainClassifier._parameter_constraints,
        "partition": [Partition, None],
        "mask": [Mask, None],
        "head": [SimplexHead, None],
        "encoder": [StrOptions({"shared", "domain"})],
    }

    def __init__(
        self,
        objective: Any = None,
        *,
        partition: Any = None,
        mask: Any = None,
        head: Any = None,
        encoder: Literal["shared", "domain"] = "shared",
        module: Any = None,
        hidden_layer_sizes: ArrayLike = (128, 128),
        image_shape: tuple[int, int, int] | None = None,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        batch_size: int | None = 32,
        max_epochs: int = 50,
        steps_per_epoch: int | None = None,
        early_stopping: bool | Literal["found_domains"] = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        device: str = "auto",
        warm_start: bool = False,
        callbacks: list[Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            objective,
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
        self.partition = partition
        self.mask = mask
        self.head = head
        self.encoder = encoder

    @property
    def _chosen(self):
        if self.objective is not None:
            return self.objective
        given = getattr(self, "_given", True)
        return IRM(weight=100.0) if given else VREx(weight=100.0)

    @property
    def _takes_unlabeled(self):
        return False  # every sample has a vertex

    @property
    def _parts(self):
        """The partition and the head in force."""
        return self._partition, self.head or SimplexHead()

    @property
    def _partition(self):
        return self.partition or Partition()

    def _max_epochs(self):
        return self.max_epochs * self._parts[0].n_rounds

    def _fit(self, X, y, sample_domain, progress):
        partition, head = self._parts
        for part in (partition, head, self.mask):
            if part is not None:
                part._validate_params()
        self._n_features_out = head.n_features or max(16, len(self.classes_))
        if self._n_features_out < len(self.classes_):
            raise ValueError(
                f"n_features={head.n_features} of the head must be at least the number "
                f"of classes, {len(self.classes_)}."
            )
        if head.distance_weight and not head.fixed:
            raise ValueError(
                "distance_weight needs a head with fixed=True: a trained one has no "
                "simplex."
            )
        self._check_mask()
        self.partition_changed_ = None
        given = sample_domain is not None
        if self._goes_on and self._learns_by_domain and given != self._given:
            raise ValueError(
                "warm_start needs the domains of the previous fit, which were "
                f"{'given' if self._given else 'found'}, and now are not."
            )
        self._given = given
        if given:
            self.domain_ = self._check_domains(y, sample_domain)
            self._train_by_domain(X, y, self.domain_, progress)
        else:
            choose_device(self.device)
            with seeded(0):  # whether it takes the samples, before domains are found
                n_outputs(self._make_encoder(), self.shape_)
            rng = with_state_of_first(check_random_state(self.random_state))
            seen, self.domain_ = X, None
            before = {name: net for name, net in vars(self).items() if name == "net_"}
            for n_left in reversed(range(partition.n_rounds)):
                self._find_domains(seen, y, rng)
                self._train_by_domain(X, y, self.domain_, progress, found=self.domain_)
                if self.net_.stopped:
                    break
                if n_left:
                    seen = self._masked_away(X)
                    del self.net_  # a round continues the previous fit, if at all
                    vars(self).update(before)
        features = self.net_.forward_rows(torch.from_numpy(X))[0].cpu()
        self.prototypes_ = class_prototypes(
            features.double().numpy(), y, sample_domain=self.domain_
        )
        module = self.net_.module_
        self.vertices_ = self.mask_ = None
        if head.fixed:
            self.vertices_ = module.head.vertices.numpy(force=True).copy()
        if self.mask is not None:
            self.mask_ = self._mean_mask(X)

    def _check_mask(self):
        mask = self.mask
        if mask is None:
            return
        if mask.level == "channel" and len(self.shape_) != 3:
            raise ValueError("A mask with level='channel' needs images.")
        if mask.level == "channel" and mask.scope == "sample":
            raise ValueError(
                "scope='sample' needs a mask of level 'pixel' or 'feature'."
            )
        if mask.penalty:
            if mask.level == "channel" or mask.scope == "sample":
                raise ValueError(
                    "penalty needs gates that samples share: a mask with level='pixel' "
                    f"or 'feature', and scope other than 'sample'; got {mask!r}."
                )
            counted = mask.gate == "clip" and not mask.noise
            if mask.target is not None and counted:
                raise ValueError(
                    "target needs a mask with noise > 0: without noise, the number of "
                    "open gates has no derivative."
                )

    def _find_domains(self, X, y, rng):
        """Set `domain_`, and warn if it is doubtful."""
        partition, _ = self._parts
        if np.bincount(y).min() < 2 * partition.n_domains:
            warnings.warn(
                f"There is no sample_domain, and a class has {np.bincount(y).min()} "
                f"samples, too few for {partition.n_domains} domains: all samples are "
                "one domain, whose mean loss is minimised.",
                UserWarning,
                stacklevel=user_level(),
            )
            self.domains_ = np.zeros(1, dtype=int)
            self.domain_ = np.zeros(len(y), dtype=int)
            return
        self.domains_ = np.arange(partition.n_domains)
        advice = "Pass sample_domain, or use MultiDomainClassifier."
        found = find_domains(partition, X, y, rng, self.domain_, advice=advice)
        self.domain_ = found.domain
        if partition.assign_by != "random":
            self.partition_changed_ = found.changed

    @inference()
    def _masked_away(self, X):
        """Return what the mask removes, as flat samples."""
        if self.mask is None or self._parts[0].inputs == "all":
            return X.reshape(len(X), -1)
        mask = self.net_.module_.encoder.mask
        parts = [(seen - mask(seen)).flatten(1).cpu() for seen in self._seen(X)]
        return torch.cat(parts).numpy()

    @inference()
    def _mean_mask(self, X):
        """Return the mask that samples share, or the mean of theirs, without noise."""
        mask = self.net_.module_.encoder.mask
        if self.mask.scope != "sample":
            return mask.mean.numpy(force=True).copy()
        total = sum(mask.gates(seen).sum(dim=0) for seen in self._seen(X))
        return (total / len(X)).cpu().numpy()

    def _seen(self, X):
        """Return the inputs of the mask, in parts."""
        encoder = self.net_.module_.encoder.eval()
        parts = torch.from_numpy(X).split(1024)
        return [encoder.before_mask(part.to(self.net_.device)) for part in parts]

    def _make_net(self, device, n_steps=1):
        net = super()._make_net(device, n_steps)
        if self._goes_on:
            form = self.net_.module_.encoder.normalize
            if net.module_.encoder.normalize != form:
                raise ValueError(
                    f"warm_start needs features as in the previous fit, normalize="
                    f"{form}; now it is {self._normalizes}. With normalize='auto' it "
                    "depends on whether sample_domain is given."
                )
        return net

    def _make_module(self):
        n_features = self._n_features_out
        if self._parts[1].fixed:
            head = SimplexETFHead(
                n_features,
                len(self.classes_),
                random_state=check_random_state(self.random_state),
            )
        else:
            head = nn.Linear(n_features, len(self.classes_))
        body = self._for_domains(self.encoder, self._make_body)
        mask = level = None
        if self.mask is not None:
            mask = self._for_domains(self.mask.scope, self._make_mask)
            level = self.mask.level
        encoder = _MaskedEncoder(body, mask, level, self._normalizes, n_features)
        return Classifier(encoder, head)

    @property
    def _learns_by_domain(self):
        scope = None if self.mask is None else self.mask.scope
        return "domain" in (self.encoder, scope) or self._chosen.learns_by_domain

    def _for_domains(self, scope, make):
        if scope != "domain":
            return make()
        return ByDomain([make() for _ in self.domains_])

    def _make_body(self):
        network = self._chosen.wrap(self._make_encoder())
        last = nn.Linear(n_outputs(network, self.shape_), self._n_features_out)
        return nn.Sequential(network, last)

    def _make_mask(self):
        mask = self.mask
        if mask.level == "channel":
            return ChannelMix(self.shape_[0])
        shape = self.shape_ if mask.level == "pixel" else (self._n_features_out,)
        network = location_network(shape) if mask.scope == "sample" else None
        return StochasticMask(shape, mask.noise, gate=mask.gate, network=network)

    @property
    def _normalizes(self):
        normalize = self._parts[1].normalize
        return self._given if normalize == "auto" else normalize

    @property
    def _loss(self):
        head = self._parts[1]
        if head.loss == "cross_entropy":
            return CrossEntropy(1 / head.temperature)
        if head.fixed and self._normalizes:
            return DotRegression()
        return VertexDistance()

    def _terms(self, module):
        terms, head, mask = [], self._parts[1], self.mask
        if head.distance_weight:
            terms.append((head.distance_weight, SimplexDistance(module.head)))
        if mask is not None and mask.penalty:
            terms.append((mask.penalty, OpenGates(module.encoder.mask, mask.target)))
        return terms

    def _param_groups(self):
        if self.mask is None:
            return []
        return [("encoder.mask.*", {"lr": self.mask.lr * self.lr})]


class _MaskedEncoder(nn.Module):
    """A network to features, and a mask before or after it."""

    def __init__(self, body, mask, level, normalize, n_features):
        super().__init__()
        self.body, self.mask = body, mask
        self.level, self.normalize = level, normalize
        self.standardize = nn.Identity()
        if normalize == "batch":
            self.standardize = nn.BatchNorm1d(n_features)

    def before_mask(self, X):
        return self.body(X) if self.level == "feature" else X

    def forward(self, X):
        """(batch, ...) -> (batch, n_network_features)"""
        seen = self.before_mask(X)
        if self.mask is not None:
            seen = self.mask(seen)
        features = seen if self.level == "feature" else self.body(seen)
        features = self.standardize(features)
        return F.normalize(features, dim=1) if self.normalize else features
