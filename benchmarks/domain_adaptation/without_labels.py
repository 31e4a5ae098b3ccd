"""Which scores choose an adapter well when the target has no labels: two CSVs.

    python -m benchmarks.domain_adaptation.without_labels

Every candidate, an aligner and a strength of the classifier, is scored by two-fold
cross-validation on source rows and the unlabelled target rows, as GridSearchCV would.
Then it is fitted on all source rows, and its accuracy on the target is measured. The
labels of the target serve for nothing else. At most 600 rows of a domain are taken.

``results/model_selection_candidates.csv`` holds all scores and accuracies;
``results/model_selection_without_labels.csv`` says, for each score, how its order of
candidates agrees with that of accuracies, and how good the candidate it chooses is,
over the pairs of domains.
"""

import argparse
from itertools import permutations, product

import numpy as np
import pandas as pd
import sklearn
from joblib import Parallel, delayed
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils import resample

from benchmarks.domain_adaptation import RESULTS
from benchmarks.records import DATA, provenance
from skalign.adaptation import DomainAdapter
from skalign.metrics import (
    CircularValidationScorer,
    ImportanceWeightedScorer,
    PredictionEntropyScorer,
    SoftNeighborhoodScorer,
    SourceScorer,
    get_scorer,
)
from skalign.unpaired import (
    CORALAligner,
    GaussianOTAligner,
    MeanVarianceAligner,
    OptimalTransportAligner,
    SubspaceAligner,
    TransferComponentAligner,
)

N_ROWS, N_COMPONENTS = 600, 64

SCORERS = {
    "source": SourceScorer(),
    "importance weighted": ImportanceWeightedScorer(),
    "circular validation": CircularValidationScorer(),
    "entropy": PredictionEntropyScorer(),
    "entropy + diversity": PredictionEntropyScorer(diversity=1.0),
    "soft neighborhood": SoftNeighborhoodScorer(),
    "mmd": get_scorer("neg_mmd"),
    "sliced wasserstein": get_scorer("neg_sliced_wasserstein_distance"),
}
ALIGNERS = {
    "none": "passthrough",
    "mean and variance": MeanVarianceAligner(),
    **{f"coral reg={reg}": CORALAligner(reg=reg) for reg in (0.01, 1.0, 10.0)},
    **{f"gaussian ot reg={reg}": GaussianOTAligner(reg=reg) for reg in (0.01, 1.0)},
    **{f"subspace {k}": SubspaceAligner(n_components=k) for k in (5, 20, 60)},
    **{f"transfer components {k}": TransferComponentAligner(k) for k in (5, 20, 60)},
    **{f"ot reg={reg}": OptimalTransportAligner(reg=reg) for reg in (0.1, 1.0)},
}
STRENGTHS = (0.001, 0.1, 10.0)


def load_domains(name):
    """Return a dict of domains, rows and classes, and the first step of the pipeline.

    Rows have one norm; features then vary about as much as one another.
    """
    if name == "office_caltech10":
        arrays = np.load(DATA / name / "surf800.npz")
        domains = ("amazon", "caltech10", "dslr", "webcam")
        normalizer, scale, scaler = Normalizer("l1"), 1.0, StandardScaler()
    else:
        arrays = np.load(DATA / "classic_da_small" / "mnist2000_usps1800_256.npz")
        domains = ("mnist", "usps")
        # Pixels of the border never vary in one domain: their own scale is no use.
        normalizer, scale, scaler = Normalizer("l2"), 16.0, "passthrough"
    loaded = {}
    for domain in domains:
        X, y = arrays[f"X_{domain}"].astype(np.float64), arrays[f"y_{domain}"]
        if len(y) > N_ROWS:
            X, y = resample(
                X, y, replace=False, n_samples=N_ROWS, stratify=y, random_state=0
            )
        loaded[domain] = scale * normalizer.transform(X), y
    return loaded, scaler


def measure(dataset, pair, source, target, scaler, aligner, strength):
    """Return the scores of one candidate and its accuracy on the target."""
    (X, y), (X_target, y_target) = source, target
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            scaler,
            PCA(N_COMPONENTS, random_state=0),
            DomainAdapter(ALIGNERS[aligner]),
            LogisticRegression(C=strength, solver="newton-cholesky"),
            transform_input=["X_target"],
        )
        scores = cross_validate(
            pipe,
            X,
            y,
            cv=StratifiedKFold(2, shuffle=True, random_state=0),
            scoring=SCORERS,
            params={"X_target": (X_target,)},
            error_score="raise",
        )
        predicted = pipe.fit(X, y, X_target=X_target).predict(X_target)
    row = {"dataset": dataset, "pair": pair, "aligner": aligner, "C": strength}
    row |= {name: scores[f"test_{name}"].mean() for name in SCORERS}
    return row | {"accuracy": np.mean(predicted == y_target)}


def summarise(candidates):
    """Return, for each score, its agreement with accuracy and what it chooses."""
    rows = []
    for dataset, table in candidates.groupby("dataset", sort=False):
        pairs = [pair for _, pair in table.groupby("pair", sort=False)]
        best = np.array([pair["accuracy"].max() for pair in pairs])
        chosen = {
            "(best)": best,
            "(any)": [pair["accuracy"].mean() for pair in pairs],
            "(best that does not adapt)": [
                pair.loc[pair["aligner"] == "none", "accuracy"].max() for pair in pairs
            ],
        }
        for name in SCORERS:
            # A distance does not see the classifier: of equals, any may be chosen.
            tops = [pair[name] >= pair[name].max() - 1e-12 for pair in pairs]
            chosen[name] = [
                pair.loc[top, "accuracy"].mean()
                for pair, top in zip(pairs, tops, strict=True)
            ]
        for name, accuracy in chosen.items():
            row = {"dataset": dataset, "score": name}
            if name in SCORERS:
                order = [rank_correlation(pair, name) for pair in pairs]
                one = [rank_correlation(pair[pair["C"] == 0.1], name) for pair in pairs]
                row |= {
                    "rank correlation": np.mean(order),
                    "lowest of a pair": min(order),
                    "of aligners at C=0.1": np.mean(one),
                }
            row["accuracy of choice"] = np.mean(accuracy)
            row["largest loss"] = np.max(best - accuracy)
            rows.append(row)
    columns = ["dataset", "score", "rank correlation", "lowest of a pair"]
    columns += ["of aligners at C=0.1", "accuracy of choice", "largest loss"]
    return pd.DataFrame(rows)[columns]


def rank_correlation(table, name):
    return table[name].corr(table["accuracy"], "spearman")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1)
    jobs = parser.parse_args().jobs
    tasks = []
    for dataset in ("office_caltech10", "mnist_usps"):
        domains, scaler = load_domains(dataset)
        for source, target in permutations(domains, 2):
            pair = f"{source} to {target}"
            for aligner, strength in product(ALIGNERS, STRENGTHS):
                sides = domains[source], domains[target]
                tasks.append((dataset, pair, *sides, scaler, aligner, strength))
    results = Parallel(jobs, verbose=1)(delayed(measure)(*task) for task in tasks)
    candidates = pd.DataFrame(results)
    summary = summarise(candidates)
    print(summary.round(3).to_string(index=False))
    made_with = {"seed": 0} | provenance("numpy", "scipy", "scikit-learn", "POT")
    for name, table, digits in (
        ("model_selection_candidates", candidates, 6),
        ("model_selection_without_labels", summary, 3),
    ):
        table.assign(**made_with).to_csv(
            RESULTS / f"{name}.csv", index=False, float_format=f"%.{digits}f"
        )


if __name__ == "__main__":
    main()
