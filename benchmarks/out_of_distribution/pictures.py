r"""Out-of-distribution accuracy on pictures, method by method.

    python -m benchmarks.out_of_distribution.pictures  # all, a day on one core
    python -m benchmarks.out_of_distribution.pictures colored_coco \
        --methods ERM NCFAL --jobs 2

Rows are added to ``results/pictures.csv``, one a run; runs that are there are not
measured again, so a run that was cut off goes on.

- ``colored_mnist``: protocol (b), the 70,000 digits of 28 x 28 pixels of DomainBed with
  its network, the test environment being the one where colour is turned round: 5,000
  steps of 2 x 32 rows, for which one core takes 25 minutes a run. After each 100 steps
  5,000 test rows are scored; 1,000 they were in all runs but those of "ERM, 64 samples"
  (column `n_test`). "ERM, faster" has the highest learning rate of DomainBed's search,
  10**-2.5, "ERM, 64 samples" as many of each environment, DomainBed's default (55
  minutes a run), "ERM, 128 samples" more, where that search goes from 8 to 512 (90
  minutes), and "late" a penalty after 4,250 steps, where it goes up to all of them.
  ``colored_mnist_few`` is the same with an eighth of the rows trained on: as many
  epochs as 256 rows of each environment a step make of all.
- ``colored_coco``, ``coco_places``: ten classes of a few dozen cut-out objects, brought
  to 32 x 32, pasted 200 times a class and environment. In the training environments
  80 % and 90 % are on the colour or in the place of the class; in the test, all are on
  unseen colours, and all but 10 % in the place of another class.
- ``office_amazon`` and so on: Office-Caltech10 at 32 x 32, one domain left out.

The last three take a network of three convolutions. A tenth of each environment is held
out: of those trained on for selection by ``training``, of the test environment for
``oracle``; accuracies are of its other rows. Selection chooses the checkpoint, among
those of each 100 steps (40 for Office-Caltech10); ``last`` is the last step.
``leave_one_out`` takes the one that is best on each environment trained on, the mean
over them, for networks trained without that one; there must be three, which
Office-Caltech10 has. `iid` is the accuracy on what was held out of the environments
trained on, given or found as the method has them, the mean over them, at the same
checkpoint.

Hyperparameters are those that DomainBed starts from, for all data: Adam, learning rate
1e-3, weights 100 (IRM), 10 (VREx), 1 (CORAL, MMD, DANN), 0.01 (GroupDRO), in force
after a tenth of the steps, and 100 for NCFAL, its default; with 32 rows of each
environment a step, as in MAP (ICCV 2023), where DomainBed has 64 for the digits. No
method is searched. "inferred" is one partition in two, the same for all, by
local models that see 8 x 8 pixels, and the digits as they are.
"""

import argparse
import time
import warnings

import numpy as np
import torch
from joblib import Memory
from sklearn.base import clone
from torch import nn

from benchmarks.out_of_distribution import RESULTS
from benchmarks.out_of_distribution.colored_mnist import Recorder, run
from benchmarks.records import CACHE, DATA, provenance, read
from skalign import MultiDomainClassifier, NCFALClassifier
from skalign.datasets import (
    domains_from_folders,
    images_from_folders,
    make_coco_places,
    make_colored_coco,
    make_colored_mnist,
)
from skalign.deep import DANN, ERM, IRM, MMD, DeepCORAL, GroupDRO, SimplexHead, VREx
from skalign.domains import partition_domains
from skalign.metrics import etf_distance

TABLE = RESULTS / "pictures.csv"
N_SCORED = 5000  # test rows at most, and half as many for each choice
CLASSES = [
    "banana", "bottle", "bowl", "bus", "car", "chair", "laptop", "potted plant",
    "sheep", "tv",
]  # fmt: skip
PLACES = [
    "sun/bamboo_forest", "sun/desert", "sun/ice_skating", "sun/kitchen", "sun/library",
    "sun/ocean", "sun/tennis_court", "sun/art_gallery", "sun/sky", "sun/garden",
]  # fmt: skip
DIGITS = ["colored_mnist", "colored_mnist_few"]
OFFICE = ["amazon", "caltech10", "dslr", "webcam"]
# Name: (steps, steps between checkpoints, seeds).
DATASETS = {
    "colored_coco": (3000, 100, 3),
    "coco_places": (3000, 100, 3),
    **{f"office_{domain}": (240, 40, 2) for domain in OFFICE},
    "colored_mnist": (5000, 100, 3),
    "colored_mnist_few": (5000, 100, 1),
}

