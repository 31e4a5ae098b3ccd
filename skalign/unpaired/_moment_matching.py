"""Search for the rotation that maximises the agreement of the moments of two sides.

The samples of each side form groups (classes, or shells of equal norm). Three blocks of
moments are compared: the means of the groups, their covariances minus a multiple of the
identity, and the third moments of all samples. Each block is scaled to norm 1, so that
the agreement, their weighted inner product after a rotation, is 1 for exact copies.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.stats import chi2

from skalign.moments import (
    rounding_from_norms,
    rounding_of_columns,
    symmetric_product,
    truncated_eigh,
)

_FIRST_WIDTH = 10
_FIRST_KEPT = 8
_SAME = 0.01
_MAX_STEPS, _TOL = 500, 1e-7
_LEAST_MU = 1e-6
_CHANCE = 1e-3
_ANCHOR_WEIGHT = 0.5
# Limits of the agreement of noise, in its standard deviations: measured, see the guide.
_OPEN = 2, 4


class Blocks(NamedTuple):
    """Moments of a side in some basis, each block of norm 1 (or 0)."""

    means: np.ndarray  # (n_groups, d)
    covariances: np.ndarray  # (n_groups, d, d)
    third: np.ndarray  # (d, d, d)

    def turned(self, axes):
        """The same moments in other axes, the columns of a matrix (d, k)."""
        third = self.third
        for _ in range(3):
            third = np.tensordot(third, axes, (0, 0))
        return Blocks(self.means @ axes, axes.T @ self.covariances @ axes, third)


class Embedding(NamedTuple):
    """Leading axes of a side with too many columns for third moments."""

    mean: np.ndarray  # (n_features,)
    axes: np.ndarray  # (n_features, n_axes)

    @classmethod
    def from_rows(cls, rows, n_axes):
        mean = rows.mean(axis=0, dtype=np.float64)
        centred = rows - mean.astype(rows.dtype)
        gram = (centred.T @ centred).astype(np.float64)
        precision = float(np.finfo(rows.dtype).eps)
        _, axes = truncated_eigh(gram, rounding_of_columns(rows), precision)
        return cls(mean, axes[:, :n_axes])

    def reduce(self, rows):
        """Coordinates of `rows` in the leading axes."""
        mean, axes = (part.astype(rows.dtype) for part in self)
        return (rows - mean) @ axes


class Optimum(NamedTuple):
    """Local maximum of the agreement, with the number of starts that led to it."""

    rotation: np.ndarray  # (d, d), source axes to target axes
    objective: float
    n_restarts: int


class Side:
    """Moments of all samples of a side, as a weighted sum over its groups.

    Parameters
    ----------
    moments : GroupMoments
        Sums up to order 3, in the leading axes if `embedding` is given.
    weights : ndarray of shape (n_groups,)
        Weights of the groups, of sum 1.
    embedding : Embedding, default=None
        Where the leading axes lie.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
    values, axes : ndarray of shape (d,) and (n_features, d)
        Eigenvalues of the covariance, largest first, and its eigenvectors.
    n_axes : int
        Number of eigenvalues that are not zero but for rounding.
    signal : ndarray of shape (3,)
        Share of the squared norm of each block that is no sampling noise, from 0 to 1.
    skewness_noise : float
        Share of Mardia's skewness [1]_ that as many Gaussian rows would show; 1 where
        its test does not tell the rows from Gaussian ones (p > 0.001).

    References
    ----------
    .. [1] K. V. Mardia, "Measures of multivariate skewness and kurtosis with
       applications", Biometrika 57(3), 1970, pp. 519-530.
    """

    def __init__(self, moments, weights, embedding=None):
        share = weights[:, None, None]
        self._root = np.sqrt(weights)
        self.mean = weights @ moments.means
        self._steps = moments.means - self.mean
        self._covariances = moments.second / moments.counts[:, None, None]
        between = self._steps[:, :, None] * self._steps[:, None, :]
        covariance = (share * (self._covariances + between)).sum(axis=0)
        self._shares = weights / moments.counts, np.sum(weights**2 / moments.counts)
        self._third = np.tensordot(weights / moments.counts, moments.third, 1)
        self._third += symmetric_product(
            share * (self._covariances + between / 3), self._steps
        ).sum(axis=0)
        norm = np.sqrt(np.diag(covariance) + self.mean**2)
        rounding = rounding_from_norms(moments.x_precision, norm, moments.counts.sum())
        self.values, self._axes = truncated_eigh(
            covariance, rounding, moments.precision
        )
        self.n_axes = len(self.values)
        if self.n_axes == 0:
            raise ValueError(
                "All samples of a side are equal: there is nothing to align."
            )
        self.skewness_noise = self._skewness_noise(moments.counts.sum())
        self.signal = self._signal(weights, moments.counts)
        self.axes = self._axes
        if embedding is not None:
            self.mean = embedding.mean + embedding.axes @ self.mean
            self.axes = embedding.axes @ self._axes

    def blocks(self, n_axes, *, whiten=False):
        """Return the `Blocks` in the leading axes, of unit variance if whitened."""
        basis = self._axes[:, :n_axes]
        if whiten:
            basis = basis / np.sqrt(self.values[:n_axes])
        return Blocks(*(_normalised(block) for block in self._raw_blocks(basis)))

    def _raw_blocks(self, basis):
        means = self._root[:, None] * (self._steps @ basis)
        covariances = basis.T @ self._covariances @ basis
        k = basis.shape[1]
        level = np.trace(covariances, axis1=1, axis2=2) / k
        covariances -= level[:, None, None] * np.eye(k)
        covariances *= self._root[:, None, None]
        third = self._third
        for _ in range(3):
            third = np.tensordot(third, basis, (0, 0))
        return means, covariances, third

    def n_entries(self, n_axes):
        """Numbers of free entries of the blocks, of as many axes as hold the variance.

        Where eigenvalues fall, most of the noise is in the entries of the first.
        """
        values = self.values[:n_axes]
        d = values.sum() ** 2 / (values**2).sum()
        g = len(self._root)
        return np.array([g * d, g * d * (d + 1) / 2, d * (d + 1) * (d + 2) / 6])

    def odd_noise(self, basis, *, whiten=False):
        """Noise of the moments that change sign with an axis.

        Parameters
        ----------
        basis : ndarray of shape (k, k)
            Orthonormal axes, as columns, in the leading axes of the side.
        whiten : bool, default=False
            Whether the leading axes have unit variance.

        Returns
        -------
        noise : ndarray of shape (3, k)
            Expected squared norm in each block if the rows of every group were
            Gaussian, as a share of that of the block.
        n_entries : ndarray of shape (3, 1)
            About how many entries it is spread over.
        """
        k = len(basis)
        leading, variances = self._axes[:, :k], self.values[:k]
        if whiten:
            leading, variances = leading / np.sqrt(variances), np.ones(k)
        norms = np.array([np.vdot(b, b) for b in self._raw_blocks(leading)])
        axes, (shares, share) = leading @ basis, self._shares
        within = np.einsum("ia,gij,ja->ga", axes, self._covariances, axes)
        others = within.sum(axis=1, keepdims=True) - within
        values = variances @ basis**2
        first, second = (np.sum(values**p) - values**p for p in (1, 2))
        noise = np.array([
            (shares * (1 - self._root**2)) @ within,
            shares @ (2 * within * others),
            share * (3 * values * (first**2 + second) + 6 * values**3),
        ])  # fmt: skip
        g, d = len(shares), values.sum() ** 2 / np.sum(values**2)
        norms[norms == 0] = np.inf
        return noise / norms[:, None], np.array([[g], [g * d], [d * (d + 1) / 2]])

    def _signal(self, weights, counts):
        # Noise: the expected squared norm if the rows of every group were Gaussian.
        traces = np.trace(self._covariances, axis1=1, axis2=2)
        squares = np.einsum("gij,gij->g", self._covariances, self._covariances)
        t1, t2, t3 = (np.sum(self.values**p) for p in (1, 2, 3))
        noise = (
            np.sum(weights / counts * traces),
            np.sum(weights / counts * (traces**2 + squares)),
            np.sum(weights**2 / counts) * (t1**3 + 3 * t1 * t2 + 2 * t3),
        )
        signal = np.zeros(3)
        for i, block in enumerate(self._raw_blocks(self._axes)):
            squared_norm = np.vdot(block, block)
            if squared_norm > noise[i]:
                signal[i] = 1 - noise[i] / squared_norm
        if self.skewness_noise == 1:
            signal[2] = 0
        return signal

    def _skewness_noise(self, n_rows):
        k = self.n_axes
        whitening = self._axes[:, :k] / np.sqrt(self.values[:k])
        third = self._raw_blocks(whitening)[2]
        skewness, n_moments = np.vdot(third, third), k * (k + 1) * (k + 2)
        if chi2.sf(n_rows * skewness / 6, n_moments / 6) > _CHANCE:
            return 1.0
        return n_moments / (n_rows * skewness)


def _normalised(block):
    norm = np.linalg.norm(block)
    return block / norm if norm > 0 else block


class Agreement:
    """Agreement of two sides in some bases, and its gradient in the rotation.

    Parameters
    ----------
    source, target : Blocks
        Moments in bases of equal width `d`.
    weights : ndarray of shape (3,)
        Weights of the blocks, of sum 1.
    anchors : pair of ndarray of shape (n_pairs, d), default=None
        Rows that correspond, of norm 1 on each side: a fourth block.
    """

    def __init__(self, source, target, weights, anchors=None):
        if anchors is not None:
            weights = (1 - _ANCHOR_WEIGHT) * weights
        self._linear = weights[0] * source.means.T @ target.means
        if anchors is not None:
            self._linear += _ANCHOR_WEIGHT * anchors[0].T @ anchors[1]
        self._covariances = source.covariances, weights[1] * target.covariances
        self._third = source.third, weights[2] * target.third

    def __call__(self, rotations):
        """Return values (b,) and gradients (b, d, d) for `rotations` (b, d, d)."""
        b, d, _ = rotations.shape
        source, target = self._covariances
        quadratic = np.zeros_like(rotations)
        for one, other in zip(source, target, strict=True):
            quadratic += one @ rotations @ other
        source, target = self._third
        turned = rotations.transpose(0, 2, 1)
        cubic = (turned @ source.reshape(d, d * d)).reshape(b, d, d, d)
        cubic = (turned[:, None] @ cubic).reshape(b, d * d, d).transpose(0, 2, 1)
        cubic = cubic @ target.reshape(d * d, d)
        gradients = self._linear + 2 * quadratic + 3 * cubic
        moments = self._linear + quadratic + cubic
        values = np.einsum("bij,bij->b", rotations, moments)
        return values, gradients


def polar(matrices, determinant=0):
    """Nearest orthogonal matrices, of the given determinant unless it is 0."""
    U, _, Vt = np.linalg.svd(matrices, full_matrices=False)
    if determinant:
        wrong = np.linalg.det(U) * np.linalg.det(Vt) * determinant < 0
        U[..., -1] *= np.where(wrong, -1, 1)[..., None]
    return U @ Vt


def only_determinant(source, target, allow_reflection):
    """Determinant of rotations of leading axes that are no reflections of features.

    It depends on the signs of the axes. 0 stands for either: if reflections are
    allowed, or if a reflection of the axes equals a rotation of all features, because
    the axes of a side do not span them or the numbers of features differ.
    """
    widths = {*source.axes.shape, *target.axes.shape}
    if allow_reflection or len(widths) > 1:
        return 0
    return int(np.sign(np.linalg.det(source.axes) * np.linalg.det(target.axes)))


def climb(agreement, rotations, determinant=0):
    """Maximise the agreement from each of `rotations` (b, d, d) by fixed-point steps.

    ``R <- polar(gradient + mu * R)``, where `mu` grows until the agreement does not
    fall. Returns rotations (b, d, d), of the given determinant unless it is 0, and
    values (b,).
    """
    rotations = polar(rotations, determinant) if determinant else rotations.copy()
    values, gradients = agreement(rotations)
    # Where the gradient is blind to some directions, they stay as they are.
    mu, n_still = np.full(len(values), _LEAST_MU), np.zeros(len(values), dtype=int)
    for _ in range(_MAX_STEPS):
        moving = np.flatnonzero(n_still < 3)
        if len(moving) == 0:
            break
        pull = gradients[moving] + mu[moving, None, None] * rotations[moving]
        steps = polar(pull, determinant)
        new_values, new_gradients = agreement(steps)
        rises = new_values - values[moving]
        up, down = moving[rises >= 0], moving[rises < 0]
        n_still[moving] = np.where(np.abs(rises) < _TOL, n_still[moving] + 1, 0)
        rotations[up], gradients[up] = steps[rises >= 0], new_gradients[rises >= 0]
        values[up] = new_values[rises >= 0]
        mu[up] = np.maximum(0.7 * mu[up], _LEAST_MU)
        mu[down] = np.maximum(2 * mu[down], 0.05)
    return rotations, values


def random_rotations(n_rotations, n_axes, rng):
    """Rotations of as many leading axes as a search begins with."""
    width = min(_FIRST_WIDTH, n_axes)
    return np.linalg.qr(rng.standard_normal((n_rotations, width, width)))[0]


def search(source, target, weights, starts, *, n_axes, pairs=None, determinant=0):
    """Find the rotations between leading axes with the best agreement of two sides.

    The agreement is first maximised over rotations of a few leading axes. The best
    distinct optima are then extended to more axes in steps and optimised again.

    Parameters
    ----------
    source, target : Side
        The two sides.
    weights : ndarray of shape (3,)
        Weights of the blocks.
    starts : ndarray of shape (n_starts, width, width)
        Rotations of leading axes to start from, beside the one that fits the means of
        the groups.
    n_axes : int
        Leading axes of both sides to use.
    pairs : tuple of ndarray of shape (n_pairs, d), default=None
        Centred rows that are known to correspond, in the axes of each side.
    determinant : {-1, 0, 1}, default=0
        Determinant of the rotations of all axes; 0 allows either.

    Returns
    -------
    optima : list of Optimum
        The best first; no two move rows alike.
    """
    width, n_kept, hits = starts.shape[1], _FIRST_KEPT, None
    while True:
        blocks = [side.blocks(width) for side in (source, target)]
        anchors = None
        if pairs is not None:
            anchors = [_normalised(rows[:, :width]) for rows in pairs]
        agreement = Agreement(*blocks, weights, anchors)
        if hits is None:
            from_means = polar(blocks[0].means.T @ blocks[1].means)
            starts = np.concatenate([from_means[None], starts])
            hits = np.ones(len(starts), dtype=int)
        else:
            # What agrees in the leading axes says how to turn the next ones.
            starts = polar(agreement(_padded(starts, width))[1])
        last = width == n_axes
        rotations, values = climb(agreement, starts, determinant if last else 0)
        optima = _different(rotations, values, hits, source.values[:width])[:n_kept]
        if last:
            return optima
        starts = np.array([optimum.rotation for optimum in optima])
        hits = np.array([optimum.n_restarts for optimum in optima])
        width, n_kept = min(2 * width, n_axes), max(n_kept // 2, 2)


def open_axes(source, target, weights, rotation, *, whiten=False, determinant=0):
    """Directions of the target whose sign the moments leave open.

    What moments do not fix is invariant when a direction is reversed: an axis along
    which a distribution is symmetric, and any direction among several in which it is
    isotropic. The agreement that a reversal costs is compared with the one that noise
    of both sides has where there is nothing to agree on. Among `j` directions the
    rotation has found the best agreement of noise, which grows as the root of `j`.

    Parameters
    ----------
    source, target : Side
        The two sides.
    weights : ndarray of shape (3,)
        Weights of the blocks.
    rotation : ndarray of shape (k, k)
        The rotation between leading axes under which they agree best.
    whiten : bool, default=False
        Whether the axes have unit variance.
    determinant : {-1, 0, 1}, default=0
        Determinant to which rotations are restricted, or 0: if they are, a single
        direction is not open, because its reversal is a reflection.

    Returns
    -------
    axes : ndarray of shape (k, n_open)
        Orthonormal columns, in the leading axes of the target.
    """
    blocks = [side.blocks(len(rotation), whiten=whiten) for side in (source, target)]
    _, (gradient,) = Agreement(*blocks, weights)(rotation[None])
    pull = rotation.T @ gradient
    _, axes = eigh(pull + pull.T)
    x_noise, x_entries = source.odd_noise(rotation @ axes, whiten=whiten)
    y_noise, y_entries = target.odd_noise(axes, whiten=whiten)
    noise = np.maximum(x_noise * y_noise, 0)  # but for rounding
    deviations = np.sqrt(noise / np.minimum(x_entries, y_entries))
    kept = _odd_agreement(blocks[0].turned(rotation @ axes), blocks[1].turned(axes))
    ratios = kept / (deviations + _TOL)
    squares = np.sum(np.maximum(ratios[weights > 0], 0) ** 2, axis=0)
    order = np.argsort(squares)
    limits = _OPEN[0] + _OPEN[1] * np.sqrt(np.arange(1, len(order) + 1))
    below = np.flatnonzero(squares[order] <= limits**2)
    n_open = np.max(below + 1, initial=0)
    if determinant and n_open == 1:
        n_open = 0  # reversed alone, it would be a reflection
    return axes[:, order[:n_open]]


def _odd_agreement(source, target):
    """Agreement, block by block, of what changes sign with each axis: (3, k)."""
    means, covariances, third = (a * b for a, b in zip(source, target, strict=True))
    pairs = covariances.sum(axis=0)
    np.fill_diagonal(pairs, 0)
    # An odd number of times: once in three places, or three times.
    twice = np.einsum("iij->ij", third).copy()
    thrice = twice.diagonal().copy()
    np.fill_diagonal(twice, 0)
    once = third.sum(axis=(1, 2)) - 2 * twice.sum(axis=1) - thrice
    return np.array([means.sum(axis=0), 2 * pairs.sum(axis=1), 3 * once + thrice])


def _padded(rotations, width):
    wide = np.zeros((len(rotations), width, width))
    wide[:, : rotations.shape[1], : rotations.shape[1]] = rotations
    return wide


def parting(rotation, other, variances):
    """Mean squared distance between samples rotated by one and by the other.

    It is relative to the distance between independent samples, twice their variance.
    """
    steps = np.sum((rotation - other) ** 2, axis=1)
    return variances @ steps / (2 * variances.sum())


def _different(rotations, values, hits, variances):
    """Merge rotations whose `parting` is below `_SAME`."""
    optima = []
    for i in np.argsort(-values, kind="stable"):
        for j, other in enumerate(optima):
            if parting(rotations[i], other.rotation, variances) < _SAME:
                optima[j] = other._replace(n_restarts=other.n_restarts + int(hits[i]))
                break
        else:
            optima.append(Optimum(rotations[i], float(values[i]), int(hits[i])))
    return optima
