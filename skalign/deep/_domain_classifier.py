"""What the classifiers that are trained on environments have in common."""

import copy
import math
import warnings
from abc import ABCMeta, abstractmethod

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import HasMethods
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
from skalign._parameters import is_whole
from skalign._progress import Progress
from skalign.deep._modules import Classifier, make_encoder, n_outputs
from skalign.deep._objectives import MeanRisk
from skalign.deep._risks import CrossEntropy
from skalign.deep._scale import unsuitable_scale
from skalign.deep._trained import TRAINING_CONSTRAINTS, TrainedMixin

# Training rows that tell whether anything is learnt; the share of what chance gets
# wrong that has to be right, beyond two deviations of chance.
_LOOKED_AT, _LEARNT = 256, 0.05


def _copied(module, inputs):
    """Give a module a copy: it may write to what it reads, the caller's rows."""
    return tuple(rows.clone() for rows in inputs)


class DomainClassifier(
    AtomicMixin,
    TrainedMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClassifierMixin,
    TransformerMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """A network trained on rows of several environments.

    What it makes small is the `_objective` of its subclass.
    """

    _parameter_constraints = {
        "module": [HasMethods("forward"), callable, None],
        "hidden_layer_sizes": ["array-like"],
        "image_shape": [tuple, list, None],
        **TRAINING_CONSTRAINTS,
    }
    _needs_environments = True
    _takes_unlabeled = False
    _learns_by_environment = False  # something that is of one environment
    _risk = CrossEntropy()

    @abstractmethod
    def __init__(
        self,
        *,
        module,
        hidden_layer_sizes,
        image_shape,
        lr,
        weight_decay,
        batch_size,
        max_epochs,
        steps_per_epoch,
        early_stopping,
        validation_fraction,
        n_iter_no_change,
        device,
        warm_start,
        callbacks,
        random_state,
    ):
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

    @abstractmethod
    def _objective(self, module, n_steps):
        """Return the criterion of a training of `n_steps` steps."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, sample_domain=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, n_channels, height, width)
            Rows, or pictures; pictures may also come as rows, with `image_shape`.
        y : array-like of shape (n_samples,)
            Classes, numbers or strings; -1 for target rows without a label.
        sample_domain : array-like of shape (n_samples,), default=None
            The environment of each row, numbers or strings; at least two, with every
            class in each of them. A batch has equally many rows of each, or all rows
            with ``batch_size=None``. Where a number is negative, rows are those of a
            target domain, and may be without a label if what is made small also takes
            features: :class:`DANNClassifier`, :class:`DeepCORALClassifier` and
            :class:`MMDClassifier`.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If there is one class or one environment only, a class is missing from an
            environment, lengths or shapes do not agree, a value is not finite, the
            device is not there, fewer rows would be held out than 5 or the number of
            classes, or rows without a label are not target rows, are all there are, or
            are of no use here.
        FloatingPointError
            If the loss stops being finite. The estimator is left as it was.

        Warns
        -----
        UserWarning
            If nothing has been learnt; and, without a `module`, if rows are of a size
            above 100 or below 0.01, or one column is 200 times as large as half of the
            others: put a :class:`~sklearn.preprocessing.StandardScaler` before it.
        """
        X, y = self._check_rows(X, y, sample_domain)
        progress = Progress(self, self._max_epochs(), X, y)
        self._fit(X, y, sample_domain, progress)
        progress.end()
        if len(self.environments_) > 1:
            self._warn_if_nothing_is_learnt(X, y)
        if self.net_.criterion_.warms_up and not self.warm_start:
            warnings.warn(
                f"Training of {type(self).__name__} ended before its warm-up: the "
                f"weight, {self.weight:g}, was never in force. Lower warmup, or train "
                "for longer.",
                UserWarning,
                stacklevel=4,
            )
        return self

    def _warn_if_nothing_is_learnt(self, X, y):
        """Compare the network with chance, on as many training rows of each class."""
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
                f"{type(self).__name__} has the class of {shares.mean():.0%} of the "
                f"rows it was trained on, the mean over classes, and chance that of "
                f"{chance:.0%}: it has learnt next to nothing. A lower weight of what "
                "is added to the risk, or a longer warmup, leaves more to be learnt; "
                "else train for longer.",
                UserWarning,
                stacklevel=5,
            )

    def _max_epochs(self):
        return self.max_epochs

    def _fit(self, X, y, sample_domain, progress):
        environment = self._check_environments(y, sample_domain)
        self._train(X, y, environment, progress, labels=y)

    def _check_rows(self, X, y, sample_domain):
        """Validate what is fitted; classes are numbered.

        Returns
        -------
        X : ndarray of shape (n_samples, *shape_), float32
        y : ndarray of shape (n_samples,), from 0; -1 for rows without a label
        """
        shape, X = self._flatten(X)
        if shape and shape[2] in (1, 3, 4) and shape[2] < min(shape[:2]):
            warnings.warn(
                f"X of shape {(len(X), *shape)} is read as pictures of {shape[0]} "
                f"channels and {shape[1]} x {shape[2]} pixels: channels come before "
                "height and width.",
                UserWarning,
                stacklevel=5,
            )
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
                f"warm_start needs the classes of the fit before, {self.classes_}; "
                f"got {classes}."
            )
        if self._goes_on:
            self._check_same_shape(shape)
        else:
            self.classes_, self.shape_ = classes, self._check_shape(shape, X)
        self._warn_of_scale(X)
        return self._in_shape(X), y

    def _warn_of_scale(self, X):
        """Warn of raw columns; a network that was given may scale them itself."""
        if self.module is not None or len(self.shape_) > 1:
            return
        if problem := unsuitable_scale(X):
            warnings.warn(
                f"The columns of X want scaling: {problem}. "
                f"{type(self).__name__} learns little from such rows; put a "
                "StandardScaler before it.",
                UserWarning,
                stacklevel=6,
            )

    def _find_unlabeled(self, y, sample_domain):
        """Tell target rows whose label is -1; elsewhere -1 is a class like others."""
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
                f"{missing.sum()} target rows have the label -1, which stands for a "
                f"missing one, and {type(self).__name__} learns from labels alone: "
                "leave these rows out, as LabeledOnly does."
            )
        return missing

    def _check_environments(self, y, sample_domain):
        """Number the environments of rows; sets `environments_`."""
        if sample_domain is None:
            if self._needs_environments:
                warnings.warn(
                    "There is no sample_domain: all rows are one environment, and "
                    f"{type(self).__name__} trains as ERMClassifier does.",
                    UserWarning,
                    stacklevel=6,
                )
            self.environments_ = np.zeros(1, dtype=int)
            return np.zeros(len(y), dtype=int)
        domain = check_domain(sample_domain, y)
        before = getattr(self, "environments_", None)
        self.environments_, environment = np.unique(domain, return_inverse=True)
        others = self._goes_on and not np.array_equal(before, self.environments_)
        if others and self._learns_by_environment:
            raise ValueError(
                f"warm_start needs the environments of the fit before, {before}; got "
                f"{self.environments_}."
            )
        if len(self.environments_) < 2 and self._needs_environments:
            raise ValueError(
                f"sample_domain holds one environment, {self.environments_[0]}; "
                f"{type(self).__name__} needs at least 2."
            )
        for e, name in enumerate(self.environments_):
            missing = np.setdiff1d(np.arange(len(self.classes_)), y[environment == e])
            if len(missing) and (y[environment == e] >= 0).all():
                raise ValueError(
                    f"Environment {name} has no row of class "
                    f"{self.classes_[missing[0]]}: each class must be in each."
                )
        return environment

    def _make_module(self):
        encoder = self._make_encoder()
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

    def _make_objective(self, module, n_steps):
        if len(self.environments_) < 2:
            return MeanRisk(self._risk)
        return self._objective(module, n_steps)

    def _flatten(self, X):
        """Return the shape of a picture, or None, and rows."""
        if isinstance(X, list | tuple):
            X = np.asarray(X)
        n_axes = getattr(X, "ndim", 2)
        if n_axes < 3:
            return None, X
        if n_axes != 4:
            raise ValueError(
                "Pictures must be of shape (n_samples, n_channels, height, width); got "
                f"{tuple(X.shape)}."
            )
        shape = tuple(X.shape[1:])
        return shape, np.asarray(X).reshape(len(X), math.prod(shape))

    def _check_shape(self, shape, X):
        """Return the shape of a row in force."""
        given = self.image_shape
        if given is None:
            return shape or (X.shape[1],)
        given = tuple(given)
        if len(given) != 3 or not all(is_whole(size) and size >= 1 for size in given):
            raise ValueError(
                f"image_shape={given} must be (n_channels, height, width), each at "
                "least 1."
            )
        if shape not in (None, given) or math.prod(given) != X.shape[1]:
            came = f"pictures of shape {shape}" if shape else f"{X.shape[1]} columns"
            raise ValueError(f"X has {came}, but image_shape={given}.")
        return given

    def _check_same_shape(self, shape):
        if shape not in (None, self.shape_):
            raise ValueError(
                f"X has pictures of shape {shape}, but {type(self).__name__} was "
                f"fitted to rows of shape {self.shape_}."
            )

    def _in_shape(self, X):
        """Rows as torch takes them: it wants memory in order that it may write to."""
        return np.require(X, requirements=["C", "W"]).reshape(-1, *self.shape_)

    def _forward(self, X):
        """Return features and logits of rows, as ndarrays."""
        check_is_fitted(self)
        shape, X = self._flatten(X)
        self._check_same_shape(shape)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        outputs = self.net_.forward_rows(torch.from_numpy(self._in_shape(X)))
        return tuple(output.cpu() for output in outputs)

    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, n_channels, height, width)
            Rows or pictures.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            In the order of `classes_`; rows sum to 1.
        """
        _, logits = self._forward(X)
        risk = self.net_.criterion_.risk
        return risk.probabilities(logits.double()).numpy()

    def predict(self, X):
        """The class of largest probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, n_channels, height, width)
            Rows or pictures.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        _, logits = self._forward(X)
        return self.classes_[logits.argmax(dim=1).numpy()]

    def score(self, X, y, sample_weight=None):
        """Share of rows whose class is right.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, n_channels, height, width)
            Rows or pictures.
        y : array-like of shape (n_samples,)
            Their classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        accuracy : float
            From 0 to 1.
        """
        return super().score(X, as_written(y), sample_weight=sample_weight)

    def transform(self, X):
        """Features: what the head is given.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, n_channels, height, width)
            Rows or pictures.

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
