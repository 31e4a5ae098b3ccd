"""Two sides whose rows are not paired, and what is known about them."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.utils.random import sample_without_replacement

from skalign.cli._files import read_labels, read_matrix
from skalign.cli._kinds import InputError

_MOST_ROWS = 10_000  # of a side that are compared


@dataclass
class Sides:
    """Rows of the source and of the target, in any order.

    `pairs` are positions of known pairs in both, and `n_rows` the numbers of rows in
    the files. With `domains`, both sides are the rows of all domains.
    """

    X: np.ndarray
    y: np.ndarray
    labels: np.ndarray | None = None
    target_labels: np.ndarray | None = None
    pairs: np.ndarray | None = None
    n_rows: tuple[int, int] = (0, 0)
    domains: np.ndarray | None = None

    @property
    def known(self):
        """What `fit` of an unpaired aligner may take."""
        return {
            "labels": self.labels,
            "target_labels": self.target_labels,
            "pairs": self.pairs,
        }

    def some(self, seed):
        """Return at most 10,000 rows of each side, and all known pairs."""
        if self.domains is not None:
            return self
        kept = []
        for i, rows in enumerate((self.X, self.y)):
            chosen = np.arange(len(rows))
            if len(rows) > _MOST_ROWS:
                chosen = sample_without_replacement(
                    len(rows), _MOST_ROWS, random_state=seed
                )
                if self.pairs is not None:
                    chosen = np.concatenate([chosen, self.pairs[:, i]])
            kept.append(np.unique(chosen))
        source, target = kept
        pairs = self.pairs
        if pairs is not None:
            positions = zip(kept, pairs.T, strict=True)
            pairs = np.column_stack([np.searchsorted(*both) for both in positions])
        return replace(
            self,
            X=self.X[source],
            y=self.y[target],
            labels=_taken(self.labels, source),
            target_labels=_taken(self.target_labels, target),
            pairs=pairs,
        )


def _taken(values, rows):
    return None if values is None else values[rows]


def read_sides(options):
    """Read two matrices that are not paired, with labels and known pairs."""
    check_known(options)
    source = read_matrix(options.source, options.id)
    target = read_matrix(options.target, options.id)
    known = read_known(options, len(source), len(target))
    return Sides(
        source.whole(), target.whole(), **known, n_rows=(len(source), len(target))
    )


def read_known(options, n_source, n_target):
    """Read labels of both sides and known pairs; those not given are None."""
    labels = options.labels and read_labels(options.labels, n_source)
    target_labels = options.target_labels and read_labels(
        options.target_labels, n_target
    )
    pairs = options.pairs and read_positions(options.pairs, n_source, n_target)
    return {"labels": labels, "target_labels": target_labels, "pairs": pairs}


def check_known(options):
    """Raise an error, before any work, if labels are known of one side only."""
    for one, other in (
        ("labels", "target_labels"),
        ("target_labels", "labels"),
    ):
        if vars(options)[one] is not None and vars(options)[other] is None:
            raise InputError(
                f"--{one.replace('_', '-')} needs --{other.replace('_', '-')}: rows of "
                "the two sides are not paired."
            )


def read_positions(name, n_source, n_target):
    """Read known pairs: a row of the source and a row of the target, from 0."""
    pairs = read_matrix(name).whole()
    if pairs.shape[1] != 2 or (pairs != np.floor(pairs)).any():
        raise InputError(
            f"{name} must hold two columns of whole numbers, a row of SOURCE and a row "
            f"of TARGET, counted from 0; its shape is {pairs.shape}."
        )
    for column, n_rows, side in ((0, n_source, "SOURCE"), (1, n_target, "TARGET")):
        positions = pairs[:, column]
        wrong = np.flatnonzero((positions < 0) | (positions >= n_rows))
        if len(wrong):
            raise InputError(
                f"{name} holds {positions[wrong[0]]:.0f} in row {wrong[0]}, but rows "
                f"of {side} are from 0 to {n_rows - 1}."
            )
        if len(np.unique(positions)) < len(positions):
            raise InputError(f"{name} holds a row of {side} more than once.")
    return pairs.astype(np.intp)
