"""Aligners of the command line, and maps in files."""

from functools import partial

from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import has_fit_parameter

from skalign._storage import load
from skalign.anchors import (
    FarthestPointAnchors,
    KMeansAnchors,
    PivotedQRAnchors,
    RandomAnchors,
)
from skalign.cli._files import size_of
from skalign.cli._kinds import InputError
from skalign.paired import (
    AnchoredAligner,
    KernelAligner,
    LinearAligner,
    RigidAligner,
    RobustAligner,
)
from skalign.unpaired import (
    ClassMeanAligner,
    CORALAligner,
    GaussianOTAligner,
    ICPAligner,
    MeanVarianceAligner,
    MomentAligner,
    OptimalTransportAligner,
    SubspaceAligner,
    TransferComponentAligner,
    WassersteinProcrustesAligner,
)

PAIRED = {
    "rigid": RigidAligner,
    "similarity": partial(RigidAligner, scaling=True),
    "linear": LinearAligner,
    "least-squares": partial(LinearAligner, alpha=0.0),
    "nonlinear": KernelAligner,
    "robust": RobustAligner,
}
UNPAIRED = {
    "mean-variance": MeanVarianceAligner,
    "coral": CORALAligner,
    "gaussian-ot": GaussianOTAligner,
    "optimal-transport": OptimalTransportAligner,
    "subspace": SubspaceAligner,
    "transfer-component": TransferComponentAligner,
    "class-means": ClassMeanAligner,
    "moments": MomentAligner,
    "icp": ICPAligner,
    "wasserstein-procrustes": WassersteinProcrustesAligner,
}
SELECTORS = {
    "random": RandomAnchors,
    "k-means": KMeansAnchors,
    "farthest-point": FarthestPointAnchors,
    "pivoted-qr": PivotedQRAnchors,
}


def make_aligner(name, options):
    """Return an aligner with the settings of the command line, not fitted."""
    aligner = (PAIRED | UNPAIRED)[name]()
    given = vars(options)
    rank, prior, anchors = (given.get(key) for key in ("rank", "prior", "anchors"))
    if "random_state" in aligner.get_params():
        aligner.set_params(random_state=options.seed)
    if not isinstance(aligner, LinearAligner):
        for option, value in (("--rank", rank), ("--prior", prior)):
            if value is not None:
                raise InputError(
                    f"{option} needs --aligner linear or least-squares; got {name}."
                )
    if rank is not None:
        aligner.set_params(rank=rank)
    if prior is not None:
        aligner.set_params(prior=_prior(prior))
    if given.get("selector") is not None and anchors is None:
        raise InputError("--selector needs --anchors, the number of pairs to select.")
    if anchors is not None:
        if name not in PAIRED:
            raise InputError(f"--anchors needs pairs, which {name} does not use.")
        selector = SELECTORS[options.selector or "k-means"]
        aligner = AnchoredAligner(aligner, selector(anchors, random_state=options.seed))
    return aligner


def _prior(text):
    return text if text == "identity" else FrozenEstimator(load_map(text))


def arguments_of(name, aligner, given):
    """Return the arguments of `fit`, which must all be used.

    Parameters
    ----------
    name : str
    aligner : estimator
    given : dict of str to object
        Labels, target labels and pairs; None if they are not given.
    """
    given = {key: value for key, value in given.items() if value is not None}
    for key in given:
        if not has_fit_parameter(aligner, key):
            able = [n for n, kind in UNPAIRED.items() if has_fit_parameter(kind, key)]
            raise InputError(
                f"--{key.replace('_', '-')} needs --aligner {' or '.join(able)}; got "
                f"{name}."
            )
    return given


def load_map(path):
    """Read a fitted aligner."""
    size_of(path)
    aligner = load(path)
    if not hasattr(aligner, "transform") or not isinstance(
        getattr(aligner, "n_features_in_", None), int
    ):
        raise InputError(f"{path} holds a {type(aligner).__name__}, not a map.")
    return aligner
