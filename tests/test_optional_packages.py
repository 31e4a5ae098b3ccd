"""The core without the optional packages; what they bring says how to install them."""

import inspect
import subprocess
import sys

import pytest

import skalign
import skalign.federated
from skalign._lazy import homes_in_stub

NAMES = homes_in_stub(skalign.__file__)
HIDE = """
import sys
class Hidden:
    names = {hidden!r}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
"""
BY_TORCH = [n for n, home in NAMES.items() if home == "skalign.deep" and n != "deep"]
BY_FLOWER = ["NetworkClient", "SoundUpdates", "join", "metrics_by_client", "serve"]
CASES = [
    ("torch", "skalign", BY_TORCH, "skalign[deep]"),
    ("skorch", "skalign", BY_TORCH, "skalign[deep]"),
    ("flwr", "skalign.federated", BY_FLOWER, "skalign[deep,federated]"),
]


def _run(program):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.services
def test_a_name_that_cannot_be_imported_is_no_attribute():
    _run(
        HIDE.format(hidden=set())
        + f"""
import importlib
for hidden, room, names, advice in {CASES!r}:
    Hidden.names = {{hidden}}
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("skalign", hidden):
            del sys.modules[name]
    package = importlib.import_module(room)
    for name in names:
        assert not hasattr(package, name), name
        assert name not in dir(package), name
        assert name not in package.__all__, name
        try:
            getattr(package, name)
        except AttributeError as error:
            assert advice in str(error) and hidden in str(error), error
        try:
            exec(f"from {{room}} import {{name}}")
        except ImportError as error:
            assert advice in str(error) and hidden in str(error), error
        else:
            raise AssertionError(hidden, name)
"""
    )


@pytest.mark.services
def test_the_package_can_be_looked_at_without_optional_packages():
    optional = {"torch", "skorch", "safetensors", "flwr", "matplotlib", "PIL", "faiss",
                "dask", "distributed", "rich"}  # fmt: skip
    _run(
        HIDE.format(hidden=optional)
        + """
import inspect, pydoc
import skalign
namespace = {}
exec("from skalign import *", namespace)
assert set(skalign.__all__) <= namespace.keys()
rooms = [room for name, room in inspect.getmembers(skalign, inspect.ismodule)]
rooms = {room for room in rooms if room.__name__.startswith("skalign.")}
assert {room.__name__.split(".")[1] for room in rooms} >= {
    "adaptation", "anchors", "datasets", "domains", "federated", "metrics",
    "model_selection", "moments", "paired", "plotting", "retrieval", "spaces",
    "style", "unpaired"
}
for module in (skalign, *rooms):
    assert "skalign" in pydoc.render_doc(module)
    inspect.getmembers(module)
    exec(f"from {module.__name__} import *", {})
try:
    from skalign import deep
except ImportError as error:
    assert "pip install 'skalign[deep]'" in str(error), error
"""
    )


def test_unknown_names_are_no_attributes():
    with pytest.raises(AttributeError, match="'skalign' has no attribute 'Aligner'"):
        skalign.Aligner  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Aligner'"):
        from skalign import Aligner  # noqa: F401


@pytest.mark.parametrize("package", [skalign, skalign.federated])
def test_the_stub_names_what_is_there(package):
    homes = homes_in_stub(package.__file__)
    assert {*package.__all__} <= {*homes} <= {*dir(package)}
    for name, home in homes.items():
        value = getattr(package, name)
        module = sys.modules[home]
        assert value is (module if inspect.ismodule(value) else getattr(module, name))
