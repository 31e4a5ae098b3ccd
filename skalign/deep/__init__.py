"""Everything that imports torch: trained estimators, and the parts they are made of."""

try:
    import safetensors as _safetensors  # noqa: F401
    import skorch as _skorch  # noqa: F401
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"skalign.deep needs torch, skorch and safetensors ({error}). Install them by "
        "pip install 'skalign[deep]'."
    ) from error

from skalign.deep._contrastive import ContrastiveAligner
from skalign.deep._dann import DANNClassifier
from skalign.deep._deep_coral import DeepCORALClassifier
from skalign.deep._erm import ERMClassifier
from skalign.deep._etf import SimplexETFHead
from skalign.deep._group_dro import GroupDROClassifier
from skalign.deep._info_nce import InfoNCE, info_nce
from skalign.deep._irm import IRMClassifier
from skalign.deep._masks import ChannelMix, StochasticMask
from skalign.deep._mixup import MixupClassifier
from skalign.deep._mmd import MMDClassifier
from skalign.deep._modules import MLP, DigitsCNN, ResNet8
from skalign.deep._ncfal import NCFALClassifier
from skalign.deep._objectives import (
    CORALRisk,
    DANNRisk,
    ETFRisk,
    GroupDRORisk,
    IRMRisk,
    MeanRisk,
    MMDRisk,
    VRExRisk,
)
from skalign.deep._penalties import (
    DomainDiscriminator,
    coral_penalty,
    etf_penalty,
    irm_penalty,
    mmd_penalty,
    reverse_gradient,
    vrex_penalty,
)
from skalign.deep._risks import (
    CrossEntropy,
    DotRegression,
    SquaredError,
    VertexDistance,
)
from skalign.deep._stitching import StitchingRegressor
from skalign.deep._storage import load_estimator, save_estimator
from skalign.deep._style import (
    DomainRandomization,
    MixStyle,
    Mixup,
    MixupRisk,
    PermutedAdaIN,
    adain,
    split_style,
)
from skalign.deep._vrex import VRExClassifier

__all__ = [
    "MLP",
    "CORALRisk",
    "ChannelMix",
    "ContrastiveAligner",
    "CrossEntropy",
    "DANNClassifier",
    "DANNRisk",
    "DeepCORALClassifier",
    "DigitsCNN",
    "DomainDiscriminator",
    "DomainRandomization",
    "DotRegression",
    "ERMClassifier",
    "ETFRisk",
    "GroupDROClassifier",
    "GroupDRORisk",
    "IRMClassifier",
    "IRMRisk",
    "InfoNCE",
    "MMDClassifier",
    "MMDRisk",
    "MeanRisk",
    "MixStyle",
    "Mixup",
    "MixupClassifier",
    "MixupRisk",
    "NCFALClassifier",
    "PermutedAdaIN",
    "ResNet8",
    "SimplexETFHead",
    "SquaredError",
    "StitchingRegressor",
    "StochasticMask",
    "VRExClassifier",
    "VRExRisk",
    "VertexDistance",
    "adain",
    "coral_penalty",
    "etf_penalty",
    "info_nce",
    "irm_penalty",
    "load_estimator",
    "mmd_penalty",
    "reverse_gradient",
    "save_estimator",
    "split_style",
    "vrex_penalty",
]
