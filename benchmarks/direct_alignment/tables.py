"""What each table measures: its runs, and the row of a run."""

import csv
import os
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from itertools import permutations, product
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from benchmarks import records
from benchmarks.direct_alignment.networks import Network, Recipe, load_images, relative
from skalign import (
    AnchoredAligner,
    ClassMeanAligner,
    ICPAligner,
    LinearAligner,
    MomentAligner,
    RigidAligner,
    StitchingRegressor,
    WassersteinProcrustesAligner,
)
from skalign.anchors import (
    FarthestPointAnchors,
    KMeansAnchors,
    PivotedQRAnchors,
    RandomAnchors,
)

HERE = Path(__file__).resolve().parent

TABLES = {
    1: "MNIST, all training pairs",
    2: "MNIST, relative representations",
    3: "MNIST, a few anchors",
    4: "MNIST, class labels only, and nothing",
    5: "Fashion-MNIST, a convolutional network and an MLP",
    6: "Fashion-MNIST, relative representations trained end to end",
    7: "labels only and nothing, elsewhere",
}


@dataclass(frozen=True)
class Size:
    """What is measured: the paper's settings, or few on small pictures."""

    digits: str
    garments: str
    seeds: tuple
    latents: tuple
    anchors: tuple  # (latents, anchors)
    fewest_anchors: tuple  # the same, beyond the paper
    labels: tuple
    garment_anchors: tuple
    elsewhere: tuple  # (dataset, source, target, latents, target latents)
    stitching_epochs: int  # with all pairs
    stitching_steps: int  # with anchors


CONV, MLP, VAE = "convolutional", "dense", "variational"
FULL = Size(
    digits="mnist",
    garments="fashion_mnist",
    seeds=(0, 1, 2),
    latents=(2, 10, 30, 50, 100, 150),
    anchors=((2, 10), (2, 50), (10, 50), (10, 100), (30, 100), (30, 300), (50, 100),
             (50, 200), (100, 200), (100, 300)),
    fewest_anchors=((30, 30), (30, 45), (50, 50), (50, 75), (100, 100), (100, 150)),
    labels=(2, 10, 30, 50),
    garment_anchors=((50, 100), (100, 200)),
    elsewhere=(
        ("fashion_mnist", CONV, CONV, 50, 50),
        ("fashion_mnist", MLP, MLP, 50, 50),
        ("fashion_mnist", CONV, MLP, 50, 50),
        ("fashion_mnist", MLP, CONV, 50, 50),
        ("mnist", VAE, VAE, 30, 30),
        ("mnist", CONV, VAE, 30, 30),
        ("mnist", CONV, CONV, 30, 50),
        ("mnist", CONV, CONV, 50, 30),
        ("mnist", CONV, CONV, 100, 100),
    ),
    stitching_epochs=6,
    stitching_steps=1000,
)  # fmt: skip
QUICK = Size(
    digits="digits",
    garments="digits",
    seeds=(0, 1),
    latents=(4,),
    anchors=((4, 20), (4, 40)),
    fewest_anchors=((4, 4),),
    labels=(4,),
    garment_anchors=((4, 20),),
    elsewhere=(("digits", CONV, MLP, 4, 4), ("digits", CONV, CONV, 4, 2)),
    stitching_epochs=2,
    stitching_steps=30,
)


@dataclass(frozen=True)
class Run:
    """What determines a row; the fields are its key in the table."""

    dataset: str
    source: str
    target: str
    latents: int
    target_latents: int
    anchors: int
    samples: str
    source_seed: int
    target_seed: int
    method: str

    def network(self, side, **changes):
        """Return the network of a side, "source" or "target"."""
        width = {"source": self.latents, "target": self.target_latents}[side]
        architecture, seed = getattr(self, side), getattr(self, f"{side}_seed")
        return load_network(Recipe(self.dataset, architecture, width, seed, **changes))


load_network = cache(Network)

