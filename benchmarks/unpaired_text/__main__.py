"""Alignment of text encoders from few pairs or none: three tables.

    OMP_NUM_THREADS=1 python -m benchmarks.unpaired_text unpaired   # 20 s a run
    # results/unpaired.csv: encoders, number of samples, overlap, failures
    OMP_NUM_THREADS=1 python -m benchmarks.unpaired_text pairs      # 30 s a run
    # results/pairs.csv: 5 to 1,000 pairs beside the unpaired samples
    OMP_NUM_THREADS=1 python -m benchmarks.unpaired_text hard       # 30 s a run
    # results/hard.csv: where no map is found, with more starts and others
    python -m benchmarks.unpaired_text page        # as the guide shows them

All are resumable: rows that are in a table are not measured again. The sentences are
divided at random into halves, so that the source side and the target side have none in
common. The score is hits@1 (and with CSLS) of 1,000 sentences of the target half, which
are mapped from the source encoder and searched among the same 1,000 in the target
encoder, by the cosine after the mean of the target is subtracted; chance is .001. Pairs
are sentences of the source half, which are added to the target side. Splits 0 to 4 are
reported; all choices were made on splits from 100. Words are the 10,000 most frequent
ones of each language, of unit length; 1,000 pairs of the dictionary are tested.
"""

import argparse
import time
import warnings
from unittest.mock import patch

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import normalize

from benchmarks.records import DATA, append, provenance, read
from benchmarks.unpaired_text import RESULTS
from skalign import RigidAligner, WassersteinProcrustesAligner
from skalign.unpaired import _cluster_start

AG, MULTI30K = "ag_news_6000", "multi30k_4000"
WORDS, LANGUAGES = "word_vectors_en_fr", ("en", "fr")
ENGLISH = ["en_minilm", "en_use", "en_e5"]
N_TESTED = 1000


def encoded(corpus, encoder):
    """Return sentence embeddings in float32; topics of AG News as labels."""
    with np.load(DATA / "text_embeddings" / f"{corpus}.npz") as file:
        return file[encoder].astype(np.float32)


def topics():
    with np.load(DATA / "text_embeddings" / f"{AG}.npz") as file:
        return file["y"]


