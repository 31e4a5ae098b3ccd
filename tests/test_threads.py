import numpy as np
import pytest
from joblib import cpu_count, parallel_config
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.parallel import Parallel
from threadpoolctl import threadpool_info, threadpool_limits

from skalign import AnchorSearchCV, LinearAligner, WassersteinProcrustesAligner
from skalign._threads import shared_cores
from skalign.anchors import RandomAnchors
from skalign.model_selection import _anchor_search, alignability
from skalign.unpaired import _rotation_search

SHARE = max(1, cpu_count() // 2)
MANY = SHARE + 1


def threads():
    return [pool["num_threads"] for pool in threadpool_info()]


def test_jobs_in_threads_share_the_cores():
    with threadpool_limits(MANY):
        before = threads()
        jobs = parallel_config("threading", n_jobs=2)
        with jobs, shared_cores(None) as delayed:
            seen = Parallel()(delayed(threads)() for _ in range(2))
        assert max(map(max, seen)) <= SHARE
        assert threads() == before


@pytest.mark.parametrize(("backend", "n_jobs"), [("threading", 1), ("loky", 2)])
def test_one_job_and_worker_processes_change_no_thread_here(backend, n_jobs):
    with threadpool_limits(MANY), parallel_config(backend, n_jobs=n_jobs):
        before = threads()
        with shared_cores(None):
            assert threads() == before


def test_fewer_threads_than_the_share_stay():
    jobs = parallel_config("threading", n_jobs=2)
    with threadpool_limits(1), jobs, shared_cores(None):
        assert max(threads()) == 1


class Recorder(RegressorMixin, BaseEstimator):
    seen = []

    def fit(self, X, y):
        self.seen.append(max(threads()))
        self.mean_ = y.mean(axis=0)
        return self

    def predict(self, X):
        return np.tile(self.mean_, (len(X), 1))


def test_alignability_shares_the_cores():
    X = np.random.default_rng(0).normal(size=(40, 3))
    Recorder.seen.clear()
    with threadpool_limits(MANY), parallel_config("threading", n_jobs=2):
        alignability(X, X, aligners={"one": Recorder()}, cv=2)
    assert max(Recorder.seen) <= SHARE


def test_a_search_for_anchors_shares_the_cores(monkeypatch):
    X, seen, fold = np.eye(20, 3), [], _anchor_search.search_fold

    def recorded(*args, **kwargs):
        seen.append(max(threads()))
        return fold(*args, **kwargs)

    monkeypatch.setattr(_anchor_search, "search_fold", recorded)
    search = AnchorSearchCV(
        LinearAligner(1.0), [RandomAnchors(random_state=0)], [4], cv=2, refit=False
    )
    with threadpool_limits(MANY), parallel_config("threading", n_jobs=2):
        search.fit(X, X)
    assert max(seen) <= SHARE


@pytest.mark.filterwarnings("ignore:.* may have failed:UserWarning")
def test_starts_of_wasserstein_procrustes_share_the_cores(monkeypatch):
    seen, rotation = [], _rotation_search.cluster_rotation

    def recorded(*args, **kwargs):
        seen.append(max(threads()))
        return rotation(*args, **kwargs)

    monkeypatch.setattr(_rotation_search, "cluster_rotation", recorded)
    X, y = np.random.default_rng(0).normal(size=(2, 60, 3))
    aligner = WassersteinProcrustesAligner(init="clusters", n_starts=2, random_state=0)
    with threadpool_limits(MANY), parallel_config("threading", n_jobs=2):
        aligner.fit(X, y)
    assert max(seen) <= SHARE
