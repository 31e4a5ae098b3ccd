"""Write pages of the site from the tables that the benchmarks committed."""

import ast
import csv
import html
from pathlib import Path
from statistics import median

from benchmarks.peers import RESULTS as PEERS, page
from benchmarks.records import read

ROOT = Path(__file__).parents[1]
MADE_WITH = {"command", "commit", "date", "machine", "processor", "threads", "versions"}


def studies():
    """Return the tables of each study, by the name of its folder."""
    found = {}
    for path in sorted((ROOT / "benchmarks").glob("*/results/*.csv")):
        found.setdefault(path.parts[-3], []).append(path)
    return found


def title(study):
    """Return the first line of the docstring of a study."""
    folder = ROOT / "benchmarks" / study
    for name in ("__init__.py", "__main__.py"):  # not imported: some need much
        text = ast.get_docstring(ast.parse((folder / name).read_text()))
        if text:
            return text.splitlines()[0].rstrip(".")
    raise ValueError(f"benchmarks/{study} has no docstring.")


def table(path):
    """Return a table as HTML that scrolls, and what it was made with."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name not in MADE_WITH]
    made = {
        name: sorted({row[name] for row in rows if row[name]})
        for name in rows[0]
        if name in MADE_WITH
    }
    lines = ['<div class="results"><table class="table">', "<thead><tr>"]
    lines += [f"<th>{html.escape(name)}</th>" for name in columns]
    lines += ["</tr></thead>", "<tbody>"]
    for row in rows:
        cells = (f"<td>{html.escape(row[name])}</td>" for name in columns)
        lines.append(f"<tr>{''.join(cells)}</tr>")
    lines += ["</tbody></table></div>", "<details><summary>Made with</summary><ul>"]
    lines += [
        f"<li>{name}: {html.escape('; '.join(values))}</li>"
        for name, values in made.items()
    ]
    lines.append("</ul></details>")
    return "\n".join(lines), len(rows)


def study_page(study, paths):
    """Return the page of a study in Markdown."""
    parts = [f"# {title(study)}", f"Scripts: `benchmarks/{study}/`."]
    for path in paths:
        text, n_rows = table(path)
        name = path.relative_to(ROOT)
        parts += [
            f"## {path.stem.replace('_', ' ')}",
            f"{n_rows:,} rows, `{name}`: {{download}}`CSV <../../{name}>`.",
            f"```{{raw}} html\n{text}\n```",
        ]
    return "\n\n".join(parts) + "\n"


def index_page(found):
    """Return the page that lists the studies."""
    lines = [
        "# Results",
        "",
        "Every committed table of the benchmarks, as its CSV file has it. What the",
        "tables mean, and a recommendation, is in the guides; the",
        "[comparison with other packages](../benchmarks.md) has a page of its own.",
        "",
        *(f"- [{title(study)}]({study}.md)" for study in found),
        "",
        "```{toctree}\n:hidden:\n",
        *found,
        "```",
    ]
    return "\n".join(lines) + "\n"


def peers_summary():
    """Return a table of time and accuracy beside each other package."""
    measured, _, _ = page.split(read(PEERS / "comparisons.csv"))
    by_package = {}
    for row in measured:
        by_package.setdefault(row["peer"].partition(",")[0], []).append(row)
    lines = [
        "| Package | Tasks | Time, ours / theirs: median (least to most) "
        "| Slower | Less accurate, or another value |",
        "| --- | --- | --- | --- | --- |",
    ]
    for package, rows in sorted(by_package.items(), key=lambda item: item[0].lower()):
        ratios = sorted(float(row["ratio"]) for row in rows)
        middle, least, most = map(page.number, (median(ratios), ratios[0], ratios[-1]))
        slower = sum(page.is_slower(row) for row in rows)
        worse = sum(page.is_less_accurate(row) for row in rows)
        lines.append(
            f"| {package} | {len(rows)} | {middle} ({least} to {most}) "
            f"| {slower} | {worse} |"
        )
    return "\n".join(lines) + "\n"


def write(folder):
    """Write the pages; those that did not change keep their time."""
    found = studies()
    pages = {study: study_page(study, paths) for study, paths in found.items()}
    pages |= {"index": index_page(found), "_peers": peers_summary()}
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        path = Path(folder) / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
