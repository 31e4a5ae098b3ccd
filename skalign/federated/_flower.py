"""Networks over many clients, by Flower: the one place that imports it.

Flower's telemetry is off. It reads that from the environment while it is imported; the
caller's environment is given back. Only its command line looks for updates, which is
not used here.

Servers and clients are started by `flwr.server.start_server` and
`flwr.client.start_client`: gRPC, one process each, a lost connection is noticed at
once. Flower logs that these two are deprecated in favour of its SuperLink, which no
longer speaks gRPC. Clients and strategies here are not: as they are, a `ClientApp` and
a `ServerApp` take them too.
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

import numpy as np

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
        # typer, which Flower imports, takes names that click deprecates.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        from flwr.client import NumPyClient, start_client
        from flwr.common import parameters_to_ndarrays
        from flwr.server import ServerConfig, start_server
        from flwr.server.strategy import Strategy
except ImportError as error:
    raise ImportError(
        f"Networks over many clients need Flower ({error}). Install it by "
        "pip install 'skalign[deep,federated]'."
    ) from error

for _name in ("flwr.supercore.telemetry", "flwr.common.telemetry"):
    if _name in sys.modules:  # where Flower was imported before
        sys.modules[_name].FLWR_TELEMETRY_ENABLED = "0"


class NetworkClient(NumPyClient):
    """A client that trains a network on rows which it does not tell.

    In each round it takes the shared part of the network from the server, goes on to
    train on its own rows, and sends that part back. Read more in the
    :ref:`User Guide <federated>`.

    Parameters
    ----------
    net : skorch net
        Trained by `partial_fit`, that is, for `max_epochs` in each round. Its optimizer
        and the local part of its module go on from where they were.
    X, y : array-like of shape (n_samples, ...) and (n_samples,)
        Rows to train on, as `net` takes them.
    X_test, y_test : array-like of shape (n_test_samples, ...) and (n_test_samples,)
        Rows to evaluate on.
    name : str
        What the client is called in logs and metrics.
    share_batch_norm : bool, default=False
        Whether batch normalisation is shared: True is federated averaging, False is
        FedBN, see :func:`~skalign.federated.split_state`. The same at all clients.
    renew_statistics : bool, default=False
        Whether running means and variances of batch normalisation are taken anew before
        each evaluation, in one pass over the batches of `X`, as AdaBN [1]_ does for a
        new domain. Statistics kept by a client belong to its weights before the server
        took their mean, and can be far off after it. Training is the same either way,
        since it normalises by the batch at hand. False, because federated averaging and
        FedBN are published without it. Needs a module that takes one array.
    state_path : str or path-like, default=None
        File for the local part of the network, written after each round and read at the
        start, so that a client that was stopped comes back with its own normalisation.

    See Also
    --------
    join : Connects it to a server.

    References
    ----------
    .. [1] Y. Li, N. Wang, J. Shi, X. Hou and J. Liu, "Adaptive batch normalization for
       practical domain adaptation", Pattern Recognition 80, 2018, pp. 109-117.
    """

    def __init__(
        self,
        net,
        X,
        y,
        X_test,
        y_test,
        *,
        name,
        share_batch_norm=False,
        renew_statistics=False,
        state_path=None,
    ):
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

    def get_parameters(self, config):
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

    def fit(self, parameters, config):
        """Train from what the server sent.

        Where training fails or is interrupted, the network stays as it was.

        Parameters
        ----------
        parameters : list of ndarray
            The shared part of the network.
        config : dict
            Not used.

        Returns
        -------
        arrays : list of ndarray
            The shared part after training.
        n_samples : int
            Number of rows, by which the server weights it.
        metrics : dict
            With the name of the client.
        """
        from skalign.deep.trainer import kept_on_failure, train, undisturbed

        with undisturbed(), kept_on_failure(self.net):
            self._load(parameters)
            train(self.net, self.X, self.y)
        if self.state_path is not None:
            self._store()
        return self.get_parameters(config), len(self.y), {"client": self.name}

    def evaluate(self, parameters, config):
        """Evaluate what the server sent, with the client's own local part.

        Parameters
        ----------
        parameters : list of ndarray
            The shared part of the network.
        config : dict
            Not used.

        Returns
        -------
        loss : float
            One minus the score.
        n_samples : int
            Number of rows it was evaluated on.
        metrics : dict
            The score, by `net.score`, and the name of the client.
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

        with torch.random.fork_rng():  # an evaluation must not change the training
            # The batches of training: shuffled, if those are.
            batches = self.net.get_iterator(self.net.get_dataset(self.X), training=True)
            update_bn(batches, self.net.module_, device=self.net.device)

    def _local(self):
        return split_state(self.net.module_, share_batch_norm=self.share_batch_norm)[1]

    def _store(self):
        from safetensors.torch import save_file

        # Written beside it and moved: a client may be stopped while it writes.
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
    """A Flower strategy that gets to see sound updates only.

    Updates with other shapes than what was sent, values that are not finite or so large
    that their sum is not, or a count of rows that is none are left out, with a line in
    the log of "skalign.federated";
    clients that fail are told there too. The round goes on with the others; without
    any the network stays as it was.

    Parameters
    ----------
    strategy : flwr.server.strategy.Strategy
        Say, ``FedAvg()``: what is done with the updates.

    Attributes
    ----------
    arrays_ : list of ndarray
        The shared part of the network after the last round.
    """

    def __init__(self, strategy):
        self.strategy = strategy

    def initialize_parameters(self, client_manager):
        """Leave it to `strategy`."""
        return self.strategy.initialize_parameters(client_manager)

    def configure_fit(self, server_round, parameters, client_manager):
        """Leave it to `strategy`, and keep in mind what was sent."""
        self.arrays_ = parameters_to_ndarrays(parameters)
        return self.strategy.configure_fit(server_round, parameters, client_manager)

    def aggregate_fit(self, server_round, results, failures):
        """Hand sound updates on to `strategy`."""
        results = self._sound(server_round, results, failures, self._update_problem)
        parameters, metrics = self.strategy.aggregate_fit(
            server_round, results, failures
        )
        if parameters is not None:
            self.arrays_ = parameters_to_ndarrays(parameters)
        return parameters, metrics

    def configure_evaluate(self, server_round, parameters, client_manager):
        """Leave it to `strategy`."""
        return self.strategy.configure_evaluate(
            server_round, parameters, client_manager
        )

    def aggregate_evaluate(self, server_round, results, failures):
        """Hand sound results on to `strategy`."""
        results = self._sound(server_round, results, failures, _result_problem)
        return self.strategy.aggregate_evaluate(server_round, results, failures)

    def evaluate(self, server_round, parameters):
        """Leave it to `strategy`."""
        return self.strategy.evaluate(server_round, parameters)

    def _sound(self, server_round, results, failures, problem):
        for failure in failures:
            logger.warning("A client failed in round %d: %r", server_round, failure)
        # What the counts of rows, however large, add up to at most.
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
        except Exception as error:  # whatever numpy finds in bytes of others
            return f"its arrays cannot be read ({error})."
        came, sent = (
            [getattr(array, "shape", None) for array in a]
            for a in (arrays, self.arrays_)
        )
        if came != sent:
            wrong = Counter(came) - Counter(sent)
            return (
                f"it holds {len(came)} arrays, {len(sent)} were sent; of other shapes: "
                f"{list(wrong)}."
            )
        if problem := _result_problem(update):
            return problem
        for array, wanted in zip(arrays, self.arrays_, strict=True):
            if array.dtype != wanted.dtype:
                return f"it holds {array.dtype} where {wanted.dtype} was sent."
            if not np.isfinite(array).all():
                return f"an array of shape {array.shape} is not finite."
            largest = float(np.abs(array).max(initial=0))
            if largest * total > float(np.finfo(array.dtype).max):
                return (
                    f"an array of shape {array.shape} holds {largest:.1g}: over "
                    f"{total} rows its sum would overflow."
                )
        return None


