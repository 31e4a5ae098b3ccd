"""Convert an index to a new encoder bit by bit, and search it meanwhile: one CSV.

    OMP_NUM_THREADS=1 python -m benchmarks.living_index  # all; minutes on one core
    python -m benchmarks.living_index ag_news

An index holds the vectors of an old encoder, MiniLM; queries are embedded by a new one.
1,000 items outside of the index are embedded by both: the pairs, from which the map is
learnt. 500 queries are asked at every share converted, and 500 others are seen by
`next_to_convert`. The map is "chosen", with the aligner and `csls` that `GridSearchCV`
selects by the score of the retriever within the pairs, or "rotation", `RigidAligner()`
without `csls`. Tasks:

- ag_news: articles, 4,000 in the index; the new encoder is USE.
- multi30k_use, multi30k_e5: English captions, 2,000 in the index; USE or E5.
- multi30k_german: as multi30k_use, but queries are the German captions of images whose
  English caption is in the index.

recall@10 is the share of the ten nearest items after full conversion that are found;
"own" the share of German queries with their own image among the ten. "raw" merges
cosines of both spaces as they are; "predicted" is `AlignedRetriever`. Means over ten
draws, with the ends of a 95 % t interval, also of the difference from 0 % converted and
of the difference between orders, draw by draw.
"""

import argparse
import os
import warnings

import numpy as np
from scipy.stats import t
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import normalize

from benchmarks.living_index import RESULTS
from benchmarks.records import DATA, provenance, read, write
from skalign import AlignedRetriever, CanonicalAligner, LinearAligner, RigidAligner

TABLE = RESULTS / "living_index.csv"
N_DRAWS, N_PAIRS, N_QUERIES, K = 10, 1000, 500, 10
SHARES = (0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1)
GRID = {
    "aligner": [LinearAligner(), RigidAligner(), CanonicalAligner(shrinkage=0.3)],
    "csls": [None, 10],
}
# old, new, and new vectors of queries
TASKS = {
    "ag_news": ("ag_news_6000", "minilm", "use", "use"),
    "multi30k_use": ("multi30k_4000", "en_minilm", "en_use", "en_use"),
    "multi30k_e5": ("multi30k_4000", "en_minilm", "en_e5", "en_e5"),
    "multi30k_german": ("multi30k_4000", "en_minilm", "en_use", "de_use"),
}


def load(task):
    name, *spaces = TASKS[task]
    with np.load(DATA / "text_embeddings" / f"{name}.npz") as arrays:
        return [normalize(arrays[space].astype(np.float32)) for space in spaces]


def split(task, n_items, seed):
    """Return positions of pairs, queries, queries seen and the index."""
    order = np.random.default_rng(seed).permutation(n_items)
    ends = np.cumsum([N_PAIRS, N_QUERIES, N_QUERIES])
    pairs, asked, seen, index = np.split(order, ends)
    if task == "multi30k_german":
        index = np.concatenate([asked, seen, index])
    return pairs, asked, seen, index


def nearest(similarity):
    return np.argpartition(-similarity, K, axis=1)[:, :K]


def recall(found, wanted):
    return np.mean([np.isin(w, f).mean() for f, w in zip(found, wanted, strict=True)])


def chosen(new, old):
    """Return the parameters with which pairs held out are found best."""
    search = GridSearchCV(AlignedRetriever(n_neighbors=K), GRID, cv=3)
    return search.fit(new, old).best_params_


def rotation(new, old):
    return {"aligner": RigidAligner()}


MAPS = {"chosen": chosen, "rotation": rotation}


def curves(task, name, seed):
    """Yield scores, order, share and measure, and the value."""
    old, new, asked_by = load(task)
    pairs, asked, seen, index = split(task, len(old), seed)
    parameters = MAPS[name](new[pairs], old[pairs])
    queries, native = asked_by[asked], new[index]
    cosines = queries @ native.T
    wanted = nearest(cosines)
    counts = [round(share * len(index)) for share in SHARES]
    at_random = np.random.default_rng([seed, 1]).permutation(len(index))

    def measures(found):
        yield "recall@10", recall(found, wanted)
        if task == "multi30k_german":  # query i is about item i of the index
            yield "own", np.mean((found == np.arange(len(asked))[:, None]).any(axis=1))

    for order in ("random", "next_to_convert"):
        retriever = AlignedRetriever(n_neighbors=K, **parameters)
        retriever.fit(new[pairs], old[pairs], candidates=old[index])
        for share, count in zip(SHARES, counts, strict=True):
            more = count - np.sum(retriever.converted_)
            if more:
                batch = at_random[count - more : count]
                if order == "next_to_convert":
                    batch = retriever.next_to_convert(more, asked_by[seen])
                retriever.convert(batch, native[batch])
            found = retriever.kneighbors(queries, return_distance=False)
            for measure, value in measures(found):
                yield ("predicted", order, share, measure), value
    mapped = normalize(retriever.aligner_.transform(queries)) @ retriever.candidates_.T
    for share, count in zip(SHARES, counts, strict=True):
        converted = np.isin(np.arange(len(index)), at_random[:count])
        found = nearest(np.where(converted, cosines, mapped))
        for measure, value in measures(found):
            yield ("raw", "random", share, measure), value


def interval(values):
    """Return mean and ends of the 95 % t interval, as text."""
    values = np.asarray(values)
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [
        f"{v:.4f}" for v in (values.mean(), values.mean() - half, values.mean() + half)
    ]


def table(task, name, seeds):
    """Yield a row for each curve, share and measure."""
    drawn = {}
    for seed in seeds:
        for key, value in curves(task, name, seed):
            drawn.setdefault(key, []).append(value)
        print(task, name, seed, flush=True)
    drawn = {key: np.array(values) for key, values in drawn.items()}
    for (scores, order, share, measure), values in drawn.items():
        row = {
            "task": task,
            "map": name,
            "measure": measure,
            "scores": scores,
            "order": order,
        }
        row |= {"share": share}
        none = drawn[scores, order, 0, measure]
        other = drawn[scores, "random", share, measure]
        for what, numbers in {
            "mean": values,
            "above 0 %": values - none,
            "above random": values - other,
        }.items():
            ends = what, f"{what}, low", f"{what}, high"
            row |= dict(zip(ends, interval(numbers), strict=True))
        yield row | {
            "draws above or at 0 %": int(np.sum(values >= none)),
            "seeds": f"{seeds[0]}-{seeds[-1]}",
            **provenance("numpy", "scipy", "scikit-learn"),
            "threads": os.environ.get("OMP_NUM_THREADS", "unset"),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", choices=[*TASKS, "all"], default="all")
    parser.add_argument("--map", choices=[*MAPS, "all"], default="all")
    arguments = parser.parse_args()
    # within three folds of 1,000 pairs, which do not determine all of 512 directions
    warnings.filterwarnings("ignore", message="RigidAligner may have failed")
    names = MAPS if arguments.map == "all" else [arguments.map]
    for task in TASKS if "all" in arguments.tasks else arguments.tasks:
        for name in names:
            new = list(table(task, name, range(N_DRAWS)))
            rest = [r for r in read(TABLE) if (r["task"], r["map"]) != (task, name)]
            write(TABLE, rest + new)


if __name__ == "__main__":
    main()
