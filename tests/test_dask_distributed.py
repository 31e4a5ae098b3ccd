"""Fits on worker processes of Dask, one of which is killed."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import GridSearchCV

from skalign import CORALAligner, LinearAligner

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
pytestmark = [
    pytest.mark.services,
    pytest.mark.filterwarnings("default"),  # those of servers that start and stop
]


@pytest.fixture(scope="module")
def client():
    cluster = distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


def pairs(n=600, d=4):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) + 10
    return X, X @ rng.normal(size=(d, 3)) + 0.1 * rng.normal(size=(n, 3))


def processes(client):
    return client.run(os.getpid).values()


def slowly(block, folder):
    """Return a chunk after a while, and leave a note of the process that made it."""
    Path(folder, f"{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(0.1)
    return block


def test_three_processes_give_the_map_of_all_samples(client):
    X, y = pairs()
    chunks = {"chunks": (50, -1)}
    assert len(set(processes(client))) == 3
    fitted = LinearAligner().fit(da.from_array(X, **chunks), da.from_array(y, **chunks))
    whole = LinearAligner().fit(X, y)
    assert_allclose(fitted.coef_, whole.coef_, rtol=1e-10)
    mapped = fitted.transform(da.from_array(X, **chunks))
    assert_allclose(mapped.compute(), whole.transform(X), rtol=1e-10)


def test_a_worker_that_is_killed_during_fit_loses_nothing(client, tmp_path):
    X, y = pairs()
    lazy = da.from_array(X, chunks=(20, -1)).map_blocks(
        slowly, folder=str(tmp_path), dtype=X.dtype, meta=np.empty((0, 0))
    )
    before = set(processes(client))
    with ThreadPoolExecutor() as pool:
        fit = pool.submit(LinearAligner().fit, lazy, da.from_array(y, chunks=(20, -1)))
        while len(notes := [*tmp_path.iterdir()]) < 10 and not fit.done():
            time.sleep(0.02)
        victim = int(notes[-1].name.partition("-")[0])
        assert victim in before
        os.kill(victim, signal.SIGKILL)
        assert len([*tmp_path.iterdir()]) < 30, "all chunks had been read"
        fitted = fit.result(timeout=60)
    assert len([*tmp_path.iterdir()]) >= 30
    assert_allclose(fitted.coef_, LinearAligner().fit(X, y).coef_, rtol=1e-10)
    assert fitted.moments_.n_samples == 600
    client.wait_for_workers(3)
    assert victim not in processes(client)


def test_a_wrong_partition_is_named_across_processes(client):
    X, y = pairs()
    X[130, 2] = np.nan
    lazy = da.from_array(X, chunks=(50, -1)), da.from_array(y, chunks=(50, -1))
    with pytest.raises(ValueError, match="Partition 2 of X, y: Input X contains NaN"):
        LinearAligner().fit(*lazy)


def test_searches_run_on_the_workers(client):
    X, y = pairs()
    grid = {"alpha": [1e-3, 1.0, 1e3]}
    local = GridSearchCV(LinearAligner(), grid, cv=3).fit(X, y)
    with joblib.parallel_config(backend="dask"):
        search = GridSearchCV(LinearAligner(), grid, cv=3).fit(X, y)
    assert search.best_params_ == local.best_params_
    assert_allclose(
        search.cv_results_["mean_test_score"], local.cv_results_["mean_test_score"]
    )
    X, Y = pairs()[0], 3 * pairs()[0] - 5
    lazy = da.from_array(X, chunks=(50, -1)), da.from_array(Y, chunks=(70, -1))
    whole = CORALAligner().fit(X, Y)
    assert_allclose(CORALAligner().fit(*lazy).coef_, whole.coef_, rtol=1e-10)
