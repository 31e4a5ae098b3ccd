"""What is claimed of training past a shortcut, and what was measured: one CSV.

    python -m benchmarks.out_of_distribution.ladder  # results/ladder.csv, half a minute

Steps 1 and 2 are measured here. The others are read from the tables of
``colored_mnist.py``, ``classes.py``, ``pictures.py`` and ``partition_starts.py`` in
``results``: means over the seeds, at the largest width and number of steps that all
methods of a row were run at, which `source` names. A difference of two methods below
the larger of both standard deviations over seeds is "unclear", and is taken with two
seeds at least.
"""

import argparse
from collections import Counter

import numpy as np
import torch

from benchmarks.out_of_distribution import RESULTS
from benchmarks.records import DATA, provenance, read, write
from skalign.datasets import make_colored_mnist
from skalign.deep.networks import SimplexETFHead
from skalign.deep.objectives import DotRegression

TABLE = RESULTS / "ladder.csv"


class Runs:
    """Means of columns over the seeds, at the largest setting that all methods share.

    Parameters
    ----------
    rows : list of dict
    methods : list of str
    """

    def __init__(self, rows, methods):
        fewest = min(len(methods), 2)  # a difference of methods needs a spread
        settings = [
            Counter((int(row.get("width", 0)), int(row["steps"])) for row in rows
                    if row["method"] == method)
            for method in methods
        ]  # fmt: skip
        shared = set.intersection(
            *({key for key, n in of.items() if n >= fewest} for of in settings)
        )
        self.there = bool(shared)
        if not self.there:
            return
        width, steps = max(shared)
        self.rows = [
            row for row in rows
            if (int(row.get("width", 0)), int(row["steps"])) == (width, steps)
        ]  # fmt: skip
        counts = [len(self.of(method, "seed")) for method in methods]
        self.source = f"{steps} steps" + (f", width {width}" if width else "")
        self.source += f", {min(counts)} seeds"
        if max(counts) > min(counts):
            self.source += f" to {max(counts)}"

    def of(self, method, column):
        values = [row[column] for row in self.rows if row["method"] == method]
        return np.array([value for value in values if value], dtype=float)


def data_and_simplex():
    """Steps 1 and 2."""
    for variant in ("domainbed", "irm"):
        made = make_colored_mnist(variant=variant, data_home=DATA, random_state=0)
        agree, wrong = made.color == made.target, (made.digit < 5) != made.target
        of_each = [made.sample_domain == e for e in range(3)]
        shares = [agree[of].mean() for of in of_each]
        noise = [wrong[of].mean() for of in of_each]
        wanted = {"domainbed": (0.9, 0.8, 0.1), "irm": (0.8, 0.9, 0.1)}[variant]
        # Three standard errors of a share of the smallest environment.
        error = 3 * np.sqrt(0.25 / min(of.sum() for of in of_each))
        yield {
            "step": "1",
            "claimed": f"{variant}: colour agrees in {wanted}, labels wrong in 0.25",
            "measured": " ".join(f"{share:.3f}" for share in [*shares, *noise]),
            "holds": np.allclose(shares, wanted, atol=error)
            and np.allclose(noise, 0.25, atol=error),
            "source": f"sizes {' '.join(str(of.sum()) for of in of_each)}",
        }
    for n_classes in (2, 10):
        head = SimplexETFHead(16, n_classes, random_state=0)
        gram = head.vertices.T @ head.vertices
        wanted = (n_classes * torch.eye(n_classes) - 1) / (n_classes - 1)
        y, risk = torch.arange(n_classes), DotRegression()
        loss = risk.losses(head(head.vertices.T), y).max()
        features = torch.nn.functional.normalize(
            torch.randn(n_classes, 16, generator=torch.Generator().manual_seed(0))
        )
        vertices, features = head.vertices.double(), features.double().requires_grad_()
        right = torch.autograd.gradcheck(
            lambda rows, M=vertices, y=y, risk=risk: risk.losses(rows @ M, y), features
        )
        off = float((gram - wanted).abs().max())
        yield {
            "step": "2",
            "claimed": f"{n_classes} classes: Gram matrix to 1e-6, no loss at the "
            "vertices, gradients are those of differences",
            "measured": f"{off:.1e} {float(loss):.1e} {right}",
            "holds": off < 1e-6 and float(loss) < 1e-6 and right,
            "source": "",
        }


def missing(step, claimed):
    return {
        "step": step, "claimed": claimed, "measured": "", "holds": "not run",
        "source": "",
    }  # fmt: skip


