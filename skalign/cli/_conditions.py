"""Conditions of --fail-if.

It imports little, so that a condition that cannot be read is refused at once.
"""

import math
import operator
import re
from argparse import ArgumentTypeError
from typing import NamedTuple

from skalign.cli._columns import COLUMNS
from skalign.cli._ending import fail

_COMPARISONS = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


class Condition(NamedTuple):
    """Comparison of a metric with a number."""

    metric: str
    sign: str
    bound: float

    def holds(self, value):
        """Return whether it holds; also if the metric has no finite value."""
        return not math.isfinite(value) or _COMPARISONS[self.sign](value, self.bound)

    def __str__(self):
        return f"{self.metric}{self.sign}{self.bound:g}"


def any_holds(conditions, name, values):
    """Print the conditions that hold for the scores of a map; return if there is one.

    A condition also holds if its metric has no score.
    """
    held = []
    for condition in conditions:
        value = values.get(condition.metric)
        if value is None or condition.holds(value):
            found = "unknown" if value is None else f"{value:.4g}"
            held.append(f"{condition} ({condition.metric} is {found})")
    if held:
        fail(f"failed: {name}: {', '.join(held)}")
    return bool(held)


def condition(text):
    """Convert text such as ``hits@1<0.8`` to a condition."""
    found = re.fullmatch(r"\s*([^\s<>=]+)\s*(<=|>=|<|>)\s*(\S+)\s*", text)
    try:
        metric, sign, bound = found.groups()
        bound = float(bound)
    except (AttributeError, ValueError):
        bound = math.nan
    if not math.isfinite(bound):
        raise ArgumentTypeError(
            f"{text!r} must be a metric, one of < <= > >= and a number, as 'hits@1<0.8'"
        )
    return Condition(_known(metric), sign, bound)


def columns(text):
    """Convert comma-separated names of metrics to a list."""
    return [*dict.fromkeys(_known(name.strip()) for name in text.split(","))]


def _known(metric):
    if metric not in COLUMNS:
        raise ArgumentTypeError(
            f"there is no metric {metric!r}; choose from {', '.join(COLUMNS)}"
        )
    return metric
