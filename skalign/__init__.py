"""Bring feature spaces together, the scikit-learn way."""

from skalign._lazy import are_installed, import_on_use

__version__ = "0.1.0.dev0"

_ROOMS = {
    "adaptation": ("DomainAdapter", "DomainHarmonizer", "LabeledOnly"),
    "deep": (
        "ContrastiveAligner",
        "MultiDomainClassifier",
        "NCFALClassifier",
        "StitchingRegressor",
    ),
    "model_selection": ("AnchorSearchCV",),
    "paired": (
        "AnchoredAligner",
        "CanonicalAligner",
        "LinearAligner",
        "RelativeRepresentation",
        "RigidAligner",
    ),
    "retrieval": ("AlignedRetriever",),
    "spaces": ("GeneralizedProcrustes",),
    "style": ("DomainRandomizer", "MixStyleAugmenter", "StyleContentSplitter"),
    "unpaired": (
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
    ),
}
_OTHER_ROOMS = (
    "anchors",
    "datasets",
    "domains",
    "federated",
    "metrics",
    "moments",
    "plotting",
)
_HOMES = {room: f"{__name__}.{room}" for room in (*_ROOMS, *_OTHER_ROOMS)}
_HOMES |= {name: _HOMES[room] for room, names in _ROOMS.items() for name in names}
_ABSENT = set()
if not are_installed("torch", "skorch", "safetensors"):
    _ABSENT = {"deep", *_ROOMS["deep"]}

__all__ = sorted({*_HOMES} - {*_ROOMS, *_OTHER_ROOMS} - _ABSENT)

# Importing skalign costs next to nothing.
__getattr__, __dir__ = import_on_use(__name__, _HOMES, _ABSENT)
