r"""Out-of-distribution accuracy on coloured digits, method by method.

    # full: width 390, 500 steps, 10 seeds
    python -m benchmarks.out_of_distribution.colored_mnist
    python -m benchmarks.out_of_distribution.colored_mnist \
        --width 128 --epochs 30 --seeds 3
    python -m benchmarks.out_of_distribution.colored_mnist --methods ERM IRM --jobs 2
    # settings, on digits of another seed
    python -m benchmarks.out_of_distribution.colored_mnist --search

Rows are added to ``results/colored_mnist.csv``, one a run; runs that are there are
not measured again, so a run that was cut off goes on; ``page.py`` then brings the
tables of the guide up to date.

The data, protocol (a), are the 14 x 14 digits of the code of invariant risk
minimisation: 25,000 + 25,000 rows whose colour agrees with the class in 80 % and 90 %,
and 10,000 test rows where it does in 10 %; a quarter of the labels is wrong, so that
75 % is the most that shape can give. The network is its MLP, trained with all rows in
each step (Adam, lr 4.9e-4, L2 1.1e-3).

Each tenth training row of an environment is held out, and 1,000 test rows serve the
oracle; accuracies are of the other 9,000. Selection chooses the checkpoint, among
epochs of 10 steps from the fifth on:

- ``last``: the last step
- ``training``: best accuracy on the rows held out of the training environments, the
  mean over the environments that the method has, given or found
- ``found``: best accuracy on the worse half of the same rows, of the two environments
  that were found in the training rows, whichever the method has; it sees no row of the
  test environment, and no environment that was given
- ``oracle``: best accuracy on the 1,000 test rows

The budget is equal: six settings of each method with a penalty, tried with given
environments on one seed that is in no table (``--search``,
``results/colored_mnist_search.csv``), and the one kept whose last step is best by
``found``, the smaller weight where two are level (VREx, 65.21 and 65.22). Where
environments are found, the same settings serve. What else there is to set is that of
the published code for IRM.
"""

import argparse
import time
import warnings

import numpy as np
import torch
from joblib import Memory, Parallel, delayed
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from skorch.callbacks import Callback

from benchmarks.out_of_distribution import RESULTS
from benchmarks.records import CACHE, DATA, append, provenance, read
from skalign import MultiDomainClassifier, NCFALClassifier
from skalign.datasets import make_colored_mnist
from skalign.deep import ERM, IRM, MLP, GroupDRO, Mask, Partition, SimplexHead, VREx
from skalign.domains import partition_domains
from skalign.metrics import etf_distance

TABLE = RESULTS / "colored_mnist.csv"
SEARCH_TABLE = RESULTS / "colored_mnist_search.csv"
SEARCH_SEED = 100
STEPS = 10  # of an epoch
FIRST_EPOCH = 5  # an untrained network can score anything on the test environment

IRM_WEIGHT, IRM_DECAY, IRM_LR = (
    91257.18613115903,
    2 * 0.00110794568,
    0.0004898536566546834,
)
WEIGHTS = (1e2, 1e3, 1e4, IRM_WEIGHT, 1e6, 1e7)
FREE = {"weight": IRM_WEIGHT, "normalize": False, "loss": "cross_entropy"}
SEARCH = {
    "NCFAL": [
        FREE,
        FREE | {"n_features": 2},
        {"weight": 1e4, "normalize": False, "loss": "dot"},
        *(
            {"weight": weight, "normalize": True, "loss": "dot"}
            for weight in WEIGHTS[:3]
        ),
    ],
    "IRM": [{"weight": weight} for weight in WEIGHTS],
    "VREx": [{"weight": weight} for weight in WEIGHTS],
}
SLOW = 1e-4
STARTS = {"initial": "random", "n_init": 3, "max_iter": 40}
CHOSEN = {name: SEARCH[name][i] for name, i in (("IRM", 3), ("VREx", 4), ("NCFAL", 0))}
OF_IRM, OF_VREX = (
    MultiDomainClassifier(IRM(**CHOSEN["IRM"])),
    MultiDomainClassifier(VREx(**CHOSEN["VREx"])),
)


