"""How long does it take to map one query vector?

OMP_NUM_THREADS=1 python -m benchmarks.one_query  # writes results/one_query.csv

Made pairs in float32, 384 -> 512 features of 6 latents; `KernelAligner` has 1,000
points. The ways are timed in turn, in blocks of 100 calls; times are medians and
quartiles over the blocks, in microseconds of processor time a call. The bare product
``(x - x_mean_) @ coef_ + y_mean_`` is for the linear map only.
"""

from time import process_time

import numpy as np
import onnxruntime
import sklearn
import torch

import skalign
from benchmarks.one_query import RESULTS
from benchmarks.records import provenance, write

CALLS, BLOCKS = 100, 21


def ways(aligner, query):
    """Return functions without arguments that map the query."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        skalign.to_onnx(aligner, query).SerializeToString(), options
    )
    module, tensor = skalign.to_torch(aligner), torch.from_numpy(query)

    def assuming_finite():
        with sklearn.config_context(assume_finite=True):
            return aligner.transform(query)

    def by_torch():
        with torch.inference_mode():
            return module(tensor).numpy()

    found = {
        "transform": lambda: aligner.transform(query),
        "transform, assume_finite": assuming_finite,
        "to_torch": by_torch,
        "to_onnx": lambda: session.run(None, {"X": query})[0],
    }
    if isinstance(aligner, skalign.LinearAligner):
        coef, x_mean, y_mean = aligner.coef_, aligner.x_mean_, aligner.y_mean_
        found["bare product"] = lambda: (query - x_mean) @ coef + y_mean
    return found


def main():
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(3000, 6))
    X = (latent @ rng.normal(size=(6, 384))).astype(np.float32)
    y = (np.sin(latent) @ rng.normal(size=(6, 512))).astype(np.float32)
    about = provenance("numpy", "scikit-learn", "onnxruntime", "torch")
    rows = []
    aligners = [
        skalign.LinearAligner(),
        skalign.KernelAligner(n_landmarks=1000, random_state=0),
    ]
    for aligner in aligners:
        functions = ways(aligner.fit(X, y), X[:1])
        n_points = len(getattr(aligner, "landmarks_", []))
        expected = functions["transform"]()
        times = {name: [] for name in functions}
        for _ in range(BLOCKS):
            for name, function in functions.items():
                start = process_time()
                for _ in range(CALLS):
                    mapped = function()
                times[name].append((process_time() - start) / CALLS * 1e6)
                error = np.abs(mapped - expected).max() / np.abs(expected).max()
                assert error < 1e-5, (name, error)
        for name, each in times.items():
            low, median, high = np.quantile(each, [0.25, 0.5, 0.75]).round(1)
            row = {"aligner": type(aligner).__name__, "n_points": n_points}
            row |= {"way": name, "median_us": median}
            rows.append(row | {"lower_us": low, "upper_us": high, "seed": 0} | about)
            print(*rows[-1].values())
    write(RESULTS / "one_query.csv", rows)


if __name__ == "__main__":
    main()
