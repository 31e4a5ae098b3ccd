"""Maps learnt without pairs: labels only, or nothing at all."""

from skalign.unpaired._coral import CORALAligner
from skalign.unpaired._gaussian_ot import GaussianOTAligner
from skalign.unpaired._mean_variance import MeanVarianceAligner

__all__ = ["CORALAligner", "GaussianOTAligner", "MeanVarianceAligner"]
