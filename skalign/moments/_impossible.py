"""Sums that no samples can have, up to rounding."""

import numpy as np
from scipy.linalg import eigvalsh

# Relative accuracy expected of stored sums: half of the digits of float32.
_ROUNDING = float(np.sqrt(np.finfo(np.float32).eps))


def why_impossible(moments):
    """Return why no samples can have these sums beyond rounding, or None.

    The rounding errors that centring leaves in the products are tolerated.
    """
    squares, slack = {side: moments._squares(side) for side in "xy"}, {}
    for side, offset in (("x", moments._x_offset), ("y", moments._y_offset)):
        if offset is not None:
            slack[side] = _ROUNDING * moments.weight * np.max(offset**2)
    if moments.xx is not None:
        slack["x"] += _ROUNDING * np.abs(moments.xx).max()
        if np.abs(moments.xx - moments.xx.T).max() > slack["x"]:
            return "xx is not symmetric"
        least = eigvalsh(moments.xx, subset_by_index=[0, 0])[0]
        if least < -len(moments.xx) * slack["x"]:
            return "xx has negative eigenvalues"
    for side, values in squares.items():
        if values is not None and values.min() < -slack[side]:
            return f"{side}2 is negative"
    if moments.xy is not None and squares["x"] is not None and squares["y"] is not None:
        x, y = (squares[side].clip(0) + slack[side] for side in "xy")
        if (np.abs(moments.xy) > (1 + _ROUNDING) * np.sqrt(np.outer(x, y))).any():
            return "xy is larger than the squares allow"
    return None


def why_impossible_groups(moments):
    """Return why no samples can have these sums beyond rounding, or None."""
    slack = _ROUNDING * np.abs(moments.second).max()
    if np.abs(moments.second - moments.second.transpose(0, 2, 1)).max() > slack:
        return "second is not symmetric"
    if np.linalg.eigvalsh(moments.second).min() < -moments.means.shape[1] * slack:
        return "second has negative eigenvalues"
    # A sum of products of three is at most the product of their lengths.
    length = np.sqrt(np.diagonal(moments.second, axis1=1, axis2=2).clip(0) + slack)
    most = np.einsum("gi,gj,gk->gijk", length, length, length)
    if (np.abs(moments.third) > (1 + _ROUNDING) * most).any():
        return "third is larger than the squares allow"
    return None
