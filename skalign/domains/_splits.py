"""Validation on a share of domains: of those trained on, or of the one to test on."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skalign._labels import is_target_domain
from skalign._parameters import is_whole
from skalign._routing import MetadataRequestMixin
from skalign.domains._leave_one_domain_out import check_split_domain


@dataclass(frozen=True)
class _DomainSplit(MetadataRequestMixin):
    """Cuts each domain in two at random; a subclass says what is trained on."""

    _requested = ("split", ("sample_domain",))

    def __post_init__(self):
        if not isinstance(self.test_size, Real) or not 0 < self.test_size < 1:
            raise ValueError(f"test_size={self.test_size!r} must be between 0 and 1.")
        if not is_whole(self.n_splits) or self.n_splits < 1:
            raise ValueError(f"n_splits={self.n_splits!r} must be a number above 0.")

    def split(self, X, y=None, sample_domain=None, *, groups=None):
        """Generate the indices of training and test rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
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
            Indices of the rows to validate on.

        Raises
        ------
        ValueError
            If `sample_domain` is missing, given twice or of another length than `X`,
            `test_domain` is not in it or all there is, or `test_size` of a domain is
            not one row.
        """
        name = type(self).__name__
        domain = check_split_domain(name, X, sample_domain, groups)
        domains, codes = np.unique(domain, return_inverse=True)
        target = np.flatnonzero(is_target_domain(domain))
        sources = np.setdiff1d(codes, codes[target])
        tested = np.array([], dtype=int)
        if self.test_domain is not None:
            tested = sources[domains[sources] == self.test_domain]
            if len(tested) == 0:
                raise ValueError(
                    f"test_domain={self.test_domain!r} is no domain of sample_domain: "
                    f"{domains[sources].tolist()}."
                )
        trained = np.setdiff1d(sources, tested)
        if len(trained) == 0:
            raise ValueError(f"{name} has no domain to train on in sample_domain.")
        rng = check_random_state(self.random_state)
        for _ in range(self.n_splits):
            kept, held = {}, {}
            for code in sources:
                rows = rng.permutation(np.flatnonzero(codes == code))
                n_held = int(self.test_size * len(rows) + 1e-9)  # .29 of 100 is 29
                if n_held == 0:
                    raise ValueError(
                        f"Domain {domains[code].item()!r} has {len(rows)} rows: "
                        f"test_size={self.test_size} of them is not one."
                    )
                held[code], kept[code] = rows[:n_held], rows[n_held:]
            train = np.concatenate([target, *(kept[code] for code in trained)])
            validated = trained if self._validates_on_training_domains else tested
            test = np.concatenate([held[code] for code in validated])
            yield np.sort(train), np.sort(test)

    def get_n_splits(self, X=None, y=None, sample_domain=None, *, groups=None):
        """Count the splits.

        Parameters
        ----------
        X, y, sample_domain, groups : object, default=None
            Ignored.

        Returns
        -------
        n_splits : int
            As it was given.
        """
        return self.n_splits


@dataclass(frozen=True)
class TrainingDomainSplit(_DomainSplit):
    """Validate on a share of every training domain.

    Training-domain validation [1]_: sees nothing of the domain to test on, and so likes
    a shortcut that holds in all training domains. Read more in the
    :ref:`User Guide <domain_selection>`.

    Parameters
    ----------
    test_size : float, default=0.1
        Share of the rows of each domain that is validated on.
    test_domain : int or str, default=None
        Domain that is to be left out altogether. None: all domains are trained on.
    n_splits : int, default=1
        How often the domains are cut in two.
    random_state : int, RandomState instance or None, default=None
        Draws the rows. With the same number, `OracleDomainSplit` trains on the same
        rows.

    See Also
    --------
    LeaveOneDomainOut : Validate on each training domain in turn.
    OracleDomainSplit : Validate on the domain to test on.

    Notes
    -----
    Target rows, a `sample_domain` < 0, have no label to test on: they are in every
    training set and in no test set. Domains that are strings are all sources.

    A search with ``refit=True`` at last fits on all rows that it is given, those of
    `test_domain` as well: hand it the training domains only, or take ``refit=False``.

    References
    ----------
    .. [1] I. Gulrajani and D. Lopez-Paz, "In search of lost domain generalization",
       ICLR 2021: section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.domains import TrainingDomainSplit
    >>> X, sample_domain = np.zeros((12, 2)), np.repeat([0, 1, 2], 4)
    >>> splitter = TrainingDomainSplit(test_size=0.25, test_domain=2, random_state=0)
    >>> for train, test in splitter.split(X, sample_domain=sample_domain):
    ...     print(sample_domain[train], sample_domain[test])
    [0 0 0 1 1 1] [0 1]
    """

    test_size: float = 0.1
    test_domain: Any = None
    n_splits: int = 1
    random_state: Any = None

    _validates_on_training_domains = True


@dataclass(frozen=True)
class OracleDomainSplit(_DomainSplit):
    """Validate on a share of the domain to test on.

    The oracle, or test-domain validation [1]_: no honest choice, since it needs labels
    of the domain to test on, but the one that many published figures were chosen by.
    The rows of the test domain that are in no test set are left to report on. Read more
    in the :ref:`User Guide <domain_selection>`.

    Parameters
    ----------
    test_domain : int or str
        Domain that is to be validated on; nothing of it is trained on.
    test_size : float, default=0.1
        Share of the rows of the test domain that is validated on. As large a share of
        each other domain is left out, so as to train on the rows that
        `TrainingDomainSplit` trains on.
    n_splits : int, default=1
        How often the domains are cut in two.
    random_state : int, RandomState instance or None, default=None
        Draws the rows.

    See Also
    --------
    LeaveOneDomainOut : Validate on each training domain in turn.
    TrainingDomainSplit : Validate on the training domains.

    Notes
    -----
    Target rows are in every training set, and a search with ``refit=True`` at last fits
    on the test domain as well, as `TrainingDomainSplit` says: take ``refit=False``.

    References
    ----------
    .. [1] I. Gulrajani and D. Lopez-Paz, "In search of lost domain generalization",
       ICLR 2021: section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.domains import OracleDomainSplit
    >>> X, sample_domain = np.zeros((12, 2)), np.repeat([0, 1, 2], 4)
    >>> splitter = OracleDomainSplit(2, test_size=0.25, random_state=0)
    >>> for train, test in splitter.split(X, sample_domain=sample_domain):
    ...     print(sample_domain[train], sample_domain[test])
    [0 0 0 1 1 1] [2]
    """

    test_domain: Any
    test_size: float = 0.1
    n_splits: int = 1
    random_state: Any = None

    _validates_on_training_domains = False

    def __post_init__(self):
        super().__post_init__()
        if self.test_domain is None:
            raise ValueError("test_domain=None must name the domain to test on.")