def _name_of(result):
    metrics = result.metrics if isinstance(result.metrics, dict) else {}
    return metrics.get("client", "without a name")


def _result_problem(result, total=None):
    """Say what is wrong with the count, loss or metrics of a result, or return None."""
    if not is_count(result.num_examples):
        return f"it counts {result.num_examples} rows."
    loss = getattr(result, "loss", 0.0)
    if not isinstance(loss, Real) or not np.isfinite(loss):
        return f"its loss is {loss}."
    if not isinstance(result.metrics, dict):
        return f"its metrics are {result.metrics}, no dict."
    return None


def metrics_by_client(metrics):
    """Tell the metrics of clients apart, where Flower would have one mean.

    For `evaluate_metrics_aggregation_fn` and `fit_metrics_aggregation_fn` of Flower's
    strategies.

    Parameters
    ----------
    metrics : list of (int, dict)
        Number of rows and metrics of each client; those of a client that occurs several
        times are averaged, weighted by the rows. Values that are no numbers are left
        out, and so are results without the entry "client".

    Returns
    -------
    by_client : dict
        With keys such as "score of mnist".

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
            f"metrics must hold pairs of a number of rows and a dict; got {metrics!r}."
        ) from error
    values = defaultdict(list)
    for n_samples, own in pairs:
        for key, value in own.items():
            if "client" in own and isinstance(value, Real):
                values[f"{key} of {own['client']}"].append((value, n_samples))
    return {name: _mean(results) for name, results in values.items()}


def _mean(results):
    """Mean of values, weighted by the numbers of rows."""
    values, n_samples = zip(*results, strict=True)
    return float(np.average(values, weights=n_samples if any(n_samples) else None))


def serve(strategy, *, address="127.0.0.1:8080", n_rounds=3, round_timeout=None):
    """Lead clients through the rounds of a run, over gRPC.

    Call it in the main thread of a process of its own: Flower sets handlers of signals.
    The connection is not encrypted; beyond one machine, use Flower's own functions with
    certificates.

    Parameters
    ----------
    strategy : flwr.server.strategy.Strategy
        How many clients it waits for, and how it takes their mean; within
        :class:`SoundUpdates`.
    address : str, default="127.0.0.1:8080"
        Host and port to listen at.
    n_rounds : int, default=3
        Number of rounds.
    round_timeout : float, default=None
        Seconds after which a client that has not answered counts as failed.

    Returns
    -------
    history : flwr.server.history.History
        Losses and metrics of each round.
    """
    config = ServerConfig(num_rounds=n_rounds, round_timeout=round_timeout)
    return start_server(server_address=address, config=config, strategy=strategy)


def join(client, *, address="127.0.0.1:8080", wait=60.0):
    """Take part in a run until it ends.

    A process that was stopped takes part again as soon as it calls this again.

    Parameters
    ----------
    client : flwr.client.NumPyClient
        For example :class:`NetworkClient`.
    address : str, default="127.0.0.1:8080"
        Where the server listens.
    wait : float, default=60.0
        Seconds to wait for it to be there.

    Raises
    ------
    TimeoutError
        If there was no server in that time.
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
