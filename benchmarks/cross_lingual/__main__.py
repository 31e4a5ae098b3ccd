"""Retrieval across languages, modalities and encoders: one CSV.

    python -m benchmarks.cross_lingual  # all; 20 minutes on one core
    python -m benchmarks.cross_lingual words
    python -m benchmarks.cross_lingual words flickr8k --methods canonical rotation

A run replaces the rows of its data sets and methods in ``results/cross_lingual.csv``.
Maps are learnt from the fitting rows alone, and what is chosen (a rank, a ridge, a
width) is chosen by three folds of them. "sd" is that of the splits as they are (divided
by their number). "csls" corrects for hubs by the queries: of words all 20,000 of the
source language, else the test rows, without a look at their partners.

- "ridge, about the mean" compares mapped rows with target rows after the mean of the
  target is taken off both.
- "ridge, target to source" carries the candidates to the queries, which makes fewer
  hubs (Shigeto et al., "Ridge regression, hubness, and zero-shot learning", ECML 2015).
- "canonical" is `CanonicalAligner`, its ridge chosen by the mean reciprocal rank.
- "contrastive" is `ContrastiveAligner` with that ridge and otherwise as it comes;
  "contrastive, random start" with ``init="random", lr=1e-3, batch_size=256,
  max_epochs=50``, which was fixed beforehand.

- words: the pairs for training and testing that come with the vectors; candidates are
  all words of the other language, any translation of the dictionary counts; rows are
  brought to unit length, centred over each vocabulary, and to unit length again.
- multi30k: sentences in two languages and two encoders, 3,000 to fit, 1,000 to test.
- flickr8k: pictures and the mean of their five captions, 800 to fit, 200 to test; also
  two encoders of each, side by side, or as a consensus.
- encoders: three encoders by maps between each pair, and through one consensus: "there"
  compares translated rows in the target space, "meet" both sides in the consensus.
"""

import argparse
import os
import time
from itertools import chain, permutations, product

import numpy as np
import torch
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.preprocessing import normalize

from benchmarks.cross_lingual import RESULTS
from benchmarks.records import DATA, provenance, read, write
from skalign import (
    CanonicalAligner,
    ContrastiveAligner,
    GeneralizedProcrustes,
    LinearAligner,
    RigidAligner,
)
from skalign.metrics import (
    get_scorer,
    make_similarity_scorer,
    mean_reciprocal_rank,
    retrieval_ranks,
)

TABLE = RESULTS / "cross_lingual.csv"
SEED, KS, FOLDS = 0, (1, 5, 10), 3
RIDGES = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
RANDOM = {"init": "random", "lr": 1e-3, "batch_size": 256, "max_epochs": 50}
BOTH_WAYS = ("canonical", "contrastive", "contrastive, random start")
CONSENSUS = "linear consensus of four"
ONE_WAY = ("rotation", "ridge", "ridge, about the mean", "reduced-rank ridge",
           "ridge, target to source")  # fmt: skip
wanted = [*ONE_WAY, *BOTH_WAYS, CONSENSUS]


def unit(rows):
    return normalize(rows.astype(np.float32))


def splits(n_samples, n_test, n_splits):
    for split in range(n_splits):
        order = np.random.default_rng([SEED, split]).permutation(n_samples)
        yield order[n_test:], order[:n_test]


def search(aligner, grid, scoring, X, y, groups):
    """Choose parameters by what is found among held-out fitting rows."""
    cv = GroupKFold(FOLDS) if groups is not None else KFold(FOLDS)
    found = GridSearchCV(aligner, grid, scoring=scoring, cv=cv)
    found.fit(X, y, groups=groups)
    return found.best_estimator_, found.best_params_


