"""Choose an aligner and its anchors, and split rows by domain."""

from skalign.model_selection._alignability import alignability
from skalign.model_selection._anchor_search import AnchorSearchCV
from skalign.model_selection._domain_splits import (
    OracleDomainSplit,
    TrainingDomainSplit,
)
from skalign.model_selection._domains import LeaveOneDomainOut
from skalign.model_selection._report import alignment_report, default_aligners

__all__ = [
    "AnchorSearchCV",
    "LeaveOneDomainOut",
    "OracleDomainSplit",
    "TrainingDomainSplit",
    "alignability",
    "alignment_report",
    "default_aligners",
]
