"""Networks for a target without labels, and layers of style: one row a run.

    python -m benchmarks.domain_adaptation.digits              # all parts
    python -m benchmarks.domain_adaptation.digits adaptation style
    python -m benchmarks.domain_adaptation.digits --tables  # of the runs that are there

Rows are added to ``results/digits_adaptation.csv``; runs that are there are not
measured again, so one that was cut off goes on. In a Python environment with skada 0.6,
torch and skorch, its rows are there too.

- ``adaptation``: MNIST -> USPS, USPS -> MNIST and rendered digits -> MNIST, 16 x 16:
  3,000 source rows with labels and 3,000 target rows without, scored on the test rows
  of the target. Both libraries have the same network, rows, batches (64 a domain),
  steps and optimizer, and the weight that is the default of both, 1. The discriminators
  have the same layers too: skada's own ends in a softmax over one value, which is 1
  whatever the row, so that its gradient is 0. "DANN" is ours with the growing weight of
  the paper; skada has none, and both are there with a constant weight.
- ``style``: MNIST -> USPS, no target row seen; and Office-Caltech10 pictures, 32 x 32,
  each domain left out once. The layers lie behind the first convolution (randomisation:
  before it) and have their default settings, but for permuted AdaIN, whose probability
  is 0.5 as that of MixStyle, since there is one layer of it and not fifty.

The last step of a fixed number counts, in all runs, and no labels of a target choose
anything in them. One look was had before: in one run MNIST -> USPS of 10 epochs, seed
0, DANN with a constant weight was below source only (79.2 to 81.4), MMD and CORAL above
(86.5, 86.3). After that the growing weight was added, and 20 epochs were set for all.
The kernels of MMD were scaled to the features after two of three runs with fixed ones
had ended at chance on the source.
"""

import argparse
import time
import warnings
from functools import cache, partial
from importlib.util import find_spec
from itertools import product

import numpy as np
import torch
from sklearn.base import clone
from torch import nn

from benchmarks.domain_adaptation import RESULTS
from benchmarks.domain_adaptation.features import shrink
from benchmarks.records import DATA, append, provenance, read
from skalign import MultiDomainClassifier
from skalign.datasets import domains_from_folders, load_idx, make_rendered_digits
from skalign.deep import (
    DANN,
    ERM,
    MMD,
    DeepCORAL,
    DomainRandomization,
    MixStyle,
    Mixup,
    PermutedAdaIN,
)

TABLE = RESULTS / "digits_adaptation.csv"
N_ROWS, BATCH, EPOCHS, SEEDS = 3000, 64, 20, 3
WEIGHT = 1.0
RBF_GAMMAS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)  # of DomainBed
METHODS = {
    "source only": MultiDomainClassifier(),
    "DANN": MultiDomainClassifier(DANN(WEIGHT, warmup=1.0)),
    "DANN, constant weight": MultiDomainClassifier(DANN(WEIGHT)),
    "MMD": MultiDomainClassifier(MMD(WEIGHT)),
    "MMD, fixed kernels": MultiDomainClassifier(MMD(WEIGHT, gammas=RBF_GAMMAS)),
    "CORAL": MultiDomainClassifier(DeepCORAL(WEIGHT)),
}
OF_SKADA = "DANN, constant weight", "MMD", "CORAL"


