"""Sums over samples, and the rules for what their rounding leaves undecided."""

from skalign.moments._chunks import (
    SamplesNeeded as SamplesNeeded,
    exceed_memory as exceed_memory,
    forget as forget,
    moments_of_dask as moments_of_dask,
)
from skalign.moments._collected import Sums

# What is not in __all__ is for the other rooms, which import no private module.
from skalign.moments._groups import (
    GroupMoments,
    check_group_scale as check_group_scale,
    check_same_kind as check_same_kind,
    symmetric_product as symmetric_product,
)
from skalign.moments._rank import (
    centre as centre,
    pseudo_inverse as pseudo_inverse,
    rounding_from_norms as rounding_from_norms,
    rounding_of_columns as rounding_of_columns,
    rounding_of_rows as rounding_of_rows,
    storage_precision as storage_precision,
    svd_of_map as svd_of_map,
    truncated_eigh as truncated_eigh,
    truncated_svd as truncated_svd,
    varying_columns as varying_columns,
)
from skalign.moments._rotation import (
    complement as complement,
    nearest_rotation as nearest_rotation,
    rotation_from_axes as rotation_from_axes,
)
from skalign.moments._scale import (
    check_scale as check_scale,
    check_sums as check_sums,
)
from skalign.moments._shrinkage import relative_ridge as relative_ridge
from skalign.moments._spectrum import Spectrum as Spectrum
from skalign.moments._streaming import (
    ClassStreamingMixin as ClassStreamingMixin,
    PairStreamingMixin as PairStreamingMixin,
    SideStreamingMixin as SideStreamingMixin,
)
from skalign.moments._sums import Moments, sums_of_squares as sums_of_squares

__all__ = ["GroupMoments", "Moments", "Sums"]
