"""Alignment without pairs on latents of autoencoders: one table, and the speed of ICP.

    python -m benchmarks.unpaired_latents.latents train     # a minute a network
    # results/unpaired_latents.csv
    python -m benchmarks.unpaired_latents.latents measure
    python -m benchmarks.unpaired_latents.latents speed     # results/icp_speed.csv

Every step is resumable: networks are kept in benchmarks/cache, and rows that are in
the table are not measured again. The score of a map is the decoding error of mapped
test latents by the target's own decoder, divided by the target's own test error: 1 is
perfect. Rows of the training set are split at random into disjoint halves, so that no
source row is a target row ("halves"); or both sides hold all rows, those of the target
shuffled ("same"). The networks are not those on which any default was chosen; those
had the seeds 101 and 102.
"""

import argparse
import resource
import time
import warnings
from itertools import permutations

import numpy as np
import torch
from sklearn.base import clone
from threadpoolctl import threadpool_info

from benchmarks.direct_alignment.networks import Network, Recipe, load_images
from benchmarks.records import append, provenance, read
from benchmarks.unpaired_latents import RESULTS
from skalign import (
    ClassMeanAligner,
    ICPAligner,
    LinearAligner,
    MomentAligner,
    RigidAligner,
    WassersteinProcrustesAligner,
)


def load_network(dataset, architecture, n_latents, seed):
    """Return an autoencoder of six epochs; train it if there is none."""
    return Network(Recipe(dataset, architecture, n_latents, seed, n_epochs=6))


def decoding_error(network, latents, images):
    """Mean squared error of decoded latents."""
    return float(((network.decode(latents) - images) ** 2).mean())


# The paper's own procedure: least squares on class means, then on the nearest target
# row of the same class, again and again.
PAPER = ICPAligner(
    LinearAligner(alpha=0),
    init=ClassMeanAligner(LinearAligner(alpha=0)),
    matching="nearest",
    max_iter=20,
    max_samples=500,
    random_state=0,
)
# For few columns: rows matched one to one, and least squares to end with.
ONE_TO_ONE = ICPAligner(
    [("covariance", 10), (LinearAligner(), 5)],
    matching="assignment",
    max_samples=500,
    random_state=0,
)
LABELS = {
    "class means": ClassMeanAligner(),
    "class means, rigid": ClassMeanAligner(RigidAligner(scaling=True)),
    "ICP of the paper": PAPER,
    "moments": MomentAligner(random_state=0),
    "ICP": ICPAligner(random_state=0),
    "ICP, 500 rows a class": ICPAligner(max_samples=500, random_state=0),
    "ICP, one to one": ONE_TO_ONE,
    "ICP from class means": ICPAligner(init="means", random_state=0),
}
NOTHING = {
    "moments": MomentAligner(random_state=0),
    "Wasserstein-Procrustes": WassersteinProcrustesAligner(random_state=0),
}
PAIRS = {
    "rigid": RigidAligner(),
    "rigid, scaled": RigidAligner(scaling=True),
    "least squares": LinearAligner(alpha=0),
}
# Share kept of each digit of the target side; what the aligner is to find out.
SHARES = {
    "0-4 at a half": [0.5] * 5 + [1.0] * 5,
    "0-4 at a fifth": [0.2] * 5 + [1.0] * 5,
    "no 7, 8, 9": [1.0] * 7 + [0.0] * 3,
}


def tasks(seeds):
    """Yield what is measured, as (pair of seeds, rows, shares, known, method)."""
    # A pair and its reverse first: two pairs of a width that is cut short.
    for k, pair in enumerate(sorted(permutations(seeds, 2), key=sorted)):
        for method in PAIRS:
            yield pair, "same", "all", "pairs", method
        for method in LABELS:
            yield pair, "halves", "all", "labels", method
        for method in NOTHING:
            yield pair, "halves", "all", "nothing", method
        yield pair, "same", "all", "nothing", "Wasserstein-Procrustes"
        yield pair, "same", "all", "labels", "ICP of the paper"
        if k > 0:
            continue
        for shares in SHARES:
            yield pair, "halves", shares, "labels", "moments"
            yield pair, "halves", shares, "labels", "ICP"
            yield pair, "halves", shares, "nothing", "moments"
            yield pair, "halves", shares, "nothing", "Wasserstein-Procrustes"


def split(rows, shares, labels, pair):
    """Positions of the rows of each side."""
    rng = np.random.default_rng([17, *pair])
    shuffled = rng.permutation(len(labels))
    if rows == "same":
        return np.arange(len(labels)), shuffled
    source, target = np.array_split(shuffled, 2)
    if shares != "all":
        kept = np.array(SHARES[shares])[labels[target]]
        target = target[rng.random(len(target)) < kept]
    return source, target


