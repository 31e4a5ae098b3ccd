"""Fixtures for the whole suite."""

import os
from pathlib import Path

import numpy as np
import pytest


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