def encoder(n_channels, size, seed, first=None, behind=None):
    """Two convolutions and a fully connected layer, with a layer of style."""
    torch.manual_seed(seed)
    return nn.Sequential(
        first or nn.Identity(),
        nn.Conv2d(n_channels, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        behind or nn.Identity(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * size**2, 128),
        nn.ReLU(),
    )


# ---------------------------------------------------------------------------- the rows


@cache
def all_digits(name, subset):
    """Return pictures of 16 x 16 pixels from 0 to 1, and digits."""
    if name == "mnist":
        mnist = load_idx(DATA / "mnist", subset=subset)
        X, y = shrink(mnist.data) / 255, mnist.target
    else:
        usps = np.load(DATA / "usps" / "usps.npz")
        X, y = usps[f"X_{subset}"], usps[f"y_{subset}"]
    return X[:, None].astype(np.float32), y.astype(int)


def rendered(seed):
    return make_rendered_digits(N_ROWS, margin=0.05, random_state=seed, return_X_y=True)


def training_rows(name, seed):
    if name == "rendered":
        return rendered(seed)
    X, y = all_digits(name, "train")
    rows = np.random.default_rng(seed).choice(len(X), N_ROWS, replace=False)
    return X[rows], y[rows]


def test_rows(name):
    if name == "rendered":
        return rendered(1000)
    return all_digits(name, "test")


# ------------------------------------------------------------------------- the training


def with_skalign(method, seed, X, y, X_target):
    """Train, and return a function from pictures to digits."""
    settings = {
        "module": encoder(1, 16, seed),
        "batch_size": BATCH,
        "max_epochs": EPOCHS,
        "steps_per_epoch": len(X) // BATCH,
        "random_state": seed,
    }
    classifier = clone(METHODS[method]).set_params(**settings)
    if method == "source only":
        return classifier.fit(X, y).predict
    rows, sample_domain = stack(X, X_target)
    labels = np.r_[y, np.full(len(X_target), -1)]
    return classifier.fit(rows, labels, sample_domain=sample_domain).predict


def with_skada(method, seed, X, y, X_target):
    from skada import deep

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.head = encoder(1, 16, seed), nn.Linear(128, 10)

        def forward(self, X, sample_weight=None):
            return self.head(self.encoder(X))

    class Discriminator(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 1))

        def forward(self, X, sample_weight=None):
            reverse = deep.modules.GradientReversalLayer.apply
            return super().forward(reverse(X, 1.0)).sigmoid().squeeze(1)

    settings = {
        "layer_name": "encoder",
        "reg": WEIGHT,
        "max_epochs": EPOCHS,
        "batch_size": BATCH,
        "optimizer": torch.optim.Adam,
        "lr": 1e-3,
        "train_split": None,
        "verbose": 0,
    }
    network = Network()
    if method.startswith("DANN"):
        make, settings["domain_classifier"] = deep.DANN, Discriminator()
    else:
        make = {"MMD": deep.DAN, "CORAL": deep.DeepCoral}[method]
    rows, sample_domain = stack(X, X_target)
    labels = np.r_[y, np.full(len(X_target), -1)]
    net = make(network, **settings).fit(rows, labels, sample_domain=sample_domain)
    return lambda X: net.predict(X, np.full(len(X), -1))


def stack(X, X_target):
    return np.r_[X, X_target], np.repeat([1, -1], [len(X), len(X_target)])


def libraries():
    if find_spec("skada") is None:
        print("skada is not installed: its rows are left out")
        return {"skalign": with_skalign}
    return {"skalign": with_skalign, "skada": with_skada}


# ---------------------------------------------------------------------------- the parts


def adaptation():
    runs = [
        (library, method)
        for library, method in product(libraries(), METHODS)
        if library == "skalign" or method in OF_SKADA
    ]
    for pair in (("mnist", "usps"), ("usps", "mnist"), ("rendered", "mnist")):
        for seed, (library, method) in product(range(SEEDS), runs):
            key = {"task": " to ".join(pair), "method": method}
            key |= {"library": library, "seed": seed}
            yield key, partial(adapt, pair, libraries()[library], method, seed)


def adapt(pair, train, method, seed):
    """Return accuracies on new rows of the source and of the target."""
    (X, y), (X_target, _) = (training_rows(name, seed) for name in pair)
    predict = train(method, seed, X, y, X_target)
    return [accuracy(predict, *test_rows(name)) for name in pair]


def accuracy(predict, X, y):
    return 100 * np.mean(predict(X) == y)


def styles(n_channels, size, seed):
    """Return the classifiers of the table of styles, by name."""
    make = partial(encoder, n_channels, size, seed)
    return {
        "ERM": (ERM(), make()),
        "MixStyle": (ERM(), make(behind=MixStyle())),
        "permuted AdaIN": (ERM(), make(behind=PermutedAdaIN(p=0.5))),
        "mixup": (Mixup(), make()),
        "domain randomisation": (ERM(), make(first=DomainRandomization())),
    }


