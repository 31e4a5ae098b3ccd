"""Many domains brought to one."""

import warnings
from numbers import Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from skalign._aligner import TargetNamesOutMixin
from skalign._atomic import AtomicMixin
from skalign._labels import as_written, check_domain, is_target_domain
from skalign._routing import into_target
from skalign._validation import FLOATS
from skalign.adaptation._fit_aligner import fit_aligner, width_of


class DomainHarmonizer(
    AtomicMixin,
    TargetNamesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Bring the rows of many domains to one reference.

    One aligner is fitted for each domain: batches, sites, devices or clients. New
    rows of these domains follow their aligner. Read more in the
    :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    aligner : unpaired aligner
        What carries a domain to the reference.
    reference : "pooled" or a value of `sample_domain`, default="pooled"
        Where domains are carried to: the rows of all domains together, larger domains
        counting for more, or one domain, whose rows then stay where they are.

    Attributes
    ----------
    aligners_ : dict
        The fitted aligner of each domain that is moved.
    domains_ : ndarray of shape (n_domains,)
        The domains, sorted. Empty where rows are left as they are.
    n_features_in_ : int
        Columns of `X`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of `X`, if all are strings.

    See Also
    --------
    DomainAdapter : A source domain with labels to a target domain without.

    Notes
    -----
    `sample_domain` travels by metadata routing, which the user switches on:
    ``sklearn.set_config(enable_metadata_routing=True)``.

    Domains can only be compared with one another if rows of the reference stay in one
    place whatever domain the aligner was fitted on. An aligner of which this is not
    true, as one that finds a new common subspace for each pair, is refused in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import DomainHarmonizer, MeanVarianceAligner
    >>> X = np.array([[1.0], [10.0], [3.0], [30.0]])
    >>> batch = ["a", "b", "a", "b"]
    >>> harmonizer = DomainHarmonizer(MeanVarianceAligner(), reference="a")
    >>> harmonizer.fit_transform(X, sample_domain=batch).ravel()
    array([1., 1., 3., 3.])
    >>> harmonizer.transform([[20.0]], sample_domain=["b"])
    array([[2.]])
    """

    __metadata_request__fit = {"sample_domain": True}
    __metadata_request__transform = {"sample_domain": True}

    _parameter_constraints = {
        "aligner": [HasMethods(["fit", "transform", "transform_target"])],
        "reference": [str, Real],
    }

    def __init__(self, aligner, *, reference="pooled"):
        self.aligner = aligner
        self.reference = reference

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, *, sample_domain=None):
        """Fit an aligner for each domain.

        Without `sample_domain` there is nothing to tell domains apart: a warning says
        so, and rows are left as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of all domains, in any order.
        y : array-like of shape (n_samples,), default=None
            What is to be predicted. Class labels go on to the aligner as `labels` and
            `target_labels` where its `fit` takes them, unless a `sample_domain` is
            negative, which says that labels are not known there.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each row: numbers or strings.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If lengths differ, a domain has fewer than two rows, `reference` is no
            domain, a value is not finite, or the aligner needs pairs or has no
            common place for all domains.
        """
        self._fit(X, y, sample_domain)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X, y=None, *, sample_domain=None):
        """Fit an aligner for each domain, and carry the rows to the reference.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As in `fit`.
        y : array-like of shape (n_samples,), default=None
            As in `fit`.
        sample_domain : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        X_harmonized : ndarray of shape (n_samples, n_features_out)
            The same rows, in the same order.
        """
        return self._map(*self._fit(X, y, sample_domain))

    def transform(self, X, sample_domain=None):
        """Carry new rows to the reference, each by the aligner of its domain.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            New rows of domains that were there in `fit`.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each row. Needed if it was given to `fit`.

        Returns
        -------
        X_harmonized : ndarray of shape (n_samples, n_features_out)
            The same rows, in the same order.

        Raises
        ------
        ValueError
            If `sample_domain` is missing, has another length, or holds a domain that
            was not there in `fit`, if the width changed, or a value is not finite.
        """
        check_is_fitted(self, "aligners_")
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        if len(self.domains_) == 0:
            return X.copy()
        if sample_domain is None:
            raise ValueError(
                "sample_domain is needed: it says which aligner each row follows."
            )
        domain = check_domain(sample_domain, X)
        if len(unseen := np.setdiff1d(domain, self.domains_)):
            raise ValueError(
                f"sample_domain holds {unseen.tolist()}, which fit did not see; it saw "
                f"{self.domains_.tolist()}."
            )
        return self._map(X, domain)

    def _fit(self, X, y, sample_domain):
        """Fit the aligners, and return the rows and their domains."""
        X = validate_data(self, X, dtype=FLOATS)
        if y is not None:
            check_consistent_length(X, y)
        if sample_domain is None:
            warnings.warn(
                "There is no sample_domain: DomainHarmonizer leaves all rows as they "
                "are.",
                UserWarning,
                stacklevel=5,
            )
            self.domains_, self.aligners_ = np.array([]), {}
            return X, None
        domain = check_domain(sample_domain, X)
        domains, counts = np.unique(domain, return_counts=True)
        if counts.min() < 2:
            raise ValueError(
                f"Domain {domains[counts.argmin()].item()!r} has 1 sample; at least 2 "
                "are needed."
            )
        pooled = isinstance(self.reference, str) and self.reference == "pooled"
        if not pooled and self.reference not in domains.tolist():
            raise ValueError(
                f"reference={self.reference!r} must be 'pooled' or one of "
                f"{domains.tolist()}."
            )
        if y is not None:
            y = None if is_target_domain(domains).any() else as_written(y)
        rows = np.ones(len(X), dtype=bool) if pooled else domain == self.reference
        reference, target_labels = X[rows], None if y is None else y[rows]
        aligners = {}
        for name in domains.tolist():
            if pooled or name != self.reference:
                rows = domain == name
                aligners[name] = fit_aligner(
                    self.aligner,
                    X[rows],
                    reference,
                    labels=None if y is None else y[rows],
                    target_labels=target_labels,
                )
        _check_common_place(aligners, reference[:100])
        self.domains_, self.aligners_ = domains, aligners
        return X, domain

    def _map(self, X, domain):
        """Carry rows, each by its own domain, into a new array."""
        if not self.aligners_:
            return X.copy()
        harmonized = np.empty((len(X), self._n_features_out), dtype=X.dtype)
        for name in np.unique(domain).tolist():
            if name in self.aligners_:
                carry = self.aligners_[name].transform
            else:
                carry = next(iter(self.aligners_.values())).transform_target
            rows = domain == name
            harmonized[rows] = carry(X[rows])
        return harmonized

    @property
    def _names_out(self):
        stay = all(into_target(aligner) for aligner in self.aligners_.values())
        return getattr(self, "feature_names_in_", None) if stay else None

    @property
    def _n_features_out(self):
        if not self.aligners_:
            return self.n_features_in_
        return width_of(next(iter(self.aligners_.values())), self.n_features_in_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _check_common_place(aligners, reference):
    """Refuse aligners that carry rows of the reference to different places."""
    places = [aligner.transform_target(reference) for aligner in aligners.values()]
    for place in places[1:]:
        if place.shape != places[0].shape or not np.allclose(place, places[0]):
            raise ValueError(
                f"{type(next(iter(aligners.values()))).__name__} carries the reference "
                "to another place for each domain, so the domains could not be "
                "compared; choose an aligner whose transform_target depends on the "
                "reference alone."
            )
