"""Selection of the samples to pair, from the source space alone."""

from skalign.anchors._class_balanced import ClassBalancedAnchors
from skalign.anchors._farthest_point import FarthestPointAnchors
from skalign.anchors._k_means import KMeansAnchors
from skalign.anchors._pivoted_qr import PivotedQRAnchors
from skalign.anchors._random_anchors import RandomAnchors
from skalign.anchors._selector import AnchorSelector

__all__ = [
    "AnchorSelector",
    "ClassBalancedAnchors",
    "FarthestPointAnchors",
    "KMeansAnchors",
    "PivotedQRAnchors",
    "RandomAnchors",
]
