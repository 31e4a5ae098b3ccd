"""Measures that draw at random, called more than once: the same draws every time."""

from copy import deepcopy
from functools import partial, wraps
from inspect import signature
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

_MAX_SEED = 2**31 - 1


def one_seed(random_state):
    """Return an int that stands for `random_state` in several places.

    An int stands for itself; None and generators draw one.
    """
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(_MAX_SEED))


def with_fixed_draws(metric, random_state=0):
    """Return a measure that draws alike in every call.

    Parameters
    ----------
    metric : callable
        Any function. One with a parameter `random_state` that is None is given a seed;
        one that holds a generator is given a copy of it in each call; others stay as
        they are.
    random_state : int, RandomState instance or None, default=0
        Determines the seed, if one is needed.

    Returns
    -------
    metric : callable
    """
    try:
        parameter = signature(metric).parameters.get("random_state")
    except (TypeError, ValueError):  # some builtin functions have no signature
        return metric
    if parameter is None or isinstance(parameter.default, Integral):
        return metric
    state = parameter.default
    if state is None or state is parameter.empty or state is np.random:
        return partial(metric, random_state=one_seed(random_state))

    @wraps(metric)
    def fixed(*args, **kwargs):
        return metric(*args, **{"random_state": deepcopy(state)} | kwargs)

    return fixed


def checked_value(metric, X, Y, *, caller, order=None):
    """Return ``metric(X, Y)``; refuse a measure that gives two values for one input.

    Parameters
    ----------
    metric : callable
    X, Y : ndarray of shape (n_samples_x, n_features) and (n_samples_y, n_features_y)
    caller : str
        Name of the function that calls the measure many times.
    order : tuple of two ndarrays, default=None
        Orders of the samples of `X` and `Y` in the second call: the value must not
        depend on them. None repeats the same call.

    Raises
    ------
    ValueError
        If the two values differ by more than rounding.
    """
    value = metric(X, Y)
    again = metric(X, Y) if order is None else metric(X[order[0]], Y[order[1]])
    if np.isclose(again, value, rtol=1e-4, atol=1e-6, equal_nan=True):
        return value
    name = getattr(metric, "__name__", repr(metric))
    if order is None:
        raise ValueError(
            f"{caller} needs a metric that gives the same value for the same samples, "
            f"but {name} gave {value:.6g} and {again:.6g}. It draws at random: give it "
            "a parameter random_state, which is then fixed, or fix its seed."
        )
    raise ValueError(
        f"{caller} needs a metric whose value does not depend on draws or on the order "
        f"of the samples, but {name} gave {value:.6g} and, with the samples in another "
        f"order, {again:.6g}. Fix what it estimates from some of the samples, such as "
        "gamma; pass paired=True if sample i of both sets is one item; or take "
        "bootstrap_interval."
    )
