"""Time, memory and accuracy of ways to do the same task, measured in turn."""

import gc
import tracemalloc
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from math import ceil
from time import process_time
from typing import Any, NamedTuple

import numpy as np

SHORTEST = 0.02  # seconds of a measurement: quicker calls are repeated
UNSEEN = ("torch", "latentis")  # packages whose memory tracemalloc does not see
CORE = ("numpy", "scipy", "scikit-learn", "POT")  # with skalign, always installed


class Task(NamedTuple):
    """A task, our way to do it, the ways of others, and what is compared.

    A way returns what it found, a map or a value; `accuracy` makes a number of it. Keys
    of `peers` open with the package, "numpy" or "torch, linalg.lstsq"; if it is not
    installed, the way raises ImportError. The floor is the arithmetic that every way
    must do, or the cost of passing over the data.
    """

    name: str
    work: str
    ours: Callable[[], Any]
    peers: dict[str, Callable[[], Any]]
    accuracy: Callable[[Any], float] = float
    measure: str = "value"
    floor: tuple[str, Callable[[], Any]] | None = None


class Size(NamedTuple):
    """Sizes of the tasks: as they are, or tiny, to see whether all of it runs."""

    tiny: bool = False

    def samples(self, n):
        return 60 if self.tiny else n

    def features(self, n):
        return min(n, 6) if self.tiny else n


def seconds(way, number=1):
    """Return seconds of the processor for one call, averaged over `number` calls."""
    start = process_time()
    for _ in range(number):
        way()
    return (process_time() - start) / number


def peak(way):
    """Return the MiB that numpy and Python allocate during a call, at their peak."""
    tracemalloc.start()
    try:
        way()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def compare(task, *, turns=7, limit=8.0, only_core=False):
    """Measure a task; return a row for each peer, and one for the floor.

    All ways are called once, for what they find. Then they are timed in turn: `turns`
    times, but only 3 if more would take longer than `limit` seconds in all. With 0
    turns, the times are those of the first calls, and memory is not measured.
    """
    head = {"task": task.name, "work": task.work, "measure": task.measure}
    ways = {"": task.ours} | {
        peer: way
        for peer, way in task.peers.items()
        if not only_core or peer.partition(",")[0] in CORE
    }
    if task.floor is not None:
        ways[f"floor: {task.floor[0]}"] = task.floor[1]
    rows, found, taken = [], {}, {}
    with warnings.catch_warnings(), without_collection():
        warnings.simplefilter("ignore")
        for name, way in [*ways.items()]:
            start = process_time()
            try:
                result = way()
            except ImportError as error:
                rows.append(head | {"peer": name, "skipped": f"not installed: {error}"})
                del ways[name]
                continue
            taken[name] = [process_time() - start]
            if not name.startswith("floor: "):
                found[name] = f"{task.accuracy(result):.7g}"
        if turns:
            taken, peaks = in_turn(ways, turns, limit), peaks_of(ways)
        else:
            peaks = {}
    ours = np.array(taken.pop(""))
    for name, theirs in taken.items():
        low, middle, high = np.quantile(ours / theirs, [0.25, 0.5, 0.75])
        rows.append(
            head
            | {
                "peer": name,
                "skipped": "",
                "seconds": f"{np.median(ours):.3g}",
                "peer_seconds": f"{np.median(theirs):.3g}",
                "ratio": f"{middle:.3g}",
                "ratio_low": f"{low:.3g}",
                "ratio_high": f"{high:.3g}",
                "turns": len(ours),
                "accuracy": found[""],
                "peer_accuracy": found.get(name, ""),
                "mib": peaks.get("", ""),
                "peer_mib": peaks.get(name, ""),
            }
        )
    return rows


def in_turn(ways, turns, limit):
    """Return seconds of each way, a list with one for each turn."""
    once = {name: max(seconds(way), 1e-6) for name, way in ways.items()}
    if turns * sum(max(each, SHORTEST) for each in once.values()) > limit:
        turns = min(turns, 3)
    numbers = {name: ceil(SHORTEST / each) for name, each in once.items()}
    taken = {name: [] for name in ways}
    for _ in range(turns):
        for name, way in ways.items():
            taken[name].append(seconds(way, numbers[name]))
    return taken


def peaks_of(ways):
    return {
        name: f"{peak(way):.1f}"
        for name, way in ways.items()
        if name.partition(",")[0] not in UNSEEN
    }


@contextmanager
def without_collection():
    """Keep Python from looking for garbage while a way is timed, as `timeit` does."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
