"""The tables of the guide on training past a shortcut, from the CSVs.

    # fills docs/user_guide/out_of_distribution.md and its page of results
    python -m benchmarks.out_of_distribution.page

The pages are written by hand but for what is between their markers.
"""

import argparse

import numpy as np
from scipy.stats import t

from benchmarks.direct_alignment.page import fill
from benchmarks.out_of_distribution import RESULTS
from benchmarks.records import HERE, read

GUIDE = HERE.parent / "docs" / "user_guide"
PAGES = [GUIDE / f"out_of_distribution{part}.md" for part in ("", "_results")]
ENVIRONMENTS = ["given", "inferred", "found", "own", "random", "grey"]
RULES = ("last", "training", "found", "oracle")
TIE = 3.0  # points by which two processors differ
# Methods and rules that are compared on the coloured digits of full width.
STOPPING = [
    ((name, "found"), (name, other))
    for name in ("NCFAL, inferred", "IRM, inferred", "VREx, inferred", "NCFAL", "IRM",
                 "VREx")
    for other in ("last", "training")
]  # fmt: skip
METHODS = [
    ((a, "found"), (b, "found"))
    for a, b in [
        ("NCFAL, inferred", "IRM, inferred"),
        ("NCFAL, inferred", "VREx, inferred"),
        ("NCFAL, inferred", "NCFAL"),
        ("IRM, inferred", "IRM"),
        ("NCFAL", "IRM"),
        ("NCFAL", "VREx"),
    ]
] + [(("NCFAL", "last"), ("IRM", "last"))]

# Methods that are compared on more classes, by the last step.
CLASSES = [
    ("NCFAL", "ERM"),
    ("IRM", "ERM"),
    ("VREx", "ERM"),
    ("GroupDRO", "ERM"),
    ("NCFAL", "IRM"),
    ("NCFAL", "VREx"),
    ("NCFAL", "NCFAL, linear head"),
    ("NCFAL", "NCFAL, no penalty"),
    ("NCFAL, F-norm", "NCFAL"),
    ("NCFAL, inferred", "NCFAL"),
    ("IRM, inferred", "IRM"),
    ("VREx, inferred", "VREx"),
    ("NCFAL, inferred", "IRM, inferred"),
    ("NCFAL, inferred", "VREx, inferred"),
    ("NCFAL, inferred", "VREx, inferred, weight 100"),
    ("NCFAL, inferred", "NCFAL, inferred, linear head"),
    ("NCFAL, inferred", "ERM, grey"),
]


def cell(values):
    """Mean and standard deviation of what was measured."""
    of = np.array([value for value in values if value], dtype=float)
    spread = f" ± {of.std(ddof=1):.1f}" if len(of) > 1 else ""
    return f"{of.mean():.1f}{spread}" if len(of) else ""


def mean(column, data=None):
    """Return the cell of a column, of the rows of some data if there are several."""
    return lambda of: cell(
        row[column] for row in of if data is None or row["data"] == data
    )


def shown(method):
    """Return the name that the tables of coloured digits give a method.

    Without masks and alternation, what runs as NCFAL is a penalty on a fixed simplex.
    """
    return method if ", own" in method else method.replace("NCFAL", "fixed simplex")


def difference(rows, one, other):
    """Return the number of common seeds, and mean and half interval of differences.

    Parameters
    ----------
    rows : list of dict
    one, other : tuple of str
        Method and rule.
    """
    found = [
        {row["seed"]: float(row[f"test_{rule}"]) for row in rows
         if row["method"] == method}
        for method, rule in (one, other)
    ]  # fmt: skip
    seeds = sorted({*found[0]} & {*found[1]})
    values = np.array([found[0][seed] - found[1][seed] for seed in seeds])
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return len(values), values.mean(), half


def differences(rows, pairs, name=str):
    """Markdown, a line for each pair of a method and a rule; `name` names a method."""
    lines = ["| comparison | n | difference, 95 % interval | |", "| --- " * 4 + "|"]
    for one, other in pairs:
        n, mean, half = difference(rows, one, other)
        names = [f'{name(method)}, by "{rule}"' for method, rule in (one, other)]
        sign = " | tie" if abs(mean) < TIE else " |"
        lines.append(
            f"| {' minus '.join(names)} | {n} | {interval(mean, half)}{sign} |"
        )
    return "\n".join(lines)


def interval(mean, half):
    """Return a difference and its interval as text."""
    return f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"


