"""Networks, masks and layers of the estimators."""

from skalign.deep.networks._encoders import (
    MLP,
    Classifier,
    DigitsCNN,
    ResNet8,
    make_encoder,
    n_outputs,
)
from skalign.deep.networks._etf import SimplexETFHead
from skalign.deep.networks._masks import (
    ByDomain,
    ChannelMix,
    OpenGates,
    StochasticMask,
    location_network,
)
from skalign.deep.networks._style import (
    DomainRandomization,
    MixStyle,
    PermutedAdaIN,
    adain,
    draw_beta,
    draw_partners,
    split_style,
)

__all__ = [
    "MLP",
    "ByDomain",
    "ChannelMix",
    "Classifier",
    "DigitsCNN",
    "DomainRandomization",
    "MixStyle",
    "OpenGates",
    "PermutedAdaIN",
    "ResNet8",
    "SimplexETFHead",
    "StochasticMask",
    "adain",
    "draw_beta",
    "draw_partners",
    "location_network",
    "make_encoder",
    "n_outputs",
    "split_style",
]
