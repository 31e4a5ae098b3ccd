"""Nearest rotations, from the cross product of two sides."""

import numpy as np
from scipy.linalg import block_diag, svd


def nearest_rotation(cross, *, allow_reflection=True):
    """Return the semi-orthogonal matrix with the largest inner product with `cross`.

    Parameters
    ----------
    cross : ndarray of shape (n_features, n_targets)
        Products of centred source columns with centred target columns.
    allow_reflection : bool, default=True
        Whether a square `rotation` may have determinant -1. If False, it is +1.

    Returns
    -------
    rotation : ndarray of shape (n_features, n_targets)
        Matrix with orthonormal rows if ``n_features <= n_targets``, else columns.
    inner_product : float
        Value of ``trace(rotation.T @ cross)``.
    """
    U, s, Vt = svd(cross, full_matrices=False, check_finite=False)
    return rotation_from_axes(U, s, Vt, allow_reflection)


def rotation_from_axes(U, s, Vt, allow_reflection):
    """Nearest rotation from a possibly truncated singular value decomposition.

    The result on the orthogonal complements of the singular vectors is the matrix
    nearest to the identity; if both widths are equal, it adds no reflection.
    """
    square = len(U) == Vt.shape[1]
    if 3 * len(s) < min(len(U), Vt.shape[1]):
        return _completed(U, s, Vt), float(s.sum())
    if len(s) < min(len(U), Vt.shape[1]):
        left, right = complement(U), complement(Vt.T)
        if square:
            turns = np.hstack([U, left]), np.hstack([Vt.T, right])
            right[:, -1] *= np.prod(np.sign(np.linalg.det(turns)))
        shared = min(len(left), len(right))
        rest, _ = nearest_rotation(
            left[:shared].T @ right[:shared], allow_reflection=not square
        )
        return U @ Vt + left @ rest @ right.T, float(s.sum())
    if not allow_reflection and square and np.linalg.det(U) * np.linalg.det(Vt) < 0:
        U[:, -1] *= -1  # Kabsch: flips the axis with the smallest singular value
        s[-1] *= -1
    return U @ Vt, float(s.sum())


def _completed(U, s, Vt):
    """Nearest rotation if few singular vectors are known, in the space they span.

    On all other directions it is the identity.
    """
    if len(U) > Vt.shape[1]:
        return _completed(Vt.T, s, U.T).T
    V, width = Vt.T, len(U)
    identity = np.eye(width, len(V))
    shared, _ = np.linalg.qr(np.hstack([U, V[:width]]))
    beyond, _ = np.linalg.qr(V[width:])
    sides = shared, block_diag(shared, beyond)
    within = [axes.T @ basis for axes, basis in zip((U, V), sides, strict=True)]
    inner, _ = rotation_from_axes(within[0].T, s, within[1], allow_reflection=True)
    return identity + sides[0] @ (inner - np.eye(*inner.shape)) @ sides[1].T


def complement(axes):
    """Orthonormal basis of the orthogonal complement of the columns of `axes`."""
    return np.linalg.qr(axes, mode="complete")[0][:, axes.shape[1] :]
