"""Processor time of `skalign report`, and time to map one sample.

``OMP_NUM_THREADS=1 python -m benchmarks.report_cost`` appends to
``results/report_cost.csv``. The report is that of README.md, on 6,000 sentences, as a
process of its own with its imports; that without data compares digits. Times of one
sample are the least of many, in turn.
"""

import argparse
import os
import subprocess
import sys
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from benchmarks import records
from skalign import LinearAligner

TABLE = records.HERE / "report_cost" / "results" / "report_cost.csv"
_RUN = "import sys; from skalign.cli import main; sys.exit(main(sys.argv[1:]))"


def processor_seconds(*words):
    """Return the time of the processor that ``skalign`` with these arguments takes."""
    before = getrusage(RUSAGE_CHILDREN)
    run = subprocess.run(
        [sys.executable, "-c", _RUN, *words], capture_output=True, check=True
    )
    if not run.stdout:
        raise RuntimeError(f"skalign {' '.join(words)} reported nothing.")
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def report_seconds():
    """Return the time of the report of README.md."""
    texts = np.load(records.DATA / "text_embeddings" / "ag_news_6000.npz")
    with TemporaryDirectory() as folder:
        files = [f"{folder}/{name}.npy" for name in ("minilm", "use", "y")]
        for file, name in zip(files, ("minilm", "use", "y"), strict=True):
            np.save(file, texts[name])
        source, target, labels = files
        words = "report", source, target, "--labels", labels, "--cv", "2"
        return processor_seconds(*words)


def microseconds_of_one():
    """Return least times for one sample: mapped, only checked, and only multiplied."""
    rng = np.random.default_rng(0)
    X, y = (rng.standard_normal((2000, n), dtype=np.float32) for n in (384, 512))
    aligner, x = LinearAligner(1.0).fit(X, y), X[:1]

    def check():
        check_is_fitted(aligner)
        validate_data(aligner, x, reset=False, dtype=[np.float64, np.float32])

    def multiply():
        return (x - aligner.x_mean_) @ aligner.coef_ + aligner.y_mean_

    calls, least = (lambda: aligner.transform(x), check, multiply), np.full(3, np.inf)
    for _ in range(300):
        for i, call in enumerate(calls):
            start = perf_counter()
            for _ in range(20):
                call()
            least[i] = min(least[i], (perf_counter() - start) / 20)
    return 1e6 * least


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=type(TABLE), default=TABLE)
    options = parser.parse_args()
    mapped, checked, multiplied = microseconds_of_one()
    row = {
        "report_seconds": f"{report_seconds():.1f}",
        "digits_report_seconds": f"{processor_seconds('report'):.1f}",
        "transform_one_microseconds": f"{mapped:.0f}",
        "checks_one_microseconds": f"{checked:.0f}",
        "product_one_microseconds": f"{multiplied:.0f}",
        "load": f"{os.getloadavg()[0]:.1f}",
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
    }
    packages = "numpy", "scipy", "scikit-learn"
    records.append(options.output, row | records.provenance(*packages))
    print(row)


if __name__ == "__main__":
    main()
