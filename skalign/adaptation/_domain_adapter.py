"""An unpaired aligner as a step of a labelled pipeline."""

import warnings

import numpy as np
from sklearn.base import (
    BaseEstimator,
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

from skalign._aligner import TargetNamesOutMixin
from skalign._atomic import AtomicMixin
from skalign._column_names import check_same_features, check_target_names
from skalign._labels import as_written, check_source, check_two_domains
from skalign._routing import into_target, unwrap
from skalign._validation import FLOATS
from skalign.adaptation._fit_aligner import fit_aligner, width_of
from skalign.adaptation._scale import beside_scaled, columns_of, unlike


class DomainAdapter(
    AtomicMixin,
    TargetNamesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Lift an unpaired aligner into a pipeline with class labels.

    In a labelled pipeline `y` is the class of a row, so the target domain has to come
    by another way: as its own array, `X_target`, or stacked into `X` and told apart
    by `sample_domain`. What follows in the pipeline then learns from source rows that
    look like target rows. Read more in the :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    aligner : unpaired aligner or "passthrough"
        What brings the domains together. "passthrough" leaves all rows as they are:
        the candidate of a search that does not adapt.
    direction : {"source_to_target", "target_to_source"}, default="source_to_target"
        Which rows are moved. With "target_to_source" the aligner is fitted the other
        way round, target rows as its source: new rows are carried to where the rest
        of the pipeline, a :class:`~sklearn.frozen.FrozenEstimator` for one, was
        trained, and source rows stay where they are.

    Attributes
    ----------
    aligner_ : unpaired aligner
        The fitted clone; None where rows are left as they are.
    n_features_in_ : int
        Columns of the source rows.
    n_features_target_ : int
        Columns of the target rows.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of `X`, if all are strings.
    target_names_in_ : ndarray of shape (`n_features_target_`,)
        Names of the columns of the target rows, if all are strings.

    See Also
    --------
    DomainHarmonizer : Many domains to one.
    LabeledOnly : The last step when target rows are stacked into `X`.

    Notes
    -----
    `X_target`, `y_target` and `sample_domain` travel by metadata routing, which the
    user switches on: ``sklearn.set_config(enable_metadata_routing=True)``. Two things
    to know:

    - The steps before this one transform `X`. They transform `X_target` too only if
      the pipeline is told so, ``make_pipeline(..., transform_input=["X_target"])``.
    - Cross-validation takes metadata with as many entries as `X` has rows to be one
      for each row, and cuts it fold by fold. ``(X_target,)``, a tuple of one, is
      never cut.

    Class labels go on to the aligner, those of source rows as `labels`, `y_target` as
    `target_labels` (the other way round with "target_to_source"), where its `fit`
    takes them; ``aligner.set_fit_request(labels=False)`` declines them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn import config_context
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skalign import CORALAligner, DomainAdapter
    >>> rng = np.random.default_rng(0)
    >>> y, y_target = rng.integers(0, 2, 200), rng.integers(0, 2, 150)
    >>> X = rng.normal(size=(200, 2)) + 4 * y[:, None]
    >>> X_target = rng.normal(size=(150, 2)) + 4 * y_target[:, None]
    >>> X_target = X_target * [3, 0.5] + [-20, 10]  # other sensors
    >>> with config_context(enable_metadata_routing=True):
    ...     pipe = make_pipeline(
    ...         StandardScaler(),
    ...         DomainAdapter(CORALAligner()),
    ...         LogisticRegression(),
    ...         transform_input=["X_target"],
    ...     ).fit(X, y, X_target=X_target)
    >>> round(pipe.score(X_target, y_target), 2)
    0.99
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

    def __init__(self, aligner, *, direction="source_to_target"):
        self.aligner = aligner
        self.direction = direction

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, *, X_target=None, y_target=None, sample_domain=None):
        """Fit the aligner on the source and the target rows.

        With neither `X_target` nor `sample_domain` there is no target: a warning says
        so, and rows are left as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source rows; with `sample_domain`, rows of both domains in any order.
        y : array-like of shape (n_samples,), default=None
            What is to be predicted. Class labels of source rows go on to the aligner
            where it takes them; those of target rows in `X` are never looked at.
        X_target : array-like of shape (n_target_samples, n_features_target), or a \
                tuple of one such, default=None
            Target rows.
        y_target : array-like of shape (n_target_samples,), or a tuple of one such, \
                default=None
            Class labels of the target rows, for aligners that use them.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each row of `X`: a number >= 0 for a source, < 0 for a target.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If the target is given twice or a domain has no row, lengths or widths
            do not suit, `sample_domain` does not hold numbers, a value is not finite,
            or the aligner needs pairs.

        Warns
        -----
        UserWarning
            If there is no target, or columns of `X` are scaled and those of `X_target`
            are 100 times as large, or 300 standard deviations away: the steps before
            this one have not transformed it.
        """
        self._fit(X, y, X_target, y_target, sample_domain)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_transform(
        self, X, y=None, *, X_target=None, y_target=None, sample_domain=None
    ):
        """Fit, and carry the rows of `X` to where both domains are compared.

        Rows of `X` are source rows here, or, with `sample_domain`, rows of their own
        domain: what the next step of a pipeline is to learn from. This is where it
        differs from ``fit(X, ...).transform(X)``, which takes `X` for new target rows.

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
            The same rows, in the same order.
        """
        return self._map(*self._fit(X, y, X_target, y_target, sample_domain))

    def transform(self, X, sample_domain=None):
        """Carry new rows to where both domains are compared.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            New rows, of the target domain unless `sample_domain` says otherwise.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each row: a number >= 0 for a source, < 0 for a target.

        Returns
        -------
        X_adapted : ndarray of shape (n_samples, n_features_out)
            The same rows, in the same order.

        Raises
        ------
        ValueError
            If the width changed since `fit`, `sample_domain` does not hold one number
            a row, or a value is not finite.
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
                    "rows given to fit."
                )
        found = None
        if self.aligner_ is not None:
            found = unlike(X[~is_source], *self._target_columns)
        if found:
            _warn_of_target(f"The rows are unlike the target rows of fit: {found}")
        return self._map(X, is_source)

    def _fit(self, X, y, X_target, y_target, sample_domain):
        """Fit the aligner, and return the rows of `X` and which are source rows."""
        check_target_names(self, X, reset=True)
        X = validate_data(self, X, dtype=FLOATS)
        if y is not None:
            check_consistent_length(X, y)
        self.n_features_target_ = X.shape[1]
        if X_target is None and sample_domain is None:
            if self.aligner != "passthrough":
                warnings.warn(
                    "There is neither X_target nor sample_domain: DomainAdapter leaves "
                    "all rows as they are.",
                    UserWarning,
                    stacklevel=5,
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
                    "aligner='passthrough' needs equal widths: the source rows have "
                    f"{source.shape[1]} columns, the target rows {target.shape[1]}."
                )
            return None
        if self.direction == "target_to_source":
            source, target = target, source
            labels, target_labels = target_labels, labels
        return fit_aligner(
            self.aligner, source, target, labels=labels, target_labels=target_labels
        )

    def _map(self, X, is_source):
        """Carry rows, each by its own domain, into a new array."""
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

    @property
    def _same_features(self):
        if self.aligner == "passthrough":
            return True
        # Those of other libraries do not say: columns as many are taken for the same.
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
        f"{what}. Steps that transform X before this one must transform X_target as "
        "well: make_pipeline(..., transform_input=['X_target']). If rows are those of "
        "a source, pass their sample_domain.",
        UserWarning,
        stacklevel=4,
    )
