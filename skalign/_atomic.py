"""Methods that leave their estimator unchanged if they fail."""

from contextlib import contextmanager
from functools import wraps
from inspect import getattr_static, isfunction

import numpy as np

from skalign._documented import DocumentedMixin

_CHANGES_STATE = (
    "fit",
    "partial_fit",
    "fit_transform",
    "merge",
    "add",
    "convert",
    "add_space",
    "fit_spaces",
)


@contextmanager
def trial_of(estimator):
    """Yield a shallow copy, whose attributes the estimator takes over at the end.

    After a failure or an interrupt, the estimator is unchanged, and other threads never
    see it partly fitted. Attributes of the copy may be rebound, but the objects they
    refer to must not be modified. The exception is a RandomState, whose state is
    restored after a failure.
    """
    trial = object.__new__(type(estimator))
    vars(trial).update(vars(estimator))
    generators = [
        (value, value.get_state())
        for value in vars(estimator).values()
        if isinstance(value, np.random.RandomState)
    ]
    try:
        yield trial
    except BaseException:
        for generator, state in generators:
            generator.set_state(state)
        raise
    estimator.__dict__ = vars(trial)


def atomic(method):
    """Make a method change its estimator in one step, after it has succeeded.

    The method runs on a copy, see `trial_of`.
    """

    @wraps(method)
    def wrapper(self, *args, **kwargs):
        with trial_of(self) as trial:
            result = method(trial, *args, **kwargs)
        return self if result is trial else result

    wrapper.is_atomic = True
    return wrapper


def make_atomic(cls):
    """Make the state-changing methods of a class `atomic`.

    Includes those inherited from scikit-learn and the wrappers of `set_output`. A
    method behind `available_if` must be decorated explicitly.
    """
    for name in _CHANGES_STATE:
        method = getattr_static(cls, name, None)
        if isfunction(method) and not hasattr(method, "is_atomic"):
            setattr(cls, name, atomic(method))


class AtomicMixin(DocumentedMixin):
    """Mixin that makes the state-changing methods of an estimator `atomic`."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        make_atomic(cls)