def halves(n, split):
    """Positions of the source half and of the target half."""
    order = np.random.RandomState(split).permutation(n)
    return order[: n // 2], order[n // 2 :]


def cosines(mapped, targets, mean):
    units = [
        side / np.linalg.norm(side, axis=1, keepdims=True)
        for side in (mapped - mean, targets - mean)
    ]
    return units[0] @ units[1].T


def hits(similarities, n_neighbors=10):
    """Return hits@1 by cosine and by CSLS."""
    near = [
        np.sort(s, axis=1)[:, -n_neighbors:].mean(axis=1)
        for s in (similarities, similarities.T)
    ]
    truth = np.arange(len(similarities))
    csls = 2 * similarities - near[0][:, None] - near[1]
    return [float(np.mean(s.argmax(axis=1) == truth)) for s in (similarities, csls)]


def measure(aligner, X, y, tested, targets, **known):
    """Fit, and return scores and what the aligner says of itself."""
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        aligner.fit(X, y, **known)
    seconds = time.process_time() - start
    scores = hits(cosines(aligner.transform(tested), targets, aligner.y_mean_))
    said = {
        name: getattr(aligner, f"{name}_", np.nan)
        for name in ("confidence", "objective", "rival_objective", "identity_objective")
    }
    row = dict(zip(("hits", "hits_csls"), scores, strict=True)) | said
    row = {name: f"{value:.4f}" for name, value in row.items()}
    kinds = getattr(aligner, "objectives_", {})
    row["best"] = max(kinds, key=kinds.get, default="")
    row["cpu_seconds"] = f"{seconds:.1f}"
    row["warned"] = "; ".join(str(w.message) for w in caught)
    return row


def unpaired_tasks():
    """Yield (kind, source corpus, encoder, target corpus, encoder, samples, split)."""
    pairs = [(AG, a, b) for a, b in (("minilm", "use"), ("use", "minilm"))]
    pairs += [(MULTI30K, a, b) for a in ENGLISH for b in ENGLISH if a != b]
    for split in range(5):
        for corpus, source, target in pairs:
            yield "halves", corpus, source, corpus, target, 3000, split
        yield "no common map", AG, "minilm", MULTI30K, "en_use", 2000, split
        yield "no common map", MULTI30K, "en_minilm", AG, "use", 2000, split
        yield "shuffled columns", AG, "minilm", AG, "use", 3000, split
    for split in range(3):
        for n in (500, 1000, 2000):
            yield "halves", AG, "minilm", AG, "use", n, split
        for share in (30, 50, 80):
            kind = f"{share} % of the topics in common"
            yield kind, AG, "minilm", AG, "use", 1500, split
        yield "other topics", AG, "minilm", AG, "use", 1500, split
        yield "halves", MULTI30K, "en_minilm", MULTI30K, "de_use", 2000, split
        yield "halves", MULTI30K, "en_e5", MULTI30K, "de_e5", 2000, split


def drawn(kind, corpus, source, target_corpus, target, n, split):
    """Return the two sides, and tested sentences in both encoders."""
    X, Y = encoded(corpus, source), encoded(target_corpus, target)
    first, second = halves(len(X), split)
    tested = second[:N_TESTED]
    if kind == "no common map":  # of these, nothing corresponds
        other, _ = halves(len(Y), split)
        return X[first[:n]], Y[other[:n]], X[tested], Y[tested % len(Y)]
    if kind == "shuffled columns":  # all moments of single columns, and no others
        rng = np.random.RandomState(split)
        rows = Y[second[:n]]
        rows = np.column_stack([rng.permutation(column) for column in rows.T])
        return X[first[:n]], rows, X[tested], Y[tested]
    if "topics" in kind:
        # Source topics 0 and 1; a share of the target's samples are of these.
        y = topics()
        share = int(kind.split()[0]) / 100 if "%" in kind else 0.0
        inside, outside = (second[np.isin(y[second], c)] for c in ([0, 1], [2, 3]))
        k = round(share * n)
        chosen = np.concatenate([inside[:k], outside[: n - k]])
        tested = inside[-500:]
        return X[first[np.isin(y[first], [0, 1])][:n]], Y[chosen], X[tested], Y[tested]
    return X[first[:n]], Y[second[:n]], X[tested], Y[tested]


def run(path, tasks, names, fit):
    path.parent.mkdir(exist_ok=True)
    done = {tuple(row[name] for name in names) for row in read(path)}
    for task in tasks:
        if tuple(map(str, task)) in done:
            continue
        row = dict(zip(names, task, strict=True)) | fit(*task)
        append(path, row | provenance("numpy", "scipy", "scikit-learn"))
        print(*task, row["hits"], row["hits_csls"], row.get("confidence"), flush=True)


def unpaired(*task):
    X, y, tested, targets = drawn(*task)
    aligner = WassersteinProcrustesAligner(random_state=task[-1])
    return measure(aligner, X, y, tested, targets)


def pair_tasks():
    for split in range(5):
        for n_pairs in (20, 1000, 100, 50, 300, 5, 10):
            for task in ((AG, "minilm", "use"), (MULTI30K, "en_minilm", "de_use")):
                for method in ("pairs alone", "pairs and other samples"):
                    yield *task, n_pairs, method, split


CLUSTERS = "32 starts of 40 to 80 clusters"  # 16 of 20 to 40 as it comes
HARD = {
    "as it comes": {},
    "64 starts": {"n_starts": 64},
    CLUSTERS: {"n_starts": 32},
    "moments only": {"init": "moments"},
    "100 axes of moments": {"init": "moments", "n_components": 100},
}


def hard_tasks():
    for split in range(3):
        for way in HARD:
            yield "halves", MULTI30K, "en_minilm", MULTI30K, "de_use", 2000, split, way
            yield "other topics", AG, "minilm", AG, "use", 1500, split, way
            yield "words", WORDS, "en", WORDS, "fr", 10_000, split, way


def hard(*task):
    *task, way = task
    X, y, tested, targets = words(*task[-2:]) if task[0] == "words" else drawn(*task)
    aligner = WassersteinProcrustesAligner(random_state=task[-1], **HARD[way])
    n_clusters = (40, 80) if way == CLUSTERS else _cluster_start._CLUSTERS
    with patch.object(_cluster_start, "_CLUSTERS", n_clusters):
        return measure(aligner, X, y, tested, targets)


def words(n, split):
    """Return frequent words of two languages, and tested words with a translation."""
    with np.load(DATA / WORDS / "en_fr_word_vectors.npz") as file:
        sides = [normalize(file[f"{name}_vectors"].astype(float)) for name in LANGUAGES]
        pairs = np.concatenate([file["pairs_train"], file["pairs_test"]])
    pairs = np.random.RandomState(split).permutation(pairs)
    for column in (0, 1):  # one translation of each word
        pairs = pairs[np.unique(pairs[:, column], return_index=True)[1]]
    tested = np.random.RandomState(split).permutation(pairs)[:N_TESTED].T
    X, y = sides
    return X[:n], y[:n], X[tested[0]], y[tested[1]]


def with_pairs(corpus, source, target, n_pairs, method, split):
    X, Y = encoded(corpus, source), encoded(corpus, target)
    first, second = halves(len(X), split)
    chosen = np.random.RandomState([split, n_pairs]).permutation(len(first))[:n_pairs]
    paired, tested = first[chosen], second[:N_TESTED]
    if method == "pairs alone":
        return measure(RigidAligner(), X[paired], Y[paired], X[tested], Y[tested])
    return measure(
        WassersteinProcrustesAligner(random_state=split),
        X[first],
        Y[np.concatenate([second, paired])],
        X[tested],
        Y[tested],
        pairs=np.column_stack([chosen, len(second) + np.arange(n_pairs)]),
    )


def page():
    """Print the tables of the user guide."""
    rows = read(RESULTS / "unpaired.csv")
    print("| sides | samples a side | runs | hits@1 | CSLS | confidence | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    groups = {}
    for row in rows:
        limit = 3000 if row["source_corpus"] == AG else 2000
        n = min(int(row["n_samples"]), limit)
        key = row["kind"], row["source"], row["target"], n
        groups.setdefault(key, []).append(row)
    for (kind, source, target, n), group in groups.items():
        what = "" if kind == "halves" else f" ({kind})"
        columns = ("hits", "hits_csls", "confidence")
        cells = [spread(group, column) for column in columns]
        cells.append(f"{np.mean([float(r['cpu_seconds']) for r in group]):.0f}")
        print(f"| {source} to {target}{what} | {n} | {len(group)} |", end=" ")
        print(" | ".join(cells), "|")
    success = np.array([float(row["hits"]) >= 0.3 for row in rows])
    trust = np.array([float(row["confidence"]) for row in rows])
    print(f"\n{len(rows)} runs, {success.sum()} of them successes (hits@1 >= .3):")
    print(f"AUC of the confidence {roc_auc_score(success, trust):.3f};")
    trusted = trust >= 0.04
    print(f"trusted {trusted.sum()}, wrongly {(trusted & ~success).sum()};")
    print(f"successes that are not trusted {(~trusted & success).sum()}.\n")
    groups = {}
    for row in read(RESULTS / "pairs.csv"):
        key = row["source"], row["target"], int(row["n_pairs"])
        groups.setdefault(key, {}).setdefault(row["method"], []).append(row)
    print("| encoders | pairs | runs | pairs alone | pairs and other samples |")
    print("| --- | --- | --- | --- | --- |")
    for (source, target, n), group in sorted(groups.items()):
        cells = [spread(rows, "hits") for rows in group.values()]
        runs = len(next(iter(group.values())))
        print(f"| {source} to {target} | {n} | {runs} |", " | ".join(cells), "|")
    groups = {}
    for row in read(RESULTS / "hard.csv"):
        key = row["source"], row["target"], row["kind"], row["n_samples"]
        groups.setdefault(key, {}).setdefault(row["way"], []).append(row)
    print("\n| sides | samples a side | runs |", " | ".join(HARD), "|")
    print("| --- | --- | --- |" + " --- |" * len(HARD))
    for (source, target, kind, n), group in groups.items():
        cells = [spread(group[way], "hits") for way in HARD]
        runs = len(group["as it comes"])
        print(f"| {source} to {target} ({kind}) | {n} | {runs} |", end=" ")
        print(" | ".join(cells), "|")


def spread(rows, column):
    """Mean of a column, with the smallest and the largest value."""
    values = [float(row[column]) for row in rows]
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=["unpaired", "pairs", "hard", "page"])
    table = parser.parse_args().table
    if table == "page":
        page()
    elif table == "unpaired":
        names = ["kind", "source_corpus", "source", "target_corpus", "target"]
        names += ["n_samples", "split"]
        run(RESULTS / "unpaired.csv", unpaired_tasks(), names, unpaired)
    elif table == "hard":
        names = ["kind", "source_corpus", "source", "target_corpus", "target"]
        names += ["n_samples", "split", "way"]
        run(RESULTS / "hard.csv", hard_tasks(), names, hard)
    else:
        names = ["corpus", "source", "target", "n_pairs", "method", "split"]
        run(RESULTS / "pairs.csv", pair_tasks(), names, with_pairs)


if __name__ == "__main__":
    main()
