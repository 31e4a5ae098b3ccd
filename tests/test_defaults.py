"""Defaults are those that the docstrings say."""

import ast
import importlib
import inspect
import pkgutil
import re

import pytest

import skalign

_LINE = re.compile(r"^ *(\w+(?:, \w+)*) : .*\bdefault=(.+)$", re.MULTILINE)


def public_callables():
    """Yield all functions, classes and methods that the packages export."""
    for room in pkgutil.iter_modules(skalign.__path__, "skalign."):
        if not room.ispkg or room.name.startswith("skalign._"):
            continue
        try:
            module = importlib.import_module(room.name)
        except ImportError:  # an extra is not installed
            continue
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name, None)  # as here
            if not callable(value):
                continue
            yield value
            if inspect.isclass(value):
                public = (m for n, m in vars(value).items() if not n.startswith("_"))
                yield from filter(inspect.isfunction, public)


def defaults_said(documented):
    """Return the defaults in the docstring, those that are plain values."""
    said = {}
    for names, text in _LINE.findall(inspect.getdoc(documented) or ""):
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError):  # a name, or words
            continue
        said |= dict.fromkeys(names.split(", "), value)
    return said


SAID = [(value, said) for value in public_callables() if (said := defaults_said(value))]


@pytest.mark.parametrize(
    ("value", "said"), SAID, ids=[value.__qualname__ for value, _ in SAID]
)
def test_defaults_are_those_of_the_docstring(value, said):
    parameters = inspect.signature(value).parameters
    assert {name: parameters[name].default for name in said} == said
