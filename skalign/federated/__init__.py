"""Federated fitting: many clients, one map or one network, no data exchanged."""

from skalign._lazy import import_on_use

# The names are in __init__.pyi. Sums need no Flower.
__getattr__, __dir__, __all__ = import_on_use(
    __name__, __file__, needs={"skalign.federated._flower": ("flwr",)}
)
