"""Workers, threads and fixtures for the whole suite."""

import gc
import os
import random
import sys
import warnings
from functools import cache
from importlib.metadata import version
from pathlib import Path

# Two workers share two cores. BLAS, OpenMP and torch read this when they load.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# scikit-learn dispatches to other array libraries only with it, and from SciPy 1.14.
if tuple(map(int, version("scipy").split(".")[:2])) >= (1, 14):
    os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pytest
from hypothesis import settings

# A busy machine fails no test. Draws differ from run to run.
settings.register_profile("quick", deadline=None, max_examples=10)
settings.load_profile("quick")


# Collection makes millions of objects that stay: looking through them takes longer.
gc.disable()


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the options
def pytest_cmdline_main(config):
    """Two workers, unless files are named or `-n` says otherwise."""
    if (
        config.pluginmanager.hasplugin("xdist")
        and not hasattr(config, "workerinput")
        and config.option.numprocesses is None
        and all(Path(name).is_dir() for name in config.args)
    ):
        config.option.numprocesses = 2
        if config.option.dist == "no":
            config.option.dist = "worksteal"


def pytest_addoption(parser):
    parser.addoption(
        "--fuzz-tries",
        type=int,
        default=200,
        help="number of odd calls, and of damaged files, that the fuzzers try",
    )
    parser.addoption(
        "--fuzz-first", type=int, default=0, help="number of the first of these tries"
    )
    parser.addoption("--fuzz-only", help="a name and numbers of tries of test_fuzz.py")
    parser.addoption("--fuzz-log", help="file of outcomes of tries, to be gone on with")


@pytest.fixture(scope="session")
def fuzz_tries(request):
    """Number of tries of each fuzzer: small by default, any by an option."""
    return request.config.getoption("--fuzz-tries")


@cache
def _thread_pools(torch_is_loaded):
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()  # takes 7 ms


def _callers_state():
    import sklearn  # here, or the workers start two seconds later

    pools = _thread_pools("torch" in sys.modules).info()
    kind, words, *rest = np.random.get_state()  # noqa: NPY002
    state = {f"threads of {pool['filepath']}": pool["num_threads"] for pool in pools}
    state |= {
        "np.errstate": np.geterr(),
        "np.random": (kind, words.tobytes(), *rest),
        "random": random.getstate(),
        "warnings": list(warnings.filters),
        "scikit-learn": sklearn.get_config(),
    }
    if "torch" in sys.modules:
        import torch

        state |= {
            "torch dtype": torch.get_default_dtype(),
            "torch threads": torch.get_num_threads(),
            "torch gradients": torch.is_grad_enabled(),
            "torch.random": torch.get_rng_state().numpy().tobytes(),
        }
    return state


@pytest.fixture(scope="session")
def changed_state():
    """Function that looks at global state, and says what has changed since then."""

    def changed(before=None):
        now = _callers_state()
        return now if before is None else [k for k in before if before[k] != now[k]]

    return changed


@pytest.fixture(scope="session")
def data_home():
    """Folder of real data sets; not part of the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("SKALIGN_DATA", default))
    if not path.is_dir():
        pytest.skip(f"no real data at {path}; SKALIGN_DATA names another folder")
    return path


@pytest.fixture(scope="session")
def news(data_home):
    """Sentences in the spaces of two text encoders, and their topics."""
    with np.load(data_home / "text_embeddings" / "ag_news_6000.npz") as file:
        X, y, topics = file["minilm"], file["use"], file["y"]
    return X.astype(float), y.astype(float), topics


@pytest.fixture(scope="session")
def digits():
    """Latents of two autoencoders of digits, which are trained when they are loaded."""
    from skalign.datasets import load_digits_latents

    return load_digits_latents()


@pytest.fixture(scope="session")
def make_shortcut():
    def make(n_samples=2000, follows=0.9, seed=0):
        """Two classes; a cause that tells 80 % of them, a louder shortcut `follows`."""
        rng = np.random.default_rng(seed)
        y = rng.integers(2, size=n_samples)
        cause = np.where(rng.random(n_samples) < 0.8, y, 1 - y)
        agrees = rng.random(n_samples) < follows
        shortcut = np.where(agrees, y, 1 - y)
        X = np.c_[cause, 9 * shortcut] + 0.1 * rng.normal(size=(n_samples, 2))
        return X.astype(np.float32), y, agrees

    return make


@pytest.fixture
def memory_grown():
    """Return a function: by how many MiB memory rises in a call, and its result."""
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")

    def peak():
        lines = Path("/proc/self/status").read_text().splitlines()
        line = next(line for line in lines if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def measure(function, *args):
        Path("/proc/self/clear_refs").write_text("5")  # the peak is the present size
        before = peak()
        result = function(*args)
        return peak() - before, result

    return measure