def accuracies(digits, pictures, few):
    """Steps 3 and 4."""
    claims = [
        ("3", "14 x 14, ERM: 17 +- 3 at the last step", digits, "ERM", "test_last",
         (14, 20)),
        ("3", "14 x 14, ERM: 10 +- 2 by training environments", digits, "ERM",
         "test_training", (8, 12)),
        ("4", "14 x 14, IRM: 60 or above at the last step", digits, "IRM", "test_last",
         (60, 75)),
        ("4", "14 x 14, IRM: 60 or above by the oracle", digits, "IRM", "test_oracle",
         (60, 75)),
        ("4", "14 x 14, VREx: 55 or above by the oracle, and no more than shape gives",
         digits, "VREx", "test_oracle", (55, 75)),
        ("6", "14 x 14, NCFAL with labels: 60 or above at the last step", digits,
         "NCFAL", "test_last", (60, 75)),
        ("6", "14 x 14, NCFAL without labels: 67 or above by training environments",
         digits, "NCFAL, inferred", "test_training", (67, 75)),
        ("3", "28 x 28, ERM: 10 +- 2 by training environments", pictures, "ERM",
         "test_training", (8, 12)),
        ("3", "28 x 28, ERM: 28 to 30 by the oracle", pictures, "ERM", "test_oracle",
         (28, 30)),
        ("3", "the same, 64 samples of each environment a step, not 32", pictures,
         "ERM, 64 samples", "test_oracle", (28, 30)),
        ("3", "the same, 128 samples", pictures, "ERM, 128 samples", "test_oracle",
         (28, 30)),
        ("3", "the same, an eighth of the rows trained on, eight times as often", few,
         "ERM", "test_oracle", (28, 30)),
        ("4", "28 x 28, IRM: 55 to 60 by the oracle, searched", pictures, "IRM",
         "test_oracle", (55, 60)),
        ("4", "the same, the penalty after 4,250 steps: 58.5 +- 3.3, the published one",
         pictures, "IRM, late", "test_oracle", (55.2, 61.8)),
        ("4", "28 x 28, VREx: 52 to 56 by the oracle, searched", pictures, "VREx",
         "test_oracle", (52, 56)),
    ]  # fmt: skip
    for step, claimed, rows, method, column, (low, high) in claims:
        runs = Runs(rows, [method])
        if not runs.there:
            yield missing(step, claimed)
            continue
        values = runs.of(method, column)
        spread = f" +- {values.std(ddof=1):.1f}" if len(values) > 1 else ""
        yield {
            "step": step,
            "claimed": claimed,
            "measured": f"{values.mean():.1f}{spread}",
            "holds": low <= values.mean() <= high,
            "source": runs.source,
        }


def partition(starts):
    """Step 5, the gap."""
    for name, claimed, holds in (
        ("found", "gap of 0.99 or above from a random start, best of three, every seed",
         lambda gaps: gaps.min() >= 0.99),
        ("one start", "the same of one random start", lambda gaps: gaps.min() >= 0.99),
        ("no class weights", "the same without class weights: in no seed",
         lambda gaps: gaps.max() < 0.99),
        ("not cross-fitted", "the same with rows judged by their own models: in none",
         lambda gaps: gaps.max() < 0.99),
        ("confidence", "the same by confidence: in none",
         lambda gaps: gaps.max() < 0.99),
        ("random", "gap of a random partition below 0.02, every seed",
         lambda gaps: gaps.max() < 0.02),
    ):  # fmt: skip
        gaps = [float(row["gap"]) for row in starts if row["partition"] == name]
        if not gaps:
            yield missing("5", claimed)
            continue
        gaps = np.array(gaps)
        yield {
            "step": "5",
            "claimed": claimed,
            "measured": f"{gaps.min():.3f} to {gaps.max():.3f}",
            "holds": holds(gaps),
            "source": f"partition_starts.csv, {len(gaps)} seeds",
        }


