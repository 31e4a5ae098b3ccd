"""Maps learnt from pairs."""

# What is not in __all__ is for the other rooms, which import no private module.
from skalign.paired._anchored import AnchoredAligner
from skalign.paired._canonical import CanonicalAligner
from skalign.paired._common_space import CommonSpaceMixin as CommonSpaceMixin
from skalign.paired._kernel import KernelAligner
from skalign.paired._linear import LinearAligner
from skalign.paired._relative import RelativeRepresentation
from skalign.paired._rigid import RigidAligner
from skalign.paired._robust import RobustAligner
from skalign.paired._shared import Shared as Shared
from skalign.paired._wrapper import InnerPairedMixin as InnerPairedMixin

__all__ = [
    "AnchoredAligner",
    "CanonicalAligner",
    "KernelAligner",
    "LinearAligner",
    "RelativeRepresentation",
    "RigidAligner",
    "RobustAligner",
]