def ncfal(penalty=IRM, fixed=True, distance_weight=0.0, settings=None, **others):
    """Return an estimator; `settings` are the weight, and those of the head."""
    settings = {"n_features": 16, **(settings or CHOSEN["NCFAL"])}
    weight = settings.pop("weight")
    objective = ERM() if penalty is None else penalty(weight, warmup=0.38)
    head = SimplexHead(fixed=fixed, distance_weight=distance_weight, **settings)
    return NCFALClassifier(objective, head=head, **others)


DOT = {"loss": "dot", "normalize": True, "weight": 1e4}
# As measured on other networks, by test accuracy among others.
AS_VREX = {"loss": "dot", "normalize": False, "weight": 1e4}
MIXED = Mask("channel", lr=100.0)
# Name: (environments, estimator). "inferred" is one partition a seed, the same for all;
# "own" is what the estimator finds itself.
METHODS = {
    "ERM": ("given", MultiDomainClassifier()),
    "IRM": ("given", OF_IRM),
    "VREx": ("given", OF_VREX),
    "NCFAL": ("given", ncfal()),
    "IRM, inferred": ("inferred", OF_IRM),
    "VREx, inferred": ("inferred", OF_VREX),
    "NCFAL, inferred": ("inferred", ncfal()),
    "equal weight, inferred": ("inferred", MultiDomainClassifier(VREx(0))),
    "IRM, random": ("random", OF_IRM),
    "VREx, random": ("random", OF_VREX),
    "NCFAL, random": ("random", ncfal()),
    "GroupDRO": ("given", MultiDomainClassifier(GroupDRO())),
    "grey": ("grey", MultiDomainClassifier()),
    # Ablations.
    "NCFAL, no penalty": ("given", ncfal(None)),
    "NCFAL, F-norm": ("given", ncfal(distance_weight=1.0)),
    "NCFAL, linear head": ("given", ncfal(fixed=False)),
    "NCFAL, dot regression": ("given", ncfal(settings=DOT)),
    "NCFAL, dot regression, no penalty": ("given", ncfal(None, settings=DOT)),
    "NCFAL, feature mask": ("given", ncfal(mask=Mask("feature"))),
    "NCFAL, pixel mask": ("given", ncfal(mask=Mask())),
    "NCFAL, pixel mask without noise": ("given", ncfal(mask=Mask(noise=0))),
    "NCFAL, mixed channels": ("given", ncfal(mask=MIXED)),
    "NCFAL, separate encoders": ("given", ncfal(encoder="domain")),
    "NCFAL, inferred, no penalty": ("inferred", ncfal(None)),
    "NCFAL, inferred, F-norm": ("inferred", ncfal(distance_weight=1.0)),
    "NCFAL, inferred, linear head": ("inferred", ncfal(fixed=False)),
    "NCFAL, inferred, dot regression as VREx": ("inferred", ncfal(
        VREx, settings=AS_VREX)),
    "NCFAL, inferred, the same, normalised": ("inferred", ncfal(
        VREx, settings=AS_VREX | {"normalize": True})),
    "NCFAL, inferred, the same, normalised, slow": ("inferred", ncfal(
        VREx, settings=AS_VREX | {"normalize": True}, lr=SLOW)),
    "NCFAL, inferred, feature mask": ("inferred", ncfal(mask=Mask("feature"))),
    "NCFAL, inferred, pixel mask": ("inferred", ncfal(mask=Mask())),
    "NCFAL, inferred, mixed channels": ("inferred", ncfal(mask=MIXED)),
    "NCFAL, inferred, 3": ("inferred 3", ncfal()),
    "NCFAL, inferred, 4": ("inferred 4", ncfal()),
    "NCFAL, inferred, 5": ("inferred 5", ncfal()),
    "NCFAL, own, pixel mask, 3 rounds": ("own", ncfal(
        mask=Mask(), partition=Partition(n_rounds=3, **STARTS))),
}  # fmt: skip


