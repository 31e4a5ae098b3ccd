"""Everything that imports torch: trained estimators, and the parts they are made of."""

try:
    import skorch as _skorch  # noqa: F401
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"skalign.deep needs torch and skorch ({error}). Install them by "
        "pip install 'skalign[deep]'."
    ) from error

from skalign.deep._contrastive import ContrastiveAligner
from skalign.deep._multi_domain import MultiDomainClassifier
from skalign.deep._ncfal import NCFALClassifier
from skalign.deep._parts import Mask, Partition, SimplexHead
from skalign.deep._runtime import to_torch
from skalign.deep._stitching import StitchingRegressor
from skalign.deep.networks import (
    MLP,
    DigitsCNN,
    DomainRandomization,
    MixStyle,
    PermutedAdaIN,
    ResNet8,
    adain,
    split_style,
)
from skalign.deep.objectives import (
    DANN,
    ERM,
    IRM,
    MMD,
    Batch,
    DeepCORAL,
    GroupDRO,
    Mixup,
    Objective,
    Penalty,
    Training,
    VREx,
)

__all__ = [
    "DANN",
    "ERM",
    "IRM",
    "MLP",
    "MMD",
    "Batch",
    "ContrastiveAligner",
    "DeepCORAL",
    "DigitsCNN",
    "DomainRandomization",
    "GroupDRO",
    "Mask",
    "MixStyle",
    "Mixup",
    "MultiDomainClassifier",
    "NCFALClassifier",
    "Objective",
    "Partition",
    "Penalty",
    "PermutedAdaIN",
    "ResNet8",
    "SimplexHead",
    "StitchingRegressor",
    "Training",
    "VREx",
    "adain",
    "split_style",
    "to_torch",
]
