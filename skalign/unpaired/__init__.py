"""Maps learnt without pairs: labels only, or nothing at all."""

from skalign.unpaired._class_means import ClassMeanAligner

# What is not in __all__ is named in files.
from skalign.unpaired._covariance_map import VarianceMap as VarianceMap
from skalign.unpaired._icp import ICPAligner
from skalign.unpaired._mean_variance import MeanVarianceAligner
from skalign.unpaired._moment import MomentAligner
from skalign.unpaired._open_axes import Projection as Projection
from skalign.unpaired._optimal_transport import OptimalTransportAligner
from skalign.unpaired._second_moments import CORALAligner, GaussianOTAligner
from skalign.unpaired._subspace import SubspaceAligner
from skalign.unpaired._transfer_component import TransferComponentAligner
from skalign.unpaired._wasserstein_procrustes import WassersteinProcrustesAligner

__all__ = [
    "CORALAligner",
    "ClassMeanAligner",
    "GaussianOTAligner",
    "ICPAligner",
    "MeanVarianceAligner",
    "MomentAligner",
    "OptimalTransportAligner",
    "SubspaceAligner",
    "TransferComponentAligner",
    "WassersteinProcrustesAligner",
]
