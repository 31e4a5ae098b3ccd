"""Cross-validation with one domain left out at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from skalign._labels import check_domain, is_target_domain
from skalign._routing import MetadataRequestMixin


class LeaveOneDomainOut(MetadataRequestMixin):
    """Leave-one-domain-out cross-validator.

    Each source domain is the test set once. Estimates the performance on a domain
    without training labels. Works like
    :class:`~sklearn.model_selection.LeaveOneGroupOut`, but takes the domains as
    `sample_domain`, like the adapters and scorers of this package, and never tests on
    target samples. Read more in the :ref:`User Guide <adaptation>`.

    See Also
    --------
    skalign.DomainAdapter : Adapt stacked domains in a pipeline.
    sklearn.model_selection.LeaveOneGroupOut : Leave out any group in turn.

    Notes
    -----
    Target samples, those with a `sample_domain` < 0, have no labels to test on: they
    are in every training set and in no test set. Folds are in the order of the sorted
    domains. All domains given as strings are sources.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.domains import LeaveOneDomainOut
    >>> X, sample_domain = np.zeros((5, 2)), [0, 2, -1, 0, 2]
    >>> for train, test in LeaveOneDomainOut().split(X, sample_domain=sample_domain):
    ...     print(train, test)
    [1 2 4] [0 3]
    [0 2 3] [1 4]
    """

    _requested = ("split", ("sample_domain",))

    def split(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_domain: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Generate the indices of training and test samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of all domains, in any order.
        y : array-like of shape (n_samples,), default=None
            Ignored.
        sample_domain : array-like of shape (n_samples,)
            Domain of each sample, as numbers, < 0 for target samples, or strings.
        groups : array-like of shape (n_samples,), default=None
            Alias of `sample_domain`, passed by scikit-learn's tools when metadata
            routing is disabled.

        Yields
        ------
        train : ndarray of shape (n_train,)
            Indices of the training samples.
        test : ndarray of shape (n_test,)
            Indices of the samples of the left-out domain.

        Raises
        ------
        ValueError
            If `sample_domain` is missing, given twice, differs from `X` in length, or
            has fewer than two source domains.
        """
        domain, sources = _source_domains(X, sample_domain, groups)
        for source in sources:
            yield np.flatnonzero(domain != source), np.flatnonzero(domain == source)

    def get_n_splits(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        sample_domain: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
    ) -> int:
        """Return the number of folds, one for each source domain.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Ignored.
        y : array-like of shape (n_samples,), default=None
            Ignored.
        sample_domain : array-like of shape (n_samples,)
            Domain of each sample, as numbers, < 0 for target samples, or strings.
        groups : array-like of shape (n_samples,), default=None
            Alias of `sample_domain`, passed by scikit-learn's tools when metadata
            routing is disabled.

        Returns
        -------
        n_splits : int
            Number of source domains.
        """
        return len(_source_domains(X, sample_domain, groups)[1])

    def __repr__(self):
        return "LeaveOneDomainOut()"


def check_split_domain(name, X, sample_domain, groups):
    """Return the domain of each sample, given as `sample_domain` or as `groups`.

    Raises
    ------
    ValueError
        If it is missing, given twice, or differs from `X` in length.
    """
    if sample_domain is not None and groups is not None:
        raise ValueError(
            "sample_domain and groups have the same meaning here; pass only one."
        )
    domain = groups if sample_domain is None else sample_domain
    if domain is None:
        raise ValueError(
            f"{name} requires sample_domain, the domain of each sample. Enable "
            "metadata routing by sklearn.set_config(enable_metadata_routing=True) and "
            "pass it, or pass it as groups."
        )
    return check_domain(domain, X)


def _source_domains(X, sample_domain, groups):
    domain = check_split_domain("LeaveOneDomainOut", X, sample_domain, groups)
    sources = np.unique(domain)
    sources = sources[~is_target_domain(sources)]
    if len(sources) < 2:
        raise ValueError(
            "LeaveOneDomainOut needs at least 2 source domains (sample_domain >= 0); "
            f"got {sources.tolist()}."
        )
    return domain, sources
