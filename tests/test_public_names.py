"""What holds for every public name: an example that runs, and annotations."""

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


def functions_of(thing):
    """Return our functions that a user of a public name can call, by their names."""
    if inspect.isroutine(thing):
        return {"": inspect.unwrap(thing)}
    cls = thing if inspect.isclass(thing) else type(thing)
    found = {}
    for name in dir(cls):
        if name.startswith("_") and name not in ("__init__", "__call__"):
            continue
        member = inspect.getattr_static(cls, name)
        if isinstance(member, property):
            member = member.fget
        else:
            member = getattr(cls, name)
        if inspect.isroutine(member):
            member = inspect.unwrap(getattr(member, "__func__", member))
            if (getattr(member, "__module__", None) or "").startswith("skalign"):
                found[f".{name}"] = member
    return found


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


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_parameter_and_return_is_annotated(room):
    lacking = []
    for name, thing in public_names(room).items():
        for method, function in functions_of(thing).items():
            signature = inspect.signature(function)
            lacking += [
                f"{name}{method}: {parameter.name}"
                for parameter in signature.parameters.values()
                if parameter.annotation is parameter.empty
                and parameter.name not in ("self", "cls")
            ]
            if signature.return_annotation is signature.empty:
                lacking.append(f"{name}{method}: return")
    assert not lacking
