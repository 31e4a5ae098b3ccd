"""The architecture, read from the imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skalign

PACKAGE = Path(skalign.__file__).parent
ROOMS = [
    "datasets",
    "moments",
    "metrics",
    "anchors",
    "style",
    "paired",
    "unpaired",
    "adaptation",
    "deep",
    "federated",
    "model_selection",
    "plotting",
    "cli",
]
SHARED = {
    "_aligner",
    "_arrays",
    "_atomic",
    "_autocast",
    "_draws",
    "_files",
    "_lazy",
    "_progress",
    "_rescale",
    "_validation",
}
OPTIONAL = {
    "torch",
    "skorch",
    "matplotlib",
    "dask",
    "distributed",
    "flwr",
    "ot",
    "PIL",
    "faiss",
}


def _imports(path, top_level_only=False):
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module


def _room(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=str)
def test_a_room_imports_only_rooms_above_it(path):
    room = _room(path)
    if room == "__init__":
        return
    if room in SHARED:
        allowed = {*SHARED, "moments"}
    else:
        allowed = {*ROOMS[: ROOMS.index(room) + 1], *SHARED}
    for name in _imports(path):
        if name.startswith("skalign."):
            imported = name.split(".")[1]
            assert imported in allowed, f"{room} imports {imported}, a room below it"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=str)
def test_optional_packages_are_imported_where_they_are_used(path):
    if _room(path) == "deep" or path.name == "_flower.py":
        return
    roots = {name.split(".")[0] for name in _imports(path, top_level_only=True)}
    assert not roots & OPTIONAL


def test_importing_skalign_is_light_and_changes_no_setting():
    program = (
        "import sklearn, numpy; before = sklearn.get_config(), numpy.geterr();"
        "import skalign, sys;"
        "assert (sklearn.get_config(), numpy.geterr()) == before;"
        f"print(*(set({sorted(OPTIONAL)!r}) & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
