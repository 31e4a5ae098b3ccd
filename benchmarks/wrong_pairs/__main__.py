"""How well are wrong pairs found, and how much do they matter then?

    OMP_NUM_THREADS=1 python -m benchmarks.wrong_pairs  # writes results/wrong_pairs.csv

3,000 pairs, of which a share is wrong: their targets are passed on in a cycle. A row of
the table is one seed, which draws the pairs and the wrong ones among them; no seed was
chosen. Errors are squared errors on test pairs, relative to those of the mean; hits are
those of the first place among the targets of the test pairs (Euclidean).

- ag_news: articles in two sentence encoders, MiniLM (384) to USE (512); 1,000 to test.
- en-fr, fr-en: word vectors, GloVe (100) and fastText (300), of the dictionary entries
  that have one translation in both directions; about 340 to test. Rows are brought to
  unit length, centred, and to unit length again.
- "clean": the aligner, fitted to the right pairs alone; "all": to all pairs; "robust":
  `RobustAligner` as it comes; "trimmed": five times, pairs whose residual is above the
  median by more than 3 scaled median absolute deviations are named and left out.
- fdr: share of right pairs among those named wrong, 0 if none is named; recall: share
  of the wrong pairs that are named. "fdr_estimated" is `fdr_`. "fdr_possible": that of
  the threshold which finds 95 % of the wrong pairs, chosen with the truth, on p-values
  of maps fitted to the right pairs of the other half alone.
- cost: time of the processor of a robust fit, relative to one fit; median of 3 in turn.
"""

import argparse
import shlex
import sys
import time
import warnings
from itertools import product

import numpy as np
from scipy.stats import median_abs_deviation
from sklearn.base import clone
from sklearn.preprocessing import normalize

from benchmarks.records import DATA, provenance, write
from benchmarks.wrong_pairs import RESULTS
from skalign import LinearAligner, RigidAligner, RobustAligner
from skalign.metrics import retrieval_accuracy
from skalign.paired._mismatch import mismatch_pvalues

N_PAIRS = 3000
ALIGNERS = {"linear": LinearAligner(), "similarity": RigidAligner(scaling=True)}


def news():
    """Articles in both encoders."""
    with np.load(DATA / "text_embeddings" / "ag_news_6000.npz") as file:
        return file["minilm"].astype(np.float32), file["use"].astype(np.float32)


def words():
    """Vectors of the entries with one translation in both directions."""
    with np.load(DATA / "word_vectors_en_fr" / "en_fr_word_vectors.npz") as file:
        pairs = np.vstack([file[f"pairs_{part}"] for part in ("train", "test", "rest")])
        vectors = [file[f"{language}_vectors"] for language in ("en", "fr")]
    once = [np.bincount(column)[column] == 1 for column in pairs.T]
    pairs, sides = pairs[once[0] & once[1]], []
    for rows, column in zip(vectors, pairs.T, strict=True):
        unit = normalize(rows.astype(np.float32))
        sides.append(normalize(unit - unit.mean(axis=0))[column])
    return sides


def draw(sides, share, seed):
    """Pairs, which of them are wrong, and test pairs."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(sides[0]))
    train, test = rows[:N_PAIRS], rows[N_PAIRS : N_PAIRS + 1000]
    X, y = (side[train] - side[train].mean(axis=0) for side in sides)
    new = [side[test] - side[train].mean(axis=0) for side in sides]
    wrong = rng.permutation(N_PAIRS) < round(share * N_PAIRS)
    y[wrong] = np.roll(y[wrong], 1, axis=0)
    return X, y, wrong, new


def quality(aligner, X, y):
    """Relative error and hits on test pairs."""
    mapped = aligner.transform(X)
    error = np.square(mapped - y).sum() / np.square(y).sum()
    return float(error), retrieval_accuracy(mapped, y, metric="euclidean")


def rates(named, wrong):
    """False discovery rate and recall."""
    recall = named[wrong].mean() if wrong.any() else np.nan
    return np.sum(named & ~wrong) / max(1, named.sum()), recall


def trimmed(aligner, X, y):
    """Fit without the pairs of large residuals, and these pairs."""
    named = np.zeros(len(X), dtype=bool)
    for _ in range(5):
        fitted = clone(aligner).fit(X[~named], y[~named])
        residual = np.linalg.norm(y - fitted.transform(X), axis=1)
        spread = median_abs_deviation(residual[~named], scale="normal")
        named = residual > np.median(residual[~named]) + 3 * spread
    return clone(aligner).fit(X[~named], y[~named]), named


def possible(aligner, X, y, wrong):
    """False discovery rate at a recall of .95, with the truth."""
    if not wrong.any():
        return np.nan
    pvalues, halves = np.ones(len(X)), np.array_split(np.arange(len(X)), 2)
    for rated, others in (halves, halves[::-1]):
        right = others[~wrong[others]]
        fitted = clone(aligner).fit(X[right], y[right])
        pvalues[rated] = mismatch_pvalues(fitted.transform(X[rated]), y[rated])
    return rates(pvalues >= np.quantile(pvalues[wrong], 0.05), wrong)[0]


def cost(aligner, robust, X, y):
    """Time of a robust fit relative to one fit."""
    ratios = []
    for _ in range(3):
        times = []
        for estimator in (aligner, robust):
            start = time.process_time()
            clone(estimator).fit(X, y)
            times.append(time.process_time() - start)
        ratios.append(times[1] / times[0])
    return np.median(ratios)


def measure(sides, aligner, share, seed):
    """Row of the table for one draw."""
    X, y, wrong, new = draw(sides, share, seed)
    robust = RobustAligner(aligner, random_state=seed).fit(X, y)
    without, left_out = trimmed(aligner, X, y)
    fits = {
        "clean": clone(aligner).fit(X[~wrong], y[~wrong]),
        "all": clone(aligner).fit(X, y),
        "robust": robust,
        "trimmed": without,
    }
    row = {}
    for name, fitted in fits.items():
        row[f"error_{name}"], row[f"hits_{name}"] = quality(fitted, *new)
    row["fdr"], row["recall"] = rates(~robust.inlier_mask_, wrong)
    row["named"] = np.sum(~robust.inlier_mask_) / len(X)
    row["fdr_estimated"], row["wrong_share"] = robust.fdr_, robust.wrong_share_
    row["fdr_trimmed"], row["recall_trimmed"] = rates(left_out, wrong)
    row["fdr_possible"] = possible(aligner, X, y, wrong)
    row["cost"] = cost(aligner, RobustAligner(aligner, random_state=seed), X, y)
    return {name: f"{value:.4f}" for name, value in row.items()}


def main():
    """Write the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shares", type=float, nargs="+", default=[0, 0.1, 0.3])
    arguments = parser.parse_args()
    english, french = words()
    data = {"ag_news": news(), "en-fr": (english, french), "fr-en": (french, english)}
    rows, settings = (
        [],
        product(data, ALIGNERS, arguments.shares, range(arguments.seeds)),
    )
    for name, kind, share, seed in settings:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "RigidAligner may have failed")
            measured = measure(data[name], ALIGNERS[kind], share, seed)
        rows.append(
            {
                "data": name,
                "aligner": kind,
                "share": share,
                "seed": seed,
                **measured,
                "command": shlex.join(
                    ["python", "-m", "benchmarks.wrong_pairs", *sys.argv[1:]]
                ),
                **provenance("numpy", "scipy", "scikit-learn"),
            }
        )
        print({key: rows[-1][key] for key in list(rows[-1])[:21]}, flush=True)
    write(RESULTS / "wrong_pairs.csv", rows)


if __name__ == "__main__":
    main()
