"""Figures are drawn off screen, and closed."""

import matplotlib
import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def pyplot():
    """Pyplot with the Agg backend; nothing stays open."""
    before = matplotlib.get_backend()
    plt.switch_backend("agg")
    yield plt
    plt.close("all")
    plt.switch_backend(before)
