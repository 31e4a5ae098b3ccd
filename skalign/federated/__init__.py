"""Fitting where rows stay where they are: many clients, one map or one network."""

from skalign._lazy import are_installed, import_on_use
from skalign.federated._fedbn import load_shared_arrays, shared_arrays, split_state
from skalign.federated._privacy import gaussian_noise_scale
from skalign.federated._sums import client_sums, fit_from_sums

_BY_FLOWER = ("NetworkClient", "SoundUpdates", "join", "metrics_by_client", "serve")
_ABSENT = () if are_installed("flwr") else _BY_FLOWER

__all__ = [
    "client_sums",
    "fit_from_sums",
    "gaussian_noise_scale",
    "load_shared_arrays",
    "shared_arrays",
    "split_state",
]
__all__ += sorted({*_BY_FLOWER}.difference(_ABSENT))

# Sums need no Flower.
_HOMES = dict.fromkeys(_BY_FLOWER, "skalign.federated._flower")
__getattr__, __dir__ = import_on_use(__name__, _HOMES, _ABSENT)