def style():
    for seed, method in product(range(SEEDS), styles(1, 16, 0)):
        key = {"task": "mnist to usps, unseen", "method": method}
        key |= {"library": "skalign", "seed": seed}
        yield key, partial(style_of_digits, method, seed)
    office = domains_from_folders(DATA / "office_caltech10" / "images_128.zip", size=32)
    for seed, domain, method in product(
        range(SEEDS), office.domain_names, styles(3, 32, 0)
    ):
        key = {"task": f"office-caltech10 to {domain}", "method": method}
        key |= {"library": "skalign", "seed": seed}
        yield key, partial(style_of_pictures, office, domain, method, seed)


def style_of_digits(method, seed):
    X, y = training_rows("mnist", seed)
    objective, module = styles(1, 16, seed)[method]
    settings = {"batch_size": BATCH, "steps_per_epoch": N_ROWS // BATCH}
    settings |= {"max_epochs": EPOCHS, "random_state": seed}
    classifier = MultiDomainClassifier(objective, module=module, **settings)
    predict = classifier.fit(X, y).predict
    return [accuracy(predict, *test_rows(name)) for name in ("mnist", "usps")]


def style_of_pictures(office, domain, method, seed):
    # A fifth of the rows of the other domains is kept to be scored on.
    is_target = office.sample_domain == office.domain_names.index(domain)
    is_kept = np.random.default_rng(seed).random(len(is_target)) < 0.2
    train, kept = ~is_target & ~is_kept, ~is_target & is_kept
    X, y = office.data, office.target
    objective, module = styles(3, 32, seed)[method]
    classifier = MultiDomainClassifier(
        objective, module=module, max_epochs=EPOCHS, random_state=seed
    )
    classifier.fit(X[train], y[train], sample_domain=office.sample_domain[train])
    return [accuracy(classifier.predict, X[r], y[r]) for r in (kept, is_target)]


PARTS = {part.__name__: part for part in (adaptation, style)}


def about_the_run(part):
    return {
        "epochs": EPOCHS,
        **provenance("torch", "skorch", "scikit-learn", "numpy", "skada"),
        "threads": torch.get_num_threads(),
        "command": f"python -m benchmarks.domain_adaptation.digits {part}",
    }


def print_tables():
    """Print means and standard deviations over seeds, as the tables of the guide."""
    rows = read(TABLE)
    for part in PARTS:
        runs = {}
        for row in (row for row in rows if row["part"] == part):
            key = row["method"], row["library"]
            accuracies = runs.setdefault(key, {}).setdefault(row["task"], [])
            accuracies.append(float(row["target"]))
        tasks = list(
            dict.fromkeys(task for by_task in runs.values() for task in by_task)
        )
        print("\n| Method | Library |", " | ".join(tasks), "|")
        print("| --- " * (len(tasks) + 2) + "|")
        for key, by_task in runs.items():
            cells = [
                f"{np.mean(by_task[task]):.1f} ± {np.std(by_task[task], ddof=1):.1f}"
                if len(by_task.get(task, [])) == SEEDS
                else "not run"
                for task in tasks
            ]
            print("|", " | ".join([*key, *cells]), "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--tables", action="store_true", help="print, measure nothing")
    torch.set_num_threads(1)
    # skada counts on a default of torch.utils.data that is about to go.
    warnings.filterwarnings("ignore", module="skada|torch")
    arguments = parser.parse_args()
    if arguments.tables:
        print_tables()
        return
    for part in PARTS if "all" in arguments.parts else arguments.parts:
        for key, run in PARTS[part]():
            key = {"part": part} | {name: str(value) for name, value in key.items()}
            if key in [{name: row[name] for name in key} for row in read(TABLE)]:
                continue
            start = time.process_time()
            source, target = run()
            row = key | {"source": f"{source:.2f}", "target": f"{target:.2f}"}
            row |= {"cpu_seconds": f"{time.process_time() - start:.1f}"}
            row |= about_the_run(part)
            print(*list(row.values())[:9], sep="; ", flush=True)
            append(TABLE, row)


if __name__ == "__main__":
    main()
