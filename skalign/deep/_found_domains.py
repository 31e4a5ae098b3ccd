"""Domains that classifiers find, and reasons to doubt them."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score

from skalign._warnings import user_level
from skalign.deep.trainer import of_first
from skalign.domains import domain_dependence, partition_domains

# Found domains are doubted above this mutual information with the classes, below this
# evidence of the classes, and above this fraction of samples that still move.
_LIKE_LABELS, _EVIDENCE, _MOVING = 0.3, 3.0, 0.1
# They are doubted above this p-value of their independence of given domains.
_INDEPENDENT = 0.01


def find_domains(partition, X, y, rng, initial=None, *, advice):
    """Find domains as a `Partition` says, and warn if they are doubtful.

    Parameters
    ----------
    partition : Partition
    X : ndarray of shape (n_samples, ...)
    y : ndarray of shape (n_samples,)
    rng : RandomState
    initial : ndarray of shape (n_samples,), default=None
        Division to start from, in place of that of the partition.
    advice : str
        What to do instead, for the warning.

    Returns
    -------
    found : FoundDomains
        The same in all processes.
    """
    settings = partition.get_params(deep=False)
    for name in ("n_rounds", "inputs"):
        del settings[name]
    if initial is not None:
        settings["initial"] = initial
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # see below
        found = partition_domains(
            X.reshape(len(X), -1), y, random_state=rng, **settings
        )
    found = of_first(found)
    if partition.assign_by == "random":
        return found
    alike = adjusted_mutual_info_score(y, found.domain)
    doubt = ""
    if alike > _LIKE_LABELS:
        doubt = f"resemble the classes (mutual information {alike:.2f})"
    elif found.evidence < _EVIDENCE:
        doubt = "are probably noise (X does not predict the classes)"
    elif found.changed > _MOVING:
        doubt = f"are probably noise ({found.changed:.0%} of the samples still move)"
    if doubt:
        warnings.warn(
            f"The domains that were found {doubt}: there may be no shortcut. {advice}",
            UserWarning,
            stacklevel=user_level(),
        )
    return found


def dependence_on_given(found, given, y):
    """Return the p-value of independence within classes; warn if it is large."""
    pvalue = domain_dependence(found, given, y).pvalue
    if pvalue > _INDEPENDENT:
        warnings.warn(
            "The domains that were found do not depend on those given (chi-square "
            f"test, p={pvalue:.2g}): they may follow the cause rather than a shortcut, "
            "and an epoch selected by them avoids the cause. Compare with "
            "early_stopping=True.",
            UserWarning,
            stacklevel=user_level(),
        )
    return pvalue


def warn_if_only_chance(scores, found, n_classes):
    """Warn if the best score on the worst found domain is hardly above chance.

    Parameters
    ----------
    scores : sequence of float
        Accuracy on the worst domain after each epoch.
    found : ndarray of int
        Domains of the held-out samples.
    n_classes : int
    """
    chance, n_least = 1 / n_classes, np.bincount(found).min()
    if max(scores) > chance + 2 * np.sqrt(chance * (1 - chance) / n_least):
        return
    warnings.warn(
        f"No epoch has an accuracy above {max(scores):.0%} on the worst of the domains "
        f"that were found, of which {n_least} samples are held out, and chance has "
        f"{chance:.0%}: nothing but chance is left within them, and the selected epoch "
        "is arbitrary. There may be no shortcut; use early_stopping=True.",
        UserWarning,
        stacklevel=user_level(),
    )
