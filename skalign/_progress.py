"""Telling scikit-learn's callbacks how far a fit has come."""


class Progress:
    """Steps of a fit, as tasks of scikit-learn's callbacks.

    The way to open a context is that of scikit-learn 1.9, offered to developers under
    a name with an underscore; where it is gone, no callback hears of the steps.

    Parameters
    ----------
    estimator : estimator with `CallbackSupportMixin`
        What is being fitted.
    n_steps : int
        Largest number of steps.
    X, y : ndarray
        The training rows.
    """

    def __init__(self, estimator, n_steps, X, y):
        self._rows = {"estimator": estimator, "X": X, "y": y}
        open_context = getattr(estimator, "_init_callback_context", None)
        self._context = open_context and open_context(max_subtasks=n_steps)
        self._step = None
        if self._context is not None:
            self._context.call_on_fit_task_begin(**self._rows)

    def begin_step(self):
        if self._context is not None:
            self._step = self._context.subcontext(task_name="iteration")
            self._step.call_on_fit_task_begin(**self._rows)

    def end_step(self, **fitted):
        """End a step, with what is fitted so far; True if a callback says stop."""
        if self._context is None:
            return False
        return self._step.call_on_fit_task_end(
            **self._rows, reconstruction_attributes=fitted
        )

    def end(self):
        if self._context is not None:
            self._context.call_on_fit_task_end(
                **self._rows, reconstruction_attributes={}
            )
