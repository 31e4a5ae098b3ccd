"""Which map carries spectra of a second instrument to the first, from few samples?

    OMP_NUM_THREADS=1 python -m benchmarks.two_instruments

80 samples of corn, measured by two near-infrared spectrometers. Of 60 samples, the
first instrument's spectra and the wet chemistry are known: a model (partial least
squares, 10 components, one for each property) is fitted to them. The first 5, 10 or 60
of them were measured by the second instrument, too: from these pairs a map is learnt.
The other 20 samples are measured by the second instrument only, mapped, and given to
the models. A row of ``results/two_instruments.csv`` is one split and map; values are
root mean squared errors of the properties in per cent. No seed was chosen; the
candidates and the test were fixed on splits of seeds 100 to 139.

- "first instrument", "no map": bounds.
- "mean", "identity": `LinearAligner` with this prior, strength chosen by "loo".
- "searched": prior (None or "identity") and, for each property, strength chosen by
  cross-validation (10 folds; 5 with 5 samples) on the shared samples alone: the squared
  difference of the predictions for mapped and for true spectra. The prior is that of
  the lowest product over the properties. "loo" is one of the strengths, and is chosen
  unless the best one gains significantly (one-sided t-test over the folds, 5 %).
- "chemotools ...": direct standardization and spectral space transform, as they come.
"""

import numpy as np
from scipy.stats import ttest_1samp
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import GridSearchCV, KFold

from benchmarks.records import DATA, provenance, write
from benchmarks.two_instruments import RESULTS
from skalign import LinearAligner

try:
    from chemotools.adaptation import DirectStandardization, SpectralSpaceTransform
except ImportError:
    DirectStandardization = SpectralSpaceTransform = None

SHARED, SEEDS = (5, 10, 60), range(30)
STRENGTHS = np.logspace(-12, 2, 15)  # of the largest eigenvalue
LEVEL = 0.05  # of the test of a strength against "loo"


def agreement(model):
    """Scorer of the predictions for mapped spectra, against those for true ones."""

    def score(aligner, X, y):
        error = model.predict(aligner.transform(X)) - model.predict(y)
        return -np.mean(error**2)

    return score


def searched(X, y, models):
    """Map for each model, its prior and strength chosen on the pairs."""
    largest = np.linalg.norm(X - X.mean(axis=0), 2) ** 2
    strengths, priors = [*(STRENGTHS * largest), "loo"], [None, "identity"]
    search = GridSearchCV(
        LinearAligner(),
        {"alpha": strengths, "prior": priors},
        scoring={name: agreement(model) for name, model in models.items()},
        cv=KFold(min(len(X), 10), shuffle=True, random_state=0),
        refit=False,
    ).fit(X, y)
    errors = {  # of each fold, strength and prior
        name: np.stack([
            -search.cv_results_[f"split{fold}_test_{name}"]
            for fold in range(search.n_splits_)
        ]).reshape(-1, len(strengths), len(priors))
        for name in models
    }  # fmt: skip
    lowest = [np.log(error.mean(axis=0).min(axis=0)) for error in errors.values()]
    best = int(np.argmin(np.sum(lowest, axis=0)))
    found = {}
    for name, error in errors.items():
        error = error[:, :, best]
        strength = error.mean(axis=0).argmin()
        gain = error[:, -1] - error[:, strength]
        if not ttest_1samp(gain, 0, alternative="greater").pvalue < LEVEL:
            strength = -1
        aligner = LinearAligner(strengths[strength], prior=priors[best])
        found[name] = aligner.fit(X, y)
    return found


def maps(X, y, models):
    """For each way, the map for each property."""
    fitted = {
        "mean": LinearAligner("loo").fit(X, y).transform,
        "identity": LinearAligner("loo", prior="identity").fit(X, y).transform,
    }
    if DirectStandardization is not None:
        for name, way in (
            ("direct standardization", DirectStandardization()),
            ("spectral space transform", SpectralSpaceTransform()),
        ):
            # There, X_source is what samples are mapped to.
            fitted[f"chemotools {name}"] = way.fit(X, X_source=y).transform
    found = {name: dict.fromkeys(models, way) for name, way in fitted.items()}
    by_model = searched(X, y, models)
    found["searched"] = {name: a.transform for name, a in by_model.items()}
    return found


def main():
    """Write the table."""
    with np.load(DATA / "corn_nir" / "corn.npz") as file:
        first, second = file["m5"], file["mp6"]
        names = [str(name) for name in file["property_names"]]
        properties = dict(zip(names, file["properties"].T, strict=True))
    rows = []
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(len(first))
        train, test = order[:60], order[60:]
        models = {
            name: PLSRegression(10, scale=False).fit(first[train], values[train])
            for name, values in properties.items()
        }
        ways = {("first instrument", 0): {}, ("no map", 0): {}}
        for n_shared in SHARED:
            pairs = second[train[:n_shared]], first[train[:n_shared]]
            for name, found in maps(*pairs, models).items():
                ways[name, n_shared] = found
        for (way, n_shared), found in ways.items():
            errors = {}
            for name, model in models.items():
                spectra = (first if way == "first instrument" else second)[test]
                spectra = found[name](spectra) if found else spectra
                error = np.ravel(model.predict(spectra)) - properties[name][test]
                errors[name] = f"{np.sqrt(np.mean(error**2)):.4f}"
            rows.append(
                {
                    "map": way,
                    "shared": n_shared,
                    "seed": seed,
                    **errors,
                    "command": "python -m benchmarks.two_instruments",
                    **provenance("numpy", "scipy", "scikit-learn", "chemotools"),
                }
            )
            print(way, n_shared, seed, errors, flush=True)
    write(RESULTS / "two_instruments.csv", rows)


if __name__ == "__main__":
    main()
