"""Bring feature spaces together, the scikit-learn way."""

from importlib import import_module

__version__ = "0.1.0.dev0"

_ROOMS = {
    "adaptation": ("DomainAdapter", "DomainHarmonizer", "LabeledOnly"),
    "deep": (
        "ContrastiveAligner",
        "DANNClassifier",
        "DeepCORALClassifier",
        "ERMClassifier",
        "GroupDROClassifier",
        "IRMClassifier",
        "MMDClassifier",
        "MixupClassifier",
        "NCFALClassifier",
        "StitchingRegressor",
        "VRExClassifier",
    ),
    "model_selection": ("AnchorSearchCV",),
    "paired": (
        "AlignedRetriever",
        "AnchoredAligner",
        "CanonicalAligner",
        "GeneralizedProcrustes",
        "LinearAligner",
        "RelativeRepresentation",
        "RigidAligner",
    ),
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
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name):
    """Load an estimator on first use: importing skalign costs next to nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_HOME})
