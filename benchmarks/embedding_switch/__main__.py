"""Switch the embedding model of a stored index, with pairs of 1 % of its rows: one CSV.

    python -m benchmarks.embedding_switch  # all; two minutes on one core
    python -m benchmarks.embedding_switch maps

6,000 AG News articles lie in a sqlite database with their MiniLM vectors. The new
encoder is USE. 60 rows are embedded again (the pairs), a map learnt from them carries
all others over, and 500 articles are searched for by their true USE vectors. Columns:

- hits@1, hits@10: the article's own row is the first found, or among ten; articles
  that were embedded again are not asked for where it says "rest".
- overlap@10: share of the ten nearest other articles that full re-embedding would find.
- cosine: of a stored row with its true one, about the mean of the pairs; the mean over
  all rows, and the row below which a twentieth lies.
- error: squared distance of mapped from true rows over that of the mean of the pairs.

"maps" compares maps and rules for the pairs; "sizes" the number of pairs; "flags" what
to embed again after the 60, where rules see nothing but the old vectors and the map:
the rows of largest `predict_std`, those with the largest share outside of what the
pairs span, and random ones, the map kept or learnt anew; "forecast" compares what
the pairs say of the error, each left out in turn, with the truth. Nothing is tuned;
all numbers are means over three draws with their standard deviation.
"""

import argparse
import os
import sqlite3
from functools import cache, partial

import numpy as np
from scipy.stats import spearmanr
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import normalize

from benchmarks.embedding_switch import RESULTS
from benchmarks.records import DATA, provenance, read, write
from skalign import LinearAligner, RigidAligner
from skalign.anchors import (
    FarthestPointAnchors,
    KMeansAnchors,
    PivotedQRAnchors,
    RandomAnchors,
)
from skalign.metrics import jackknife_interval

TABLE = RESULTS / "embedding_switch.csv"
N_DRAWS, N_QUERIES, N_PAIRS, K = 3, 500, 60, 10
MAPS = {
    "least squares": partial(LinearAligner, alpha=0.0),
    "ridge": LinearAligner,
    "rotation": RigidAligner,
    "rotation and scale": partial(RigidAligner, scaling=True),
}
RULES = {
    "random": RandomAnchors,
    "k-means": KMeansAnchors,
    "farthest points": FarthestPointAnchors,
    "pivoted QR": PivotedQRAnchors,
}


class Index:
    """Vectors in a database, each with the encoder or map that it comes from."""

    def __init__(self, vectors, made_by):
        self.width = vectors.shape[1]
        self.database = sqlite3.connect(":memory:")
        self.database.execute(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, made_by TEXT, vector BLOB)"
        )
        self.write(np.arange(len(vectors)), vectors, made_by)

    def write(self, ids, vectors, made_by):
        rows = (
            (int(i), made_by, vector.astype(np.float32).tobytes())
            for i, vector in zip(ids, vectors, strict=True)
        )
        self.width = vectors.shape[1]
        with self.database:  # all of them or none
            self.database.executemany("REPLACE INTO item VALUES (?, ?, ?)", rows)

    def vectors(self):
        stored = self.database.execute("SELECT vector FROM item ORDER BY id")
        flat = b"".join(vector for (vector,) in stored)
        return np.frombuffer(flat, dtype=np.float32).reshape(-1, self.width)


@cache
def load():
    with np.load(DATA / "text_embeddings" / "ag_news_6000.npz") as arrays:
        return [normalize(arrays[n].astype(np.float32)) for n in ("minilm", "use")]


def search(queries, index, own):
    """Return similarities, those with own rows, and the ten nearest other rows."""
    similarity = queries @ index.T
    at = np.arange(len(own)), own
    mine = similarity[at]
    similarity[at] = -np.inf
    return similarity, mine, np.argpartition(-similarity, K, axis=1)[:, :K]


@cache
def questions(draw):
    """Return the articles asked for, and what full re-embedding would find."""
    _, y = load()
    asked = np.random.default_rng([draw, 1]).choice(len(y), N_QUERIES, replace=False)
    return asked, search(y[asked], y, asked)[2]


def quality(stored, y, pairs, renewed, draw):
    """Search a migrated index by true vectors; what is renewed holds true rows."""
    mean = y[pairs].mean(axis=0)
    index, true = normalize(stored - mean), normalize(y - mean)
    asked, wanted = questions(draw)
    similarity, mine, found = search(true[asked], index, asked)
    rank = 1 + (similarity >= mine[:, None]).sum(axis=1)
    rest = ~np.isin(asked, renewed)
    overlap = [np.isin(a, b).mean() for a, b in zip(found, wanted, strict=True)]
    cosine = np.einsum("ij,ij->i", index, true)
    kept = np.setdiff1d(np.arange(len(y)), renewed)
    error = np.square(stored[kept] - y[kept]).sum()
    return {
        "hits@1": np.mean(rank <= 1),
        "hits@10": np.mean(rank <= K),
        "hits@1 of the rest": np.mean(rank[rest] <= 1),
        "hits@10 of the rest": np.mean(rank[rest] <= K),
        "overlap@10": np.mean(overlap),
        "cosine": cosine.mean(),
        "cosine, worst twentieth": np.quantile(cosine, 0.05),
        "error of the rest": error / np.square(y[kept] - mean).sum(),
    }


def migrate(aligner, X, y, pairs, more=()):
    """Carry an index over by a map, then write the rows that were embedded again."""
    index = Index(X, "minilm")
    learnt_from = np.concatenate([pairs, np.asarray(more, dtype=int)])
    aligner.fit(X[pairs], y[pairs])
    index.write(np.arange(len(X)), aligner.transform(index.vectors()), "map")
    index.write(learnt_from, y[learnt_from], "use")
    return index.vectors()


