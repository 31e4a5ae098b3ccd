"""Objectives and losses: what training minimises."""

from skalign.deep.objectives._dann import DANN
from skalign.deep.objectives._deep_coral import DeepCORAL
from skalign.deep.objectives._erm import ERM
from skalign.deep.objectives._group_dro import GroupDRO
from skalign.deep.objectives._info_nce import InfoNCE, info_nce
from skalign.deep.objectives._irm import IRM
from skalign.deep.objectives._losses import (
    CrossEntropy,
    DotRegression,
    SquaredError,
    VertexDistance,
)
from skalign.deep.objectives._mixup import Mixup
from skalign.deep.objectives._mmd import MMD
from skalign.deep.objectives._objective import (
    Batch,
    Criterion,
    Objective,
    Penalty,
    Training,
)
from skalign.deep.objectives._simplex import SimplexDistance
from skalign.deep.objectives._vrex import VREx

__all__ = [
    "DANN",
    "ERM",
    "IRM",
    "MMD",
    "Batch",
    "Criterion",
    "CrossEntropy",
    "DeepCORAL",
    "DotRegression",
    "GroupDRO",
    "InfoNCE",
    "Mixup",
    "Objective",
    "Penalty",
    "SimplexDistance",
    "SquaredError",
    "Training",
    "VREx",
    "VertexDistance",
    "info_nce",
]