class Recorder(Callback):
    """Records accuracies of each epoch.

    Parameters
    ----------
    parts : dict of (X, y) or (X, y, group)
        Tensors, by name. Of groups, the mean is recorded, and the worst.
    """

    def __init__(self, parts):
        self.parts = parts

    def on_epoch_end(self, net, **kwargs):
        for name, (X, y, *group) in self.parts.items():
            _, logits = net.forward_rows(X, batch_size=10_000)
            right = (logits.argmax(dim=1).cpu() == y).float()
            if group:
                means = [right[group[0] == e].mean() for e in group[0].unique()]
                net.history.record(f"{name}_worst", float(min(means)))
                right = torch.stack(means)
            net.history.record(name, float(right.mean()))


def split(seed):
    """Return data of a seed, and the rows of each part."""
    digits = make_colored_mnist(variant="irm", data_home=DATA, random_state=seed)
    rng = np.random.default_rng(seed)
    test = np.flatnonzero(digits.sample_domain == 2)
    rows = {"oracle": test[:1000], "test": test[1000:]}
    train, held_out = [], []
    for e in (0, 1):
        of_environment = rng.permutation(np.flatnonzero(digits.sample_domain == e))
        n_held_out = len(of_environment) // 10
        held_out.append(of_environment[:n_held_out])
        train.append(of_environment[n_held_out:])
    return digits, rows | {
        "train": np.concatenate(train),
        "held_out": np.concatenate(held_out),
    }


@Memory(CACHE / "ood", verbose=0).cache
def find(kind, seed):
    """Environments of the training rows, from 0; -1 for those of the test."""
    digits, _ = split(seed)
    rows = np.flatnonzero(digits.sample_domain < 2)
    X, y = digits.data[rows].reshape(len(rows), -1), digits.target[rows]
    environment = np.full(len(digits.target), -1)
    if kind in ("given", "grey"):
        environment[rows] = digits.sample_domain[rows]
    elif kind == "random":
        environment[rows] = np.random.default_rng(seed).integers(2, size=len(rows))
    else:
        n_environments = int(kind.partition(" ")[2] or 2)
        # Two from random starts, as in the paper; more from the errors of one model.
        settings = {"max_iter": 40}
        if n_environments == 2:
            settings = STARTS
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* changed their domain")
            environment[rows] = partition_domains(
                X, y, n_environments, random_state=seed, **settings
            ).domain
    return environment


def train(estimator, kind, seed, width, n_epochs):
    """Return the accuracies of each epoch, by part, and what they were measured on."""
    torch.set_num_threads(1)
    digits, rows = split(seed)
    y, X = digits.target, digits.data.reshape(len(digits.data), 2, -1)
    X = X.sum(axis=1) if kind == "grey" else X.reshape(len(X), -1)
    encoder = MLP(X.shape[1], (width, width))
    mask = getattr(estimator, "mask", None)
    if mask is not None and mask.level == "channel":
        X = digits.data
    environment, found = find(kind, seed), find("inferred", seed)

    def part(name, *groups):
        return [torch.from_numpy(of[rows[name]]) for of in (X, y, *groups)]

    parts = {
        "train": part("train"),
        "held_out": part("held_out", environment),
        "found": part("held_out", found),
        "oracle": part("oracle"),
        "test": part("test"),
    }
    estimator.set_params(
        hidden_layer_sizes=(width, width),
        module=encoder if X.ndim == 4 else None,
        lr=SLOW if estimator.lr == SLOW else IRM_LR,
        weight_decay=IRM_DECAY,
        batch_size=None,
        steps_per_epoch=STEPS,
        max_epochs=n_epochs,
        callbacks=[Recorder(parts)],
        random_state=seed,
    )
    of = rows["train"]
    given = None if kind == "own" else environment[of]
    estimator.fit(X[of], y[of], sample_domain=given)
    if kind == "own":
        environment[of] = estimator.domain_
    names = [*parts, "found_worst"]
    course = 100 * np.array(estimator.net_.history[:, names])  # (n_epochs, n_names)
    return dict(zip(names, course.T, strict=True)), digits, X, rows, environment


