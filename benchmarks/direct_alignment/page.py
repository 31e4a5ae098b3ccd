"""The tables as the docs show them, and the claims of the paper beside what was found.

The guide and its page of results in ``docs/user_guide`` are written by hand but for
what is between ``<!-- table 1 -->`` and ``<!-- end -->``, which `write_pages` fills
from the CSVs.
"""

import csv
import re
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
GUIDE = HERE.parents[1] / "docs" / "user_guide"
PAGES = [GUIDE / f"direct_alignment{part}.md" for part in ("", "_results")]
SHORT = {"convolutional": "conv", "dense": "MLP", "variational": "VAE"}
UNITS = {"pixels": "ratio", "published unit": "published_ratio"}

STITCHING = [f"stitching, k={k}" for k in (1, 2, 4)]
LATENTIS = [f"latentis, {name}" for name in ("affine", "linear", "l-ortho", "ortho")]
# A block of a table: what names a row, and the columns.
BLOCKS = {
    1: (("latents",), ["rigid", "linear", *STITCHING, "rigid, scaled", "ridge"]),
    2: (
        ("latents", "anchors"),
        ["relative decoder, own", "relative decoder", "relative, end to end, own",
         "relative, end to end"],
    ),
    3: (
        ("latents", "anchors"),
        ["rigid", "linear", *STITCHING, "rigid, scaled", "ridge"],
    ),
    "3, anchors": (
        ("latents", "anchors"),
        ["linear", "ridge"]
        + [f"{map_}, anchors by {name}" for map_ in ("linear", "ridge")
           for name in ("k-means", "farthest point", "pivoted QR")]
        + ["ridge, anchors by k-means, any member"],
    ),
    "3, latentis": (("latents", "anchors"), [*LATENTIS, "rigid, scaled", "ridge"]),
    4: (
        ("samples", "latents"),
        ["means, rigid", "means, linear", "means + ICP, rigid", "means + ICP, linear"],
    ),
    "4, beyond": (
        ("latents",),
        ["means, ridge", "moments of classes", "ICP, both directions",
         "ICP, one to one", "ICP, quadratic", "nothing, moments",
         "nothing, Wasserstein-Procrustes", "nothing, quadratic"],
    ),
    5: (
        ("latents", "anchors", "source", "target"),
        ["rigid", "linear", "relative decoder", "relative decoder, own",
         "relative decoder, scaled", "rigid, scaled", "ridge",
         "ridge, anchors by k-means"],
    ),
    6: (
        ("latents", "anchors", "source", "target"),
        ["relative, end to end, own", "relative, end to end",
         "relative, end to end, scaled"],
    ),
    7: (
        ("dataset", "source", "target", "latents", "target_latents"),
        ["linear", "ridge", "means, ridge", "moments of classes",
         "ICP, both directions", "nothing, moments",
         "nothing, Wasserstein-Procrustes"],
    ),
}  # fmt: skip

# Methods whose errors are divided pair by pair: the table, method and rows of each.
COMPARED = [
    ((1, "linear"), (1, "rigid")),
    ((1, "rigid, scaled"), (1, "rigid")),
    ((1, "stitching, k=4"), (1, "linear")),
    ((3, "ridge"), (3, "linear")),
    ((3, "ridge, anchors by k-means"), (3, "ridge")),
    ((3, "ridge, anchors by k-means, any member"), (3, "ridge")),
    ((3, "stitching, k=2"), (3, "linear")),
    ((4, "means + ICP, linear"), (4, "means, linear")),
    ((4, "ICP, both directions"), (4, "means, ridge")),
    ((4, "ICP, quadratic"), (4, "ICP, both directions")),
    ((4, "ICP, quadratic"), (1, "linear")),
    ((4, "nothing, Wasserstein-Procrustes"), (1, "linear")),
    ((5, "rigid"), (5, "linear")),
    ((5, "relative decoder, scaled"), (5, "relative decoder")),
    ((5, "relative decoder, scaled"), (5, "linear")),
]


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class Table:
    """Rows of a table, and what was published of it, in a unit of `UNITS`."""

    def __init__(self, table, results, unit="ratio"):
        self.number = table
        self.unit = unit
        path = results / f"table_{table}.csv"
        self.rows = read_csv(path) if path.exists() else []
        for row in self.rows:
            same = all(
                row[f"source{part}"] == row[f"target{part}"] for part in ("", "_seed")
            )
            row["column"] = row["method"] + ", own" * (same)
        published = read_csv(HERE / "published.csv")
        self.published = [row for row in published if row["table"] == str(table)]

    def values(self, column, **where):
        """Ratios of a column, one an ordered pair of networks."""
        return np.array([
            float(row[self.unit])
            for row in self.rows
            if row["column"] == column
            and all(row[name] == str(value) for name, value in where.items())
        ])  # fmt: skip

    def published_ratio(self, column, **where):
        """The published mean over the published baseline, or None."""
        found = {
            row["method"]: float(row["mean"])
            for row in self.published
            if all(
                row.get(name) in (None, "", str(value)) for name, value in where.items()
            )
        }
        return found[column] / found["baseline"] if column in found else None

    def settings(self, names, column):
        """Where a column was measured across networks: by number, else as it came."""
        rows = [row for row in self.rows if row["column"] == column]
        found = list(dict.fromkeys(tuple(row[name] for name in names) for row in rows))
        came = [list(dict.fromkeys(parts)) for parts in zip(*found, strict=True)]

        def place(setting):
            return [
                int(part) if part.isdigit() else order.index(part)
                for part, order in zip(setting, came, strict=True)
            ]

        return sorted(found, key=place)


