"""Speed and memory of training, beside a bare torch loop of the same network.

    python -m benchmarks.asv.bench_deep    # the ratios, added to results/deep_speed.csv
    python -m benchmarks.asv.bench_deep --device cuda --batch-size 4096

``asv run`` follows each time. The loop is what one would write by hand: rows on the
device, batches by index, Adam, and nothing else. Both are timed in turn in one process,
from the start of training to its end; a ratio of speeds is that of two neighbours. On a
CPU it is also given in processor seconds, which other jobs on the machine touch less.
`bare` and `estimator` are steps a second.
Peak memory is that of a process which does nothing else, beside that of one which only
makes the rows.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from skalign import MultiDomainClassifier, StitchingRegressor
from skalign.deep import MLP, DigitsCNN


class Table:
    """Three layers on the columns of a 2 x 14 x 14 picture."""

    n_samples, n_domains, batch_size, steps = 20_000, 2, 32, 1000

    def rows(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.n_samples, 392), dtype=np.float32)
        return X, rng.integers(2, size=self.n_samples)

    def module(self):
        return nn.Sequential(MLP(392, (128, 128)), nn.Linear(128, 2))

    loss = staticmethod(F.cross_entropy)

    def estimator(self, **training):
        return MultiDomainClassifier(**training)

    def fit(self, estimator, X, y):
        sample_domain = np.arange(len(X)) % self.n_domains
        return estimator.fit(X, y, sample_domain=sample_domain)


class Pictures(Table):
    """The network for 28 x 28 digits."""

    n_samples, n_domains, steps = 1000, 3, 20

    def rows(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.n_samples, 2, 28, 28), dtype=np.float32)
        return X, rng.integers(2, size=self.n_samples)

    def module(self):
        return nn.Sequential(DigitsCNN(2), nn.Linear(128, 2))


class FullBatch(Table):
    """All rows in each step, as for coloured digits: 90 MiB of rows."""

    n_samples, batch_size, steps = 60_000, None, 6

    def module(self):
        return nn.Sequential(MLP(392, (390, 390)), nn.Linear(390, 2))

    def estimator(self, **training):
        return MultiDomainClassifier(hidden_layer_sizes=(390, 390), **training)


class Stitching(Table):
    """Three layers between latents of width 30."""

    n_samples, n_domains, batch_size, steps = 20_000, 1, 64, 3000

    def rows(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.n_samples, 30), dtype=np.float32)
        return X, np.abs(X)

    def module(self):
        sizes = (30, 60, 60, 30)
        return nn.Sequential(
            nn.Linear(*sizes[:2]),
            nn.ReLU(),
            nn.Linear(*sizes[1:3]),
            nn.ReLU(),
            nn.Linear(*sizes[2:]),
        )

    loss = staticmethod(F.mse_loss)

    def estimator(self, **training):
        return StitchingRegressor(**training)

    def fit(self, estimator, X, y):
        return estimator.fit(X, y)


TASKS = {
    "table": Table,
    "pictures": Pictures,
    "stitching": Stitching,
    "full batch": FullBatch,
}
TABLE = Path(__file__).parent / "results" / "deep_speed.csv"


def train_bare(task, X, y, device, n_steps):
    """The loop that one would write by hand."""
    rows, targets = torch.from_numpy(X).to(device), torch.from_numpy(y).to(device)
    module = task.module().to(device)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    size = (task.batch_size or len(rows)) * task.n_domains
    n_batches = max(len(rows) // size, 1)
    module.train()
    for step in range(n_steps):
        if step % n_batches == 0 and task.batch_size:
            order = torch.randperm(len(rows)).to(device)
        batch = slice(None)
        if task.batch_size:
            at = step % n_batches * size
            batch = order[at : at + size]
        optimizer.zero_grad()
        loss = task.loss(module(rows[batch]), targets[batch])
        loss.backward()
        optimizer.step()
    return loss.item()  # all steps are done


def train_estimator(task, X, y, device, n_steps):
    """The same steps by an estimator."""
    estimator = task.estimator(
        batch_size=task.batch_size,
        steps_per_epoch=min(n_steps, 500),
        max_epochs=-(-n_steps // 500),
        device=device,
        random_state=0,
    )
    return task.fit(estimator, X, y)


class Training:
    """Times and memory that asv follows."""

    params = tuple(TASKS)
    param_names = ("task",)

    def setup(self, name):
        torch.set_num_threads(1)
        self.task = TASKS[name]()
        self.X, self.y = self.task.rows()

    def time_estimator(self, name):
        train_estimator(self.task, self.X, self.y, "cpu", self.task.steps)

    def time_bare_loop(self, name):
        train_bare(self.task, self.X, self.y, "cpu", self.task.steps)

    def peakmem_estimator(self, name):
        train_estimator(self.task, self.X, self.y, "cpu", self.task.steps)


def in_turn(task, device, n_steps, repeats):
    """Seconds of the bare loop and the estimator, (repeats, 2), by two clocks."""
    X, y = task.rows()
    both = (train_bare, train_estimator)
    for train in both:  # what only the first call pays
        train(task, X, y, device, min(n_steps, 20))
    wall, processor = np.zeros((2, repeats, 2))
    for turn in range(repeats):
        for which in (0, 1) if turn % 2 else (1, 0):
            began = perf_counter(), process_time()
            both[which](task, X, y, device, n_steps)
            wall[turn, which] = perf_counter() - began[0]
            processor[turn, which] = process_time() - began[1]
    return wall, processor


def ratios(seconds, name):
    """Median and quartiles of the ratio of speeds, as columns."""
    of_turns = seconds[:, 0] / seconds[:, 1]
    low, middle, high = np.quantile(of_turns, [0.25, 0.5, 0.75])
    columns = {"": middle, "_low": low, "_high": high}
    return {f"{name}{key}": f"{value:.3f}" for key, value in columns.items()}


def peak_memory(name, which, device, batch_size):
    """Largest memory of a process that trains once, in MiB."""
    done = subprocess.run(
        [
            *(sys.executable, __file__, "--peak", which, "--tasks", name),
            *("--device", device, "--batch-size", str(batch_size or 0)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def report_peak(task, which, device):
    X, y = task.rows()
    train = {"bare": train_bare, "estimator": train_estimator}.get(which)
    if train:
        train(task, X, y, device, task.steps)
    if device.startswith("cuda"):
        print(torch.cuda.max_memory_allocated() / 2**20)
    else:
        status = Path("/proc/self/status").read_text()
        print(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--batch-size", type=int, default=0, help="samples of each domain"
    )
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peak", choices=["none", "bare", "estimator"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tasks = {name: TASKS[name]() for name in args.tasks}
    for task in tasks.values():
        task.batch_size = args.batch_size or task.batch_size
    if args.peak:
        report_peak(tasks[args.tasks[0]], args.peak, args.device)
        return
    # Here, because asv imports this file alone.
    from benchmarks.records import append, commit, provenance

    device = args.device
    if device.startswith("cuda"):
        device = torch.cuda.get_device_name(device)
    for name, task in tasks.items():
        wall, processor = in_turn(task, args.device, task.steps, args.repeats)
        bare, estimator = task.steps / np.median(wall, axis=0)
        row = {"task": name, "device": device, "threads": args.threads}
        row |= {"batch_size": task.batch_size or "all", "steps": task.steps}
        row |= {"repeats": args.repeats, "bare": f"{bare:.4g}"}
        row |= {"estimator": f"{estimator:.4g}", **ratios(wall, "ratio")}
        row |= ratios(processor, "processor_ratio")
        for which in ("none", "bare", "estimator"):
            peak = peak_memory(name, which, args.device, args.batch_size)
            row[f"peak_mib_{which}"] = f"{peak:.0f}"
        row |= {"commit": commit(), **provenance("torch", "skorch", "numpy")}
        append(TABLE, row)
        print(*row.values(), sep=" | ", flush=True)


if __name__ == "__main__":
    main()
