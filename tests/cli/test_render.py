"""Reports in every format, and the conditions that fail a run."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from skalign.cli import _kinds, _render, _report, main
from skalign.cli._columns import COLUMNS, format_of
from skalign.cli._conditions import condition
from skalign.cli._html import as_html
from skalign.datasets import make_paired_spaces
from skalign.model_selection import alignability


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two files of 40 pairs, one of labels, and the result of comparing them."""
    folder = tmp_path_factory.mktemp("files")
    made = make_paired_spaces(40, 3, 3, noise=0.3, n_classes=2, random_state=0)
    arrays = {"X": made.data, "y": made.target, "labels": made.labels}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    X, y, labels = (str(folder / f"{name}.npy") for name in arrays)
    result = alignability(made.data, made.target, labels=made.labels, cv=2)
    return [X, y, "--labels", labels, "--cv", "2"], result


@pytest.fixture
def report(files, monkeypatch):
    """Run a report on the files, without comparing them again."""
    words, result = files
    monkeypatch.setattr(_report, "alignability", lambda *_, **__: result)
    return lambda *options: main(["report", *words, *map(str, options)])


@pytest.mark.parametrize("n_columns", [30, 40, 60, 80, 100, 200])
def test_a_report_fits_the_terminal(report, capsys, monkeypatch, n_columns):
    monkeypatch.setenv("COLUMNS", str(n_columns))
    assert report() == 0
    shown = capsys.readouterr().out.partition("Next, ")[0]
    assert max(map(len, shown.splitlines())) <= n_columns
    for column in COLUMNS.values():
        assert f"{column.heading} {column.explanation}" in " ".join(shown.split())


def test_at_80_columns_every_column_is_explained_in_one_line(report, capsys):
    assert report() == 0
    lines = capsys.readouterr().out.splitlines()
    for column in COLUMNS.values():
        assert f"{column.heading:<10}  {column.explanation}" in lines


def test_wide_shows_standard_deviations(report, capsys, files):
    assert report() == 0
    assert re.search(r"\d \(\d\.\d+\)", capsys.readouterr().out) is None
    assert report("--wide") == 0
    printed = capsys.readouterr().out
    folds = files[1].scores["hits@1"][files[1].names.index("rigid")]
    assert f"{folds.mean():.3f} ({folds.std(ddof=1):.3f})" in printed
    assert "standard deviation" in " ".join(printed.split())


def test_columns_are_shown_as_asked(report, capsys):
    assert report("--columns", "hits@1,r2") == 0
    printed = capsys.readouterr().out
    heading = next(line for line in printed.splitlines() if line.startswith("  map"))
    assert heading.split() == ["map", "hits@1", "r2"]
    assert "mmd" not in printed


@pytest.mark.parametrize("criterion", COLUMNS)
def test_table_verdict_and_command_agree(report, capsys, files, criterion):
    assert report("--criterion", criterion, "--format", "json") == 0
    record = json.loads(capsys.readouterr().out)
    assert report("--criterion", criterion) == 0
    printed = capsys.readouterr().out
    chosen = record["recommended"]
    assert [line for line in printed.splitlines() if line.startswith("> ")] == [
        line for line in printed.splitlines() if line.startswith(f"> {chosen} ")
    ]
    assert f"'{chosen}'" in record["verdict"][0]
    best = next(m for m in record["maps"] if criterion in m["best_by"])
    assert best["name"] == record["best"]
    values = [row["values"][criterion] for row in record["maps"]]
    greater = COLUMNS[criterion].greater_is_better
    assert best["values"][criterion] == (max(values) if greater else min(values))
    assert chosen in " ".join(record["next"][0]["command"]) or chosen in (
        "constant", "identity", "low rank", "translation"
    )  # fmt: skip


def test_the_error_in_the_table_is_that_of_the_verdict(report, capsys, files):
    result = files[1]
    assert report("--format", "json") == 0
    record = json.loads(capsys.readouterr().out)
    shown = [row["values"]["relative_error"] for row in record["maps"]]
    np.testing.assert_allclose(shown, result.errors)
    assert record["best"] == result.best
    assert record["recommended"] == result.name


def test_equal_values_have_a_star_each():
    row = {"values": {"r2": 0.61912}, "spreads": {"r2": 0.1}}
    maps = [row | {"name": "a", "best_by": []}, row | {"name": "b", "best_by": ["r2"]}]
    _, columns = _render.table_of({"maps": maps, "reference": None}, ["r2"])
    assert [cell.star for cell in columns["r2"]] == ["*", "*"]


def test_small_and_large_numbers_keep_their_digits():
    assert [format(3e-9, format_of([3e-9, 1e-9], 4))] == ["3.00e-09"]
    assert [format(2.0, format_of([2.0, np.inf, np.nan], 3))] == ["2.000"]
    assert [format(4e7, format_of([4e7], 3))] == ["4.00e+07"]


@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        (".json", "{"),
        (".md", "# "),
        (".txt", "source "),
        (".html", "<!DOCTYPE"),
        ("", "s"),
    ],
)
def test_a_report_is_stored_in_the_format_of_the_suffix(
    report, capsys, tmp_path, suffix, start
):
    out = tmp_path / f"report{suffix}"
    assert report("-o", out) == 0
    assert out.read_text().startswith(start)
    assert capsys.readouterr().out.startswith("source ")


