"""Choose an aligner and its anchors, and split rows by domain."""

from skalign.model_selection._domains import LeaveOneDomainOut

__all__ = ["LeaveOneDomainOut"]
