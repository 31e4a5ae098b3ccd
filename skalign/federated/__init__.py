"""Fitting where rows stay where they are: many clients, one map or one network."""

from importlib import import_module

from skalign.federated._privacy import gaussian_noise_scale
from skalign.federated._sums import client_sums, fit_from_sums

_BY_FLOWER = ("NetworkClient", "SoundUpdates", "join", "metrics_by_client", "serve")

__all__ = [
    "NetworkClient",
    "SoundUpdates",
    "client_sums",
    "fit_from_sums",
    "gaussian_noise_scale",
    "join",
    "metrics_by_client",
    "serve",
]


def __getattr__(name):
    """Import Flower on first use: sums need none."""
    if name not in _BY_FLOWER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("skalign.federated._flower"), name)
