"""Bring feature spaces together, the scikit-learn way."""

from skalign._lazy import import_on_use

__version__ = "0.1.0.dev0"

# The names are in __init__.pyi. Importing skalign costs next to nothing.
__getattr__, __dir__, __all__ = import_on_use(
    __name__, __file__, needs={"skalign.deep": ("torch", "skorch", "safetensors")}
)
