"""Bring feature spaces together, the scikit-learn way."""

from skalign.adaptation import DomainAdapter, DomainHarmonizer, LabeledOnly
from skalign.model_selection import AnchorSearchCV
from skalign.paired import (
    AnchoredAligner,
    LinearAligner,
    RelativeRepresentation,
    RigidAligner,
)
from skalign.unpaired import (
    CORALAligner,
    GaussianOTAligner,
    MeanVarianceAligner,
    OptimalTransportAligner,
    SubspaceAligner,
    TransferComponentAligner,
)

__version__ = "0.1.0.dev0"

__all__ = [
    "AnchorSearchCV",
    "AnchoredAligner",
    "CORALAligner",
    "DomainAdapter",
    "DomainHarmonizer",
    "GaussianOTAligner",
    "LabeledOnly",
    "LinearAligner",
    "MeanVarianceAligner",
    "OptimalTransportAligner",
    "RelativeRepresentation",
    "RigidAligner",
    "SubspaceAligner",
    "TransferComponentAligner",
]
