"""Reports as one HTML file, light or dark, that requests nothing from a network."""

import io
import re
from html import escape

from skalign.cli._columns import COLUMNS
from skalign.cli._render import rows_explained, table_of

# A colour that figures use for text and axes, replaced by that of the page.
_INK = "#010203"
_THEME = {
    "svg.fonttype": "none",
    "svg.hashsalt": "skalign",
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.titlecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.facecolor": "none",
    "legend.framealpha": 0,
}
_STYLE = """
:root {color-scheme: light dark}
body {font: 16px/1.5 system-ui, sans-serif; max-width: 64em; margin: 2em auto;
  padding: 0 1em; background: Canvas; color: CanvasText}
h1 {font-size: 1.5em} h2 {font-size: 1.15em; margin-top: 2em}
.scroll {overflow-x: auto}
table {border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9em}
th, td {padding: .25em .5em; text-align: right; white-space: nowrap}
th:first-child {text-align: left}
thead th {border-bottom: 2px solid}
tbody tr + tr > * {
  border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent)}
tr.chosen > * {background: color-mix(in srgb, #0072B2 22%, transparent);
  font-weight: bold}
.spread, figcaption, dd {opacity: .75}
dl {display: grid; grid-template-columns: max-content 1fr; gap: .1em 1em}
dd {margin: 0}
pre {padding: .7em 1em; overflow-x: auto; border: 1px solid; border-radius: .3em}
figure {margin: 1em 0} svg {max-width: 100%; height: auto; fill: currentColor}
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>"""


def as_html(report, metrics, figures):
    """Format a report as a page.

    Parameters
    ----------
    report : dict
    metrics : list of str
    figures : list of (str, str)
        Caption and SVG of each figure.

    Returns
    -------
    page : str
    """
    names, columns = table_of(report, metrics)
    headings = [
        f'<th title="{escape(column.explanation)}">{escape(column.heading)}</th>'
        for column in map(COLUMNS.get, metrics)
    ]
    rows = []
    for i, name in enumerate(names):
        chosen = ' class="chosen"' if name == report["recommended"] else ""
        cells = [_cell(columns[metric][i]) for metric in metrics]
        rows.append(f"<tr{chosen}><th>{escape(name)}</th>{''.join(cells)}</tr>")
    parts = [
        f"<h1>{escape(report['title'])}</h1>",
        *(f"<div>{escape(line)}</div>" for line in report["about"]),
        "<h2>Verdict</h2>",
        *(f"<p>{escape(sentence)}</p>" for sentence in report["verdict"]),
        "<h2>Maps</h2>",
        '<div class="scroll"><table><thead><tr><th>map</th>',
        *headings,
        "</tr></thead><tbody>",
        *rows,
        "</tbody></table></div>",
        f"<p>{escape(rows_explained(report))} * best of its column; coloured: "
        "recommended; (standard deviation over folds).</p>",
        "<dl>",
        *(
            f"<dt>{escape(COLUMNS[m].heading)}</dt><dd>{escape(COLUMNS[m].explanation)}"
            "</dd>"
            for m in metrics
        ),
        "</dl>",
    ]
    for caption, svg in figures:
        parts.append(
            f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"
        )
    parts.append("<h2>Next</h2>")
    for step in report["next"]:
        command = escape(" ".join(step["command"]))
        parts.append(f"<p>{escape(step['why'])}</p><pre>{command}</pre>")
    title = escape(report["title"])
    return _PAGE.format(title=title, style=_STYLE, body="\n".join(parts))


def _cell(cell):
    spread = f' <span class="spread">({cell.spread})</span>' if cell.spread else ""
    return f"<td>{cell.mean}{cell.star}{spread}</td>"


def learning_curves(result):
    """Draw the learning curves of a comparison; return a caption and an SVG."""
    from skalign.plotting import AlignabilityDisplay

    caption = (
        "Relative error by the number of pairs, with its confidence interval, and the "
        "forecast for twice as many."
    )
    return caption, _drawn(lambda figure: AlignabilityDisplay(result).plot(
        ax=figure.subplots()
    ))  # fmt: skip


def before_and_after(name, aligner, X, y, labels, target_labels, paired):
    """Draw samples of both sides before and after a map; return a caption and an SVG.

    Parameters
    ----------
    name : str
    aligner : fitted aligner
    X, y : ndarray
        Samples of both sides.
    labels, target_labels : ndarray or None
        Their classes.
    paired : bool
        Whether row i of both sides is the same item.
    """
    from skalign.plotting import AlignmentDisplay

    given = {"labels": labels, "target_labels": target_labels, "paired": paired}
    return f"Samples before and after the map '{name}', fitted on all samples.", _drawn(
        lambda figure: AlignmentDisplay.from_estimator(
            aligner, X, y, ax=figure.subplots(1, 2), **given
        )
    )


def _drawn(draw):
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_THEME):
        figure = Figure(figsize=(9, 4.5), layout="constrained")
        draw(figure)
        return _svg(figure)


def _svg(figure):
    """Return a figure as an SVG element in the colour of the text around it."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = re.sub(
        r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.S
    )
    return text.replace(_INK, "currentColor").replace("#000000", "currentColor")
