"""Federated training of networks with Flower; the only module that imports Flower.

Flower's telemetry is switched off. Flower reads this setting from the environment while
it is imported; the caller's environment is restored afterwards. Flower checks for
updates in its command line only, which is not used here.

Servers and clients are started by `flwr.server.start_server` and
`flwr.client.start_client`, which use gRPC and one process each, and detect a lost
connection at once. Flower logs that these two functions are deprecated in favour of its
SuperLink, which does not use gRPC. The clients and strategies of this module are not
affected: `ClientApp` and `ServerApp` accept them unchanged.
"""

import os
import socket
import sys
import time
import warnings
from collections import Counter, defaultdict
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skalign.federated._fedbn import load_shared_arrays, shared_arrays, split_state
from skalign.federated._updates import is_count, keep_sound, logger


@contextmanager
def _without_telemetry():
    name = "FLWR_TELEMETRY_ENABLED"
    before = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


try:
    with _without_telemetry(), warnings.catch_warnings():
        # typer, which Flower imports, uses names that click deprecates.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        from flwr.client import NumPyClient, start_client
        from flwr.common import (
            EvaluateIns,
            EvaluateRes,
            FitIns,
            FitRes,
            Parameters,
            parameters_to_ndarrays,
        )
        from flwr.server import ClientManager, ServerConfig, start_server
        from flwr.server.client_proxy import ClientProxy
        from flwr.server.strategy import Strategy
except ImportError as error:
    raise ImportError(
        f"Federated training of networks needs Flower ({error}). Install it by "
        "pip install 'skalign[deep,federated]'."
    ) from error

for _name in ("flwr.supercore.telemetry", "flwr.common.telemetry"):
    if _name in sys.modules:  # Flower may have been imported before
        sys.modules[_name].FLWR_TELEMETRY_ENABLED = "0"


