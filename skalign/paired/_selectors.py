"""Selectors of anchors in estimators with a parameter `selector`."""

from sklearn.base import clone
from sklearn.utils import get_tags

from skalign.anchors import RandomAnchors


def selector_of(estimator):
    """Return a clone of the `selector` of an estimator; None is random anchors."""
    if estimator.selector is None:
        return RandomAnchors(random_state=estimator.random_state)
    return clone(estimator.selector, safe=False)


def draws(selector):
    """Return whether a selector selects other samples in each call."""
    return (
        hasattr(selector, "__sklearn_tags__") and get_tags(selector).non_deterministic
    )