def maps(X, y, ranks, groups=None):
    """Yield the maps one way: name, where both sides go, what was chosen, seconds."""
    ridge = LinearAligner()
    for name, fit in {
        "rotation": lambda: (RigidAligner().fit(X, y), {}),
        "ridge": lambda: (LinearAligner().fit(X, y), {}),
        "ridge, about the mean": lambda: (LinearAligner().fit(X, y), {}),
        "reduced-rank ridge": lambda: search(
            ridge, {"rank": ranks}, get_scorer("retrieval_accuracy"), X, y, groups
        ),
        "ridge, target to source": lambda: (LinearAligner().fit(y, X), {}),
    }.items():
        if name not in wanted:
            continue
        start = time.perf_counter()
        aligner, chosen = fit()
        seconds = time.perf_counter() - start
        if name.endswith("to source"):
            yield name, lambda X, y, a=aligner: (X, a.transform(y)), chosen, seconds
        elif name.endswith("the mean"):
            yield (
                name,
                lambda X, y, a=aligner: (a.transform(X) - a.y_mean_, y - a.y_mean_),
                chosen,
                seconds,
            )
        else:
            yield name, lambda X, y, a=aligner: (a.transform(X), y), chosen, seconds


def maps_both_ways(X, y, groups=None):
    """Yield the maps of both sides to a space of their own, as `maps` does."""
    if not set(BOTH_WAYS) & set(wanted):
        return
    scoring = make_similarity_scorer(mean_reciprocal_rank)
    start = time.perf_counter()
    aligner, chosen = search(
        CanonicalAligner(), {"shrinkage": RIDGES}, scoring, X, y, groups
    )
    seconds = time.perf_counter() - start
    for name in BOTH_WAYS:
        if name not in wanted:
            continue
        if name != "canonical":
            settings = {"random_state": SEED, "device": "cpu"} | chosen
            settings |= RANDOM if name.endswith("start") else {}
            start = time.perf_counter()
            aligner = ContrastiveAligner(**settings).fit(X, y)
            seconds = time.perf_counter() - start
        yield (
            name,
            lambda X, y, a=aligner: (a.transform(X), a.transform_target(y)),
            chosen,
            seconds,
        )


def hits(X, Y, relevant=None):
    """Return hits@k of plain cosines and of CSLS."""
    for csls in (None, 10):
        ranks = retrieval_ranks(X, Y, relevant=relevant, csls=csls)
        yield csls, [np.mean(ranks <= k) for k in KS]


def words():
    with np.load(DATA / "word_vectors_en_fr" / "en_fr_word_vectors.npz") as arrays:
        spaces = [unit(arrays[f"{name}_vectors"]) for name in ("en", "fr")]
        pairs = [arrays["pairs_train"], arrays["pairs_test"]]
    spaces = [unit(rows - rows.mean(axis=0)) for rows in spaces]
    for source, target in ((0, 1), (1, 0)):
        train, test = (rows[:, [source, target]] for rows in pairs)
        X, y = spaces[source][train[:, 0]], spaces[target][train[:, 1]]
        task = {"source": ("en", "fr")[source], "target": ("en", "fr")[target]}
        task |= {"n_fit": len(X), "n_test": len(np.unique(test[:, 0]))}
        for name, carry, chosen, seconds in maps(X, y, [60, 80, 100], train[:, 0]):
            both = carry(spaces[source], spaces[target])
            for csls, values in hits(*both, relevant=test):
                yield task, name, csls, chosen, seconds, values
    train, test = pairs
    X, y = spaces[0][train[:, 0]], spaces[1][train[:, 1]]
    for name, carry, chosen, seconds in maps_both_ways(X, y, train[:, 0]):
        both = carry(*spaces)
        for step in (1, -1):
            source, target = ("en", "fr")[::step]
            relevant = test[:, ::step]
            task = {"source": source, "target": target, "n_fit": len(X)}
            task["n_test"] = len(np.unique(relevant[:, 0]))
            for csls, values in hits(*both[::step], relevant=relevant):
                yield task, name, csls, chosen, seconds, values


