"""A neural network classifier trained on several domains."""

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from skalign._atomic import AtomicMixin
from skalign._labels import (
    are_numbers,
    as_written,
    check_domain,
    check_labeled,
    check_names,
    check_no_gaps,
    check_source,
    find_missing,
)
from skalign._progress import Progress
from skalign._warnings import user_level
from skalign.deep._found_domains import (
    dependence_on_given,
    find_domains,
    warn_if_only_chance,
)
from skalign.deep._image_shape import (
    check_shape,
    flatten,
    in_shape,
    warn_if_channels_last,
)
from skalign.deep._parts import Partition
from skalign.deep.networks import Classifier, make_encoder, n_outputs
from skalign.deep.objectives import (
    ERM,
    Criterion,
    CrossEntropy,
    Objective,
    Training,
)
from skalign.deep.trainer import (
    TRAINING_CONSTRAINTS,
    TrainedMixin,
    unsuitable_scale,
    with_state_of_first,
)

# Training samples to compare with chance; fraction of what chance gets wrong that must
# be right, beyond two standard deviations.
_LOOKED_AT, _LEARNT = 256, 0.05


def _copied(module, inputs):
    """Give a module a copy of its inputs, which it may change in place."""
    return tuple(rows.clone() for rows in inputs)


class MultiDomainClassifier(
    AtomicMixin,
    TrainedMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClassifierMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Neural network classifier trained on samples of several domains.

    An encoder computes features, a linear layer computes class scores, and `objective`
    is what training minimises over the domains: their mean loss, penalties that make
    the classifier invariant, or penalties that align the features. `transform` returns
    the features. Read more in the :ref:`User Guide <out_of_distribution>`.

    Parameters
    ----------
    objective : Objective or None, default=None
        What training minimises: :class:`~skalign.deep.ERM`, :class:`~skalign.deep.IRM`,
        :class:`~skalign.deep.VREx`, :class:`~skalign.deep.GroupDRO`,
        :class:`~skalign.deep.DeepCORAL`, :class:`~skalign.deep.MMD`,
        :class:`~skalign.deep.DANN`, :class:`~skalign.deep.Mixup`, or a subclass of
        :class:`~skalign.deep.Objective`. None is ``ERM()``.

    module : nn.Module, callable or None, default=None
        Network from samples or images to features (n_samples, n_network_features).
        A module is copied and trained from its present weights; a callable is called
        without arguments and must return a module. None is fully connected layers for
        samples of shape (n_features,); for images it is the convolutional network of
        DomainBed up to 32 x 32 pixels, and a small residual network above.

    hidden_layer_sizes : array-like of int, default=(128, 128)
        Widths of the fully connected layers; the last is the number of features.

    image_shape : tuple of int or None, default=None
        Shape (n_channels, height, width) of images that are given as flat samples.

    lr : float, default=1e-3
        Learning rate of Adam.

    weight_decay : float, default=0.0
        Weight of half the sum of squared parameters, which is added to the loss.

    batch_size : int or None, default=32
        Number of samples of each domain in a batch. None uses all samples at each step.

    max_epochs : int, default=50
        Number of epochs.

    steps_per_epoch : int or None, default=None
        Number of steps of an epoch. None is one pass over the training samples.

    early_stopping : bool or "found_domains", default=False
        Whether to hold out a part of each domain, stop when its accuracy has not grown
        for `n_iter_no_change` epochs after the warm-up of the objective, and return to
        the best epoch. True selects by the mean accuracy over the domains that training
        uses, among epochs after the warm-up. "found_domains" selects among all epochs,
        by the accuracy on the worst of the domains that
        :func:`~skalign.domains.partition_domains` finds in all samples, with or without
        `sample_domain`. It avoids the strongest predictor of the classes: a large gain
        if this is a shortcut, a large loss if it is the cause, see the
        :ref:`User Guide <out_of_distribution>`.

    validation_fraction : float, default=0.1
        Fraction of samples held out. They must be at least 5, and at least as many as
        there are classes.

    n_iter_no_change : int, default=10
        Number of epochs to wait for a better one.

    device : str, default="auto"
        Device to train on: "cpu", "cuda", "cuda:1", "mps". "auto" is "cuda" if
        available, else "cpu".

    warm_start : bool, default=False
        Whether the next call of `fit` continues with the present network.

    callbacks : list of skorch callbacks or None, default=None
        Callbacks during training, in addition to the callbacks of scikit-learn.

    random_state : int, RandomState instance or None, default=None
        Determines initial weights, held-out samples and the order of samples. With an
        int, a fit is reproducible bit by bit on the same CPU.

    Attributes
    ----------
    net_ : skorch net
        `net_.module_` is the trained network. `net_.history` has an entry per epoch:
        `train_loss`, and with `early_stopping` also `valid_loss`, averaged over
        domains, and `valid_score`, their mean accuracy or that of the worst found one.

    found_domain_ : ndarray of shape (n_samples,)
        With ``early_stopping="found_domains"``, found domain of each training sample,
        from 0; -1 for samples without a label.

    found_dependence_ : float or None
        With ``early_stopping="found_domains"``, p-value of the independence of the
        found domains of those given, see :func:`~skalign.domains.domain_dependence`;
        None if fewer than two labelled domains were given.

    classes_ : ndarray of shape (n_classes,)
        Classes.

    domains_ : ndarray of shape (n_domains,)
        Names of the domains; one if there was no `sample_domain`.

    shape_ : tuple of int
        Shape of a sample: (n_features,), or (n_channels, height, width).

    n_iter_ : int
        Number of epochs.

    n_features_in_ : int
        Number of features of a sample, or of values of an image.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had any.

    See Also
    --------
    NCFALClassifier : Features on a fixed simplex; finds domains if none are given.

    References
    ----------
    .. [1] I. Gulrajani and D. Lopez-Paz, "In search of lost domain generalization",
       ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import MultiDomainClassifier, deep
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=400)
    >>> sample_domain = np.repeat(["a", "b"], 200)
    >>> X = y[:, None] + 0.1 * rng.normal(size=(400, 3))
    >>> classifier = MultiDomainClassifier(deep.IRM(weight=1), random_state=0)
    >>> classifier.fit(X, y, sample_domain=sample_domain).score(X, y)
    1.0
    """

    _parameter_constraints = {
        "objective": [Objective, None],
        "module": [HasMethods("forward"), callable, None],
        "hidden_layer_sizes": ["array-like"],
        "image_shape": [tuple, list, None],
        **TRAINING_CONSTRAINTS,
        "early_stopping": ["boolean", StrOptions({"found_domains"})],
    }

    def __init__(
        self,
        objective: Any = None,
        *,
        module: torch.nn.Module | Callable[..., Any] | None = None,
        hidden_layer_sizes: ArrayLike = (128, 128),
        image_shape: tuple[Any, ...] | None = None,
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
        self.objective = objective
        self.module = module
        self.hidden_layer_sizes = hidden_layer_sizes
        self.image_shape = image_shape
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.steps_per_epoch = steps_per_epoch
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.device = device
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.random_state = random_state

    @property
    def _chosen(self):
        """The objective in force."""
        return ERM() if self.objective is None else self.objective

    @property
    def _loss(self):
        """The per-sample loss."""
        return CrossEntropy()

    @property
    def _takes_unlabeled(self):
        """Whether samples without a label contribute."""
        return self._chosen.takes_unlabeled

    @property
    def _learns_by_domain(self):
        """Whether a part of what is trained belongs to one domain."""
        return self._chosen.learns_by_domain

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, *, sample_domain: ArrayLike | None = None
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, n_channels, height, width)
            Samples or images; images may also be flat, with `image_shape`.
        y : array-like of shape (n_samples,)
            Classes, numbers or strings; -1 for target samples without a label.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each sample, numbers or strings: at least two domains, with
            every class in each of them. A batch has equally many samples of each
            domain, or all samples if ``batch_size=None``. Negative numbers are target
            domains, whose samples may have no label if the objective aligns features:
            :class:`~skalign.deep.DANN`, :class:`~skalign.deep.DeepCORAL` or
            :class:`~skalign.deep.MMD`.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If there is only one class or one domain, a class is missing from a domain,
            lengths or shapes do not agree, a value is not finite, the device is not
            available, fewer samples would be held out than 5 or the number of classes,
            a class has too few samples for domains to be found to stop by,
            a parameter of the objective is out of range, or samples without a label are
            not of a target domain, are the only ones, or are of no use to the
            objective.
        FloatingPointError
            If the loss is no longer finite. The estimator is left unchanged.

        Warns
        -----
        UserWarning
            If the accuracy on training samples is hardly above chance, or training
            ended during the warm-up of the objective; with
            ``early_stopping="found_domains"``, if the found domains resemble classes or
            noise, do not depend on those given, or leave nothing but chance to be
            learnt within them; and, without a `module`, if
            values are above 100 or below 0.01 in size, or one feature is 200 times as
            large as half of the others: use a
            :class:`~sklearn.preprocessing.StandardScaler` first. On several processes,
            if the network has batch normalisation, whose statistics on a CPU are those
            of each process; see the :ref:`User Guide <many_processes>`.
        """
        self._chosen._validate_params()
        X, y = self._check_rows(X, y, sample_domain)
        progress = Progress(self, self._max_epochs(), X, y)
        self._fit(X, y, sample_domain, progress)
        progress.end()
        if len(self.domains_) > 1:
            self._warn_if_nothing_is_learnt(X, y)
        if self.net_.criterion_.warms_up and not self.warm_start:
            warnings.warn(
                f"Training ended during the warm-up of {self._chosen!r}, whose weight "
                "was never in force. Lower warmup, or train for longer.",
                UserWarning,
                stacklevel=user_level(),
            )
        return self

    def _warn_if_nothing_is_learnt(self, X, y):
        """Compare the accuracy on some training samples of each class with chance."""
        chance = 1 / len(self.classes_)
        rows = np.random.default_rng(0).permutation(np.flatnonzero(y >= 0))
        rows = np.split(
            rows[np.argsort(y[rows], kind="stable")], np.bincount(y[rows]).cumsum()[:-1]
        )
        rows = [of_class[: math.ceil(_LOOKED_AT * chance)] for of_class in rows]
        counts = np.array([len(of_class) for of_class in rows])
        rows = np.concatenate(rows)
        _, logits = self.net_.forward_rows(torch.from_numpy(X[rows]))
        right = logits.argmax(dim=1).cpu().numpy() == y[rows]
        shares = np.bincount(y[rows], weights=right) / counts
        deviation = np.sqrt(chance * (1 - chance) * chance * np.mean(1 / counts))
        least = chance + 2 * deviation + _LEARNT * (1 - chance)
        if shares.mean() < min(least, 1):
            warnings.warn(
                f"The accuracy of {type(self).__name__} on its training samples is "
                f"{shares.mean():.0%} (mean over classes), that of chance "
                f"{chance:.0%}: it has learnt next to nothing. Lower the weight of the "
                "penalty, use a longer warmup, or train for longer.",
                UserWarning,
                stacklevel=user_level(),
            )

    def _max_epochs(self):
        return self.max_epochs

    def _fit(self, X, y, sample_domain, progress):
        domain = self._check_domains(y, sample_domain)
        self._train_by_domain(X, y, domain, progress)

    @property
    def _partition(self):
        """How the domains are found that early stopping selects by."""
        return Partition()

    def _train_by_domain(self, X, y, domain, progress, found=None):
        """Train, and select the epoch by `found` or domains to find, if by any.

        Parameters
        ----------
        X, y : ndarray of shape (n_samples, ...) and (n_samples,)
        domain : ndarray of shape (n_samples,)
            Domains that the objective uses.
        progress : Progress
        found : ndarray of shape (n_samples,), default=None
            Domains if they were found before.
        """
        if self.early_stopping != "found_domains":
            for name in ("found_domain_", "found_dependence_"):
                vars(self).pop(name, None)  # of a previous fit
            self._train(X, y, domain, progress, labels=y)
            return
        self.found_dependence_ = None
        if found is None:
            labeled = y >= 0
            rng = with_state_of_first(check_random_state(self.random_state))
            found = np.full(len(y), -1)
            found[labeled] = find_domains(
                self._partition,
                X[labeled],
                y[labeled],
                rng,
                advice="Use early_stopping=True.",
            ).domain
            if len(np.unique(domain[labeled])) > 1:
                self.found_dependence_ = dependence_on_given(
                    found[labeled], domain[labeled], y[labeled]
                )
        self.found_domain_ = found
        held_out = self._train(X, y, domain, progress, labels=y, found=found)
        scores = self.net_.history[:, "valid_score"]
        warn_if_only_chance(scores, found[held_out], len(self.classes_))

    def _check_rows(self, X, y, sample_domain):
        """Validate the training samples, and number their classes.

        Returns
        -------
        X : ndarray of shape (n_samples, *shape_), float32
        y : ndarray of shape (n_samples,), from 0; -1 for samples without a label
        """
        shape, X = flatten(X)
        warn_if_channels_last(X, shape)
        if y is not None:
            y = as_written(y)
            check_no_gaps(y, -1)
        X, y = validate_data(self, X, y, dtype=np.float32, reset=not self._goes_on)
        missing = self._find_unlabeled(y, sample_domain)
        labels, y = y[~missing], np.full(len(y), -1)
        check_names(labels, "y")
        check_classification_targets(labels)
        classes, y[~missing] = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes; y holds one class, "
                f"{classes[0]}."
            )
        if self._goes_on and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"warm_start needs the classes of the previous fit, {self.classes_}; "
                f"got {classes}."
            )
        if self._goes_on:
            self._check_same_shape(shape)
        else:
            self.classes_ = classes
            self.shape_ = check_shape(X, shape, self.image_shape)
        self._warn_of_scale(X)
        return in_shape(X, self.shape_), y

    def _warn_of_scale(self, X):
        """Warn of unscaled features, unless a given module may scale them itself."""
        if self.module is not None or len(self.shape_) > 1:
            return
        if problem := unsuitable_scale(X):
            warnings.warn(
                f"The columns of X need scaling: {problem}. "
                f"{type(self).__name__} learns little from such samples; use a "
                "StandardScaler first.",
                UserWarning,
                stacklevel=user_level(),
            )

    def _find_unlabeled(self, y, sample_domain):
        """Find target samples with the label -1; elsewhere -1 is an ordinary class."""
        nowhere = np.zeros(len(y), dtype=bool)
        if sample_domain is None:
            return nowhere
        domain = check_domain(sample_domain, y)
        if not are_numbers(domain):
            return nowhere
        is_source, missing = check_source(domain, y), find_missing(y, -1)
        if not missing[~is_source].any():
            return nowhere
        check_labeled(missing, is_source, -1)
        if not self._takes_unlabeled:
            raise ValueError(
                f"{missing.sum()} target samples have the label -1, which means that "
                f"it is missing, and {type(self).__name__} with {self._chosen!r} "
                "learns from labelled samples only: leave others out, as LabeledOnly "
                "does."
            )
        return missing

    def _check_domains(self, y, sample_domain):
        """Number the domains of samples; sets `domains_`."""
        if sample_domain is None:
            if self._chosen.needs_domains:
                warnings.warn(
                    "There is no sample_domain: all samples are one domain, and "
                    f"{type(self).__name__} minimises their mean loss, as ERM() does.",
                    UserWarning,
                    stacklevel=user_level(),
                )
            self.domains_ = np.zeros(1, dtype=int)
            return np.zeros(len(y), dtype=int)
        domain = check_domain(sample_domain, y)
        before = getattr(self, "domains_", None)
        self.domains_, domain = np.unique(domain, return_inverse=True)
        others = self._goes_on and not np.array_equal(before, self.domains_)
        if others and self._learns_by_domain:
            raise ValueError(
                f"warm_start needs the domains of the previous fit, {before}; got "
                f"{self.domains_}."
            )
        if len(self.domains_) < 2 and self._chosen.needs_domains:
            raise ValueError(
                f"sample_domain holds one domain, {self.domains_[0]}; "
                f"{self._chosen!r} needs at least 2."
            )
        for e, name in enumerate(self.domains_):
            missing = np.setdiff1d(np.arange(len(self.classes_)), y[domain == e])
            if len(missing) and (y[domain == e] >= 0).all():
                raise ValueError(
                    f"Domain {name} has no sample of class "
                    f"{self.classes_[missing[0]]}; every domain needs every class."
                )
        return domain

    def _make_module(self):
        encoder = self._chosen.wrap(self._make_encoder())
        self._n_features_out = n_outputs(encoder, self.shape_)
        head = nn.Linear(self._n_features_out, len(self.classes_))
        return Classifier(encoder, head)

    def _make_encoder(self):
        if self.module is None:
            return make_encoder(self.shape_, self.hidden_layer_sizes)
        if isinstance(self.module, nn.Module):
            encoder = copy.deepcopy(self.module)
        else:
            encoder = self.module()
        if not isinstance(encoder, nn.Module):
            raise ValueError(
                f"module must make a torch.nn.Module; it made {type(encoder).__name__}."
            )
        encoder.register_forward_pre_hook(_copied)
        return encoder

    def _make_criterion(self, module, n_steps):
        objective = self._chosen
        if len(self.domains_) < 2 and objective.needs_domains:
            return Criterion(ERM(), self._loss)
        return Criterion(
            objective,
            self._loss,
            Training(module, self._n_features_out, len(self.domains_)),
            n_steps=n_steps,
            is_drawn=self.batch_size is not None,
            terms=self._terms(module),
        )

    def _terms(self, module):
        """Weights and further terms of the loss."""
        return ()

    def _check_same_shape(self, shape):
        if shape not in (None, self.shape_):
            raise ValueError(
                f"X has samples of shape {shape}, but {type(self).__name__} was "
                f"fitted to samples of shape {self.shape_}."
            )

    def _forward(self, X):
        """Return features and logits of samples, on the CPU."""
        check_is_fitted(self)
        shape, X = flatten(X)
        self._check_same_shape(shape)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        outputs = self.net_.forward_rows(torch.from_numpy(in_shape(X, self.shape_)))
        return tuple(output.cpu() for output in outputs)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, n_channels, height, width)
            Samples or images.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            In the order of `classes_`; the probabilities of a sample sum to 1.
        """
        _, logits = self._forward(X)
        loss = self.net_.criterion_.loss
        return loss.probabilities(logits.double()).numpy()

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, n_channels, height, width)
            Samples or images.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        _, logits = self._forward(X)
        return self.classes_[logits.argmax(dim=1).numpy()]

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Compute the accuracy of `predict`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, n_channels, height, width)
            Samples or images.
        y : array-like of shape (n_samples,)
            Their classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        accuracy : float
            From 0 to 1.
        """
        return super().score(X, as_written(y), sample_weight=sample_weight)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Compute the features of samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, n_channels, height, width)
            Samples or images.

        Returns
        -------
        features : ndarray of shape (n_samples, n_network_features), float32
        """
        features, _ = self._forward(X)
        return features.numpy()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
