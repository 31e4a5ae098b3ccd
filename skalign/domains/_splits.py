"""Validation splits within the training domains or the test domain."""

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from skalign._labels import is_target_domain
from skalign._routing import MetadataRequestMixin
from skalign._validation import is_whole
from skalign.domains._leave_one_domain_out import check_split_domain


@dataclass(frozen=True)
class _DomainSplit(MetadataRequestMixin):
    """Random split of each domain; subclasses choose the domains to validate on."""

    _requested = ("split", ("sample_domain",))

    def __post_init__(self):
        if not isinstance(self.test_size, Real) or not 0 < self.test_size < 1:
            raise ValueError(f"test_size={self.test_size!r} must be between 0 and 1.")
        if not is_whole(self.n_splits) or self.n_splits < 1:
            raise ValueError(f"n_splits={self.n_splits!r} must be a positive integer.")

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
        X : array-like of shape (n_samples, ...)
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
            Indices of the validation samples.

        Raises
        ------
        ValueError
            If `sample_domain` is missing, given twice or differs from `X` in length; if
            `test_domain` is not one of the domains, or the only one; or if `test_size`
            of a domain is less than one sample.
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
                    f"test_domain={self.test_domain!r} must be one of the source "
                    f"domains {domains[sources].tolist()}."
                )
        trained = np.setdiff1d(sources, tested)
        if len(trained) == 0:
            raise ValueError(
                f"{name} found no source domain to train on in sample_domain."
            )
        rng = check_random_state(self.random_state)
        for _ in range(self.n_splits):
            kept, held = {}, {}
            for code in sources:
                rows = rng.permutation(np.flatnonzero(codes == code))
                n_held = int(self.test_size * len(rows) + 1e-9)  # .29 of 100 is 29
                if n_held == 0:
                    raise ValueError(
                        f"Domain {domains[code].item()!r} has {len(rows)} samples, of "
                        f"which test_size={self.test_size} is less than one."
                    )
                held[code], kept[code] = rows[:n_held], rows[n_held:]
            train = np.concatenate([target, *(kept[code] for code in trained)])
            validated = trained if self._validates_on_training_domains else tested
            test = np.concatenate([held[code] for code in validated])
            yield np.sort(train), np.sort(test)

    def get_n_splits(
        self,
        X: Any = None,
        y: Any = None,
        sample_domain: Any = None,
        *,
        groups: Any = None,
    ) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X, y, sample_domain, groups : object, default=None
            Ignored.

        Returns
        -------
        n_splits : int
            Number of splits.
        """
        return self.n_splits


@dataclass(frozen=True)
class TrainingDomainSplit(_DomainSplit):
    """Training-domain validation: hold out a share of every training domain.

    This rule [1]_ uses no sample of the test domain. It cannot detect a shortcut that
    holds in all training domains, and then selects models that rely on it. Read more in
    the :ref:`User Guide <domain_selection>`.

    Parameters
    ----------
    test_size : float, default=0.1
        Share of the samples of each domain to hold out for validation.
    test_domain : int or str, default=None
        Domain to exclude from both training and validation. None uses all domains.
    n_splits : int, default=1
        Number of random splits.
    random_state : int, RandomState instance or None, default=None
        Seed of the splits. With the same number, `OracleDomainSplit` trains on the same
        samples.

    See Also
    --------
    LeaveOneDomainOut : Validate on each training domain in turn.
    OracleDomainSplit : Validate on a share of the test domain.

    Notes
    -----
    Target samples, those with a `sample_domain` < 0, have no labels to test on: they
    are in every training set and in no test set. All domains given as strings are
    sources.

    A search with ``refit=True`` finally fits on all samples that it is given, including
    those of `test_domain`: pass only the training domains, or set ``refit=False``.

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
    """Oracle (test-domain) validation: hold out a share of the test domain.

    This rule [1]_ uses labels of the test domain, so it is not available in practice;
    it is provided because many published results use it. Report the accuracy on the
    samples of the test domain that are in no validation set. Read more in the
    :ref:`User Guide <domain_selection>`.

    Parameters
    ----------
    test_domain : int or str
        Domain to validate on; none of its samples is used for training.
    test_size : float, default=0.1
        Share of the samples of the test domain to validate on. The same share of each
        other domain is left out, so that training uses the same samples as in
        `TrainingDomainSplit`.
    n_splits : int, default=1
        Number of random splits.
    random_state : int, RandomState instance or None, default=None
        Seed of the splits.

    See Also
    --------
    LeaveOneDomainOut : Validate on each training domain in turn.
    TrainingDomainSplit : Validate on a share of every training domain.

    Notes
    -----
    Target samples are in every training set. A search with ``refit=True`` finally fits
    on the test domain as well: set ``refit=False``.

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