def multi30k():
    with np.load(DATA / "text_embeddings" / "multi30k_4000.npz") as arrays:
        spaces = {name: unit(arrays[name]) for name in arrays.files}
    pairs = [
        ("en_minilm", f"{lang}_{m}") for lang in ("de", "fr") for m in ("use", "e5")
    ]
    for source, target in pairs:
        X, y = spaces[source], spaces[target]
        for train, test in splits(4000, 1000, 3):
            task = {"source": source, "target": target}
            task |= {"n_fit": len(train), "n_test": len(test)}
            for name, carry, chosen, seconds in chain(
                maps(X[train], y[train], [100, 200, 300]),
                maps_both_ways(X[train], y[train]),
            ):
                for csls, values in hits(*carry(X[test], y[test])):
                    yield task, name, csls, chosen, seconds, values


def flickr8k():
    with np.load(DATA / "flickr8k_1000" / "features.npz") as arrays:
        owner = np.argsort(arrays["caption_image"], kind="stable").reshape(1000, 5)
        spaces = {n: unit(arrays[n]) for n in ("image_efflite0", "image_opennsfw")}
        for name in ("caption_minilm", "caption_use"):
            spaces[name] = unit(unit(arrays[name])[owner].mean(axis=1))
    pairs = {(n, m): (spaces[n], spaces[m]) for n, m in (
        ("image_efflite0", "caption_minilm"), ("image_efflite0", "caption_use")
    )}  # fmt: skip
    images, captions = (list(spaces.values())[i : i + 2] for i in (0, 2))
    names = "images, both encoders", "captions, both encoders"
    pairs[names] = np.hstack(images), np.hstack(captions)
    for train, test in splits(1000, 200, 5):
        sizes = {"n_fit": len(train), "n_test": len(test)}
        for ends, sides in pairs.items():
            for step in (1, -1):
                task = (
                    dict(zip(("source", "target"), ends[::step], strict=True)) | sizes
                )
                X, y = sides[::step]
                for name, carry, chosen, seconds in maps(
                    X[train], y[train], [25, 50, 100]
                ):
                    for csls, values in hits(*carry(X[test], y[test])):
                        yield task, name, csls, chosen, seconds, values
            X, y = sides
            for name, carry, chosen, seconds in maps_both_ways(X[train], y[train]):
                both = carry(X[test], y[test])
                for step in (1, -1):
                    task = dict(zip(("source", "target"), ends[::step], strict=True))
                    for csls, values in hits(*both[::step]):
                        yield task | sizes, name, csls, chosen, seconds, values
        if CONSENSUS not in wanted:
            continue
        start = time.perf_counter()
        chosen = consensus_search([rows[train] for rows in spaces.values()])
        shown = halves(spaces.values(), train, test, chosen)
        seconds = time.perf_counter() - start
        for (source, X), (target, y) in permutations(shown.items()):
            task = {"source": f"{source}s, both encoders"} | sizes
            task["target"] = f"{target}s, both encoders"
            for csls, values in hits(X, y):
                yield task, CONSENSUS, csls, chosen, seconds, values


def halves(spaces, train, test, chosen):
    """Return the consensus of test rows, told by pictures and told by captions."""
    X = np.hstack(list(spaces))
    sizes = [rows.shape[1] for rows in spaces]
    model = GeneralizedProcrustes(sizes, kind="linear", **chosen).fit(X[train])
    shown = {}
    for name, missing in (("image", slice(sum(sizes[:2]), None)),
                          ("caption", slice(sum(sizes[:2])))):  # fmt: skip
        rows = X[test]
        rows[:, missing] = np.nan
        shown[name] = model.transform(rows)
    return shown


def consensus_search(spaces):
    """Choose ridge and width by hits@1, 5 and 10 of pictures, of fitting rows alone."""
    scores = {}
    for shrinkage, width in product((1.0, 3.0, 10.0), (50, 100, 200)):
        chosen = {"shrinkage": shrinkage, "n_components": width}
        for train, test in KFold(FOLDS).split(spaces[0]):
            shown = halves(spaces, train, test, chosen)
            ranks = retrieval_ranks(shown["image"], shown["caption"])
            value = np.mean([np.mean(ranks <= k) for k in KS])
            scores.setdefault((shrinkage, width), []).append(value)
    best = max(scores, key=lambda key: np.mean(scores[key]))
    return dict(zip(("shrinkage", "n_components"), best, strict=True))


