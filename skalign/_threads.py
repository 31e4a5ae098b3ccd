"""Threads of parallel jobs."""

from contextlib import contextmanager
from functools import partial

from joblib import cpu_count, effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import delayed
from threadpoolctl import ThreadpoolController


@contextmanager
def shared_cores(n_jobs):
    """Yield `delayed` for `n_jobs` parallel jobs that use no more threads than cores.

    It is that of scikit-learn, which keeps its configuration.

    Workers of joblib's loky and of Dask limit the threads of linear algebra themselves.
    Of other backends, such as threads of this process, each job gets its share of the
    cores.
    """
    n_jobs = effective_n_jobs(n_jobs)
    backend, _ = get_active_backend()
    if n_jobs == 1 or backend.supports_inner_max_num_threads:
        yield delayed
        return
    pools, share = ThreadpoolController(), max(1, cpu_count() // n_jobs)
    limits = {pool["prefix"]: min(pool["num_threads"], share) for pool in pools.info()}
    with pools.limit(limits=limits):
        yield lambda function: delayed(partial(_limited, function, limits))


def _limited(function, limits, *args, **kwargs):
    """Call a function; OpenMP has a limit for each thread that starts others."""
    pools = ThreadpoolController().select(user_api="openmp")
    with pools.limit(limits=limits):
        return function(*args, **kwargs)
