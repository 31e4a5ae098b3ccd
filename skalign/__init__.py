"""Bring feature spaces together, the scikit-learn way."""

from skalign.paired import LinearAligner, RigidAligner
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
    "CORALAligner",
    "GaussianOTAligner",
    "LinearAligner",
    "MeanVarianceAligner",
    "OptimalTransportAligner",
    "RigidAligner",
    "SubspaceAligner",
    "TransferComponentAligner",
]