def encoders():
    with np.load(DATA / "text_embeddings" / "multi30k_4000.npz") as arrays:
        for names in (
            ("en_minilm", "en_use", "en_e5"),
            ("en_minilm", "de_use", "fr_e5"),
        ):
            spaces = [unit(arrays[name]) for name in names]
            for train, test in splits(4000, 1000, 1):
                fitted = [rows[train] for rows in spaces]
                models = {}
                for kind in ("orthogonal", "similarity", "linear"):
                    start = time.perf_counter()
                    models[kind] = GeneralizedProcrustes(kind=kind).fit_spaces(fitted)
                    models[kind].seconds = time.perf_counter() - start
                for i, j in permutations(range(3), 2):
                    task = {"source": names[i], "target": names[j]}
                    task |= {"n_fit": len(train), "n_test": len(test)}
                    X, y = spaces[i][test], spaces[j][test]
                    direct = {"rotation": RigidAligner(), "ridge": LinearAligner()}
                    for name, aligner in direct.items():
                        start = time.perf_counter()
                        aligner.fit(fitted[i], fitted[j])
                        seconds = time.perf_counter() - start
                        values = next(hits(aligner.transform(X), y))[1]
                        yield task, f"direct {name}", None, {}, seconds, values
                    for kind, model in models.items():
                        there = next(hits(model.translate(X, i, j), y))[1]
                        yield task, f"{kind}, there", None, {}, model.seconds, there
                        sides = model.to_consensus(X, i), model.to_consensus(y, j)
                        meet = next(hits(*sides))[1]
                        yield task, f"{kind}, meet", None, {}, model.seconds, meet


DATASETS = {task.__name__: task for task in (words, multi30k, flickr8k, encoders)}


def table(dataset):
    """Return the rows of a data set: means over its splits."""
    results = {}
    for task, method, csls, chosen, seconds, values in DATASETS[dataset]():
        print(dataset, task["source"], task["target"], method, csls, chosen, values)
        key = *task.items(), ("method", method), ("csls", csls or "")
        results.setdefault(key, []).append((chosen, seconds, values))
    made_with = provenance("numpy", "scipy", "scikit-learn", "torch")
    for key, runs in results.items():
        chosen, seconds, values = zip(*runs, strict=True)
        yield (
            {"dataset": dataset}
            | dict(key)
            | {
                f"hits@{k}": f"{v:.4f}"
                for k, v in zip(KS, np.mean(values, 0), strict=True)
            }
            | {
                f"sd@{k}": f"{v:.4f}"
                for k, v in zip(KS, np.std(values, 0), strict=True)
            }
            | {"n_splits": len(runs), "seconds": f"{np.mean(seconds):.2f}"}
            | {
                "chosen": "; ".join(
                    " ".join(f"{k}={v}" for k, v in c.items()) for c in chosen
                )
            }
            | {"seed": SEED, **made_with}
            | {"threads": os.environ.get("OMP_NUM_THREADS", "unset")}
            | {"command": f"python -m benchmarks.cross_lingual {dataset}"}
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "datasets", nargs="*", choices=[*DATASETS, "all"], default="all"
    )
    parser.add_argument("--methods", nargs="+", choices=wanted, default=wanted)
    arguments = parser.parse_args()
    wanted[:] = arguments.methods
    torch.set_num_threads(1)
    chosen, order = arguments.datasets, list(DATASETS)
    for dataset in DATASETS if "all" in chosen else chosen:
        new = list(table(dataset))
        made = {(row["dataset"], row["method"]) for row in new}
        kept = [
            row for row in read(TABLE) if (row["dataset"], row["method"]) not in made
        ]
        rows = sorted([*kept, *new], key=lambda row: order.index(row["dataset"]))
        write(TABLE, rows)


if __name__ == "__main__":
    main()