LATE = 0.1  # warm-up, as a fraction of all steps
# Name: (environments, estimator).
METHODS = {
    "ERM": ("given", MultiDomainClassifier()),
    "ERM, faster": ("given", MultiDomainClassifier(lr=10**-2.5)),
    "ERM, 64 samples": ("given", MultiDomainClassifier(batch_size=64)),
    "ERM, 128 samples": ("given", MultiDomainClassifier(batch_size=128)),
    "IRM": ("given", MultiDomainClassifier(IRM(100.0, LATE))),
    "IRM, late": ("given", MultiDomainClassifier(IRM(100.0, warmup=0.85))),
    "VREx": ("given", MultiDomainClassifier(VREx(10.0, LATE))),
    "GroupDRO": ("given", MultiDomainClassifier(GroupDRO(0.01))),
    "MMD": ("given", MultiDomainClassifier(MMD(1.0))),
    "CORAL": ("given", MultiDomainClassifier(DeepCORAL(1.0))),
    "DANN": ("given", MultiDomainClassifier(DANN(1.0))),
    "NCFAL": ("given", NCFALClassifier(IRM(warmup=LATE))),
    "NCFAL, late": ("given", NCFALClassifier(IRM(warmup=0.85))),
    "NCFAL, inferred": ("inferred", NCFALClassifier(
        VREx(100.0, LATE), head=SimplexHead(normalize=False))),
    "VREx, inferred": ("inferred", MultiDomainClassifier(VREx(10.0, LATE))),
    "NCFAL, no penalty": ("given", NCFALClassifier(ERM())),
    "NCFAL, linear head": ("given", NCFALClassifier(
        IRM(warmup=LATE), head=SimplexHead(fixed=False, loss="cross_entropy"))),
    "NCFAL, weight 1": ("given", NCFALClassifier(IRM(1.0, LATE))),
    "NCFAL, after half": ("given", NCFALClassifier(IRM(warmup=0.5))),
    "NCFAL, as VREx": ("given", NCFALClassifier(VREx(10.0, LATE))),
}  # fmt: skip
FOR_DIGITS = [
    "ERM, faster", "ERM, 64 samples", "ERM, 128 samples", "IRM, late", "NCFAL, late",
]  # fmt: skip
ABLATIONS = [
    "VREx, inferred", "NCFAL, no penalty", "NCFAL, linear head", "NCFAL, weight 1",
    "NCFAL, after half", "NCFAL, as VREx",
]  # fmt: skip