def _is_skewed(values):
    """Whether the deviation is as large as the mean, which then says little."""
    return len(values) > 1 and values.std(ddof=1) >= values.mean()


def centre(values):
    """Return the mean, or the median where the deviation is as large as the mean."""
    return np.median(values) if _is_skewed(values) else values.mean()


def cell(values):
    if not len(values):
        return "."
    if _is_skewed(values):
        return f"{centre(values):.3g} ({values.min():.3g} to {values.max():.3g})"
    return f"{values.mean():.3g} ± {values.std(ddof=1):.2g}" if len(values) > 1 else (
        f"{values[0]:.3g}"
    )  # fmt: skip


def render(block, results, unit="ratio"):
    """Return a block as a table in Markdown."""
    names, columns = BLOCKS[block]
    table = Table(int(str(block)[0]), results, unit)
    beside = unit == "published_ratio"
    shown = [SHORT.get(name, name.replace("_", " ")) for name in names]
    lines = [" | ".join(["", *shown, *columns, ""]).strip()]
    lines.append("| " + " | ".join(["---"] * (len(names) + len(columns))) + " |")
    for setting in table.settings(names, columns[0].removesuffix(", own")):
        where = dict(zip(names, setting, strict=True))
        cells = []
        for column in columns:
            at = where
            if column.endswith(", own") and "target" in where:
                at = where | {"source": where["target"]}
            text = cell(table.values(column, **at))
            published = table.published_ratio(column, **at) if beside else None
            if published is not None:
                text += f" ({published:.3g})"
            cells.append(text)
        labels = [SHORT.get(part, part.replace("_", "-")) for part in setting]
        lines.append(" | ".join(["", *labels, *cells, ""]).strip())
    return "\n".join(lines)


def _rows_where(table, first, second):
    """How often the centre of one column is below that of another, over settings."""
    names = ("latents", "anchors")
    settings = [dict(zip(names, s, strict=True)) for s in table.settings(names, second)]
    wins = [
        centre(table.values(first, **where)) < centre(table.values(second, **where))
        for where in settings
    ]
    return sum(wins), len(wins)


def _ratio_of_centres(first, second):
    return centre(first) / centre(second)


