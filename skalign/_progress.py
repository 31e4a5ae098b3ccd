"""Progress of a fit, reported to scikit-learn's callbacks."""


class Progress:
    """Report the steps of a fit as tasks of scikit-learn's callbacks.

    The context is opened by a private method of scikit-learn 1.9, intended for
    developers; in versions without it, the steps are not reported.

    Parameters
    ----------
    estimator : estimator with `CallbackSupportMixin`
        Estimator that is being fitted.
    n_steps : int
        Maximum number of steps.
    X, y : ndarray
        Training samples.
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
        """End a step with the attributes so far; return True if a callback stops."""
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
