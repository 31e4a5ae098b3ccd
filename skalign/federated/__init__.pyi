"""Public names and where they are: read by type checkers, editors and `_lazy`."""

from skalign.federated._fedbn import (
    load_shared_arrays as load_shared_arrays,
    shared_arrays as shared_arrays,
)
from skalign.federated._flower import (
    NetworkClient as NetworkClient,
    SoundUpdates as SoundUpdates,
    join as join,
    metrics_by_client as metrics_by_client,
    serve as serve,
)
from skalign.federated._privacy import gaussian_noise_scale as gaussian_noise_scale
from skalign.federated._sums import (
    client_sums as client_sums,
    fit_from_sums as fit_from_sums,
)

__all__: list[str]

def __dir__() -> list[str]: ...