class NetworkClient(NumPyClient):
    """Flower client that trains a network on samples that never leave the client.

    In each round the client receives the shared part of the network from the server,
    continues training on its own samples, and returns the shared part. Only weights
    are exchanged. Read more in the :ref:`User Guide <federated>`.

    Parameters
    ----------
    net : skorch net
        Network, trained by `partial_fit` for `max_epochs` in each round. Its optimizer
        and the local part of its module keep their state between rounds.
    X, y : array-like of shape (n_samples, ...) and (n_samples,)
        Training samples, in the form that `net` accepts.
    X_test, y_test : array-like of shape (n_test_samples, ...) and (n_test_samples,)
        Test samples.
    name : str
        Name of the client in logs and metrics.
    share_batch_norm : bool, default=False
        Whether batch normalisation is shared: True is federated averaging, False is
        FedBN, see :func:`~skalign.federated.shared_arrays`. All clients must use the
        same value.
    renew_statistics : bool, default=False
        Whether to recompute the running means and variances of batch normalisation
        before each evaluation, in one pass over the batches of `X`, as AdaBN [1]_ does
        for a new domain. The statistics of a client were computed with its weights
        before averaging, and can be inaccurate for the averaged weights. Training does
        not change, since it normalises by the statistics of each batch. The default is
        False because federated averaging and FedBN are published without this step. The
        module must take one array.
    state_path : str or path-like, default=None
        File for the local part of the network, written after each round and read at the
        start, so that a client that is restarted keeps its own normalisation.

    See Also
    --------
    join : Connect a client to a server.

    References
    ----------
    .. [1] Y. Li, N. Wang, J. Shi, X. Hou and J. Liu, "Adaptive batch normalization for
       practical domain adaptation", Pattern Recognition 80, 2018, pp. 109-117.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from torch import nn
    >>> from skalign.federated import NetworkClient
    >>> y = np.arange(24) % 3
    >>> X = np.eye(3, dtype=np.float32)[y]
    >>> module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    >>> net = NeuralNetClassifier(
    ...     module, criterion=nn.CrossEntropyLoss, max_epochs=1, verbose=0
    ... )
    >>> client = NetworkClient(net, X, y, X, y, name="usps")

    A round, as the server calls it. Batch normalisation stays at the client:

    >>> arrays = client.get_parameters({})
    >>> arrays, n_samples, metrics = client.fit(arrays, {})
    >>> [array.shape for array in arrays]
    [(4, 3), (4,), (3, 4), (3,)]
    >>> n_samples, metrics
    (24, {'client': 'usps'})
    """

    def __init__(
        self,
        net: Any,
        X: ArrayLike,
        y: ArrayLike,
        X_test: ArrayLike,
        y_test: ArrayLike,
        *,
        name: str,
        share_batch_norm: bool = False,
        renew_statistics: bool = False,
        state_path: str | os.PathLike[str] | None = None,
    ) -> None:
        self.net = net
        self.X, self.y = X, y
        self.X_test, self.y_test = X_test, y_test
        self.name = name
        self.share_batch_norm = share_batch_norm
        self.renew_statistics = renew_statistics
        self.state_path = None if state_path is None else Path(state_path)
        if not net.initialized_:
            net.initialize()
        if self.state_path is not None and self.state_path.exists():
            self._restore()

    def get_parameters(self, config: dict[Any, Any]) -> list[Any]:
        """Return the shared part of the network.

        Parameters
        ----------
        config : dict
            Not used.

        Returns
        -------
        arrays : list of ndarray
        """
        return shared_arrays(self.net.module_, share_batch_norm=self.share_batch_norm)

    def fit(
        self, parameters: list[Any], config: dict[Any, Any]
    ) -> tuple[list[Any], int, dict[Any, Any]]:
        """Train the network, starting from the shared part sent by the server.

        If training fails or is interrupted, the network is unchanged.

        Parameters
        ----------
        parameters : list of ndarray
            Shared part of the network.
        config : dict
            Not used.

        Returns
        -------
        arrays : list of ndarray
            Shared part after training.
        n_samples : int
            Number of training samples, used by the server as a weight.
        metrics : dict
            Name of the client, as the entry "client".
        """
        from skalign.deep.trainer import kept_on_failure, train, undisturbed

        with undisturbed(), kept_on_failure(self.net):
            self._load(parameters)
            train(self.net, self.X, self.y)
        if self.state_path is not None:
            self._store()
        return self.get_parameters(config), len(self.y), {"client": self.name}

    def evaluate(
        self, parameters: list[Any], config: dict[Any, Any]
    ) -> tuple[float, int, dict[Any, Any]]:
        """Evaluate the shared part sent by the server with the client's local part.

        Parameters
        ----------
        parameters : list of ndarray
            Shared part of the network.
        config : dict
            Not used.

        Returns
        -------
        loss : float
            One minus the score.
        n_samples : int
            Number of test samples.
        metrics : dict
            Score by `net.score` and name of the client, as "score" and "client".
        """
        from skalign.deep.trainer import undisturbed

        with undisturbed():
            self._load(parameters)
            if self.renew_statistics:
                self._renew()
            score = float(self.net.score(self.X_test, self.y_test))
        metrics = {"client": self.name, "score": score}
        return 1 - score, len(self.y_test), metrics

    def _load(self, parameters):
        load_shared_arrays(
            self.net.module_, parameters, share_batch_norm=self.share_batch_norm
        )

    def _renew(self):
        import torch
        from torch.optim.swa_utils import update_bn

        with torch.random.fork_rng():  # evaluation must not change the training
            # The same batches as in training: shuffled if those are.
            batches = self.net.get_iterator(self.net.get_dataset(self.X), training=True)
            update_bn(batches, self.net.module_, device=self.net.device)

    def _local(self):
        return split_state(self.net.module_, self.share_batch_norm)[1]

    def _store(self):
        from safetensors.torch import save_file

        # Written to a new file, then moved: a client may be stopped while it writes.
        fresh = self.state_path.with_name(self.state_path.name + ".new")
        local = {name: tensor.cpu() for name, tensor in self._local().items()}
        save_file(local, fresh)
        fresh.replace(self.state_path)

    def _restore(self):
        from safetensors.torch import load_file

        stored, local = load_file(self.state_path), self._local()
        if stored.keys() != local.keys():
            raise ValueError(
                f"{self.state_path} holds {sorted(stored)}; the local part of this "
                f"network is {sorted(local)}."
            )
        for name, tensor in local.items():
            tensor.copy_(stored[name])