# Table 4 of the paper: class means, and least squares or a rigid map on the nearest
# target row of the same class, again and again.
PUBLISHED_ICP = {"matching": "nearest", "max_iter": 20, "max_samples": 500}
MAPS = {"rigid": RigidAligner(), "linear": LinearAligner(alpha=0)}
PUBLISHED = {
    **{f"means, {name}": ClassMeanAligner(aligner) for name, aligner in MAPS.items()},
    **{
        f"means + ICP, {name}": ICPAligner(
            aligner, init=ClassMeanAligner(aligner), random_state=0, **PUBLISHED_ICP
        )
        for name, aligner in MAPS.items()
    },
}
# A map that bends, for few columns: chosen on networks of seeds 101 and 102, where it
# was of no use for 30 columns and more.
FEW_LATENTS = 10
QUADRATIC = make_pipeline(PolynomialFeatures(include_bias=False), LinearAligner())
LABELS = {
    **PUBLISHED,
    "means, ridge": ClassMeanAligner(),
    "moments of classes": MomentAligner(random_state=0),
    "ICP, both directions": ICPAligner(random_state=0),
    # For few columns: it ends with least squares.
    "ICP, one to one": ICPAligner(
        [("covariance", 10), (LinearAligner(), 5)],
        matching="assignment",
        max_samples=500,
        random_state=0,
    ),
    "ICP, quadratic": ICPAligner(
        [("covariance", 10), (LinearAligner(), 5), (QUADRATIC, 3)],
        matching="assignment",
        max_samples=1000,
        random_state=0,
    ),
}
NOTHING = {
    "nothing, moments": MomentAligner(random_state=0),
    "nothing, Wasserstein-Procrustes": WassersteinProcrustesAligner(random_state=0),
    "nothing, quadratic": ICPAligner(
        [(LinearAligner(), 3), (QUADRATIC, 3)],
        init=WassersteinProcrustesAligner(random_state=0),
        matching="assignment",
        max_samples=4000,
        random_state=0,
    ),
}
SELECTORS = {
    "k-means": KMeansAnchors,
    "farthest point": FarthestPointAnchors,
    "pivoted QR": PivotedQRAnchors,
    # Chosen on the networks of seeds 101 and 102, too.
    "k-means, any member": partial(KMeansAnchors, member="random"),
}
LATENTIS = [f"latentis, {name}" for name in ("affine", "linear", "l-ortho", "ortho")]
STITCHING = {f"stitching, k={k}": k for k in (1, 2, 4)}
DIRECT = [*MAPS, *STITCHING, "rigid, scaled", "ridge"]


def paired(method, n_anchors, seed, size):
    """Return the estimator of a map learnt from pairs."""
    method, _, name = method.partition(", anchors by ")
    if method in STITCHING:
        steps = {"max_epochs": size.stitching_epochs}
        if n_anchors:  # an epoch of a few anchors would be a step or two
            steps = {"max_epochs": 1, "steps_per_epoch": size.stitching_steps}
        aligner = StitchingRegressor(
            STITCHING[method], device="cpu", random_state=seed, **steps
        )
    else:
        aligner = {
            **MAPS,
            "rigid, scaled": RigidAligner(scaling=True),
            "ridge": LinearAligner(),
        }[method]
    if not n_anchors:
        return clone(aligner)
    selector = SELECTORS.get(name, RandomAnchors)(n_anchors, random_state=seed)
    return AnchoredAligner(clone(aligner), selector)


