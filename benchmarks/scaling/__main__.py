"""Time and memory of what streams, for some samples and for twice as many.

``OMP_NUM_THREADS=1 python -m benchmarks.scaling`` writes ``results/scaling.csv``. The
samples are in memory-mapped files. Both sizes are measured in turn; seconds are
processor time, medians over the turns, and the ratio is that of the medians, with the
lowest and highest ratio of a turn. Memory is the growth of the resident memory of the
process to its peak.
"""

import argparse
import tempfile
from pathlib import Path
from time import process_time

import dask
import dask.array as da
import numpy as np
from sklearn import config_context

from benchmarks import records
from skalign import (
    ClassMeanAligner,
    CORALAligner,
    DomainHarmonizer,
    GaussianOTAligner,
    GeneralizedProcrustes,
    LinearAligner,
    MeanVarianceAligner,
    RigidAligner,
)
from skalign.cli import main as command
from skalign.metrics import cka, coral_distance

TABLE = records.HERE / "scaling" / "results" / "scaling.csv"
BATCH = 16_384


def chunked(rows):
    """A Dask array that reads each chunk from the file, of which no page stays."""
    sizes = np.diff([*range(0, len(rows), BATCH), len(rows)])
    return da.map_blocks(
        read, rows.filename, chunks=(tuple(sizes), rows.shape[1]), dtype=rows.dtype
    )


def read(path, block_info):
    (start, stop), _ = block_info[None]["array-location"]
    return np.array(np.load(path, mmap_mode="r")[start:stop])


def batches(X, y):
    for start in range(0, len(X), BATCH):
        rows = slice(start, start + BATCH)
        yield np.array(X[rows]), np.array(y[rows])


def in_batches(aligner, X, y):
    for batch in batches(X, y):
        aligner.partial_fit(*batch)


def harmonize(aligner, X):
    domain = da.arange(len(X), chunks=BATCH) % 4
    DomainHarmonizer(aligner).fit(chunked(X), sample_domain=domain)


def on_command_line(folder, output, *words):
    if command([*words, "-o", str(folder / output)]):
        raise SystemExit("the command failed")


def cases(folder, X, y, labels):
    """Calls by the name of what is fed and of what is fitted."""
    files = str(folder / "X.npy"), str(folder / "y.npy")
    pairs = (LinearAligner(), RigidAligner())
    sides = (CORALAligner(), GaussianOTAligner(), MeanVarianceAligner())
    for aligner in pairs:
        yield "memory map", aligner, lambda a=aligner: a.fit(X, y)
        yield "batches", aligner, lambda a=aligner: a.fit(batches(X, y))
        yield "Dask", aligner, lambda a=aligner: a.fit(chunked(X), chunked(y))
    yield "partial_fit", RigidAligner(), lambda: in_batches(RigidAligner(), X, y)
    for aligner in sides:
        yield "memory map", aligner, lambda a=aligner: a.fit(X, X)
    aligner, of = ClassMeanAligner(), {"labels": labels, "target_labels": labels}
    yield "memory map", aligner, lambda: aligner.fit(X, X, **of)
    yield (
        "Dask",
        "DomainHarmonizer(CORALAligner())",
        lambda: harmonize(CORALAligner(), X),
    )
    sizes = [X.shape[1] // 2] * 2
    yield (
        "Dask",
        "GeneralizedProcrustes()",
        lambda: GeneralizedProcrustes(sizes).fit(chunked(X)),
    )
    yield "Dask", "cka", lambda: cka(chunked(X), chunked(y))
    yield "Dask", "coral_distance", lambda: coral_distance(chunked(X), chunked(X))
    yield "files", "skalign fit", lambda: on_command_line(folder, "out", "fit", *files)
    yield (
        "files",
        "skalign apply",
        lambda: on_command_line(folder, "out", "apply", str(folder / "map"), files[0]),
    )


def make(folder, n_samples, options):
    """Write pairs in blocks; return their memory maps and class labels."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(options.features, options.targets)).astype(np.float32)
    maps = [
        np.lib.format.open_memmap(folder / name, "w+", np.float32, (n_samples, width))
        for name, width in (("X.npy", options.features), ("y.npy", options.targets))
    ]
    for start in range(0, n_samples, BATCH):
        rows = maps[0][start : start + BATCH]
        rows[:] = rng.normal(size=rows.shape)
        noise = rng.normal(size=(len(rows), options.targets))
        maps[1][start : start + BATCH] = rows @ mixing + noise
    del maps
    X, y = (np.load(folder / name, mmap_mode="r") for name in ("X.npy", "y.npy"))
    LinearAligner().fit(np.array(X[:2000]), np.array(y[:2000]))
    command(
        ["fit", *[str(folder / f"{n}.npy") for n in "Xy"], "-o", str(folder / "map")]
    )
    return X, y, np.arange(n_samples) % 200


def measure(call):
    """Seconds of processor time, and MiB to the peak of resident memory."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is the present size
    before, start = peak(), process_time()
    call()
    return process_time() - start, peak() - before


def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "VmHWM" in line) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--targets", type=int, default=64)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--working-memory", type=int, default=32, help="MiB")
    parser.add_argument("--output", type=Path, default=TABLE)
    options = parser.parse_args()
    settings = config_context(working_memory=options.working_memory)
    with (
        tempfile.TemporaryDirectory() as folder,
        settings,
        dask.config.set(scheduler="synchronous"),
    ):
        sizes = options.samples, 2 * options.samples
        folders = [Path(folder, str(size)) for size in sizes]
        made = [make(*of, options) for of in zip(folders, sizes, strict=True)]
        both = [cases(at, *of) for at, of in zip(folders, made, strict=True)]
        rows = []
        for (fed, name, small), (_, _, large) in zip(*both, strict=True):
            small()  # imports, and pages of the file
            turns = np.array([
                (*measure(small), *measure(large)) for _ in range(options.turns)
            ])  # fmt: skip
            seconds, ratios = np.median(turns, axis=0), turns[:, 2] / turns[:, 0]
            rows.append({
                "fed": fed,
                "fitted": repr(name) if not isinstance(name, str) else name,
                "samples": options.samples,
                "features": options.features,
                "targets": options.targets,
                "seconds": f"{seconds[0]:.3f}",
                "seconds_of_twice": f"{seconds[2]:.3f}",
                "ratio": f"{seconds[2] / seconds[0]:.2f}",
                "lowest_ratio": f"{ratios.min():.2f}",
                "highest_ratio": f"{ratios.max():.2f}",
                "MiB": f"{seconds[1]:.1f}",
                "MiB_of_twice": f"{seconds[3]:.1f}",
                "turns": options.turns,
                "working_memory": options.working_memory,
                "seed": 0,
            } | records.provenance("numpy", "scikit-learn", "dask"))  # fmt: skip
            print(
                {k: v for k, v in rows[-1].items() if k not in ("machine", "versions")}
            )
            records.write(options.output, rows)


if __name__ == "__main__":
    main()
