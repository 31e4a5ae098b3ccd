"""Sums over samples, and the rules for what their rounding leaves undecided."""

from skalign.moments._collected import Sums
from skalign.moments._groups import (
    GroupMoments,
    check_group_scale,
    check_same_kind,
    symmetric_product,
)
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
from skalign.moments._spectrum import Spectrum
from skalign.moments._streaming import (
    ClassStreamingMixin,
    PairStreamingMixin,
    SideStreamingMixin,
)
from skalign.moments._sums import Moments

__all__ = [
    "ClassStreamingMixin",
    "GroupMoments",
    "Moments",
    "PairStreamingMixin",
    "SideStreamingMixin",
    "Spectrum",
    "Sums",
    "centre",
    "check_group_scale",
    "check_same_kind",
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
    "symmetric_product",
    "truncated_eigh",
    "truncated_svd",
    "varying_columns",
]