def fit(method, known, source, target, at, labels):
    """Return the fitted aligner, the seconds it took and what it warned of."""
    X, y = source.latents[at[0]], target.latents[at[1]]
    aligner, classes = {"pairs": PAIRS, "labels": LABELS, "nothing": NOTHING}[known], {}
    aligner = clone(aligner[method])
    if known == "labels":
        classes = {"labels": labels[at[0]], "target_labels": labels[at[1]]}
    if known == "pairs":
        X, y = source.latents, target.latents
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        aligner.fit(X, y, **classes)
    seconds = time.perf_counter() - start
    return aligner, seconds, " ".join(str(w.message) for w in caught)


def about_the_run():
    """What else a row needs to be judged."""
    threads = max((pool["num_threads"] for pool in threadpool_info()), default=1)
    packages = ("scikit-learn", "numpy", "scipy", "torch")
    return {"threads": threads} | provenance(*packages)


def measure(dataset, architecture, n_latents, seeds):
    """Fill the table for one width."""
    path = RESULTS / "unpaired_latents.csv"
    names = ("dataset", "architecture", "latents", "source", "target", "rows",
             "target_shares", "known", "method")  # fmt: skip
    done = {tuple(row[name] for name in names) for row in read(path)}
    _, labels, images = load_images(dataset)
    images = images[::4]
    networks = {s: load_network(dataset, architecture, n_latents, s) for s in seeds}
    for pair, rows, shares, known, method in tasks(seeds):
        key = (dataset, architecture, n_latents, *pair, rows, shares, known, method)
        if tuple(map(str, key)) in done:
            continue
        source, target = (networks[seed] for seed in pair)
        at = split(rows, shares, labels, pair)
        aligner, seconds, doubts = fit(method, known, source, target, at, labels)
        mapped = aligner.transform(source.test_latents[::4])
        ratio = decoding_error(target, mapped, images)
        ratio /= decoding_error(target, target.test_latents[::4], images)
        found = {
            name: getattr(aligner, name + "_", "")
            for name in ("map", "matching_cost", "variance_ratio", "n_iter",
                         "n_restarts_at_best", "next_objective", "share_difference")
        }  # fmt: skip
        # That of ICP is the course of the matching cost.
        objective = getattr(aligner, "objective_", "")
        objective = "" if np.ndim(objective) else objective
        row = dict(zip(names, key, strict=True)) | {"ratio": f"{ratio:.4f}"}
        row |= {"seconds": f"{seconds:.2f}", "objective": objective} | found
        row = {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()}
        append(path, row | {"warning": doubts} | about_the_run())
        print(*key, f"{ratio:.3f}", f"{seconds:.1f} s", doubts, flush=True)


def speed(n_samples=60_000, n_latents=50):
    """Time an iteration of ICP with labels, and its memory beyond the rows."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, n_latents))
    sides, labels = [], []
    for _ in range(2):
        labels.append(rng.integers(10, size=n_samples))
        rows = centres[labels[-1]] + rng.gamma(1.0, size=(n_samples, n_latents))
        sides.append(rows.astype(np.float32))
    classes = {"labels": labels[0], "target_labels": labels[1]}
    start = RigidAligner().fit(sides[0], sides[1])
    seconds, processor_seconds = {}, {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for n_iter in (1, 4):
        icp = ICPAligner("covariance", init=start, max_iter=n_iter, tol=0.0)
        begun, begun_processor = time.perf_counter(), time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            icp.fit(*sides, **classes)
        seconds[n_iter] = time.perf_counter() - begun
        processor_seconds[n_iter] = time.process_time() - begun_processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = {
        "rows": n_samples,
        "latents": n_latents,
        "classes": 10,
        "seconds_an_iteration": f"{(seconds[4] - seconds[1]) / 3:.2f}",
        # On a machine that others use too, the first is the larger.
        "processor_seconds_an_iteration": (
            f"{(processor_seconds[4] - processor_seconds[1]) / 3:.2f}"
        ),
        "mebibytes_beyond_the_rows": f"{(peak - before) / 1024:.0f}",
        "mebibytes_in_all": f"{peak / 1024:.0f}",
    }
    print(row)
    append(RESULTS / "icp_speed.csv", row | about_the_run())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=["train", "measure", "speed"])
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--architecture", default="convolutional")
    parser.add_argument("--latents", type=int, nargs="+", default=[10, 30, 50])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.step == "speed":
        speed()
        return
    for n_latents in options.latents:
        if options.step == "measure":
            measure(options.dataset, options.architecture, n_latents, options.seeds)
            continue
        for seed in options.seeds:
            load_network(options.dataset, options.architecture, n_latents, seed)


if __name__ == "__main__":
    main()
