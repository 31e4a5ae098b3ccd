"""What holds for every public name: an example that runs."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import skalign

ROOMS = [
    path.parent.name for path in Path(skalign.__file__).parent.glob("*/__init__.py")
]
ROOMS = sorted(f"skalign.{room}" for room in ROOMS if room != "cli") + ["skalign"]
# It waits for clients and sets signal handlers; the services in tests/federated run it.
SERVERS = {"skalign.federated.serve"}


def public_names(room):
    """Return the public objects of a room by their names."""
    if room == "skalign.deep":
        pytest.importorskip("torch")
    module = importlib.import_module(room)
    return {f"{room}.{name}": getattr(module, name) for name in module.__all__}


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_an_example_that_runs(room):
    lacking = []
    for name, thing in public_names(room).items():
        text = inspect.getdoc(thing) or ""
        examples = doctest.DocTestParser().get_examples(text)
        calls = [
            example.source
            for example in examples
            if not example.source.startswith(("from ", "import "))
            and (name in SERVERS or not example.options.get(doctest.SKIP))
        ]
        word = name.rpartition(".")[2]
        is_used = any(re.search(rf"\b{word}\b", call) for call in calls)
        if "Examples\n--------\n" not in text or not is_used:
            lacking.append(name)
    assert not lacking