def runs(table, size):
    """Yield the runs of a table."""

    def pairs(dataset, source, target, latents, anchors, methods, samples="same"):
        widths = latents if isinstance(latents, tuple) else (latents, latents)
        # Two networks that differ in kind or width may share a seed: still 3 x 3 - 3.
        for seeds in permutations(size.seeds, 2):
            for method in methods:
                yield Run(
                    dataset, source, target, *widths, anchors, samples, *seeds, method
                )

    def own(dataset, architecture, latents, anchors, methods):
        for seed, method in product(size.seeds, methods):
            yield Run(dataset, architecture, architecture, latents, latents, anchors,
                      "same", seed, seed, method)  # fmt: skip

    if table == 1:
        for latents in size.latents:
            yield from pairs(size.digits, CONV, CONV, latents, 0, DIRECT)
    if table == 2:
        methods = ["relative decoder", "relative, end to end"]
        for latents, anchors in size.anchors:
            yield from own(size.digits, CONV, latents, anchors, methods)
            yield from pairs(size.digits, CONV, CONV, latents, anchors, methods)
    if table == 3:
        rules = ("k-means", "farthest point", "pivoted QR")
        chosen = [f"{map_}, anchors by {rule}" for map_, rule in
                  product(("linear", "ridge"), rules)]  # fmt: skip
        chosen.append("ridge, anchors by k-means, any member")
        methods = [*DIRECT, *chosen, *LATENTIS]
        for latents, anchors in size.anchors:
            yield from pairs(size.digits, CONV, CONV, latents, anchors, methods)
        methods = ["linear", "ridge", *chosen]
        for latents, anchors in size.fewest_anchors:
            yield from pairs(size.digits, CONV, CONV, latents, anchors, methods)
    if table == 4:
        methods = {"same": [*PUBLISHED], "halves": [*LABELS, *NOTHING]}
        for latents, samples in product(size.labels, methods):
            chosen = [
                name
                for name in methods[samples]
                if latents <= FEW_LATENTS or "quadratic" not in name
            ]
            yield from pairs(size.digits, CONV, CONV, latents, 0, chosen, samples)
    if table == 5:
        for latents, anchors in size.garment_anchors:
            for kinds in ((CONV, MLP), (MLP, CONV)):
                methods = [*MAPS, "rigid, scaled", "ridge", "ridge, anchors by k-means"]
                methods += ["relative decoder", "relative decoder, scaled"]
                yield from pairs(size.garments, *kinds, latents, anchors, methods)
            for kind in (CONV, MLP):
                yield from own(
                    size.garments, kind, latents, anchors, ["relative decoder"]
                )
    if table == 6:
        for latents, anchors in size.garment_anchors:
            for kinds in ((CONV, MLP), (MLP, CONV)):
                methods = ["relative, end to end", "relative, end to end, scaled"]
                yield from pairs(size.garments, *kinds, latents, anchors, methods)
            for kind in (CONV, MLP):
                yield from own(
                    size.garments, kind, latents, anchors, ["relative, end to end"]
                )
    if table == 7:
        unpaired = ["means, ridge", "moments of classes", "ICP, both directions",
                    "nothing, moments", "nothing, Wasserstein-Procrustes"]  # fmt: skip
        for dataset, *kinds, latents, target_latents in size.elsewhere:
            widths = (latents, target_latents)
            methods = [*MAPS, "ridge"]
            yield from pairs(dataset, *kinds, widths, 0, methods)
            yield from pairs(dataset, *kinds, widths, 0, unpaired, samples="halves")


def recipes(table, size):
    """Return the networks that a table needs, those that others build on first."""
    found = {}
    for run in runs(table, size):
        if run.method.startswith("relative, end to end"):
            changes = {"code": "relative", "n_anchors": run.anchors}
        else:
            changes = {}
        sides = [(run.source, run.latents, run.source_seed),
                 (run.target, run.target_latents, run.target_seed)]  # fmt: skip
        for side in sides:
            # The baseline is the absolute network of the target.
            found.setdefault(Recipe(run.dataset, *side))
            found.setdefault(Recipe(run.dataset, *side, **changes))
            if run.method.startswith("relative decoder"):
                found.setdefault(
                    Recipe(run.dataset, *side, "relative decoder", run.anchors)
                )
    return sorted(found, key=lambda recipe: recipe.code)


def published_error(dataset, decoded, images):
    """The error in the unit that the published tables seem to have.

    Digits: standardised pixels, and an output that is limited to [0, 1] (their means
    have the floor of 0.469 that this leaves). Garments: standardised pixels.
    """
    if dataset == "fashion_mnist":
        return float(((decoded - images) ** 2).mean()) / 0.3530**2
    decoded, images = ((part - 0.1307) / 0.3081 for part in (decoded, images))
    return float(((decoded.clip(0, 1) - images) ** 2).mean())


def error(images, decoded):
    return float(((decoded - images) ** 2).mean())


