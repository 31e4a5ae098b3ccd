"""Align feature spaces with estimators in the style of scikit-learn."""

from skalign._lazy import import_on_use

__version__ = "0.1.0"

# The names are in __init__.pyi and are imported on first use.
__getattr__, __dir__, __all__ = import_on_use(
    __name__, __file__, needs={"skalign.deep": ("torch", "skorch")}
)
