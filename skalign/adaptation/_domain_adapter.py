"""Use of an unpaired aligner as a step of a supervised pipeline."""

import warnings
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import (
    _num_samples,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from skalign._aligner import get_feature_names_out
from skalign._atomic import AtomicMixin
from skalign._labels import as_written, check_source, check_two_domains
from skalign._layers import layers_of
from skalign._routing import into_target, unwrap
from skalign._validation import FLOATS, check_same_features, check_target_names
from skalign._warnings import user_level
from skalign.adaptation._fit_aligner import fit_aligner, width_of
from skalign.adaptation._scale import beside_scaled, columns_of, unlike


class DomainAdapter(
    AtomicMixin,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Use an unpaired aligner as a transformer in a supervised pipeline.

    In a supervised pipeline `y` contains the class labels, so the samples of the target
    domain are passed separately, as `X_target`, or stacked into `X` and identified by
    `sample_domain`. The following steps of the pipeline are then fitted on source
    samples mapped to the target domain. Appropriate if both domains have the same
    classes in similar shares, and differ by a map that the aligner can represent. Read
    more in the :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    aligner : unpaired aligner or "passthrough"
        Aligner between the domains. "passthrough" leaves all samples unchanged, as a
        baseline without adaptation in a search.
    direction : {"source_to_target", "target_to_source"}, default="source_to_target"
        Direction of the map. "target_to_source" fits the aligner with the target
        samples as its source: new target samples are mapped to the source space, in
        which the rest of the pipeline, such as a
        :class:`~sklearn.frozen.FrozenEstimator`, was trained.

    Attributes
    ----------
    aligner_ : unpaired aligner
        Fitted aligner; None if samples are left unchanged.
    n_features_in_ : int
        Number of features of the source domain.
    n_features_target_ : int
        Number of features of the target domain.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the source features, if all are strings.
    target_names_in_ : ndarray of shape (`n_features_target_`,)
        Names of the target features, if all are strings.

    See Also
    --------
    make_adaptation_pipeline : Pipeline with this step.
    DomainHarmonizer : Align many domains with a common reference.
    LabeledOnly : Final step of a pipeline with stacked target samples.

    Notes
    -----
    `X_target`, `y_target` and `sample_domain` are passed by metadata routing, which has
    to be enabled: ``sklearn.set_config(enable_metadata_routing=True)``. Note that

    - previous steps transform `X_target` as well only if the pipeline lists it:
      ``make_pipeline(..., transform_input=["X_target"])``;
    - cross-validation splits metadata with as many entries as `X` has samples;
      ``(X_target,)``, a tuple of one, is never split.

    Class labels are passed to the aligner if its `fit` accepts them: those of source
    samples as `labels`, `y_target` as `target_labels`, or vice versa with
    "target_to_source". Use ``aligner.set_fit_request(labels=False)`` to prevent this.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import DomainAdapter, MeanVarianceAligner
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> X_target = rng.normal(size=(150, 2)) * [3, 0.5] + [-2, 1]  # other sensors
    >>> adapter = DomainAdapter(MeanVarianceAligner()).fit(X, X_target=X_target)
    >>> mapped = adapter.transform(X, sample_domain=np.zeros(200))  # source samples
    >>> np.allclose(mapped.mean(axis=0), X_target.mean(axis=0))
    True

    In a pipeline, see :func:`make_adaptation_pipeline`.
    """

    __metadata_request__fit = {
        "X_target": True,
        "y_target": True,
        "sample_domain": True,
    }
    __metadata_request__transform = {"sample_domain": True}

    _parameter_constraints = {
        "aligner": [
            StrOptions({"passthrough"}),
            HasMethods(["fit", "transform", "transform_target"]),
        ],
        "direction": [StrOptions({"source_to_target", "target_to_source"})],
    }

    get_feature_names_out = get_feature_names_out

    def __init__(
        self,
        aligner: Any,
        *,
        direction: Literal["source_to_target", "target_to_source"] = "source_to_target",
    ) -> None:
        self.aligner = aligner
        self.direction = direction

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        X_target: ArrayLike | tuple[Any, ...] | None = None,
        y_target: ArrayLike | tuple[Any, ...] | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> Self:
        """Fit the aligner on the source and the target samples.

        If neither `X_target` nor `sample_domain` is given, there is no target domain: a
        warning is issued, and samples are left unchanged.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source samples; with `sample_domain`, samples of both domains in any order.
        y : array-like of shape (n_samples,), default=None
            Targets of the prediction. Class labels of source samples are passed to the
            aligner if it accepts them; those of target samples in `X` are ignored.
        X_target : array-like of shape (n_target_samples, n_features_target), or a \
                tuple of one such, default=None
            Target samples.
        y_target : array-like of shape (n_target_samples,), or a tuple of one such, \
                default=None
            Class labels of the target samples, for aligners that use them.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each sample of `X`: a number >= 0 for a source, < 0 for a target.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If the target is given twice or a domain has no samples, lengths or numbers
            of features are inconsistent, `sample_domain` is not numeric, a value is not
            finite, or the aligner requires pairs.

        Warns
        -----
        UserWarning
            If there is no target, or if the features of `X` are scaled but those of
            `X_target` are 100 times as large or 300 standard deviations away, which
            indicates that the previous steps have not transformed it.
        """
        self._fit(X, y, X_target, y_target, sample_domain)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_transform(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        X_target: ArrayLike | tuple[Any, ...] | None = None,
        y_target: ArrayLike | tuple[Any, ...] | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> np.ndarray:
        """Fit the aligner, and map the samples of `X` to the common space.

        The samples of `X` are treated as source samples or, with `sample_domain`, by
        their domain, since the next step of a pipeline is fitted on them. The result
        differs from ``fit(X, ...).transform(X)``, which treats `X` as new target
        samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As in `fit`.
        y : array-like of shape (n_samples,), default=None
            As in `fit`.
        X_target : array-like of shape (n_target_samples, n_features_target), or a \
                tuple of one such, default=None
            As in `fit`.
        y_target : array-like of shape (n_target_samples,), or a tuple of one such, \
                default=None
            As in `fit`.
        sample_domain : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        X_adapted : ndarray of shape (n_samples, n_features_out)
            Mapped samples, in the order of `X`.
        """
        return self._map(*self._fit(X, y, X_target, y_target, sample_domain))

    def transform(
        self, X: ArrayLike, sample_domain: ArrayLike | None = None
    ) -> np.ndarray:
        """Map new samples to the common space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            New samples, of the target domain unless `sample_domain` is given.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each sample: a number >= 0 for a source, < 0 for a target.

        Returns
        -------
        X_adapted : ndarray of shape (n_samples, n_features_out)
            Mapped samples, in the order of `X`.

        Raises
        ------
        ValueError
            If the number of features differs from `fit`, `sample_domain` does not
            contain one number per sample, or a value is not finite.
        """
        check_is_fitted(self, "aligner_")
        is_source = np.zeros(_num_samples(X), dtype=bool)
        if sample_domain is not None:
            is_source = check_source(sample_domain, X)
        if not is_source.all():
            check_target_names(self, X, name="X")
        if is_source.any():
            X = validate_data(self, X, dtype=FLOATS, reset=False)
        else:
            X = check_array(X, dtype=FLOATS, input_name="X", estimator=self)
            if X.shape[1] != self.n_features_target_:
                raise ValueError(
                    f"X has {X.shape[1]} features, but DomainAdapter is expecting "
                    f"{self.n_features_target_} features as input, those of the target "
                    "samples given to fit."
                )
        found = None
        if self.aligner_ is not None:
            found = unlike(X[~is_source], *self._target_columns)
        if found:
            _warn_of_target(f"X is unlike the target samples of fit: {found}")
        return self._map(X, is_source)

    def _fit(self, X, y, X_target, y_target, sample_domain):
        """Fit the aligner; return validated `X` and a mask of the source samples."""
        check_target_names(self, X, reset=True)
        X = validate_data(self, X, dtype=FLOATS)
        if y is not None:
            check_consistent_length(X, y)
        self.n_features_target_ = X.shape[1]
        if X_target is None and sample_domain is None:
            if self.aligner != "passthrough":
                warnings.warn(
                    "Neither X_target nor sample_domain was passed: DomainAdapter "
                    "leaves all samples unchanged.",
                    UserWarning,
                    stacklevel=user_level(),
                )
            self.aligner_ = None
            return X, np.ones(len(X), dtype=bool)
        X_target, is_source = check_two_domains(X, X_target, sample_domain)
        if X_target is None:
            target = X[~is_source]
        else:
            check_target_names(self, X_target, reset=True)
            target = check_array(X_target, dtype=FLOATS, input_name="X_target")
            self.n_features_target_ = target.shape[1]
            if target.shape[1] == X.shape[1]:
                check_same_features(self, name="X_target")
                found = beside_scaled(X, target)
                if found and self.aligner != "passthrough":
                    _warn_of_target(f"X is scaled, and X_target is not: {found}")
        self._target_columns = columns_of(target)
        labels = None if y is None else as_written(y)[is_source]
        self.aligner_ = self._fit_aligner(
            X[is_source], target, labels, unwrap(y_target)
        )
        return X, is_source

    def _fit_aligner(self, source, target, labels, target_labels):
        if self.aligner == "passthrough":
            if source.shape[1] != target.shape[1]:
                raise ValueError(
                    "aligner='passthrough' requires equal numbers of features: the "
                    f"source has {source.shape[1]}, the target {target.shape[1]}."
                )
            return None
        if self.direction == "target_to_source":
            source, target = target, source
            labels, target_labels = target_labels, labels
        return fit_aligner(
            self.aligner, source, target, labels=labels, target_labels=target_labels
        )

    def _map(self, X, is_source):
        """Map each sample by the map of its domain."""
        if self.aligner_ is None:
            return X.copy()
        moved = is_source if self.direction == "source_to_target" else ~is_source
        adapted = np.empty((len(X), self._n_features_out), dtype=X.dtype)
        for rows, carry in (
            (moved, self.aligner_.transform),
            (~moved, self.aligner_.transform_target),
        ):
            if rows.any():
                adapted[rows] = carry(X[rows])
        return adapted

    def _layers(self):
        """Layers for samples of the target domain, as `transform` expects them."""
        if self.aligner_ is None:
            return ()
        if self.direction != "source_to_target":
            return layers_of(self.aligner_)
        if not into_target(self.aligner_):
            raise TypeError(
                f"DomainAdapter({type(self.aligner_).__name__}) cannot be converted: "
                "it moves target samples to a common space."
            )
        return ()

    @property
    def _same_features(self):
        if self.aligner == "passthrough":
            return True
        # Other libraries' aligners do not declare it; equal widths are assumed equal.
        return getattr(self.aligner, "_same_features", True)

    @property
    def _names_out(self):
        forth = self.direction == "source_to_target"
        names = "target_names_in_" if forth else "feature_names_in_"
        stay = self.aligner_ is None or into_target(self.aligner_)
        return getattr(self, names, None) if stay else None

    @property
    def _n_features_out(self):
        if self.aligner_ is None:
            return self.n_features_in_
        forth = self.direction == "source_to_target"
        n_moved = self.n_features_in_ if forth else self.n_features_target_
        return width_of(self.aligner_, n_moved)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _warn_of_target(what):
    warnings.warn(
        f"{what}. Steps before this one that transform X must transform X_target as "
        "well: make_pipeline(..., transform_input=['X_target']). For samples of a "
        "source domain, pass sample_domain.",
        UserWarning,
        stacklevel=user_level(),
    )
