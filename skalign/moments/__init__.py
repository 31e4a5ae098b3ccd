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
from skalign.moments._scale import check_scale
from skalign.moments._shrinkage import relative_ridge
from skalign.moments._sums import Moments

__all__ = [
    "Moments",
    "centre",
    "check_scale",
    "pseudo_inverse",
    "relative_ridge",
    "rounding_from_norms",
    "rounding_of_columns",
    "rounding_of_rows",
    "storage_precision",
    "svd_of_map",
    "truncated_eigh",
    "truncated_svd",
    "varying_columns",
]
