"""Sums over samples, and the rules for what their rounding leaves undecided."""

from skalign.moments._rank import (
    centre,
    pseudo_inverse,
    rounding_from_norms,
    rounding_of_columns,
    rounding_of_rows,
    storage_precision,
    svd_of_map,
    truncated_eigh,
    truncated_svd,
    varying_columns,
)
from skalign.moments._rotation import complement, nearest_rotation, rotation_from_axes
from skalign.moments._scale import check_scale
from skalign.moments._shrinkage import relative_ridge
from skalign.moments._sums import Moments

__all__ = [
    "Moments",
    "centre",
    "check_scale",
    "complement",
    "nearest_rotation",
    "pseudo_inverse",
    "relative_ridge",
    "rotation_from_axes",
    "rounding_from_norms",
    "rounding_of_columns",
    "rounding_of_rows",
    "storage_precision",
    "svd_of_map",
    "truncated_eigh",
    "truncated_svd",
    "varying_columns",
]