def measure(name, seed, width, n_epochs):
    """Return the row of a run."""
    kind, estimator = METHODS[name][0], clone(METHODS[name][1])
    start = time.perf_counter()
    course, digits, X, rows, environment = train(estimator, kind, seed, width, n_epochs)
    seconds = time.perf_counter() - start
    rules = {"training": "held_out", "found": "found_worst", "oracle": "oracle"}
    chosen = {"last": n_epochs - 1} | {
        rule: FIRST_EPOCH + course[part][FIRST_EPOCH:].argmax()
        for rule, part in rules.items()
    }
    test, y = rows["test"], digits.target
    accuracy = 100 * accuracy_score(y[test], estimator.predict(X[test]))
    assert np.isclose(course["test"][-1], accuracy)
    agree = digits.color == y
    shares = [agree[environment == e].mean() for e in range(environment.max() + 1)]
    row = {"method": name, "seed": seed, "width": width, "steps": STEPS * n_epochs}
    row |= {"environments": kind, "gap": f"{max(shares) - min(shares):.4f}"}
    for rule, epoch in chosen.items():
        row[f"test_{rule}"] = f"{course['test'][epoch]:.2f}"
        row[f"train_{rule}"] = f"{course['train'][epoch]:.2f}"
    f_norms = ["", "", ""]
    if getattr(estimator, "vertices_", None) is not None:
        kept = np.concatenate([rows["train"], test])
        f_norms = etf_distance(
            estimator.transform(X[kept]),
            y[kept],
            estimator.vertices_,
            sample_domain=digits.sample_domain[kept],
        )
        f_norms = [f"{value:.3f}" for value in f_norms]
    row |= dict(zip(("f_train1", "f_train2", "f_test"), f_norms, strict=True))
    return row | {
        "seconds": f"{seconds:.1f}",
        **provenance("scikit-learn", "torch", "skorch", "numpy"),
    }


def spelled(settings):
    """Settings as one cell of a table."""
    return " ".join(
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in settings.items()
    )


def search(name, settings, width, n_epochs):
    """Return the row of settings: last accuracy on training and held-out rows alone."""
    kind, estimator = METHODS[name][0], clone(METHODS[name][1])
    if name == "NCFAL":
        estimator = ncfal(settings=settings)
    else:
        estimator.set_params(objective__weight=settings["weight"])
    course = train(estimator, kind, SEARCH_SEED, width, n_epochs)[0]
    row = {"method": name, "settings": spelled(settings), "seed": SEARCH_SEED}
    row |= {"width": width, "steps": STEPS * n_epochs}
    for part in ("train", "held_out", "found", "found_worst"):
        row[part] = f"{course[part][-1]:.2f}"
    return row | provenance("scikit-learn", "torch", "skorch", "numpy")


def run(measure, tasks, table, n_jobs):
    """Measure tasks, and add a row to the table as each is done."""
    parallel = Parallel(n_jobs, return_as="generator_unordered")
    for row in parallel(delayed(measure)(*task) for task in tasks):
        append(table, row)
        print(*list(row.values())[:14], flush=True)


def main():
    """Measure what is not in the table yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--width", type=int, default=390)
    parser.add_argument("--epochs", type=int, default=50, help="of 10 steps")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--search", action="store_true", help="among settings")
    options = parser.parse_args()
    size = options.width, options.epochs
    if options.search:
        done = {(row["method"], row["settings"]) for row in read(SEARCH_TABLE)}
        tasks = [
            (name, settings, *size)
            for name, tried in SEARCH.items()
            for settings in tried
            if (name, spelled(settings)) not in done
        ]
        run(search, tasks, SEARCH_TABLE, options.jobs)
        return
    done = {
        (row["method"], int(row["seed"]), int(row["width"]), int(row["steps"]))
        for row in read(TABLE)
    }
    tasks = [
        (name, seed, *size)
        for seed in range(options.seeds)
        for name in options.methods
        if (name, seed, options.width, STEPS * options.epochs) not in done
    ]
    run(measure, tasks, TABLE, options.jobs)


if __name__ == "__main__":
    main()
