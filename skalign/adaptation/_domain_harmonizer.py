"""Harmonisation of many domains."""

import warnings
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from skalign._aligner import get_feature_names_out
from skalign._atomic import AtomicMixin
from skalign._dask import is_dask, make_lazy, one_sample
from skalign._labels import as_written, check_domain, is_target_domain
from skalign._routing import into_target
from skalign._validation import FLOATS
from skalign._warnings import user_level
from skalign.adaptation._domain_sums import means_of, pair_up, pooled, sum_by_domain
from skalign.adaptation._fit_aligner import (
    accepts,
    check_unpaired,
    fit_aligner,
    width_of,
)


@make_lazy
class DomainHarmonizer(
    AtomicMixin,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Align each of many domains with a common reference.

    Fits one aligner per domain, such as a batch, site, device or client, from its
    samples to the reference, and maps new samples by the aligner of their domain.
    Appropriate if differences between domains are technical; differences of interest
    that coincide with the domains are removed as well. Read more in the
    :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    aligner : unpaired aligner
        Aligner to fit from each domain to the reference.
    reference : "pooled" or a value of `sample_domain`, default="pooled"
        Reference of the alignment: the samples of all domains together, in which larger
        domains have more weight, or a single domain, whose samples are then left
        unchanged.

    Attributes
    ----------
    aligners_ : dict
        Fitted aligner of each domain, except for a reference domain.
    domains_ : ndarray of shape (n_domains,)
        Sorted domains. Empty if samples are left unchanged.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all are strings.

    See Also
    --------
    DomainAdapter : Align a labelled source domain with an unlabelled target domain.

    Notes
    -----
    `sample_domain` is passed by metadata routing, which has to be enabled:
    ``sklearn.set_config(enable_metadata_routing=True)``.

    Mapped domains are comparable only if the aligners of all domains map the reference
    to the same place. Aligners for which this does not hold, such as those that find a
    new common subspace for each pair of domains, are rejected by `fit`.

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

    get_feature_names_out = get_feature_names_out
    _described_by = {"sample_domain": "domains_"}

    def __init__(self, aligner: Any, *, reference: Any = "pooled") -> None:
        self.aligner = aligner
        self.reference = reference

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        sample_domain: ArrayLike | None = None,
    ) -> Self:
        """Fit an aligner for each domain.

        If `sample_domain` is not given, a warning is issued, and samples are left
        unchanged.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of all domains, in any order. Samples of Dask need an aligner that
            is fitted from sums, such as `CORALAligner`.
        y : array-like of shape (n_samples,), default=None
            Targets of the prediction. Class labels are passed to the aligner as
            `labels` and `target_labels` if its `fit` accepts them and no
            `sample_domain` is negative, which would mark domains without labels.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each sample, as numbers or strings.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If lengths differ, a domain has fewer than two samples, `reference` is not a
            domain, a value is not finite, or the aligner requires pairs or maps the
            reference to different places.
        """
        if is_dask(X):
            self._fit_sums(X, y, sample_domain)
        else:
            self._fit(X, y, sample_domain)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_transform(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        sample_domain: ArrayLike | None = None,
    ) -> np.ndarray:
        """Fit an aligner for each domain, and map the samples to the reference.

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
            Mapped samples, in the order of `X`.
        """
        return self._map(*self._fit(X, y, sample_domain))

    def transform(
        self, X: ArrayLike, sample_domain: ArrayLike | None = None
    ) -> np.ndarray:
        """Map new samples to the reference, by the aligners of their domains.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            New samples of domains seen in `fit`.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each sample. Required if it was given to `fit`.

        Returns
        -------
        X_harmonized : ndarray of shape (n_samples, n_features_out)
            Mapped samples, in the order of `X`.

        Raises
        ------
        ValueError
            If `sample_domain` is missing, differs in length or has a domain not seen in
            `fit`, the number of features differs from `fit`, or a value is not finite.
        """
        check_is_fitted(self, "aligners_")
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        if len(self.domains_) == 0:
            return X.copy()
        if sample_domain is None:
            raise ValueError(
                "sample_domain is required: it selects the aligner of each sample."
            )
        domain = check_domain(sample_domain, X)
        if len(unseen := np.setdiff1d(domain, self.domains_)):
            raise ValueError(
                f"sample_domain has domains {unseen.tolist()} that were not seen in "
                f"fit; expected some of {self.domains_.tolist()}."
            )
        return self._map(X, domain)

    def _fit(self, X, y, sample_domain):
        """Fit the aligners, and return validated samples and domains."""
        X = validate_data(self, X, dtype=FLOATS)
        if y is not None:
            check_consistent_length(X, y)
        if sample_domain is None:
            self._be_identity()
            return X, None
        domain = check_domain(sample_domain, X)
        domains, counts = np.unique(domain, return_counts=True)
        pooled = self._check_domains(domains, counts)
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

    def _fit_sums(self, X, y, sample_domain):
        """Fit the aligners to samples of Dask, from the sums of each domain."""
        validate_data(self, one_sample(X), dtype=FLOATS)
        if sample_domain is None:
            self._be_identity()
            return
        check_unpaired(self.aligner)
        labels = y if accepts(self.aligner, "labels") else None
        sums = sum_by_domain(self.aligner, X, sample_domain, labels)
        domains = np.array([*sums])
        if labels is not None and is_target_domain(domains).any():
            raise ValueError(
                f"{type(self.aligner).__name__} needs labels of all samples, but "
                f"domains below 0 have none; got {domains.tolist()}."
            )
        counts = np.array([of.parts["source"].n_samples for of in sums.values()])
        if self._check_domains(domains, counts):
            reference = pooled(sums.values())
        else:
            reference = sums[self.reference]
        aligners = {
            name: clone(self.aligner).fit_sums(pair_up(of, reference))
            for name, of in sums.items()
            if of is not reference
        }
        _check_common_place(aligners, means_of(reference))
        self.domains_, self.aligners_ = domains, aligners

    def _be_identity(self):
        """Leave samples unchanged, since there are no domains."""
        warnings.warn(
            "sample_domain was not passed: DomainHarmonizer leaves all samples "
            "unchanged.",
            UserWarning,
            stacklevel=user_level(),
        )
        self.domains_, self.aligners_ = np.array([]), {}

    def _check_domains(self, domains, counts):
        """Validate the domains; return whether the reference is all of them."""
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
        return pooled

    def _map(self, X, domain):
        """Map each sample by the map of its domain."""
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
    """Raise an error if the aligners map the reference to different places."""
    places = [aligner.transform_target(reference) for aligner in aligners.values()]
    for place in places[1:]:
        if place.shape != places[0].shape or not np.allclose(place, places[0]):
            raise ValueError(
                f"{type(next(iter(aligners.values()))).__name__} maps the reference to "
                "a different place for each domain, so mapped domains are not "
                "comparable; choose an aligner whose transform_target depends on the "
                "reference alone."
            )
