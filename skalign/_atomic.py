"""All or nothing: a method that fails leaves its estimator as it was."""

from functools import wraps
from inspect import isfunction

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
    """Let a method change its estimator in the last moment, and in one step.

    The method works on a shallow copy, whose attributes the estimator takes over at the
    end. Where it fails or is interrupted nothing has to be put back, and other threads
    never see a half-fitted estimator. The method may bind attributes anew but must not
    write into what they refer to; a RandomState is the exception, and is set back.
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

    return wrapper


class AtomicMixin:
    """An estimator whose state-changing methods are `atomic`.

    They are wrapped when a class is made, those that it inherits from scikit-learn and
    the wrappers of `set_output` included. A method behind `available_if` is decorated
    where it is written.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name in _CHANGES_STATE:
            owner = next((base for base in cls.__mro__ if name in vars(base)), None)
            if owner is None or (owner is not cls and issubclass(owner, AtomicMixin)):
                continue
            if isfunction(method := vars(owner)[name]):
                setattr(cls, name, atomic(method))