def maps(X, y, draw):
    for rule, selector in RULES.items():
        chosen = selector(N_PAIRS, random_state=draw).select(X)
        for name, aligner in MAPS.items():
            stored = migrate(aligner(), X, y, chosen)
            task = {"rule": rule, "map": name, "n_pairs": N_PAIRS, "n_more": 0}
            yield task, quality(stored, y, chosen, chosen, draw)


def sizes(X, y, draw):
    for n_pairs in (60, 120, 240, 360, 600, 1200):
        chosen = RandomAnchors(n_pairs, random_state=draw).select(X)
        for name in ("least squares", "ridge"):
            stored = migrate(MAPS[name](), X, y, chosen)
            task = {"rule": "random", "map": name, "n_pairs": n_pairs, "n_more": 0}
            yield task, quality(stored, y, chosen, chosen, draw)


def doubts(X, y, chosen):
    """Return what each rule says of rows: the more, the less they are to be trusted."""
    aligner = LinearAligner().fit(X[chosen], y[chosen])
    std = np.sqrt(np.square(aligner.predict_std(X, include_noise=False)).sum(axis=1))
    centred = X - X[chosen].mean(axis=0)
    _, s, axes = np.linalg.svd(X[chosen] - X[chosen].mean(axis=0), full_matrices=False)
    axes = axes[s > 1e-6 * s[0]]
    inside = np.square(centred @ axes.T).sum(axis=1)
    outside = 1 - inside / np.square(centred).sum(axis=1)
    return aligner, {"predict_std": std, "off support": outside}


def flags(X, y, draw):
    chosen = RandomAnchors(N_PAIRS, random_state=draw).select(X)
    others = np.setdiff1d(np.arange(len(X)), chosen)
    aligner, doubt = doubts(X, y, chosen)
    doubt["random"] = np.random.default_rng([draw, 2]).random(len(X))
    error = np.square(aligner.transform(X) - y).sum(axis=1)
    tenth = len(others) // 10
    worst = others[np.argsort(-error[others])[:tenth]]
    for rule, values in doubt.items():
        order = others[np.argsort(-values[others], kind="stable")]
        told = {
            "rank correlation with the error": spearmanr(
                values[others], error[others]
            ).statistic,
            "worst tenth caught by a tenth": np.isin(worst, order[:tenth]).mean(),
        }
        for n_more in (60, 300):
            more = order[:n_more]
            renewed = np.concatenate([chosen, more])
            task = {"rule": rule, "n_pairs": N_PAIRS, "n_more": n_more}
            stored = migrate(LinearAligner(), X, y, chosen, more)
            kept = quality(stored, y, chosen, renewed, draw)
            yield task | {"map": "ridge, kept"}, kept | told
            stored = migrate(LinearAligner(), X, y, renewed)
            anew = quality(stored, y, renewed, renewed, draw)
            yield task | {"map": "ridge, anew"}, anew | told
    stored = migrate(LinearAligner(), X, y, chosen)
    task = {"rule": "none", "map": "ridge, kept", "n_pairs": N_PAIRS, "n_more": 0}
    yield task, quality(stored, y, chosen, chosen, draw)


def relative_error(told, y):
    """Squared error of maps, over that of means; both stand in `told`."""
    mapped, mean = np.split(told, 2, axis=1)
    return float(np.square(mapped - y).sum() / np.square(mean - y).sum())


def forecast(X, y, draw):
    """What the pairs, each left out in turn, say of the error of all other rows."""
    chosen = RandomAnchors(N_PAIRS, random_state=draw).select(X)
    others = np.setdiff1d(np.arange(len(X)), chosen)
    models = LinearAligner(), DummyRegressor()
    told = [
        cross_val_predict(model, X[chosen], y[chosen], cv=LeaveOneOut())
        for model in models
    ]
    true = [model.fit(X[chosen], y[chosen]).predict(X[others]) for model in models]
    told, true = np.hstack(told), np.hstack(true)
    ends = jackknife_interval(relative_error, told, y[chosen], paired=True)
    truth = relative_error(true, y[others])
    yield (
        {"rule": "random", "map": "ridge", "n_pairs": N_PAIRS, "n_more": 0},
        {
            "error, told by the pairs": relative_error(told, y[chosen]),
            "interval, low": ends.low,
            "interval, high": ends.high,
            "error of the rest": truth,
            "held": float(ends.low <= truth <= ends.high),
        },
    )


PARTS = {task.__name__: task for task in (maps, sizes, flags, forecast)}


def table(part):
    """Yield a row for each task and measure: mean and spread over draws."""
    X, y = load()
    found = {}
    for draw in range(N_DRAWS):
        for task, measures in PARTS[part](X, y, draw):
            print(part, draw, task, measures, flush=True)
            for name, value in measures.items():
                found.setdefault((*sorted(task.items()), name), []).append(value)
    for (*task, measure), values in found.items():
        yield (
            {"part": part}
            | dict(task)
            | {
                "measure": measure,
                "mean": f"{np.mean(values):.4f}",
                "sd": f"{np.std(values, ddof=1):.4f}",
                "lowest": f"{min(values):.4f}",
                "highest": f"{max(values):.4f}",
                "n_draws": len(values),
                "seeds": f"0-{N_DRAWS - 1}",
                **provenance("numpy", "scipy", "scikit-learn"),
                "threads": os.environ.get("OMP_NUM_THREADS", "unset"),
                "command": f"python -m benchmarks.embedding_switch {part}",
            }
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "all"], default="all")
    chosen = parser.parse_args().parts
    for part in PARTS if "all" in chosen else chosen:
        new = list(table(part))
        write(TABLE, [row for row in read(TABLE) if row["part"] != part] + new)


if __name__ == "__main__":
    main()
