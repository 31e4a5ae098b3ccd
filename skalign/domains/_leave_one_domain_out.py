"""Cross-validation that keeps a domain in one piece."""

import numpy as np

from skalign._labels import check_domain, is_target_domain
from skalign._routing import MetadataRequestMixin


class LeaveOneDomainOut(MetadataRequestMixin):
    """Leave each source domain out in turn.

    Says how a model fares on a domain that it has no label of. Domains come as
    `sample_domain`, so that one name serves the splitter, the adapter and the scorers;
    otherwise it is :class:`~sklearn.model_selection.LeaveOneGroupOut`. Read more in
    the :ref:`User Guide <adaptation>`.

    See Also
    --------
    DomainAdapter : Takes stacked domains.
    sklearn.model_selection.LeaveOneGroupOut : The same for groups without a role.

    Notes
    -----
    Target rows, a `sample_domain` < 0, have no label to test on: they are in every
    training set and in no test set. Folds are in the order of the sorted domains.
    Domains that are strings are all sources.

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

    def split(self, X, y=None, sample_domain=None, *, groups=None):
        """Generate the indices of training and test rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of all domains, in any order.
        y : array-like of shape (n_samples,), default=None
            Ignored.
        sample_domain : array-like of shape (n_samples,)
            Domain of each row: numbers, < 0 for target rows, or strings.
        groups : array-like of shape (n_samples,), default=None
            The same, as scikit-learn's tools hand it on without metadata routing.

        Yields
        ------
        train : ndarray of shape (n_train,)
            Indices of the training rows.
        test : ndarray of shape (n_test,)
            Indices of the rows of the domain left out.

        Raises
        ------
        ValueError
            If `sample_domain` is missing, given twice, of another length than `X`, or
            holds fewer than two source domains.
        """
        domain, sources = _source_domains(X, sample_domain, groups)
        for source in sources:
            yield np.flatnonzero(domain != source), np.flatnonzero(domain == source)

    def get_n_splits(self, X=None, y=None, sample_domain=None, *, groups=None):
        """Count the folds: one for each source domain.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Ignored.
        y : array-like of shape (n_samples,), default=None
            Ignored.
        sample_domain : array-like of shape (n_samples,)
            Domain of each row: numbers, < 0 for target rows, or strings.
        groups : array-like of shape (n_samples,), default=None
            The same, as scikit-learn's tools hand it on without metadata routing.

        Returns
        -------
        n_splits : int
            Number of source domains.
        """
        return len(_source_domains(X, sample_domain, groups)[1])

    def __repr__(self):
        return "LeaveOneDomainOut()"


def check_split_domain(name, X, sample_domain, groups):
    """Return the domain of each row, as a splitter is told it under one of two names.

    Raises
    ------
    ValueError
        If it is missing, given twice, or of another length than `X`.
    """
    if sample_domain is not None and groups is not None:
        raise ValueError("sample_domain and groups are the same here: give one.")
    domain = groups if sample_domain is None else sample_domain
    if domain is None:
        raise ValueError(
            f"{name} needs sample_domain, the domain of each row: switch on "
            "sklearn.set_config(enable_metadata_routing=True) and pass it on, or pass "
            "it as groups without that."
        )
    return check_domain(domain, X)


def _source_domains(X, sample_domain, groups):
    domain = check_split_domain("LeaveOneDomainOut", X, sample_domain, groups)
    sources = np.unique(domain)
    sources = sources[~is_target_domain(sources)]
    if len(sources) < 2:
        raise ValueError(
            "LeaveOneDomainOut needs at least 2 source domains, values >= 0 of "
            f"sample_domain; got {sources.tolist()}."
        )
    return domain, sources
