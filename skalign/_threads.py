"""Threads of parallel jobs."""

from contextlib import contextmanager

from joblib import cpu_count, effective_n_jobs
from joblib.parallel import get_active_backend
from threadpoolctl import ThreadpoolController


@contextmanager
def shared_cores(n_jobs):
    """Let `n_jobs` parallel jobs of this block use no more threads than cores.

    Workers of joblib's loky and of Dask limit the threads of linear algebra themselves.
    Of other backends, such as threads of this process, each job gets its share of the
    cores.
    """
    n_jobs = effective_n_jobs(n_jobs)
    backend, _ = get_active_backend()
    if n_jobs == 1 or backend.supports_inner_max_num_threads:
        yield
        return
    pools, share = ThreadpoolController(), max(1, cpu_count() // n_jobs)
    limits = {pool["prefix"]: min(pool["num_threads"], share) for pool in pools.info()}
    with pools.limit(limits=limits):
        yield
