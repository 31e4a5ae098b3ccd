"""Everything that imports torch: trained estimators, and the parts they are made of."""

try:
    import skorch as _skorch  # noqa: F401
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"skalign.deep needs torch and skorch ({error}). Install them by "
        "pip install 'skalign[deep]'."
    ) from error

from skalign.deep._dann import DANNClassifier
from skalign.deep._deep_coral import DeepCORALClassifier
from skalign.deep._erm import ERMClassifier
from skalign.deep._group_dro import GroupDROClassifier
from skalign.deep._irm import IRMClassifier
from skalign.deep._mmd import MMDClassifier
from skalign.deep._modules import MLP, DigitsCNN, ResNet8
from skalign.deep._vrex import VRExClassifier

__all__ = [
    "MLP",
    "DANNClassifier",
    "DeepCORALClassifier",
    "DigitsCNN",
    "ERMClassifier",
    "GroupDROClassifier",
    "IRMClassifier",
    "MMDClassifier",
    "ResNet8",
    "VRExClassifier",
]
