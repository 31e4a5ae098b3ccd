"""Metrics of the reports: headings, meanings and formats.

It imports little, so that the help is shown at once.
"""

from typing import NamedTuple


class Column(NamedTuple):
    """Metric as a column of a table."""

    heading: str
    meaning: str
    greater_is_better: bool
    n_decimals: int = 3

    @property
    def explanation(self):
        better = "higher" if self.greater_is_better else "lower"
        return f"{self.meaning}; {better} is better"


COLUMNS = {
    "relative_error": Column(
        "rel. error", "squared error relative to predicting the mean", False
    ),
    "r2": Column("r2", "R2, averaged over the features of the target", True),
    "hits@1": Column("hits@1", "share of samples whose own target is nearest", True),
    "mmd": Column("mmd", "squared maximum mean discrepancy to the target", False, 4),
    "sliced_wasserstein": Column(
        "sliced W.", "sliced Wasserstein distance to the target", False, 4
    ),
    "accuracy": Column(
        "accuracy", "of a classifier of the target on mapped samples", True
    ),
}


def format_of(values, n_decimals):
    """Return the format of a column of numbers, with an exponent if they need one."""
    largest = max((abs(v) for v in values if abs(v) < float("inf")), default=0)
    usual = largest == 0 or 10.0**-n_decimals <= largest < 1e5
    return f".{n_decimals}f" if usual else ".2e"
