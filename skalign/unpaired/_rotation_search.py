"""Search for a rotation between two sets of samples that need not correspond."""

import numpy as np
from sklearn.model_selection import KFold
from sklearn.utils.parallel import Parallel

from skalign._threads import shared_cores
from skalign.unpaired._cluster_start import N_AXES, N_ROWS, cluster_rotation
from skalign.unpaired._soft_matching import Schedule, mean_cross

_ALL = 10**6
_EARLY = Schedule(8, 600, (30, 60))
_MIDDLE = Schedule(60, 600, (30, 200), power=0.5, momentum=0.5)
_LATE = (
    Schedule(60, 1500, (200, 200), power=0.25, momentum=0.5),
    Schedule(4, 3000, (_ALL, _ALL), power=0.25),
)
# Without pairs, whose noise would lower the objective.
_SETTLING = Schedule(20, 600, (200, 200), power=0.5, momentum=0.5)
_FIRST_AXES = _EARLY.n_axes[0]
_SHARES, _N_BEST = (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1), 3  # of which a consensus is taken
N_RIVALS = 3
# Weights of known pairs beside the plan, measured on sentence embeddings.
_FEW_PAIRS, _PAIR_WEIGHT = 50, 0.3
# The last weight is the first number times the ratio of pairs to other samples, but at
# least the third, unless that is more than the second times the ratio.
_SHARE_WEIGHT, _MOST_SHARE_WEIGHT, _LAST_PAIR_WEIGHT = 1.5, 3.0, 0.15
_PAIR_POWER = 0.1  # of the last schedule
_N_FOLDS = 3
_SAME_MAP = 0.5  # cosine of samples mapped by two rotations
_TINY = 1e-6


