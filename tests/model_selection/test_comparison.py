"""The result of a comparison as HTML."""

from html.parser import HTMLParser

import numpy as np
import pytest

from skalign import LinearAligner, RigidAligner
from skalign.datasets import make_paired_spaces
from skalign.model_selection import alignability


class _Reader(HTMLParser):
    """Collects the rows of the table, and checks that tags are closed."""

    def __init__(self):
        super().__init__()
        self.open, self.rows, self.classes = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("line", "circle"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.classes.append(dict(attrs).get("class"))

    def handle_endtag(self, tag):
        if tag not in ("line", "circle"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("th", "td"):
            self.rows[-1].append(data)


@pytest.fixture(scope="module")
def result():
    made = make_paired_spaces(40, 3, noise=0.2, random_state=0)
    aligners = {"<rigid>": RigidAligner(), "linear": LinearAligner()}
    return alignability(made.data, made.target, aligners=aligners, cv=2)


def test_a_notebook_shows_a_table_with_a_figure_in_each_row(result):
    reader = _Reader()
    html = result._repr_html_()
    reader.feed(html)
    assert not reader.open
    assert [row[0] for row in reader.rows] == ["map", *result.names]
    assert f"{result.errors[0]:.3g}" in reader.rows[1]
    chosen = reader.classes.index("chosen") - 1
    assert result.names[chosen] == result.name
    assert html.count("<svg") == html.count("<circle") == 2
    assert "<rigid>" not in html
    assert "http" not in html


def test_errors_far_beyond_the_mean_leave_the_scale(result):
    far = type(result)(**result)
    far.errors = np.array([1e9, result.errors[1]])
    html = far._repr_html_()
    assert html.count("<circle") == 1
    assert "&#8594;" in html
