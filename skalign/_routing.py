"""Metadata routing, and the estimators inside pipelines and searches."""

from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.utils.metadata_routing import (
    MetadataRequest,
    MetadataRouter,
    MethodMapping,
    get_routing_for_object,
)


class MetadataRequestMixin:
    """Request metadata, for a splitter or a scorer.

    Expects `_requested`: the name of a method, and the metadata that it takes.
    """

    def get_metadata_routing(self) -> Any:
        """Request the metadata that this object takes.

        Returns
        -------
        routing : MetadataRequest
            Request, as scikit-learn's tools read it.
        """
        method, names = self._requested
        request = MetadataRequest(owner=self)
        for name in names:
            getattr(request, method).add_request(param=name, alias=True)
        return request


def consumed(estimator, method, **metadata):
    """Return the metadata that a method of an estimator, or of its steps, requests.

    Raises
    ------
    ValueError
        If the method, or that of a step, takes some of it, and `set_fit_request` or
        its like was not called.
    RuntimeError
        The same, or if a step requests some, and routing is off.
    """
    routing = get_routing_for_object(estimator)
    names = routing.consumes(method, metadata)
    enabled = get_config()["enable_metadata_routing"]
    if names and isinstance(routing, MetadataRouter) and not enabled:
        raise RuntimeError(
            f"{type(estimator).__name__}.{method} cannot be given the domains of the "
            "samples: switch on sklearn.set_config(enable_metadata_routing=True)."
        )
    if not isinstance(routing, MetadataRouter):
        same = MethodMapping().add(caller=method, callee=method)
        routing = MetadataRouter(owner=estimator)
        routing.add(estimator=estimator, method_mapping=same)
    try:
        routing.route_params(caller=method, params=metadata)
    except UnsetMetadataPassedError as error:
        if enabled:
            raise
        raise RuntimeError(
            f"{type(estimator).__name__}.{method} does not declare whether it takes "
            f"{', '.join(metadata)}: switch on "
            "sklearn.set_config(enable_metadata_routing=True), and request it by "
            f"set_{method}_request."
        ) from error
    return {name: metadata[name] for name in names}


def best_of(estimator):
    """Take the best estimator out of a fitted search."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    return estimator


def predicted(aligner, X):
    """Return predicted target samples, of shape (n_samples, n_targets).

    Those of `predict` if the aligner has it, else those of `transform`. A single column
    may be one-dimensional there.
    """
    method = "predict" if hasattr(aligner, "predict") else "transform"
    rows = np.asarray(getattr(aligner, method)(X))
    return rows[:, np.newaxis] if rows.ndim == 1 else rows


def last_step(estimator):
    """Return the aligner inside pipelines and searches, or the aligner itself."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            return estimator


def transform_target(estimator, y):
    """Transform target samples with the aligner inside pipelines and searches."""
    aligner = last_step(estimator)
    return aligner.transform_target(y) if hasattr(aligner, "transform_target") else y


def into_target(estimator):
    """Return whether the aligner inside pipelines and searches maps to the target."""
    return getattr(last_step(estimator), "_into_target", False)


def unwrap(metadata):
    """Unpack metadata from a 1-tuple, which cross-validation does not index."""
    if isinstance(metadata, tuple) and len(metadata) == 1:
        return metadata[0]
    return metadata


def take_rows(metadata, rows, n_samples):
    """Index metadata that has one value for each of the samples."""
    return {
        name: np.asarray(value)[rows]
        if hasattr(value, "__len__") and len(value) == n_samples
        else value
        for name, value in metadata.items()
    }
