"""Pipelines for a labelled source and an unlabelled target."""

from typing import Any

from joblib import Memory
from sklearn import get_config
from sklearn.pipeline import Pipeline, make_pipeline

from skalign import unpaired
from skalign.adaptation._domain_adapter import DomainAdapter


def make_adaptation_pipeline(
    *steps: Any, memory: str | Memory | None = None, verbose: bool = False
) -> Pipeline:
    """Make a pipeline that learns from a labelled source and an unlabelled target.

    It is ``make_pipeline(*steps, transform_input=["X_target"])`` with the unpaired
    aligner among the steps in a :class:`DomainAdapter`: steps before it are fitted on
    the source and also transform `X_target`, and steps after it are fitted on source
    samples mapped to the target domain. Read more in the
    :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    *steps : list of estimators
        Steps of the pipeline in order, of which one is an unpaired aligner of skalign,
        or a :class:`DomainAdapter`, with any aligner.
    memory : str or object with the joblib.Memory interface, default=None
        Where fitted transformers are cached.
    verbose : bool, default=False
        Whether the time of each step is printed.

    Returns
    -------
    pipeline : Pipeline
        Its `fit` takes `X_target`, and also `y_target` and `sample_domain`, as
        :class:`DomainAdapter` does.

    Raises
    ------
    ValueError
        If none or several of the steps are unpaired aligners.
    RuntimeError
        If metadata routing is not enabled, without which scikit-learn passes no
        `X_target` to a step: call
        ``sklearn.set_config(enable_metadata_routing=True)`` once.

    See Also
    --------
    DomainAdapter : The step, for pipelines of other forms.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn import config_context
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skalign import CORALAligner, make_adaptation_pipeline
    >>> rng = np.random.default_rng(0)
    >>> y, y_target = rng.integers(0, 2, 200), rng.integers(0, 2, 150)
    >>> X = rng.normal(size=(200, 2)) + 4 * y[:, None]
    >>> X_target = rng.normal(size=(150, 2)) + 4 * y_target[:, None]
    >>> X_target = X_target * [3, 0.5] + [-20, 10]  # other sensors
    >>> with config_context(enable_metadata_routing=True):
    ...     pipe = make_adaptation_pipeline(
    ...         StandardScaler(), CORALAligner(), LogisticRegression()
    ...     ).fit(X, y, X_target=X_target)
    >>> round(pipe.score(X_target, y_target), 2)
    0.99
    """
    if not get_config()["enable_metadata_routing"]:
        raise RuntimeError(
            "make_adaptation_pipeline needs metadata routing, by which X_target "
            "reaches its step. Call sklearn.set_config(enable_metadata_routing=True)."
        )
    adapts = [_is_unpaired(step) or isinstance(step, DomainAdapter) for step in steps]
    if sum(adapts) != 1:
        names = ", ".join(type(step).__name__ for step in steps) or "none"
        raise ValueError(
            f"One of the steps must be an unpaired aligner; {sum(adapts)} are. The "
            f"steps are: {names}."
        )
    wrapped = [DomainAdapter(step) if _is_unpaired(step) else step for step in steps]
    return make_pipeline(
        *wrapped, memory=memory, transform_input=["X_target"], verbose=verbose
    )


def _is_unpaired(step):
    return isinstance(step, tuple(getattr(unpaired, name) for name in unpaired.__all__))
