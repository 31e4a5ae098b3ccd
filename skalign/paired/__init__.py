"""Maps learnt from pairs."""

from skalign.paired._anchored import AnchoredAligner
from skalign.paired._canonical import CanonicalAligner
from skalign.paired._common_space import CommonSpaceMixin
from skalign.paired._linear import LinearAligner
from skalign.paired._relative import RelativeRepresentation
from skalign.paired._rigid import RigidAligner

__all__ = [
    "AnchoredAligner",
    "CanonicalAligner",
    "CommonSpaceMixin",
    "LinearAligner",
    "RelativeRepresentation",
    "RigidAligner",
]