def claims(results, unit="ratio"):
    """Return claim, unit, criterion, what was measured, and whether it holds."""
    one, two, three, four, five = (Table(k, results, unit) for k in range(1, 6))
    named = {column: name for name, column in UNITS.items()}[unit]
    found = []

    def say(claim, criterion, measured, holds):
        found.append({"claim": claim, "unit": named, "criterion": criterion,
                      "measured": measured,
                      "holds": {True: "yes", False: "no"}[bool(holds)]})  # fmt: skip

    wins = [_rows_where(table, "linear", "rigid") for table in (one, three)]
    say(
        "a linear map beats a rigid one",
        "lower centre in every row of tables 1 and 3",
        f"{wins[0][0]} of {wins[0][1]} rows of table 1, {wins[1][0]} of {wins[1][1]} of"
        " table 3",
        all(won == n for won, n in wins),
    )
    costs = {
        setting: _ratio_of_centres(
            three.values("linear", latents=setting[0], anchors=setting[1]),
            one.values("linear", latents=setting[0]),
        )
        for setting in three.settings(("latents", "anchors"), "stitching, k=2")
    }
    say(
        "a linear map from a few anchors is close to one from all pairs",
        "within 10 % in every row of table 3",
        "; ".join(
            f"{d} latents, {k} anchors: {v:.2f} x" for (d, k), v in costs.items()
        ),
        all(cost <= 1.1 for cost in costs.values()),
    )
    for rule in ("k-means", "k-means, any member"):
        column = f"ridge, anchors by {rule}"
        costs = {
            setting: _ratio_of_centres(
                three.values(column, latents=setting[0], anchors=setting[1]),
                three.values("linear", latents=setting[0], anchors=setting[1]),
            )
            for setting in three.settings(("latents", "anchors"), column)
        }
        few = {s: cost for s, cost in costs.items() if int(s[1]) <= 1.5 * int(s[0])}
        say(
            f"(ours) ridge on anchors by {rule} is worth it",
            "level with least squares on random anchors in every row of table 3 (at"
            " most 1 % above), and 10 % better with at most 1.5 anchors a latent",
            "; ".join(
                f"{d} latents, {k} anchors: {v:.3f} x" for (d, k), v in costs.items()
            ),
            max(costs.values()) <= 1.01 and max(few.values(), default=0) <= 0.9,
        )
    costs = {
        setting: _ratio_of_centres(
            three.values("stitching, k=2", latents=setting[0], anchors=setting[1]),
            three.values("linear", latents=setting[0], anchors=setting[1]),
        )
        for setting in three.settings(("latents", "anchors"), "stitching, k=2")
    }
    say(
        "stitching needs many pairs",
        "with anchors, k=2 above the linear map in every row of table 3",
        f"{min(costs.values()):.2f} to {max(costs.values()):.2f} x the linear map",
        all(cost > 1 for cost in costs.values()),
    )
    best = {
        latents: min(STITCHING, key=lambda k: centre(one.values(k, latents=latents)))
        for (latents,) in one.settings(("latents",), "stitching, k=2")
    }
    say(
        "k = 2 is best at larger latents",
        "lowest centre of the three at 30 latents and more, table 1",
        "; ".join(f"{latents}: {k[-3:]}" for latents, k in best.items()),
        {k for latents, k in best.items() if int(latents) >= 30} == {"stitching, k=2"},
    )
    gains, counts = {}, {}
    for d, k in two.settings(("latents", "anchors"), "relative, end to end"):
        counts.setdefault(d, []).append(k)
    for d, found_counts in counts.items():
        few, many = (
            two.values("relative, end to end", latents=d, anchors=k)
            for k in (found_counts[0], found_counts[-1])
        )
        if len(found_counts) > 1:
            gains[d] = _ratio_of_centres(many, few)
    if gains:
        say(
            "more anchors hardly help relative representations",
            "end to end, error with more anchors at least 0.9 of that with fewer",
            "; ".join(f"{d} latents: {gain:.2f} x" for d, gain in gains.items()),
            all(gain >= 0.9 for gain in gains.values()),
        )
    means = {
        d: _ratio_of_centres(
            four.values("means, linear", latents=d, samples="same"),
            one.values("linear", latents=d),
        )
        for d in dict.fromkeys(
            d for _, d in four.settings(("samples", "latents"), "means, linear")
        )
    }
    say(
        "class means work at low dimension only",
        "over all pairs: within 1.5 at 2 latents, above it at 30 and more",
        "; ".join(f"{d} latents: {v:.2f} x" for d, v in means.items()),
        all((v <= 1.5) if int(d) == 2 else v > 1.5 for d, v in means.items()
            if int(d) != 10),
    )  # fmt: skip
    shared = {"same": "the same samples", "halves": "disjoint samples"}
    for samples in shared:
        for map_ in ("rigid", "linear"):
            change = {
                d: _ratio_of_centres(
                    four.values(f"means + ICP, {map_}", latents=d, samples=samples),
                    four.values(f"means, {map_}", latents=d, samples=samples),
                )
                for d in means
            }
            say(
                f"ICP makes class means worse ({map_} maps, {shared[samples]})",
                "higher centre in every row of table 4",
                "; ".join(f"{d} latents: {v:.2f} x" for d, v in change.items()),
                all(v > 1 for v in change.values()),
            )

    failing = {"rigid": "rigid maps", "relative decoder": "relative decoders"}
    for column, name in failing.items():
        costs = []
        for setting in five.settings(BLOCKS[5][0], "linear"):
            where = dict(zip(BLOCKS[5][0], setting, strict=True))
            values = five.values(column, **where)
            if len(values):
                linear = five.values("linear", **where)
                costs.append(_ratio_of_centres(values, linear))
        if costs:
            say(
                f"{name} fail across architectures",
                "at least twice the error of the linear map in every row of table 5",
                f"{min(costs):.2f} to {max(costs):.2f} x the linear map",
                min(costs) >= 2,
            )
    free = {
        d: four.values("nothing, Wasserstein-Procrustes", latents=d, samples="halves")
        for d in means
    }
    say(
        "alignment without any prior knowledge is not achieved",
        "Wasserstein-Procrustes, halves: every pair above 2 at 10, 30 and 50 latents",
        "; ".join(f"{d} latents: {centre(v):.2f} ({v.min():.2f} to {v.max():.2f})"
                  for d, v in free.items()),
        all(v.min() > 2 for d, v in free.items() if int(d) >= 10),
    )  # fmt: skip
    return found


