"""Records of maps in a report, and the choice of one of them."""

import shlex

import numpy as np

from skalign.cli._columns import COLUMNS


def maps_of(names, scores, overall=None):
    """Return a record for each map, with the metrics by which it is the best.

    Parameters
    ----------
    names : list of str
    scores : dict of str to ndarray of shape (n_maps, n_folds)
    overall : dict of str to ndarray of shape (n_maps,), default=None
        Values of a metric in place of the means over folds.
    """
    values = {m: folds.mean(axis=1) for m, folds in scores.items()} | (overall or {})
    best_by = {
        metric: best
        for metric, means in values.items()
        if np.isfinite(
            scores[metric][best := int(_losses(metric, means).argmin())]
        ).all()
    }
    return [
        {
            "name": name,
            "values": plain({m: v[i] for m, v in values.items()}),
            "spreads": plain({m: s[i].std(ddof=1) for m, s in scores.items()}),
            "best_by": [metric for metric, best in best_by.items() if best == i],
            "scores": {m: plain(s[i]) for m, s in scores.items()},
        }
        for i, name in enumerate(names)
    ]


def choose(maps, criterion):
    """Return the best map, the simplest within one standard error, and a sentence."""
    values = np.array([row["values"][criterion] for row in maps], dtype=float)
    losses = _losses(criterion, values)
    best = int(np.nanargmin(losses))
    folds = np.array(maps[best]["scores"][criterion], dtype=float)
    limit = losses[best] + folds.std(ddof=1) / np.sqrt(len(folds))
    chosen = int(np.argmax(losses <= limit)) if np.isfinite(limit) else best
    name, least = maps[chosen]["name"], maps[best]["name"]
    why = f"By {criterion}, '{name}' is recommended: {values[chosen]:.3g}"
    if chosen == best:
        return least, name, f"{why}, the best of all maps."
    return (
        least,
        name,
        f"{why}, the simplest map within one standard error of the best, "
        f"{values[best]:.3g} by '{least}'.",
    )


def _losses(metric, values):
    return -values if COLUMNS[metric].greater_is_better else values


def step(why, command):
    """Return a command to run next, as words of a shell, and why."""
    return {"why": why, "command": [shlex.quote(word) for word in command]}


def plain(values):
    """Convert numbers to JSON values; those that are not finite become null."""
    if isinstance(values, dict):
        return dict(zip(values, plain(values.values()), strict=True))
    return [float(v) if np.isfinite(v) else None for v in values]
