"""Aligners that fit others are silent about what those leave undetermined."""

import warnings
from threading import Thread

import numpy as np
import pytest

from skalign import AnchoredAligner, RigidAligner
from skalign._determined import without_warning
from skalign.anchors import RandomAnchors

FEW = np.random.default_rng(0).normal(size=(2, 3, 5))


def warns():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        AnchoredAligner(RigidAligner(), RandomAnchors(1.0)).fit(*FEW)
    return any("determine 2 of 5 directions" in str(w.message) for w in caught)


def test_a_block_silences_held_aligners_too_and_only_itself():
    assert warns()
    with without_warning():
        assert not warns()
        with without_warning():
            assert not warns()
        assert not warns()
    assert warns()


def test_a_block_that_fails_is_over():
    with pytest.raises(ZeroDivisionError), without_warning():
        1 / 0  # noqa: B018
    assert warns()


def test_other_threads_are_not_silenced():
    found = []
    with without_warning():
        thread = Thread(target=lambda: found.append(warns()))
        thread.start()
        thread.join()
    assert found == [True]