def by_setting(table, method):
    """Return the ratios of a method by setting and ordered pair of networks.

    Of table 4, those of disjoint halves. Settings are latents, anchors (table 3) and
    kinds of network (where two differ), in this order and sorted.
    """
    found = {}
    for row in table.rows:
        same = row["source_seed"] == row["target_seed"]
        if row["method"] != method or (same and row["source"] == row["target"]):
            continue
        if table.number == 4 and row["samples"] != "halves":
            continue
        setting = (
            int(row["latents"]),
            int(row["anchors"]) if table.number == 3 else 0,
            *([row["source"], row["target"]] if row["source"] != row["target"] else []),
        )
        pair = row["source_seed"], row["target_seed"]
        found.setdefault(setting, {})[pair] = float(row["ratio"])
    return dict(sorted(found.items()))


def render_comparisons(results):
    """Return a line for each comparison and setting, in squared pixels."""
    tables = {number: Table(number, results) for number in range(1, 6)}
    lines = ["| Ratio of errors | Table | Setting | n | Mean (least to most) |"]
    lines.append("| --- " * 5 + "|")
    for pair in COMPARED:
        first, second = (by_setting(tables[number], name) for number, name in pair)
        name = " / ".join(method for _, method in pair)
        numbers = " and ".join(str(number) for number in sorted({n for n, _ in pair}))
        for setting in first:
            if setting not in second:
                continue
            one, other = first[setting], second[setting]
            ratios = np.array([one[key] / other[key] for key in one if key in other])
            latents, anchors, *kinds = setting
            shown = f"{latents} latents"
            if anchors:
                shown += f", {anchors} anchors"
            if kinds:
                shown += ", " + " to ".join(SHORT[kind] for kind in kinds)
            lines.append(
                f"| {name} | {numbers} | {shown} | {len(ratios)} "
                f"| {np.exp(np.log(ratios).mean()):.3g} "
                f"({ratios.min():.3g} to {ratios.max():.3g}) |"
            )
    return "\n".join(lines)


def render_claims(found):
    lines = ["| Claimed | Unit | Criterion | Measured | Holds |", "| --- " * 5 + "|"]
    lines += ["| " + " | ".join(row.values()) + " |" for row in found]
    return "\n".join(lines)


def render_verdicts(found):
    """Return whether each claim holds in each unit."""
    verdicts = {}
    for row in found:
        verdicts.setdefault(row["claim"], {})[row["unit"]] = row["holds"]
    lines = ["| " + " | ".join(["Claimed", *UNITS]) + " |", "| --- " * 3 + "|"]
    lines += [
        "| " + " | ".join([claim, *(holds[unit] for unit in UNITS)]) + " |"
        for claim, holds in verdicts.items()
    ]
    return "\n".join(lines)


def write_claims(results):
    """Write the claims of the paper, and what was measured in each unit, as a CSV."""
    in_units = [claims(results, unit) for unit in UNITS.values()]
    found = [claim for both in zip(*in_units, strict=True) for claim in both]
    with (results / "claims.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, found[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


def parts(results):
    """Return the generated parts of the pages, by the names of their markers."""
    found = {}
    for block in BLOCKS:
        for name, unit in UNITS.items():
            found[f"table {block}, {name}"] = render(block, results, unit)
    judged = read_csv(results / "claims.csv")
    return found | {
        "claims": render_claims(judged),
        "verdicts": render_verdicts(judged),
        "comparisons": render_comparisons(results),
    }


def fill(page, texts):
    """Put texts between the markers of a page that name them."""

    def replace(match):
        return f"{match[1]}\n{texts[match[2]]}\n{match[3]}"

    pattern = r"(<!-- (.+?) -->)\n.*?(<!-- end -->)"
    page.write_text(re.sub(pattern, replace, page.read_text(), flags=re.DOTALL))


def write_pages(results):
    """Fill the marked parts of the pages of the docs."""
    for page in PAGES:
        fill(page, parts(results))