def small_network():
    """Three convolutions, each half as high and wide: 64 features."""
    layers = []
    for before, after in ((3, 16), (16, 32), (32, 64)):
        layers += [
            nn.Conv2d(before, after, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.GroupNorm(4, after),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def halved(X):
    """Mean of 2 x 2 pixels."""
    n, channels, height, width = X.shape
    return X.reshape(n, channels, height // 2, 2, width // 2, 2).mean(axis=(3, 5))


def draw(data, seed):
    """Return pictures, classes, environments, which of them is the test, and cues."""
    objects = DATA / "coco_objects" / "coco_objects_64.npz"
    common = {"classes": CLASSES, "n_per_class": 200, "random_state": seed}
    if data in DIGITS:
        made = make_colored_mnist(data_home=DATA, random_state=seed)
        return made.data, made.target, made.sample_domain, 2, made.color == made.target
    if data == "colored_coco":
        made = make_colored_coco(objects, **common)
        follows = made.color_class == made.target
        return halved(made.data), made.target, made.sample_domain, 2, follows
    if data == "coco_places":
        scenes = images_from_folders(DATA / "scenes" / "scenes_64.zip")
        made = make_coco_places(objects, scenes, places=PLACES, **common)
        follows = made.place_class == made.target
        return halved(made.data), made.target, made.sample_domain, 2, follows
    made = domains_from_folders(DATA / "office_caltech10" / "images_128.zip", size=32)
    test = made.domain_names.index(data.removeprefix("office_"))
    return made.data, made.target, made.sample_domain, test, None


def prepare(data, seed):
    """Return pictures, classes, environments, the rows of each part, and cues."""
    X, y, domain, test, follows = draw(data, seed)
    rng = np.random.default_rng(seed)
    rows = {"train": [], "held_out": []}
    for e in np.unique(domain):
        of_it = rng.permutation(np.flatnonzero(domain == e))
        kept, out = of_it[len(of_it) // 10 :], of_it[: len(of_it) // 10]
        if e == test:
            rows |= {"oracle": out[: N_SCORED // 2], "test": kept[:N_SCORED]}
        else:
            rows["train"].append(kept[:: 8 if data == "colored_mnist_few" else 1])
            rows["held_out"].append(out[: N_SCORED // 4])
    for part in ("train", "held_out"):
        rows[part] = np.concatenate(rows[part])
    return np.ascontiguousarray(X, dtype=np.float32), y, domain, rows, follows


@Memory(CACHE / "ood", verbose=0).cache
def partition(X, y, seed):
    """Two environments of rows."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* changed their domain")
        return partition_domains(X, y, random_state=seed).domain


def infer(data, X, y, rows, seed):
    """Two environments of the rows trained on and held out; -1 for the others."""
    seen = np.concatenate([rows["train"], rows["held_out"]])
    X = X[seen] if data in DIGITS else halved(halved(X[seen]))
    environment = np.full(len(y), -1)
    environment[seen] = partition(X.reshape(len(X), -1), y[seen], seed)
    return environment


def course(estimator, X, y, environment, rows):
    """Accuracies at each checkpoint by part: the mean over its environments."""
    train = rows["train"]
    parts = {
        part: [torch.from_numpy(values[of]) for values in (X, y, environment)]
        for part, of in rows.items()
        if part != "train"
    }
    estimator.set_params(callbacks=[Recorder(parts)])
    estimator.fit(X[train], y[train], sample_domain=environment[train])
    return {part: np.array(estimator.net_.history[:, part]) for part in parts}


def without_one(estimator, X, y, environment, rows):
    """Accuracies at each checkpoint on environments not trained on; none for two."""
    train, accuracies = rows["train"], []
    names = np.unique(environment[train])
    if len(names) < 3:
        return None
    for name in names:
        left_out = environment[train] == name
        parts = {"train": train[~left_out], "left_out": train[left_out]}
        found = course(clone(estimator), X, y, environment, parts)
        accuracies.append(found["left_out"])
    return np.mean(accuracies, axis=0)


def measure(data, name, seed, n_steps):
    """Return the row of a run."""
    torch.set_num_threads(1)
    kind, estimator = METHODS[name]
    _, n_between, _ = DATASETS[data]
    X, y, domain, rows, follows = prepare(data, seed)
    train = rows["train"]
    environment = infer(data, X, y, rows, seed) if kind == "inferred" else domain
    gap = ""
    if follows is not None:
        of_train = environment[train]
        shares = [follows[train][of_train == e].mean() for e in np.unique(of_train)]
        gap = f"{np.ptp(shares):.4f}"
    estimator = clone(estimator).set_params(
        module=None if data in DIGITS else small_network,
        steps_per_epoch=n_between,
        max_epochs=n_steps // n_between,
        random_state=seed,
        device="cpu",
    )
    start, cpu = time.perf_counter(), time.process_time()
    found = course(estimator, X, y, environment, rows)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    iid = found["held_out"]
    row = {"data": data, "method": name, "seed": seed, "steps": n_steps}
    row |= {"environments": kind, "gap": gap}
    chosen = {"last": -1, "training": iid.argmax(), "leave_one_out": None}
    chosen |= {"oracle": found["oracle"].argmax()}
    accuracies = without_one(estimator, X, y, environment, rows)
    if accuracies is not None:
        chosen["leave_one_out"] = accuracies.argmax()
    for rule, epoch in chosen.items():
        for column, values in (("test", found["test"]), ("iid", iid)):
            value = "" if epoch is None else f"{100 * values[epoch]:.2f}"
            row[f"{column}_{rule}"] = value
    row |= {"f_train": "", "f_test": ""}
    if getattr(estimator, "vertices_", None) is not None:
        for part in ("train", "test"):
            of = rows[part][:: max(len(rows[part]) // N_SCORED, 1)]
            features = estimator.transform(X[of])
            distance = etf_distance(features, y[of], estimator.vertices_)
            row[f"f_{part}"] = f"{distance:.3f}"
    return row | {
        "rows_a_step": estimator.batch_size * len(np.unique(environment[train])),
        "n_train": len(train),
        "n_test": len(rows["test"]),
        "seconds": f"{seconds:.1f}",
        "cpu_seconds": f"{cpu:.1f}",
        "threads": torch.get_num_threads(),
        **provenance("torch", "skorch", "numpy"),
    }


def main():
    """Measure what is not in the table yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", nargs="*", choices=[*DATASETS, []], default=[])
    parser.add_argument("--methods", nargs="+", choices=METHODS)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--steps", type=int, help="a multiple of those between")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    options = parser.parse_args()
    done = {
        (row["data"], row["method"], int(row["seed"]), int(row["steps"]))
        for row in read(TABLE)
    }
    tasks = []
    for data in options.data or DATASETS:
        n_steps, _, n_seeds = DATASETS[data]
        n_steps, n_seeds = options.steps or n_steps, options.seeds or n_seeds
        methods = options.methods
        if methods is None and data == "colored_mnist_few":
            methods = ["ERM"]
        elif methods is None:
            left_out = ABLATIONS if data in DIGITS else FOR_DIGITS
            methods = [name for name in METHODS if name not in left_out]
        tasks += [
            (data, name, seed, n_steps)
            for seed in range(n_seeds)
            for name in methods
            if (data, name, seed, n_steps) not in done
        ]
    run(measure, tasks, TABLE, options.jobs)


if __name__ == "__main__":
    main()
