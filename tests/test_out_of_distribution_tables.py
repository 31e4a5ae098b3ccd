"""The scripts of the tables on training past a shortcut, on a few made samples."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import Bunch

ROOT = Path(__file__).parents[1]
if not (ROOT / "benchmarks").exists():
    pytest.skip("the benchmarks are not in this distribution", allow_module_level=True)
pytest.importorskip("torch")


pytestmark = pytest.mark.long  # the scripts train


@pytest.fixture
def script(monkeypatch):
    """Return a function that imports a script of the study by name."""
    monkeypatch.syspath_prepend(ROOT)
    return lambda name: importlib.import_module(
        f"benchmarks.out_of_distribution.{name}"
    )


@pytest.mark.parametrize("mask", ["mixed channels", "pixel mask"])
def test_masks_of_coloured_digits_are_trained(script, monkeypatch, mask):
    rng = np.random.default_rng(0)
    domain = np.repeat([0, 1, 2], 20)
    digits = Bunch(
        data=rng.random((60, 2, 14, 14), dtype=np.float32),
        target=rng.permutation(60) % 2,
        color=rng.integers(2, size=60),
        sample_domain=domain,
    )
    parts = {"train": range(32), "held_out": range(32, 40)}
    parts |= {"oracle": range(40, 50), "test": range(50, 60)}
    rows = {name: np.array(part) for name, part in parts.items()}
    study = script("colored_mnist")
    monkeypatch.setattr(study, "split", lambda seed: (digits, rows))
    monkeypatch.setattr(study, "find", lambda *_: np.where(domain < 2, domain, -1))

    row = study.measure(f"NCFAL, {mask}", seed=0, width=4, n_epochs=6)

    assert row["method"] == f"NCFAL, {mask}"
    assert 0 <= float(row["test_last"]) <= 100


def test_gap_is_that_of_the_domains_that_were_found(script, monkeypatch):
    rng = np.random.default_rng(0)
    domain = np.repeat([0, 1, 2], 40)
    y = np.arange(120) % 2
    agrees = np.arange(120) % 10 < 8  # as many in each of the given domains
    shortcut = np.where(agrees, y, 1 - y)
    X = np.c_[3 * shortcut - 1.5, rng.normal(size=(120, 3))].astype(np.float32)
    study = script("classes")
    monkeypatch.setattr(study, "draw", lambda *_: (X, y, domain, agrees))

    given = study.measure(2, 2, "NCFAL", seed=0)
    found = study.measure(2, 2, "NCFAL, inferred", seed=0)

    assert float(given["gap"]) == 0
    assert float(found["gap"]) > 0


def test_methods_on_features_are_measured_by_each_rule(script):
    rng = np.random.default_rng(0)
    y, given = np.arange(90) % 3, np.arange(90) // 3 % 2
    X = np.c_[rng.normal(size=(90, 64)), np.eye(3)[y]].astype(np.float32)
    order = rng.permutation(90)
    parts = {"train": order[:50], "held_out": order[50:70], "test": order[70:]}
    environments = dict.fromkeys(("given", "found", "grey"), given)
    study = script("features")

    for name, kind in [("plain", "given"), ("last layer", "found"), ("plain", "grey")]:
        row = study.measure(name, kind, 0, X, y, environments, parts)
        assert 0 <= float(row["last"]) <= 100
        assert bool(row["found"]) == (name == "plain")


def test_many_classes_of_the_limits_follow_cause_and_shortcut(script):
    X, y, follows = script("partition_limits").draw_classes(
        np.random.default_rng(0), 4000, 0.75, 0.85, 10
    )
    assert X.shape == (4000, 74)
    np.testing.assert_allclose(follows.mean(axis=0), [0.75, 0.85], atol=0.02)
    assert np.all((X[:, 64:].argmax(axis=1) == y) == follows[:, 1])


def test_inputs_that_need_scaling_are_measured_as_they_are_and_scaled(script):
    study = script("inputs")
    raw, scaled = (study.measure("breast cancer", of, 0) for of in (False, True))
    assert (raw["warned"], scaled["warned"]) == (1, 0)
    assert float(scaled["test"]) > float(raw["test"])