class RotationSearch:
    """Candidate rotations, compared by the objective of `SoftMatching`.

    Parameters
    ----------
    matching : SoftMatching
        The two sides.
    rng : RandomState
        Draws initial rotations.
    progress : Progress
        Notified of each step; a callback may end the search after any.

    Attributes
    ----------
    best : ndarray of shape (n_axes, n_axes) or None
        Candidate with the largest objective so far.
    objectives : dict
        Objective of the candidate from each kind of start.
    """

    def __init__(self, matching, rng, progress):
        self.matching, self._rng, self._progress = matching, rng, progress
        self._stopped, self._starts = False, []
        self.best, self.objectives = None, {}
        width = min(_FIRST_AXES, matching.width)
        starts = np.linalg.qr(rng.standard_normal((N_RIVALS, width, width)))[0]
        rivals = self._collect((matching.refine(r, _MIDDLE) for r in starts), N_RIVALS)
        self._rivals = [(rival, matching.objective(rival)) for rival in rivals]

    @property
    def n_last_rounds(self):
        """Number of rounds of `finish`."""
        return sum(schedule.n_rounds for schedule in _LATE)

    @property
    def objective(self):
        """Largest objective of the candidates."""
        return max(self.objectives.values(), default=0.0)

    @property
    def rival_objective(self):
        """Largest objective of refined random rotations that differ from the best.

        NaN if all led to the same map.
        """
        apart = [
            objective
            for rival, objective in self._rivals
            if self.matching.cosine(rival, self.best) < _SAME_MAP
        ]
        return max(apart, default=np.nan)

    @property
    def confidence(self):
        """Gain over the rival, as a share of the largest possible gain."""
        if self.best is None:
            return 0.0
        if np.isnan(rival := self.rival_objective):
            return 1.0
        return float(np.clip((self.objective - rival) / max(1 - rival, _TINY), 0, 1))

    def add(self, name, rotation):
        """Compare a candidate with the best so far."""
        objective = self.matching.objective(rotation)
        if objective > self.objective:
            self.best = rotation
        self.objectives[name] = max(objective, self.objectives.get(name, 0.0))

    def add_refined(self, name, starts):
        """Add the best of some initial rotations, refined."""
        early = self._collect(
            (self._refine(start, _EARLY) for start in starts), len(starts)
        )
        best = self._refine(max(early, key=self.matching.objective), _MIDDLE)
        self.add(name, self._settle(best))

    def add_clusters(self, n_starts, n_jobs):
        """Add the consensus of rotations of matched cluster centroids.

        Another call adds as many rotations to those of the call before.
        """
        sides = [
            side.rows[self._rng.permutation(len(side.rows))[:N_ROWS], :N_AXES]
            for side in (self.matching.source, self.matching.target)
        ]
        seeds = self._rng.randint(np.iinfo(np.int32).max, size=n_starts)
        with shared_cores(n_jobs) as delayed:
            found = Parallel(n_jobs=n_jobs, return_as="generator")(
                delayed(cluster_rotation)(*sides, seed) for seed in seeds
            )
            starts = self._collect(found, n_starts)
        self._starts += [self._refine(start, _EARLY) for start in starts]
        starts = sorted(self._starts, key=self.matching.objective, reverse=True)
        counts = {max(1, round(share * len(starts))) for share in _SHARES}
        consensus = self.matching.consensus
        pooled = [self._refine(consensus(starts[:n]), _EARLY) for n in sorted(counts)]
        pooled.sort(key=self.matching.objective, reverse=True)
        pooled = pooled[:_N_BEST]
        best = self._collect(
            (self._refine(start, _MIDDLE) for start in pooled), len(pooled)
        )
        for rotation in [*best, consensus(best)]:
            self.add("clusters", self._settle(rotation))

    def finish(self):
        """Return the best candidate after the last refinement, in all axes."""
        rotation = self._finish(self.matching, self.best)
        if self.matching.pairs is None or not self._pairs_alone_are_better():
            return rotation
        return self._of_pairs(self.matching)

    def pair_start(self):
        """Rotation of the leading axes that fits the known pairs best."""
        return self._of_pairs(self.matching, _FIRST_AXES)

    def _refine(self, rotation, schedule, matching=None):
        matching = matching or self.matching
        few = matching.pairs is None or len(matching.pairs[0]) < _FEW_PAIRS
        weight = 1.0 if few else _PAIR_WEIGHT
        return matching.refine(rotation, schedule, pair_weight=weight)

    def _settle(self, rotation):
        if self.matching.pairs is None:
            return rotation
        return self.matching.refine(rotation, _SETTLING)

    def _finish(self, matching, rotation):
        early, full = _LATE
        weight = 0.0
        if matching.pairs is not None:
            n_pairs = len(matching.pairs[0])
            share = n_pairs / max(min(matching.n_samples) - n_pairs, 1)
            weight = max(_LAST_PAIR_WEIGHT, _SHARE_WEIGHT * share)
            weight = min(weight, _MOST_SHARE_WEIGHT * share)
            full = full._replace(power=_PAIR_POWER)
        for schedule in (early, full):
            rotation = matching.refine(rotation, schedule, pair_weight=weight)
        return rotation

    @staticmethod
    def _of_pairs(matching, width=_ALL):
        cross = mean_cross(*matching.pairs)
        return matching.nearest(cross[:width, :width])[0]

    def _pairs_alone_are_better(self):
        """Whether pairs alone rank held-out pairs better than with other samples."""
        first, second = self.matching.pairs
        if len(first) < 2 * _N_FOLDS:
            return False
        ranks = []
        for kept, held in KFold(_N_FOLDS).split(first):
            part = self.matching.with_pairs((first[kept], second[kept]))
            alone = self._of_pairs(part)
            both = self._refine(self._of_pairs(part, _FIRST_AXES), _MIDDLE, part)
            both = self._finish(part, both)
            ranks.append([
                part.ranks(rotation, first[held], second[held])
                for rotation in (alone, both)
            ])  # fmt: skip
        alone, both = (np.concatenate(r) for r in zip(*ranks, strict=True))
        return np.log(alone).mean() < np.log(both).mean()

    def _collect(self, results, n):
        """Return at most `n` results, at least one, each a step of the progress."""
        collected, results = [], iter(results)
        while len(collected) < n and not (collected and self._stopped):
            self._progress.begin_step()
            collected.append(next(results))
            self._stopped = self._progress.end_step() or self._stopped
        return collected