def comparisons(digits):
    """Steps 5 and 6: A above, or below, B, or within a deviation of it (0)."""
    last, oracle, training = "test_last", "test_oracle", "test_training"
    for step, claimed, first, second, column, sign in (
        ("5", "NCFAL gains from those found", "NCFAL, inferred", "NCFAL", last, 1),
        ("5", "IRM gains from those found", "IRM, inferred", "IRM", last, 1),
        ("5", "VREx gains from those found", "VREx, inferred", "VREx", last, 1),
        ("5", "NCFAL: found above random", "NCFAL, inferred", "NCFAL, random", last, 1),
        ("5", "IRM: found above random", "IRM, inferred", "IRM, random", last, 1),
        ("5", "VREx: found above random", "VREx, inferred", "VREx, random", last, 1),
        ("6", "F of NCFAL below that of ERM with the simplex, test environment",
         "NCFAL", "NCFAL, no penalty", "f_test", -1),
        ("6", "F of NCFAL below that of ERM with the simplex, trained on",
         "NCFAL", "NCFAL, no penalty", "f_train1", -1),
        ("6", "NCFAL above ERM", "NCFAL", "ERM", last, 1),
        ("6", "NCFAL within a standard deviation of IRM", "NCFAL", "IRM", last, 0),
        ("6", "NCFAL above IRM", "NCFAL", "IRM", last, 1),
        ("6", "NCFAL above IRM, by the oracle", "NCFAL", "IRM", oracle, 1),
        ("6", "NCFAL above VREx, by the oracle", "NCFAL", "VREx", oracle, 1),
        ("6", "found: NCFAL above VREx", "NCFAL, inferred", "VREx, inferred", last, 1),
        ("6", "found: NCFAL above IRM, by training environments", "NCFAL, inferred",
         "IRM, inferred", training, 1),
        ("6", "simplex alone above ERM", "NCFAL, no penalty", "ERM", last, 1),
        ("6", "simplex above a linear head", "NCFAL", "NCFAL, linear head", last, 1),
        ("6", "feature mask above none", "NCFAL, feature mask", "NCFAL", last, 1),
        ("6", "pixel mask above none", "NCFAL, pixel mask", "NCFAL", last, 1),
        ("6", "noise of the mask above none", "NCFAL, pixel mask",
         "NCFAL, pixel mask without noise", last, 1),
        ("6", "two environments above three", "NCFAL, inferred", "NCFAL, inferred, 3",
         last, 1),
        ("6", "two environments above four", "NCFAL, inferred", "NCFAL, inferred, 4",
         last, 1),
        ("6", "two environments above five", "NCFAL, inferred", "NCFAL, inferred, 5",
         last, 1),
        ("6", "found: mixed channels above none", "NCFAL, inferred, mixed channels",
         "NCFAL, inferred", training, 1),
    ):  # fmt: skip
        runs = Runs(digits, [first, second])
        if not runs.there:
            yield missing(step, claimed)
            continue
        values = [runs.of(method, column) for method in (first, second)]
        n_digits = 2 if column.startswith("f_") else 1
        yield {
            "step": step,
            "claimed": claimed,
            **compared(*values, sign, n_digits),
            "source": runs.source,
        }


def compared(first, second, sign, n_digits=1):
    """Whether one is above (1), below (-1) or within a deviation (0) of another."""
    means, spreads = zip(
        *((v.mean(), v.std(ddof=1)) for v in (first, second)), strict=True
    )
    difference = means[0] - means[1]
    holds = sign * difference > 0 if abs(difference) > max(spreads) else "unclear"
    if sign == 0:
        holds = abs(difference) <= spreads[1]
    measured = " against ".join(
        f"{mean:.{n_digits}f} +- {spread:.{n_digits}f}"
        for mean, spread in zip(means, spreads, strict=True)
    )
    return {"measured": measured, "holds": holds}


def more_classes(rows):
    """Step 6 on digits of as many colours as classes."""
    for n_classes, n_environments in (("5", "2"), ("10", "2"), ("10", "3")):
        of = {}
        for row in rows:
            if (row["n_classes"], row["n_environments"]) == (n_classes, n_environments):
                of.setdefault(row["method"], []).append(float(row["test"]))
        for claimed, first, second in (
            ("NCFAL above ERM", "NCFAL", "ERM"),
            ("NCFAL above IRM", "NCFAL", "IRM"),
            ("NCFAL above VREx", "NCFAL", "VREx"),
            ("simplex above a linear head", "NCFAL", "NCFAL, linear head"),
            ("found: NCFAL above VREx", "NCFAL, inferred", "VREx, inferred"),
            ("found: NCFAL above VREx of the same weight", "NCFAL, inferred",
             "VREx, inferred, weight 100"),
            ("found: simplex above a linear head", "NCFAL, inferred",
             "NCFAL, inferred, linear head"),
        ):  # fmt: skip
            values = [np.array(of[method]) for method in (first, second)]
            yield {
                "step": "6",
                "claimed": f"{n_classes} classes, {n_environments} environments: "
                f"{claimed}",
                **compared(*values, sign=1),
                "source": f"classes.csv, {min(map(len, values))} seeds",
            }


def main():
    """Write the table."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    digits = read(RESULTS / "colored_mnist.csv")
    pictures = read(RESULTS / "pictures.csv")
    large, few = (
        [row for row in pictures if row["data"] == data]
        for data in ("colored_mnist", "colored_mnist_few")
    )
    table = [
        *data_and_simplex(),
        *accuracies(digits, large, few),
        *partition(read(RESULTS / "partition_starts.csv")),
        *comparisons(digits),
        *more_classes(read(RESULTS / "classes.csv")),
    ]
    table.sort(key=lambda row: row["step"])
    made_with = provenance("numpy", "torch")
    for row in table:
        if not isinstance(row["holds"], str):
            row["holds"] = "yes" if row["holds"] else "no"
        print(*row.values(), sep=" | ")
    write(TABLE, [row | made_with for row in table])


if __name__ == "__main__":
    main()
