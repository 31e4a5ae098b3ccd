"""The architecture, read from the imports."""

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import skalign

PACKAGE = Path(skalign.__file__).parent
PATHS = sorted(PACKAGE.rglob("*.py"))
ROOMS = [
    "moments",
    "datasets",
    "metrics",
    "anchors",
    "style",
    "domains",
    "paired",
    "unpaired",
    "spaces",
    "retrieval",
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
    "_canonical",
    "_dask",
    "_determined",
    "_documented",
    "_draws",
    "_files",
    "_hubness",
    "_labels",
    "_layers",
    "_lazy",
    "_onnx",
    "_progress",
    "_r2",
    "_rescale",
    "_routing",
    "_storage",
    "_threads",
    "_validation",
    "_warnings",
}
ENTRIES = {"__init__", "__main__"}  # these may import every room
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
    "onnx",
    "onnxruntime",
    "skl2onnx",
}


@cache
def _tree(path):
    return ast.parse(path.read_text())


@cache
def _import_nodes(path, top_level_only=False):
    nodes = _tree(path).body if top_level_only else ast.walk(_tree(path))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def _imports(path, top_level_only=False):
    for node in _import_nodes(path, top_level_only):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module


def _room(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


# What the sums need of the root: validation, scales, and arrays of other libraries.
BELOW_MOMENTS = {
    "_arrays",
    "_atomic",
    "_dask",
    "_documented",
    "_labels",
    "_rescale",
    "_validation",
}


def test_a_room_imports_only_rooms_above_it():
    for path in PATHS:
        room = _room(path)
        if room in ENTRIES:
            continue
        if room in SHARED:
            allowed = {*SHARED, "moments"}
        elif room == "moments":
            allowed = {"moments", *BELOW_MOMENTS}
        else:
            allowed = {*ROOMS[: ROOMS.index(room) + 1], *SHARED}
        for name in _imports(path):
            if name.startswith("skalign."):
                imported = name.split(".")[1]
                assert imported in allowed, f"{path} imports {imported}, a room below"


def test_the_rooms_are_the_packages():
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages == set(ROOMS)
    modules = {path.stem for path in PACKAGE.glob("_*.py")}
    assert modules == {*SHARED, *ENTRIES}


def test_no_room_imports_a_private_module_of_another():
    nodes = [(path, node) for path in PATHS for node in _import_nodes(path)]
    for path, node in nodes:
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" for name in names]
        for name in names:
            package, *parts = name.split(".")
            if package != "skalign" or len(parts) < 2 or parts[0] == _room(path):
                continue
            private = any(part.startswith("_") for part in parts[1:])
            assert not private, f"{path} imports {name}"


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "cli"])
def test_the_api_page_lists_the_public_names_of_the_room(room):
    if room == "deep":
        pytest.importorskip("torch")
    module = importlib.import_module(f"skalign.{room}")
    page = PACKAGE.parent / "docs" / "api.rst"
    if not page.exists():
        pytest.skip("the docs are not in this distribution")
    listed = re.findall(r"^   (\w+(?:\.\w+)*)$", page.read_text(), flags=re.MULTILINE)
    assert len(listed) == len(set(listed))
    own = {name.removeprefix(f"{room}.") for name in listed if room in name.split(".")}
    roots = {name for name in module.__all__ if name in skalign.__all__}
    assert own == set(module.__all__) - roots
    assert roots <= set(listed)
    assert all(hasattr(module, name) for name in module.__all__)


def test_optional_packages_are_imported_where_they_are_used():
    for path in PATHS:
        if _room(path) == "deep" or path.name == "_flower.py":
            continue
        roots = {name.split(".")[0] for name in _imports(path, top_level_only=True)}
        assert not roots & OPTIONAL, path


@pytest.mark.services
def test_importing_skalign_is_light_and_changes_no_setting(tmp_path):
    # Rooms are imported on use; the metrics take POT where they need it.
    program = f"""if True:
        import sys
        import skalign
        assert "sklearn" not in sys.modules
        assert "skalign.metrics" not in sys.modules
        import warnings, sklearn, numpy
        def state():
            return sklearn.get_config(), numpy.geterr(), warnings.filters[:]
        before = state()
        print(skalign.metrics.energy_distance, skalign.moments.Moments)
        assert not {{"ot", "torch"}} & sys.modules.keys()
        for room in {sorted(ROOMS)!r}:
            if room not in ("cli", "deep"):
                getattr(skalign, room)
        assert not {sorted(OPTIONAL)!r} & sys.modules.keys()
        assert state() == before, (before, state())
        X = numpy.eye(5)[:, :3]
        skalign.save(skalign.RigidAligner().fit(X, X), "map.skops")
        skalign.load("map.skops")
        assert not {{"dask", "torch"}} & sys.modules.keys()
        assert None not in sys.modules.values()
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<function energy_distance")
