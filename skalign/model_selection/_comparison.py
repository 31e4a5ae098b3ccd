"""Result of a comparison of maps, which shows itself in notebooks."""

from html import escape

import numpy as np
from sklearn.utils import Bunch

_STYLE = """
.skalign-comparison table {border-collapse: collapse; margin: .5em 0}
.skalign-comparison th, .skalign-comparison td {
  padding: .2em .7em; text-align: right; white-space: nowrap}
.skalign-comparison th:first-child {text-align: left}
.skalign-comparison thead th {border-bottom: 1px solid currentColor}
.skalign-comparison tr.chosen {font-weight: bold}
.skalign-comparison .best {text-decoration: underline}
.skalign-comparison svg {display: block}
"""
_WIDTH, _HEIGHT = 220, 16  # of the figure in a row, in pixels


class Comparison(Bunch):
    """Result of `alignability`; in a notebook, a table with confidence intervals."""

    def _repr_html_(self):
        metrics = list(self.scores)
        means = {m: folds.mean(axis=1) for m, folds in self.scores.items()}
        means["relative_error"] = self.errors
        best = {
            m: values.max() if self.greater_is_better[m] else values.min()
            for m, values in means.items()
        }
        headings = [
            "<th>map</th>",
            "<th>relative error and its interval</th>",
            *(f"<th>{escape(m.replace('_', ' '))}</th>" for m in metrics),
        ]
        rows = []
        for i, (name, figure) in enumerate(
            zip(self.names, self._figures(), strict=True)
        ):
            cells = [f"<th>{escape(str(name))}</th>", f"<td>{figure}</td>"]
            for m in metrics:
                kind = ' class="best"' if means[m][i] == best[m] else ""
                cells.append(f"<td{kind}>{means[m][i]:.3g}</td>")
            chosen = ' class="chosen"' if name == self.name else ""
            rows.append(f"<tr{chosen}>{''.join(cells)}</tr>")
        return (
            f'<div class="skalign-comparison"><style>{_STYLE}</style>'
            f"<table><thead><tr>{''.join(headings)}</tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table>"
            f"<p>{escape(self.verdict)} Bold: recommended; underlined: best of its "
            "column; dashed: the error of predicting the mean.</p></div>"
        )

    def _figures(self):
        """Draw the error of each map with its interval, all on one scale."""
        ends = np.column_stack([self.intervals, self.errors])
        shown = ends[np.isfinite(ends).all(axis=1) & (self.errors <= 2)]
        most = max(1.0, shown.max(initial=0)) * 1.02
        scale = _WIDTH / most
        for error, (low, high) in zip(self.errors, self.intervals, strict=True):
            middle = _HEIGHT / 2
            drawn = (
                f'<line x1="{scale:.1f}" x2="{scale:.1f}" y1="0" y2="{_HEIGHT}" '
                'stroke="currentColor" stroke-opacity=".4" stroke-dasharray="2 2"/>'
            )
            if error <= most:
                ends = np.clip([low, high], 0, most) * scale
                drawn += (
                    f'<line x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{middle}" '
                    f'y2="{middle}" stroke="#0072B2" stroke-width="3"/>'
                    f'<circle cx="{error * scale:.1f}" cy="{middle}" r="4" '
                    'fill="#0072B2"/>'
                )
            else:  # far beyond that of the mean
                drawn += (
                    f'<text x="{_WIDTH - 14}" y="{_HEIGHT - 3}" '
                    'fill="currentColor">&#8594;</text>'
                )
            yield (
                f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" '
                f'aria-label="{error:.3g}, {low:.3g} to {high:.3g}">{drawn}</svg>'
            )
