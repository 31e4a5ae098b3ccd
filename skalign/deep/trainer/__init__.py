"""Training of networks: batches of domains, early stopping, precision and devices."""

from skalign.deep.trainer._distributed import (
    drawn,
    drawn_like,
    of_first,
    own,
    own_sizes,
    shared,
    whole,
    with_state_of_first,
)
from skalign.deep.trainer._net import (
    DomainAware,
    DomainBatches,
    ResidentNet,
    choose_device,
    inference,
    kept_on_failure,
    seeded,
    train,
    undisturbed,
)
from skalign.deep.trainer._precision import in_float32, in_float32_and_back
from skalign.deep.trainer._scale import unsuitable_scale
from skalign.deep.trainer._trained import TRAINING_CONSTRAINTS, TrainedMixin

__all__ = [
    "TRAINING_CONSTRAINTS",
    "DomainAware",
    "DomainBatches",
    "ResidentNet",
    "TrainedMixin",
    "choose_device",
    "drawn",
    "drawn_like",
    "in_float32",
    "in_float32_and_back",
    "inference",
    "kept_on_failure",
    "of_first",
    "own",
    "own_sizes",
    "seeded",
    "shared",
    "train",
    "undisturbed",
    "unsuitable_scale",
    "whole",
    "with_state_of_first",
]
