"""Choose an aligner and its anchors."""

from skalign.model_selection._alignability import alignability
from skalign.model_selection._anchor_search import AnchorSearchCV
from skalign.model_selection._report import alignment_report, default_aligners

__all__ = [
    "AnchorSearchCV",
    "alignability",
    "alignment_report",
    "default_aligners",
]
