"""Store one fitted estimator of each public class, for later releases to read.

``python tests/stored/make.py`` writes a folder named for the version of skalign, with
the files and, in ``outputs.npz``, what the estimators return. It is run once a release,
and the folders of releases stay; that of a version in development can be removed and
made again. All numbers are drawn. The files of 0.1.0 name the version that wrote them,
0.1.0.dev0: the format did not change up to the release.
"""

import importlib.util
import sys
import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np
from sklearn.base import clone

import skalign

HERE = Path(__file__).parent
METHODS = ("transform", "inverse_transform", "predict", "predict_proba", "kneighbors")
SMALL = {"hidden_layer_sizes": (4,), "hidden_factor": 1, "device": "cpu"}


def _other_tests():
    """The module with an estimator of each public class and what to fit it to."""
    path = HERE.parent / "test_atomic.py"
    spec = importlib.util.spec_from_file_location("fitted_twice", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unfitted():
    """Return functions that fit an estimator, by its name; the first of each class."""
    tests = _other_tests()

    def fit(estimator, calls):
        estimator = clone(estimator)
        estimator.set_params(
            **{k: v for k, v in SMALL.items() if k in estimator.get_params()}
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tests.call(estimator.fit, deepcopy(calls["fit"]))

    return {
        type(estimator).__name__: lambda estimator=estimator, calls=calls: fit(
            estimator, calls
        )
        for estimator, calls in tests.CASES[::-1]
    }


def outputs(estimator):
    """Return what a fitted estimator returns for a few samples, by method."""
    rng = np.random.default_rng(1)
    found = {}
    for method in METHODS:
        if hasattr(estimator, method):
            width = getattr(estimator, "n_features_in_", 3)
            if method == "inverse_transform":
                width = np.shape(found["transform"])[1]
            X, more = rng.gamma(2.0, size=(5, width)), {}
            if type(estimator) is skalign.DomainHarmonizer and method == "transform":
                more = {"sample_domain": estimator.domains_[[0, 0, 0, 1, 1]]}
            found[method] = np.asarray(getattr(estimator, method)(X, **more))
    return found


def main():
    folder = HERE / skalign.__version__
    folder.mkdir()
    expected = {}
    for name, fit in sorted(unfitted().items()):
        skalign.save(estimator := fit(), folder / f"{name}.skops")
        for method, output in outputs(estimator).items():
            expected[f"{name}.{method}"] = output
    np.savez_compressed(folder / "outputs.npz", **expected)


if __name__ == "__main__":
    sys.exit(main())