def map_codes(run, size):
    """Return the codes that the target's decoder is to read, that decoder, seconds."""
    seed = 10 * run.source_seed + run.target_seed
    if run.method.startswith("relative"):
        code = "relative" if "end to end" in run.method else "absolute"
        changes = {"code": code, "n_anchors": run.anchors} if code == "relative" else {}
        source, target = (
            run.network("source", **changes),
            run.network("target", **changes),
        )
        decoder = target
        if code == "absolute":
            decoder = run.network(
                "target", code="relative decoder", n_anchors=run.anchors
            )
        start = time.perf_counter()
        distances = relative(run.anchors).fit(source.latents)
        codes = distances.transform(source.test_latents)
        if run.method.endswith("scaled"):
            own = relative(run.anchors).fit_transform(target.latents)
            codes *= own.mean() / distances.transform(source.latents).mean()
        return codes, decoder, time.perf_counter() - start
    source, target = run.network("source"), run.network("target")
    start = time.perf_counter()
    if run.method in LATENTIS:
        mapped = with_latentis(replace(run, method="latentis"), seed)[run.method]
    elif run.method in LABELS or run.method in NOTHING:
        at, target_at = halves(run) if run.samples == "halves" else shuffled(run)
        labels = load_images(run.dataset)[1]
        classes = {"labels": labels[at], "target_labels": labels[target_at]}
        aligner = clone((LABELS | NOTHING)[run.method])
        aligner.fit(
            source.latents[at],
            target.latents[target_at],
            **(classes if run.method in LABELS else {}),
        )
        mapped = aligner.transform(source.test_latents)
    else:
        aligner = paired(run.method, run.anchors, seed, size)
        aligner.fit(source.latents, target.latents)
        mapped = aligner.transform(source.test_latents)
    return mapped, target, time.perf_counter() - start


def shuffled(run):
    """All rows on both sides, those of the target in an order that tells nothing."""
    n = len(load_images(run.dataset)[1])
    rng = np.random.default_rng([17, run.source_seed, run.target_seed])
    return np.arange(n), rng.permutation(n)


def halves(run):
    """Disjoint halves: no source row is a target row."""
    return np.array_split(shuffled(run)[1], 2)


@lru_cache(maxsize=1)  # the variants of a pair of networks follow each other
def with_latentis(run, seed):
    """Map by latentis in its own interpreter, which ``LATENTIS_PYTHON`` names."""
    source, target = run.network("source"), run.network("target")
    selector = RandomAnchors(run.anchors, random_state=seed)
    at = selector.select(source.latents)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "rows.npz"
        np.savez(path, X=source.latents[at], y=target.latents[at],
                 new=source.test_latents)  # fmt: skip
        command = [os.environ["LATENTIS_PYTHON"], HERE / "latentis_map.py", path]
        subprocess.run([*command, str(seed)], check=True, capture_output=True)
        return dict(np.load(path))


@cache
def provenance():
    """What else a row needs to be judged."""
    packages = "scikit-learn", "numpy", "scipy", "torch"
    return records.provenance(*packages) | {"commit": records.commit()}


def measure(run, size):
    """Return the row of a run."""
    images = load_images(run.dataset)[2]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        codes, decoder, seconds = map_codes(run, size)
    own = run.network("target")
    decoded, baseline = decoder.decode(codes), own.decode(own.test_latents)
    row = asdict(run) | {
        "error": f"{error(images, decoded):.6f}",
        "baseline": f"{error(images, baseline):.6f}",
        "ratio": f"{error(images, decoded) / error(images, baseline):.4f}",
    }
    published = [
        published_error(run.dataset, part, images) for part in (decoded, baseline)
    ]
    row |= {
        "published_unit": f"{published[0]:.5f}",
        "published_baseline": f"{published[1]:.5f}",
        "published_ratio": f"{published[0] / published[1]:.4f}",
        "seconds": f"{seconds:.2f}",
        "epochs_source": run.network("source").n_epochs,
        "epochs_target": own.n_epochs,
        "warning": " ".join(str(warning.message) for warning in caught),
        "device": decoder.device,
        "threads": torch.get_num_threads(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
    }
    return row | provenance()


def path_of(table, results):
    return results / f"table_{table}.csv"


def read(table, results):
    """Return the rows of a table, as dicts of strings."""
    path = path_of(table, results)
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def left(table, size, results):
    """Return the runs of a table that are not in it yet."""
    names = [field.name for field in fields(Run)]
    done = {tuple(row[name] for name in names) for row in read(table, results)}
    wanted = [
        run
        for run in runs(table, size)
        if tuple(map(str, asdict(run).values())) not in done
    ]
    if "LATENTIS_PYTHON" not in os.environ and any(
        r.method in LATENTIS for r in wanted
    ):
        print("LATENTIS_PYTHON is not set: its columns are left out", file=sys.stderr)
        wanted = [run for run in wanted if run.method not in LATENTIS]
    return wanted


def add(table, row, results):
    """Add a row to a table."""
    path = path_of(table, results)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
