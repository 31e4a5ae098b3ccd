"""Workers, threads and fixtures for the whole suite."""

import os
from pathlib import Path

# Two workers share two cores. BLAS, OpenMP and torch read this when they load.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

# A busy machine fails no test.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


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
        default=500,
        help="number of odd calls, and of damaged files, that the fuzzers try",
    )


@pytest.fixture(scope="session")
def fuzz_tries(request):
    """Number of tries of each fuzzer: small by default, any by an option."""
    return request.config.getoption("--fuzz-tries")


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
