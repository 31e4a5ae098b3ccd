"""Selection of the class of map and of the anchors."""

from skalign.model_selection._alignability import alignability
from skalign.model_selection._anchor_search import AnchorSearchCV

__all__ = [
    "AnchorSearchCV",
    "alignability",
]
