"""What the processes of a run do; imported by the processes themselves."""

import json
import logging
import time
from pathlib import Path

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from skalign.federated import (
    NetworkClient,
    SoundUpdates,
    join,
    metrics_by_client,
    serve,
)

PATIENCE = 300  # seconds: for machines under load, and the end of what hangs


def make_rows(shift, n_samples=120):
    """Three classes, seen by each client at another place."""
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % 3
    X = np.eye(3)[y] + 0.1 * rng.normal(size=(n_samples, 3)) + shift
    return X.astype(np.float32), y.astype(np.int64)


def make_net(max_epochs=3, **settings):
    torch.manual_seed(0)
    layers = [nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)]
    return NeuralNetClassifier(
        nn.Sequential(*layers),
        criterion=nn.CrossEntropyLoss,
        lr=0.1,
        batch_size=24,
        max_epochs=max_epochs,
        train_split=None,
        verbose=0,
        **settings,
    )


def make_client(name, folder, shift=0.0, kind=NetworkClient, **settings):
    X, y = make_rows(shift)
    path = Path(folder) / f"{name}.safetensors"
    return kind(make_net(), X, y, X, y, name=name, state_path=path, **settings)


class StuckClient(NetworkClient):
    """Never ends its second round, and says so by a file."""

    n_rounds = 0

    def fit(self, parameters, config):
        self.n_rounds += 1
        if self.n_rounds == 2:
            self.state_path.with_suffix(".stuck").touch()
            time.sleep(2 * PATIENCE)
        return super().fit(parameters, config)


class MalformedClient(NetworkClient):
    """Spoils its updates: another shape, NaN, no rows."""

    n_rounds = 0

    def fit(self, parameters, config):
        self.n_rounds += 1
        arrays, n_samples, metrics = super().fit(parameters, config)
        if self.n_rounds == 1:
            arrays[0] = arrays[0][:-1]
        elif self.n_rounds == 2:
            arrays[1][0] = np.nan
        else:
            n_samples = 0
        return arrays, n_samples, metrics


KINDS = {kind.__name__: kind for kind in (NetworkClient, StuckClient, MalformedClient)}


def run_client(name, folder, address, shift=0.0, kind="NetworkClient"):
    join(make_client(name, folder, shift, KINDS[kind]), address=address, wait=PATIENCE)


def run_server(folder, address, n_clients, n_rounds):
    """Waits, before each step of a round, until all clients are there."""
    from flwr.server.strategy import FedAvg

    logging.basicConfig(filename=Path(folder) / "server.log", level=logging.WARNING)
    strategy = FedAvg(
        min_fit_clients=n_clients,
        min_evaluate_clients=n_clients,
        min_available_clients=n_clients,
        evaluate_metrics_aggregation_fn=metrics_by_client,
        fit_metrics_aggregation_fn=metrics_by_client,
    )
    history = serve(
        SoundUpdates(strategy),
        address=address,
        n_rounds=n_rounds,
        round_timeout=PATIENCE,
    )
    told = {"scores": history.metrics_distributed, "telemetry": _telemetry()}
    Path(folder, "history.json").write_text(json.dumps(told))


def _telemetry():
    from flwr.supercore import telemetry

    return telemetry.FLWR_TELEMETRY_ENABLED
