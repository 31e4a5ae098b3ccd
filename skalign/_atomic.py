"""Methods that leave their estimator unchanged if they fail."""

from functools import wraps
from inspect import getattr_static, isfunction

import numpy as np

_CHANGES_STATE = (
    "fit",
    "partial_fit",
    "fit_transform",
    "merge",
    "add",
    "add_space",
    "fit_spaces",
)


def atomic(method):
    """Make a method change its estimator in one step, after it has succeeded.

    The method runs on a shallow copy, and the estimator takes over its attributes at
    the end. If the method fails or is interrupted, the estimator is unchanged, and
    other threads never see a partly fitted estimator. The method may rebind attributes
    but must not modify the objects they refer to. The exception is a RandomState, whose
    state is restored after a failure.
    """

    @wraps(method)
    def wrapper(self, *args, **kwargs):
        trial = object.__new__(type(self))
        vars(trial).update(vars(self))
        generators = [
            (value, value.get_state())
            for value in vars(self).values()
            if isinstance(value, np.random.RandomState)
        ]
        try:
            result = method(trial, *args, **kwargs)
        except BaseException:
            for generator, state in generators:
                generator.set_state(state)
            raise
        self.__dict__ = vars(trial)
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


class AtomicMixin:
    """Mixin that makes the state-changing methods of an estimator `atomic`."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        make_atomic(cls)