class SoundUpdates(Strategy):
    """Flower strategy that passes only valid updates to another strategy.

    An update is left out if its shapes differ from those that were sent, if its values
    are not finite or so large that their sum overflows, or if its number of samples is
    not a positive integer. Updates that are left out and clients that fail are logged
    as warnings of "skalign.federated". The round continues with the other updates; if
    there are none, the network is unchanged.

    Parameters
    ----------
    strategy : flwr.server.strategy.Strategy
        Strategy that aggregates the valid updates, such as ``FedAvg()``.

    Attributes
    ----------
    arrays_ : list of ndarray
        Shared part of the network after the last round.

    Examples
    --------
    A round, as Flower's server calls it. The update of the third client is left out of
    the average:

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from flwr.common import Code, FitRes, Status, ndarrays_to_parameters
    >>> from flwr.server import SimpleClientManager
    >>> from flwr.server.strategy import FedAvg
    >>> from skalign.federated import SoundUpdates
    >>> average = FedAvg(
    ...     fraction_fit=0.0,
    ...     min_fit_clients=0,
    ...     min_evaluate_clients=0,
    ...     min_available_clients=0,
    ...     fit_metrics_aggregation_fn=lambda metrics: {},
    ... )
    >>> strategy = SoundUpdates(average)
    >>> sent = ndarrays_to_parameters([np.zeros(2)])
    >>> strategy.configure_fit(1, sent, SimpleClientManager())
    []
    >>> arrays = {"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [np.nan, 0.0]}
    >>> updates = []
    >>> for name, array in arrays.items():
    ...     parameters = ndarrays_to_parameters([np.array(array)])
    ...     update = FitRes(Status(Code.OK, ""), parameters, 10, {"client": name})
    ...     updates.append((SimpleNamespace(cid=name), update))
    >>> _ = strategy.aggregate_fit(1, updates, failures=[])
    >>> strategy.arrays_
    [array([2., 3.])]
    """

    def __init__(self, strategy: Any) -> None:
        self.strategy = strategy

    def initialize_parameters(self, client_manager: ClientManager) -> Parameters | None:
        """Delegate to `strategy`."""
        return self.strategy.initialize_parameters(client_manager)

    def configure_fit(
        self, server_round: int, parameters: Parameters, client_manager: ClientManager
    ) -> list[tuple[ClientProxy, FitIns]]:
        """Delegate to `strategy`, and remember the parameters that are sent."""
        self.arrays_ = parameters_to_ndarrays(parameters)
        return self.strategy.configure_fit(server_round, parameters, client_manager)

    def aggregate_fit(
        self,
        server_round: int,
        results: list[tuple[ClientProxy, FitRes]],
        failures: list[Any],
    ) -> tuple[Parameters | None, dict[str, Any]]:
        """Aggregate the valid updates with `strategy`."""
        results = self._sound(server_round, results, failures, self._update_problem)
        parameters, metrics = self.strategy.aggregate_fit(
            server_round, results, failures
        )
        if parameters is not None:
            self.arrays_ = parameters_to_ndarrays(parameters)
        return parameters, metrics

    def configure_evaluate(
        self, server_round: int, parameters: Parameters, client_manager: ClientManager
    ) -> list[tuple[ClientProxy, EvaluateIns]]:
        """Delegate to `strategy`."""
        return self.strategy.configure_evaluate(
            server_round, parameters, client_manager
        )

    def aggregate_evaluate(
        self,
        server_round: int,
        results: list[tuple[ClientProxy, EvaluateRes]],
        failures: list[Any],
    ) -> tuple[float | None, dict[str, Any]]:
        """Aggregate the valid results with `strategy`."""
        results = self._sound(server_round, results, failures, _result_problem)
        return self.strategy.aggregate_evaluate(server_round, results, failures)

    def evaluate(
        self, server_round: int, parameters: Parameters
    ) -> tuple[float, dict[str, Any]] | None:
        """Delegate to `strategy`."""
        return self.strategy.evaluate(server_round, parameters)

    def _sound(self, server_round, results, failures, problem):
        for failure in failures:
            logger.warning("A client failed in round %d: %r", server_round, failure)
        # Upper bound of the total number of samples, however large the counts are.
        total = sum(r.num_examples for _, r in results if is_count(r.num_examples))
        named = (
            (
                f"{_name_of(result)} ({proxy.cid}) in round {server_round}",
                (proxy, result),
            )
            for proxy, result in results
        )
        return keep_sound(named, lambda update: problem(update[1], total))

    def _update_problem(self, update, total):
        try:
            arrays = parameters_to_ndarrays(update.parameters)
        except Exception as error:  # numpy may raise anything for foreign bytes
            return f"its arrays cannot be read ({error})."
        came, sent = (
            [getattr(array, "shape", None) for array in a]
            for a in (arrays, self.arrays_)
        )
        if came != sent:
            wrong = Counter(came) - Counter(sent)
            return (
                f"it holds {len(came)} arrays, {len(sent)} were sent; unexpected "
                f"shapes: {list(wrong)}."
            )
        if problem := _result_problem(update):
            return problem
        for array, wanted in zip(arrays, self.arrays_, strict=True):
            if array.dtype != wanted.dtype:
                return f"it holds dtype {array.dtype}; expected {wanted.dtype}."
            if not np.isfinite(array).all():
                return f"an array of shape {array.shape} is not finite."
            largest = float(np.abs(array).max(initial=0))
            if largest * total > float(np.finfo(array.dtype).max):
                return (
                    f"an array of shape {array.shape} holds {largest:.1g}: over "
                    f"{total} samples its sum would overflow."
                )
        return None


def _name_of(result):
    metrics = result.metrics if isinstance(result.metrics, dict) else {}
    return metrics.get("client", "without a name")


def _result_problem(result, total=None):
    """Return the problem of the count, loss or metrics of a result, or None."""
    if not is_count(result.num_examples):
        return (
            f"its number of samples is {result.num_examples}; expected a positive "
            "integer."
        )
    loss = getattr(result, "loss", 0.0)
    if not isinstance(loss, Real) or not np.isfinite(loss):
        return f"its loss is {loss}."
    if not isinstance(result.metrics, dict):
        return f"its metrics are {result.metrics}; expected a dict."
    return None


