"""Reports as text, Markdown and JSON."""

import json
import textwrap
from html import escape

from skalign.cli._columns import COLUMNS, format_of

_MOST_TEXT = 79  # characters of a line of text, however wide the terminal


class Cell:
    """Mean of a metric, with its standard deviation and a star if it is the best."""

    def __init__(self, mean, spread="", star=""):
        self.mean, self.spread, self.star = mean, spread, star

    def text(self, with_spread):
        spread = f" ({self.spread})" if with_spread and self.spread else ""
        return f"{self.mean}{spread}{self.star or ' '}" if self.mean else ""


def rows_explained(report):
    """Say what the rows are."""
    constant = any(row["name"] == "constant" for row in report["maps"])
    mean = "; constant is the mean of the target" if constant else ""
    return f"Rows: maps from the simplest to the most flexible{mean}."


def table_of(report, metrics):
    """Return the names of the rows and, by metric, the cells of a column."""
    maps, reference = report["maps"], report["reference"]
    names = [row["name"] for row in maps]
    columns = {}
    for metric in metrics:
        means, spreads = (
            [_number(row[part][metric]) for row in maps]
            for part in ("values", "spreads")
        )
        spec = format_of(means, COLUMNS[metric].n_decimals)
        means = [format(mean, spec) for mean in means]
        best = {means[i] for i, row in enumerate(maps) if metric in row["best_by"]}
        columns[metric] = [
            Cell(mean, format(spread, spec), "*" if mean in best else "")
            for mean, spread in zip(means, spreads, strict=True)
        ]
        if reference is not None:
            cell = Cell("")
            if metric in reference["values"]:
                values = (reference[part][metric] for part in ("values", "spreads"))
                cell = Cell(*(format(value, spec) for value in values))
            columns[metric].append(cell)
    return names + ([] if reference is None else [reference["name"]]), columns


def _number(value):
    return float("nan") if value is None else value


def as_table(report, metrics, width, wide=False):
    """Format a report for a terminal of so many columns."""
    names, columns = table_of(report, metrics)
    marked = [
        ("> " if name == report["recommended"] else "  ") + name for name in names
    ]
    headings = [COLUMNS[metric].heading for metric in metrics]
    for with_spread in (True, False):
        cells = [
            [cell.text(with_spread) for cell in columns[metric]] for metric in metrics
        ]
        widths = [
            max(map(len, [f"{heading} ", *column]))
            for heading, column in zip(headings, cells, strict=True)
        ]
        first = max(map(len, marked))
        if wide or first + sum(widths) + 2 * len(widths) <= width:
            break
    blocks = [[]]
    for i in range(len(metrics)):
        used = first + sum(2 + widths[j] for j in blocks[-1])
        if blocks[-1] and not wide and used + 2 + widths[i] > width:
            blocks.append([])
        blocks[-1].append(i)
    lines = []
    for block in blocks:
        rows = [
            ["  map", *(f"{headings[i]} " for i in block)],
            ["  " + "-" * (first - 2), *("-" * widths[i] for i in block)],
            *([name, *(cells[i][k] for i in block)] for k, name in enumerate(marked)),
        ]
        for name, *values in rows:
            aligned = [
                value.rjust(widths[i]) for i, value in zip(block, values, strict=True)
            ]
            lines.append("  ".join([name.ljust(first), *aligned]).rstrip())
        lines.append("")
    return "\n".join(
        [
            *(fill(line, width) for line in report["about"]),
            "",
            *lines,
            fill(_legend(report, with_spread), width),
            "",
            *(
                fill(f"{COLUMNS[m].heading:<10}  {COLUMNS[m].explanation}", width, 12)
                for m in metrics
            ),
            "",
            *(fill(sentence, width) for sentence in report["verdict"]),
            "",
            *(
                line
                for step in report["next"]
                for line in (
                    fill(step["why"], width),
                    "",
                    command_lines(step, width),
                    "",
                )
            ),
        ]
    ).rstrip("\n")


def _legend(report, with_spread):
    spread = "(standard deviation over folds)" if with_spread else "more with --wide"
    return f"{rows_explained(report)} * best of its column, > recommended; {spread}."


def fill(text, width, indent=0):
    return textwrap.fill(
        text,
        max(min(width, _MOST_TEXT), 20),
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )


def command_lines(step, width):
    """Break a command between words, so that it can still be copied."""
    lines = ["  "]
    for word in step["command"]:
        if len(lines[-1]) + len(word) + 3 > width and lines[-1].strip():
            lines[-1] += " \\"
            lines.append("    ")
        lines[-1] += f" {word}" if lines[-1].strip() else word
    return "\n".join(lines)


def as_markdown(report, metrics):
    """Format a report as Markdown."""
    names, columns = table_of(report, metrics)
    rows = [["map", *(COLUMNS[metric].heading for metric in metrics)]]
    rows.append(["---", *("---:" for _ in metrics)])
    for i, name in enumerate(names):
        shown = f"**{name}**" if name == report["recommended"] else name
        cells = (columns[metric][i].text(True).strip() for metric in metrics)
        rows.append([shown, *(cell.replace("*", "\\*") for cell in cells)])
    return "\n".join(
        [
            f"# {report['title']}",
            "",
            *(f"- {escape(line, quote=False)}" for line in report["about"]),
            "",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            f"{rows_explained(report)} \\* best of its column, bold: recommended; "
            "(standard deviation over folds).",
            "",
            *(f"- {COLUMNS[m].heading}: {COLUMNS[m].explanation}" for m in metrics),
            "",
            "\n\n".join(report["verdict"]),
            *(
                line
                for step in report["next"]
                for line in (
                    "",
                    step["why"],
                    "",
                    "```sh",
                    " ".join(step["command"]),
                    "```",
                )
            ),
        ]
    )


def as_json(report, metrics):
    """Format a report as JSON, with the scores of every fold."""
    record = {key: value for key, value in report.items() if key != "about"}
    explained = {metric: COLUMNS[metric].explanation for metric in metrics}
    return json.dumps(record | {"columns": explained}, indent=1, allow_nan=False)
