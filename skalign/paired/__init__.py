"""Maps learnt from pairs."""

from skalign.paired._linear import LinearAligner
from skalign.paired._rigid import RigidAligner

__all__ = ["LinearAligner", "RigidAligner"]
