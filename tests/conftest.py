"""Fixtures for the whole suite."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_home():
    """Folder of real data sets; not part of the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("SKALIGN_DATA", default))
    if not path.is_dir():
        pytest.skip(f"no real data at {path}; SKALIGN_DATA names another folder")
    return path
