"""The pages for newcomers: every block of code runs, from the text itself."""

import doctest
import importlib.util
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from skalign.cli import main
from skalign.datasets import load_digits_latents

ROOT = Path(__file__).parents[1]
if not (ROOT / "docs").exists():
    pytest.skip("the docs are not in this distribution", allow_module_level=True)
PAGES = [
    "README.md",
    *(f"docs/{name}.md" for name in ["index", "getting_started", "recipes"]),
]
BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run|needs): (?P<what>[^\n]+) -->\n)?"
    r"^(?P<fence>```+)(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


class Block(NamedTuple):
    """A fenced block of a page, and why it is not run, if so."""

    place: str
    language: str
    text: str
    reason: str | None


def blocks(page):
    """Return all fenced blocks of a page but directives of Sphinx."""
    text = (ROOT / page).read_text()
    found = []
    for match in BLOCK.finditer(text):
        if match["language"].startswith("{"):
            continue
        reason = match["what"] if match["mark"] == "not run" else None
        if match["mark"] == "needs" and importlib.util.find_spec(match["what"]) is None:
            reason = f"{match['what']} is not installed"
        place = f"{page}:{text.count(chr(10), 0, match.start('fence')) + 1}"
        found.append(Block(place, match["language"], match["text"], reason))
    return found


def shell(block, capsys):
    """Run the commands of a block in this process; return their standard output."""
    for line in block.text.splitlines():
        program, *words = shlex.split(line, comments=True)
        assert program == "skalign", f"{block.place}: not run, and not marked"
        status = main(words)
        assert status == 0, f"{block.place}\n{capsys.readouterr().err}"
    return capsys.readouterr().out


def python(block, names):
    """Run a block of Python, as a doctest if it has prompts."""
    if ">>> " not in block.text:
        exec(compile(block.text, block.place, "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.text, names, block.place, None, 0)
    report = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=report.append, clear_globs=False)
    names.update(test.globs)  # it works on a copy
    assert not runner.failures, "".join(report)


@pytest.mark.services
@pytest.mark.parametrize("page", PAGES)
def test_all_blocks_of_the_page_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if page == "README.md":  # it names files, and does not make them
        write_files_of_the_readme()
    output, names = "", {"__name__": "__main__"}
    for block in blocks(page):
        if block.reason is not None:
            continue
        if block.language == "sh":
            output = shell(block, capsys)
        elif block.language == "text":
            said = doctest.OutputChecker().check_output(block.text, output, FLAGS)
            assert said, f"{block.place} is not what was printed:\n{output}"
        else:
            assert block.language == "python", f"{block.place}: not run, and not marked"
            python(block, names)


@pytest.mark.parametrize(
    "block",
    [block for page in PAGES for block in blocks(page) if block.reason],
    ids=lambda block: block.place,
)
def test_block_is_run(block):
    pytest.skip(block.reason)


def test_guides_open_with_a_problem_a_picture_and_code_and_say_when_not_to_use_it():
    for path in (ROOT / "docs" / "user_guide").glob("*.md"):
        if path.stem in ("index", "direct_alignment") or path.stem.endswith("_results"):
            continue
        text = path.read_text()
        code = re.search(r"^```(python|pycon|sh)$", text, re.MULTILINE)
        opening = text[: code.start()]
        assert "**The problem.**" in opening, path.name
        assert re.search("^```{(example-figure|diagram)}", opening, re.MULTILINE)
        assert "when not" in text.lower(), path.name


def write_files_of_the_readme():
    """Write the matrices that the commands of the README read."""
    digits = load_digits_latents()
    train = digits.train_indices[:200]
    np.save("source.npy", digits.data[train])
    np.save("target.npy", digits.target[train])
    np.save("labels.npy", digits.labels[train])
    np.save("new.npy", digits.data[digits.test_indices])
