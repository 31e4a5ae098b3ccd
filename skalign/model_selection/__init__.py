"""Selection of the class of map, of its parameters and of the anchors."""

from skalign.model_selection._alignability import alignability
from skalign.model_selection._anchor_search import AnchorSearchCV
from skalign.model_selection._streaming_search import StreamingSearchCV

__all__ = [
    "AnchorSearchCV",
    "StreamingSearchCV",
    "alignability",
]
