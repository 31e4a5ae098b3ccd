"""skalign apply: apply a stored map, in batches."""

import numpy as np

from skalign._files import check_skops, damaged
from skalign.cli._files import naming, read_matrix, size_of
from skalign.cli._fit import SELECTORS
from skalign.cli._output import InputError, writing_to
from skalign.cli._terminal import progress, say, use_threads_if_large
from skalign.moments import Moments, forget
from skalign.paired import (
    AnchoredAligner,
    KernelAligner,
    LinearAligner,
    RigidAligner,
)

_BATCH_BYTES = 8 * 2**20
_TRUSTED = [
    f"{kind.__module__}.{kind.__qualname__}"
    for kind in (
        KernelAligner,
        LinearAligner,
        RigidAligner,
        AnchoredAligner,
        Moments,
        *SELECTORS.values(),
    )
]


def run(options):
    aligner = _load_map(options.map)
    width = aligner.n_features_in_
    source = read_matrix(options.source)
    if source.shape[1] != width:
        raise InputError(
            f"{options.source} has {source.shape[1]} columns, but the map was fitted "
            f"with {width}."
        )
    n_samples = len(source)
    use_threads_if_large(options, source)
    step = max(1, _BATCH_BYTES // (8 * max(width, aligner.n_targets_)))
    with writing_to(options.output) as unfinished, unfinished.open("wb") as file:
        for start in progress("batches")(range(0, n_samples, step)):
            rows = np.array(source[start : start + step])
            forget(source)
            with naming(options.map, options.source):
                mapped = np.ascontiguousarray(aligner.transform(rows))
                if not np.isfinite(mapped).all():
                    raise ValueError("mapped rows are NaN or infinite")
            if start == 0:
                shape = (n_samples, mapped.shape[1])
                header = {"descr": mapped.dtype.str, "fortran_order": False}
                np.lib.format.write_array_header_2_0(file, header | {"shape": shape})
            file.write(mapped.data)  # tofile does not report a full disk
        file.flush()
        say(f"{n_samples:,} rows mapped: {options.output}")
    return 0


def _load_map(path):
    """Load an estimator from a skops file that holds only types of skalign."""
    from skops.io import get_untrusted_types, load

    n_stored = size_of(path)
    with damaged(f"{path} is not a map stored by skalign fit"):
        check_skops(path, n_stored)
        found = set(get_untrusted_types(file=path))
        if not (foreign := sorted(found.difference(_TRUSTED))):
            aligner = load(path, trusted=sorted(found))
    if foreign:
        raise InputError(f"{path} holds types that are not trusted: {foreign}.")
    if not hasattr(aligner, "transform") or not all(
        isinstance(getattr(aligner, name, None), int)
        for name in ("n_features_in_", "n_targets_")
    ):
        raise InputError(f"{path} holds a {type(aligner).__name__}, not a map.")
    return aligner