def differences_by_data(rows, pairs):
    """Markdown, a line for each pair of methods and a column for each data."""
    of = {}
    for row in rows:
        of.setdefault(row["data"], []).append(row | {"test_last": row["test"]})
    lines = ["| " + " | ".join(["by the last step", *of]) + " |"]
    lines.append("| --- " * (1 + len(of)) + "|")
    for one, other in pairs:
        cells = [f"{one} minus {other}"]
        for rows in of.values():
            n, mean, half = difference(rows, (one, "last"), (other, "last"))
            tie = ", tie" if abs(mean) < TIE else ""
            cells.append(f"{interval(mean, half)}, n = {n}{tie}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def limits():
    """Return the part on what the partition finds."""
    of = {}
    for row in read(RESULTS / "partition_limits.csv"):
        of.setdefault(row["case"], []).append(row)
    titles = ["case", "cause", "shortcut", "n", "gap of the cause",
              "gap of the shortcut", "ERM", "NCFAL", "NCFAL minus ERM, 95 % interval",
              "warned"]  # fmt: skip
    lines = ["| " + " | ".join(titles) + " |", "| --- " * len(titles) + "|"]
    for case, rows in of.items():
        runs = [
            {"method": name, "seed": row["seed"], "test_last": row[f"test_{name}"]}
            for row in rows
            for name in ("erm", "ncfal")
        ]
        n, mean, half = difference(runs, ("ncfal", "last"), ("erm", "last"))
        gaps = [
            np.mean([float(row[f"gap_{kind}"]) for row in rows])
            for kind in ("cause", "shortcut")
        ]
        warned = sum(int(row["warned"]) for row in rows)
        cells = [case, rows[0]["cause"], rows[0]["shortcut"], str(n)]
        cells += [f"{gap:.2f}" for gap in gaps]
        cells += [cell(row[f"test_{name}"] for row in rows) for name in ("erm",
                  "ncfal")]  # fmt: skip
        cells += [interval(mean, half) + (", tie" if abs(mean) < TIE else "")]
        cells += [f"{warned} of {n}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def collapse(rows):
    """Markdown, how near class means are to a simplex, beside the accuracy."""
    of = {}
    for row in rows:
        if row["nc2_test"] and row["environments"] == "given":
            of.setdefault((row["data"], row["method"]), []).append(row)
    titles = ["data", "method", "NC2, train", "NC2, test", "F-norm, test", "accuracy"]
    lines = ["| " + " | ".join(titles) + " |", "| --- " * len(titles) + "|"]
    for (data, method), runs in of.items():
        cells = [data, method]
        for name in ("nc2_train", "nc2_test", "f_test"):
            values = np.array([run[name] for run in runs if run[name]], dtype=float)
            spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
            cells.append(f"{values.mean():.2f}{spread}" if len(values) else "")
        cells.append(cell(run["test"] for run in runs))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table(rows, columns):
    """Markdown, a line for each method; `columns` are functions of its rows, by title.

    Methods are sorted by their environments, variants last, and by name.
    """
    methods = {}
    for row in rows:
        methods.setdefault((row["environments"], row["method"]), []).append(row)
    lines = ["| " + " | ".join(["method", *columns]) + " |"]
    lines.append("| --- " * (1 + len(columns)) + "|")

    def order(key):
        environments, method = key
        kind = ENVIRONMENTS.index(environments.split()[0])
        return kind, environments, method.count(","), method

    for environments, method in sorted(methods, key=order):
        of = methods[environments, method]
        cells = [method, *(column(of) for column in columns.values())]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parts():
    """Return the generated parts of the page, by the names of their markers."""
    found = {}
    rows = read(RESULTS / "colored_mnist.csv")
    seeds = {"seeds": lambda of: str(len(of))}
    columns = {rule: mean(f"test_{rule}") for rule in RULES}
    columns |= {"trained on, last": mean("train_last"), **seeds}
    for width in ("390", "128"):
        of_width = [row for row in rows if row["width"] == width]
        named = [row | {"method": shown(row["method"])} for row in of_width]
        found[f"digits, width {width}"] = table(named, columns)
        if width == "390":
            found["stopping"] = differences(of_width, STOPPING, shown)
            found["pairs"] = differences(of_width, METHODS, shown)

    rows = read(RESULTS / "classes.csv")
    for row in rows:
        row["data"] = "{n_classes} classes, {n_environments} environments".format(**row)
    columns = {data: mean("test", data) for data in dict.fromkeys(
        row["data"] for row in rows)}  # fmt: skip
    found["classes"] = table(rows, columns)
    found["classes, differences"] = differences_by_data(rows, CLASSES)
    found["classes, collapse"] = collapse(rows)
    found["limits"] = limits()

    rows = read(RESULTS / "pictures.csv")
    columns = {"held out, last": mean("iid_last")}
    columns |= {rule: mean(f"test_{rule}") for rule in RULES if rule != "found"}
    columns |= seeds
    for data in ("colored_mnist", "colored_mnist_few"):
        of_data = [row for row in rows if row["data"] == data]
        found[f"digits, {data}"] = table(of_data, columns)

    rows = [row for row in rows if not row["data"].startswith("colored_mnist")]
    for rule in ("training", "leave_one_out", "oracle"):
        of_rule = [row for row in rows if row[f"test_{rule}"]]
        columns = {
            data: mean(f"test_{rule}", data)
            for data in sorted({row["data"] for row in of_rule})
        }
        found[f"pictures, {rule}"] = table(of_rule, columns)
    found |= features() | inputs()
    return found


def features():
    """Return the parts on features and tables with a made shortcut."""
    found, rules, of = {}, ("last", "training", "found"), {}
    for row in read(RESULTS / "features.csv"):
        of.setdefault((row["data"], row["case"]), []).append(
            {
                "method": f"{row['method']}, {row['environments']}",
                "environments": row["environments"],
                "seed": row["seed"],
            }
            | {f"test_{rule}": row[rule] for rule in rules}
        )
    found["features, stopping"] = stopping(of)
    for (data, case), rows in of.items():
        columns = {rule: mean(f"test_{rule}") for rule in rules}
        found[f"{data}, {case}"] = table(
            rows, columns | {"seeds": lambda of: str(len(of))}
        )
        compared = [
            (("plain, found", "found"), ("plain, given", "last")),
            (("plain, found", "found"), ("plain, found", "last")),
            (("plain, given", "found"), ("plain, given", "last")),
            (("plain, found", "last"), ("plain, given", "last")),
            (("NCFAL, feature mask, found", "found"), ("plain, found", "found")),
            (("NCFAL, feature mask, found", "last"), ("plain, found", "last")),
        ]
        if case == "shortcut stronger":
            compared += [
                ((f"{name}, found", rule), ("plain, found", rule))
                for name in ("IRM", "VREx", "GroupDRO", "plain, decay")
                for rule in ("found", "last")
            ]
            compared += [
                (("last layer, found", "last"), ("plain, found", "last")),
                (("last layer, given", "last"), ("plain, given", "last")),
                (("IRM, given", "last"), ("plain, given", "last")),
                (("NCFAL, feature mask, given", "last"), ("plain, given", "last")),
                (("plain, found", "found"), ("plain, grey", "last")),
                (("IRM, found", "last"), ("plain, found", "found")),
                (("VREx, found", "last"), ("plain, found", "found")),
            ]
        found[f"{data}, {case}, differences"] = differences(rows, compared)
    return found


def stopping(of):
    """Markdown, what stopping by found domains gains on each data."""
    titles = ["data", "method", "n", *(f'over "{rule}"' for rule in RULES[:2])]
    lines = ["| " + " | ".join(titles) + " |", "| --- " * len(titles) + "|"]
    methods = [f"{name}, found" for name in ("plain", "IRM", "VREx", "GroupDRO")]
    methods.append("NCFAL, feature mask, found")
    for (data, case), rows in of.items():
        for method in methods:
            if not any(row["method"] == method for row in rows):
                continue
            cells = [f"{data}, {case}", method]
            for rule in RULES[:2]:
                n, mean, half = difference(rows, (method, "found"), (method, rule))
                cells.append(interval(mean, half))
            lines.append("| " + " | ".join([*cells[:2], str(n), *cells[2:]]) + " |")
    return "\n".join(lines)


def inputs():
    """Return the part on the scale of inputs and on weight decay."""
    rows = []
    for row in read(RESULTS / "inputs.csv"):
        scaled = "standardised" if row["standardised"] == "1" else "raw"
        for column in ("test", "decay"):
            decay = ", weight decay 1e-2" if column == "decay" else ""
            method = f"{row['data']}, {scaled}{decay}"
            rows.append(
                {"method": method, "seed": row["seed"], "test_last": row[column]}
            )
    compared = [
        ((f"{data}, {one}", "last"), (f"{data}, raw", "last"))
        for data in ("breast cancer", "features")
        for one in ("standardised", "raw, weight decay 1e-2")
    ]
    return {"inputs": differences(rows, compared)}


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    for page in PAGES:
        fill(page, parts())