def test_formats_and_suffixes_that_differ_are_refused(report, capsys, tmp_path):
    assert report("--format", "json", "-o", tmp_path / "a.md") == 2
    assert "must end with .json for --format json" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert report("--format", "json", "-o", tmp_path / "a") == 0
    json.loads((tmp_path / "a").read_text())


def test_markdown_is_a_table_of_all_maps(report, capsys, files):
    assert report("--format", "markdown") == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 3 + len(files[1].names)  # with the target's own samples
    assert {row.count("|") for row in rows} == {2 + len(COLUMNS)}
    assert lines[-3:][0] == "```sh"
    assert lines[-2].startswith("skalign ")


def test_a_page_holds_everything_and_requests_nothing(report, capsys, files):
    assert report("--format", "html") == 0
    page = capsys.readouterr().out
    for name in files[1].names:
        assert f"<th>{name}</th>" in page
    for column in COLUMNS.values():
        assert f"<dd>{column.explanation}</dd>" in page
    assert page.count("<svg") == 2
    assert page.count("<figcaption>") == 2
    assert "default-src 'none'" in page
    addresses = set(re.findall(r"""(?:https?:)?//[^\s"']+""", page))
    assert all(address.startswith("http://www.w3.org/") for address in addresses)
    assert not re.search(
        r"<(script|link|img|iframe|object|image)|@import|url\((?!#)", page
    )
    assert "&lt;" not in page.partition("<svg")[0]
    assert "#000000" not in page  # black is the colour of the text, in the dark too


def test_names_are_escaped_in_a_page():
    name = "<b>&.npy"
    record = {"title": name, "about": [name], "verdict": [name], "maps": [],
              "recommended": "", "reference": None, "next": []}  # fmt: skip
    page = as_html(record, [], [])
    assert "<b>" not in page.partition("<body>")[2]


def test_completion_knows_commands_options_and_files(capsys):
    pytest.importorskip("shtab")
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    for word in ("report", "--fail-if", "wasserstein-procrustes", "_compgen_files"):
        assert word in script


def test_completion_without_shtab_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(_kinds, "find_spec", lambda name: None)
    assert main(["completion", "bash"]) == 2
    assert "skalign[completion]" in capsys.readouterr().err


def test_a_page_without_matplotlib_says_what_to_install(report, capsys, monkeypatch):
    monkeypatch.setattr(_kinds, "find_spec", lambda name: None)
    assert report("--format", "html") == 2
    assert "skalign[plot]" in capsys.readouterr().err


def test_a_condition_that_holds_ends_with_status_1(report, capsys, tmp_path):
    out = tmp_path / "a.json"
    assert report("--fail-if", "r2<0.99", "--fail-if", "hits@1>2", "-o", out) == 1
    error = capsys.readouterr().err
    assert error.startswith("skalign: failed: ")
    assert "r2<0.99" in error
    assert "hits@1>2" not in error
    assert out.exists()
    assert report("--fail-if", "r2<-9", "--fail-if", "mmd>=7e3") == 0
    assert not capsys.readouterr().err


def test_a_metric_without_value_fails():
    assert condition("r2<0").holds(np.nan)
    assert not condition("r2<=0").holds(1)
    assert condition(" r2 >= 0.5 ").holds(0.5)


@pytest.mark.parametrize(
    "text",
    ["hits@1", "hits<0.8", "r2<", "r2<many", "r2<nan", "r2=0", "<1", "", "r2<1<2"],
)
def test_a_condition_that_cannot_be_read_is_refused_before_any_work(
    capsys, monkeypatch, text
):
    monkeypatch.setattr(_report, "run", None)
    with pytest.raises(SystemExit) as leaving:
        main(["report", "no.npy", "no.npy", "--fail-if", text])
    assert leaving.value.code == 2
    error = capsys.readouterr().err
    assert "--fail-if" in error
    assert error.count("\n") == 1


def test_metrics_that_need_labels_are_refused_without(capsys):
    for words in (["--columns", "r2,accuracy"], ["--fail-if", "accuracy<0.5"]):
        assert main(["report", "no.npy", "no.npy", *words]) == 2
        assert f"{words[0]} accuracy needs --labels" in capsys.readouterr().err


def test_the_next_command_runs(files, capsys, tmp_path):
    assert main(["report", *files[0]]) == 0
    command = capsys.readouterr().out.partition("  skalign ")[2]
    words = command.replace("\\\n", " ").replace("map.skops", f"{tmp_path}/m").split()
    assert main(words) == 0
    assert (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "command", [[], ["report"], ["fit"], ["apply"], ["inspect"], ["completion"]]
)
def test_every_help_has_examples_and_fits(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as leaving:
        main([*command, "--help"])
    assert not leaving.value.code
    lines = capsys.readouterr().out.splitlines()
    examples = lines[lines.index("examples:") + 1 :]
    assert sum("skalign" in line for line in examples) >= 1
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_printed(capsys, option):
    with pytest.raises(SystemExit):
        main([option])
    assert re.fullmatch(r"skalign \d\S+\n", capsys.readouterr().out)


@pytest.mark.services
def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "skalign", "-V"], capture_output=True, check=True
    )
    assert done.stdout.startswith(b"skalign ")