def metrics_by_client(metrics: list[Any] | dict[Any, Any]) -> dict[Any, Any]:
    """Report the metrics of each client separately instead of their mean.

    Pass it as `evaluate_metrics_aggregation_fn` or `fit_metrics_aggregation_fn` of a
    Flower strategy.

    Parameters
    ----------
    metrics : list of (int, dict)
        Number of samples and metrics of each client. The metrics of a client that
        occurs several times are averaged, weighted by the numbers of samples. Values
        that are not numbers are left out, and so are results without the entry
        "client".

    Returns
    -------
    by_client : dict of str to float
        Metrics by name and client, with keys such as "score of mnist".

    Examples
    --------
    >>> from skalign.federated import metrics_by_client
    >>> metrics_by_client([(10, {"client": "mnist", "score": 0.9})])
    {'score of mnist': 0.9}
    >>> twice = [{"client": "mnist", "score": score} for score in (0.5, 0.9)]
    >>> metrics_by_client(zip([10, 30], twice))
    {'score of mnist': 0.8}
    """
    try:
        pairs = [(n_samples, dict(own)) for n_samples, own in metrics]
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"metrics must hold pairs of a number of samples and a dict; got "
            f"{metrics!r}."
        ) from error
    values = defaultdict(list)
    for n_samples, own in pairs:
        for key, value in own.items():
            if "client" in own and isinstance(value, Real):
                values[f"{key} of {own['client']}"].append((value, n_samples))
    return {name: _mean(results) for name, results in values.items()}


def _mean(results):
    """Mean of values, weighted by the numbers of samples."""
    values, n_samples = zip(*results, strict=True)
    return float(np.average(values, weights=n_samples if any(n_samples) else None))


def serve(
    strategy: Any,
    *,
    address: str = "127.0.0.1:8080",
    n_rounds: int = 3,
    round_timeout: float | None = None,
) -> Any:
    """Run a server that trains with its clients for some rounds, over gRPC.

    Call this function in the main thread of a separate process because Flower sets
    signal handlers. The connection is not encrypted; beyond one machine, use Flower's
    own functions with certificates.

    Parameters
    ----------
    strategy : flwr.server.strategy.Strategy
        Strategy that sets the number of clients to wait for and aggregates their
        updates. Wrap it in :class:`SoundUpdates`.
    address : str, default="127.0.0.1:8080"
        Host and port to listen on.
    n_rounds : int, default=3
        Number of rounds.
    round_timeout : float, default=None
        Seconds after which a client that has not answered counts as failed.

    Returns
    -------
    history : flwr.server.history.History
        Losses and metrics of each round.

    Examples
    --------
    >>> from flwr.server.strategy import FedAvg
    >>> from skalign.federated import SoundUpdates, metrics_by_client, serve
    >>> strategy = FedAvg(
    ...     min_fit_clients=3,
    ...     min_available_clients=3,
    ...     evaluate_metrics_aggregation_fn=metrics_by_client,
    ... )
    >>> history = serve(SoundUpdates(strategy), n_rounds=20)  # doctest: +SKIP
    """
    config = ServerConfig(num_rounds=n_rounds, round_timeout=round_timeout)
    return start_server(server_address=address, config=config, strategy=strategy)


def join(client: Any, *, address: str = "127.0.0.1:8080", wait: float = 60.0) -> None:
    """Connect a client to a server and take part in its rounds until they end.

    A process that was stopped takes part again as soon as it calls this function again.

    Parameters
    ----------
    client : flwr.client.NumPyClient
        Client, such as a :class:`NetworkClient`.
    address : str, default="127.0.0.1:8080"
        Host and port on which the server listens.
    wait : float, default=60.0
        Maximum time to wait for the server, in seconds.

    Raises
    ------
    TimeoutError
        If there is no server after `wait` seconds.

    Examples
    --------
    With `client` from the example of :class:`NetworkClient`, and a server that was
    started by :func:`serve` in another process:

    >>> from skalign.federated import join
    >>> join(client, address="127.0.0.1:8080")  # doctest: +SKIP

    Without a server:

    >>> join(None, address="127.0.0.1:9", wait=0)
    Traceback (most recent call last):
    TimeoutError: There was no server at 127.0.0.1:9 in 0 seconds.
    """
    host, _, port = address.rpartition(":")
    end = time.monotonic() + wait
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            break
        except OSError as error:
            if time.monotonic() > end:
                raise TimeoutError(
                    f"There was no server at {address} in {wait} seconds."
                ) from error
            time.sleep(0.1)
    start_client(server_address=address, client=client.to_client())
