"""Networks and maps over many clients: two CSVs.

    python -m benchmarks.federated.tables networks  # a quarter of an hour on one core
    python -m benchmarks.federated.tables sums      # a minute

networks: four clients with 1,000 digits each, 16 x 16: MNIST, USPS, and two more parts
of MNIST, inverted, and blurred at low contrast. No digit is at two clients. A small
network with batch normalisation is trained for 20 rounds of one epoch, with the
settings of the paper on FedBN (SGD, learning rate 0.01, batches of 32), by federated
averaging and by FedBN: a server and four client processes on Flower, by gRPC over the
loopback. Beside them the same network, 20 epochs, of each client's rows alone, and of
the rows of all clients pooled. (Momentum 0.9 was given up after one seed: clients drift
so far in an epoch that the mean of their weights does not fit their normalisation.)
The accuracy is that after the last round, on 1,000 test digits of each client; nothing
is chosen by it. "statistics anew" is the same run, evaluated a second time each round
with `renew_statistics`, which leaves the training as it is. Runs that are in the table
are not measured again, so that one that was cut off goes on; delete the table to
measure anew.

In one more run the process of USPS is killed in round 8 (SIGKILL) and started again in
round 11; what it takes up is its file of local state.

sums: `client_sums` and `fit_from_sums`. "difference" is the largest difference of
mapped rows between the pooled fit and that of the sums of four clients of 60 to 1,500
sentences of AG News (a class each; MiniLM to USE, or, where widths must be equal, the
first 384 columns of USE). "noise" is the R2, on 5,000 test digits, of the map from the
left to the right halves of MNIST digits, ten axes each, learnt by four clients; axes,
scale and clip (the 95 % quantile of lengths) are those of 5,000 other digits, which are
public. Generalised cross-validation ("gcv") does not know of the noise.
"sd" is that of the draws as they are (divided by their number).
"""

import argparse
import json
import multiprocessing
import socket
import tempfile
import time
from copy import deepcopy
from pathlib import Path

import numpy as np

from benchmarks.federated import RESULTS
from benchmarks.records import DATA, provenance, read, write
from skalign import (
    CORALAligner,
    GaussianOTAligner,
    LinearAligner,
    MeanVarianceAligner,
    RigidAligner,
)
from skalign.datasets import load_idx
from skalign.federated import client_sums, fit_from_sums, gaussian_noise_scale

CLIENTS = ("mnist", "usps", "mnist inverted", "mnist blurred")
N_ROWS, N_TEST, N_ROUNDS = 1000, 1000, 20
KILLED, KILLED_IN, BACK_IN = "usps", 8, 11
DELTA = 1e-5
# What processes import, once for all of them; optimizers import torch._dynamo.
PRELOADED = ["skorch", "torch._dynamo", "skalign.deep", "skalign.federated._flower"]


def to_16(images):
    """Pad 28 x 28 pictures to 32 x 32, and take means of 2 x 2."""
    padded = np.pad(images / 255, ((0, 0), (2, 2), (2, 2)))
    return padded.reshape(len(images), 16, 2, 16, 2).mean(axis=(2, 4))


def style(name, images):
    from scipy.ndimage import gaussian_filter

    if name == "mnist inverted":
        return 1 - images
    if name == "mnist blurred":
        return 0.3 + 0.4 * gaussian_filter(images, (0, 1, 1))
    return images


def digits(name, seed):
    """Return training and test digits of a client, as torch takes them."""
    rng = np.random.default_rng([3, seed])
    if name == "usps":
        with np.load(DATA / "usps" / "usps.npz") as arrays:
            X, y = arrays["X_train"], arrays["y_train"]
            X_test, y_test = arrays["X_test"], arrays["y_test"]
        rows = rng.permutation(len(X))[:N_ROWS]
    else:
        train = load_idx("mnist", data_home=DATA)
        test = load_idx("mnist", subset="test", data_home=DATA)
        k = CLIENTS.index(name)
        rows = rng.permutation(len(train.images))[k * N_ROWS : (k + 1) * N_ROWS]
        X, y = to_16(train.images[rows]), train.target[rows]
        X_test, y_test = to_16(test.images[:N_TEST]), test.target
        rows = slice(None)
    tested = slice(N_TEST)
    return [
        array
        for pictures, labels in ((X[rows], y[rows]), (X_test[tested], y_test[tested]))
        for array in (
            style(name, pictures)[:, None].astype(np.float32),
            labels.astype(np.int64),
        )
    ]


def make_net(seed, max_epochs=1):
    import torch
    from skorch import NeuralNetClassifier
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    layers = []
    for before, after in ((1, 16), (16, 32)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after)]
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Linear(512, 64), nn.BatchNorm1d(64), nn.ReLU()]
    return NeuralNetClassifier(
        nn.Sequential(*layers, nn.Linear(64, 10)),
        criterion=nn.CrossEntropyLoss,
        lr=0.01,
        batch_size=32,
        iterator_train__shuffle=True,
        max_epochs=max_epochs,
        train_split=None,
        verbose=0,
    )


def run_client(name, seed, share_batch_norm, folder, address):
    """Be a client: the body of a process."""
    from skalign.federated import NetworkClient, join

    class Client(NetworkClient):
        """Evaluates twice, and leaves the network as it was."""

        def evaluate(self, parameters, config):
            kept = deepcopy(self.net.module_.state_dict())
            loss, n_samples, metrics = super().evaluate(parameters, config)
            self.renew_statistics = True
            metrics["renewed"] = super().evaluate(parameters, config)[2]["score"]
            self.renew_statistics = False
            self.net.module_.load_state_dict(kept)
            return loss, n_samples, metrics

    client = Client(
        make_net(seed),
        *digits(name, seed),
        name=name,
        share_batch_norm=share_batch_norm,
        state_path=Path(folder, f"{name}.safetensors"),
    )
    join(client, address=address, wait=120)


def run_server(folder, address, n_least):
    """Be the server: the body of a process."""
    from flwr.server.strategy import FedAvg

    from skalign.federated import SoundUpdates, metrics_by_client, serve

    def begin(server_round):
        Path(folder, "round").write_text(str(server_round))
        return {}

    strategy = FedAvg(
        min_fit_clients=n_least,
        min_evaluate_clients=n_least,
        min_available_clients=n_least,
        on_fit_config_fn=begin,
        fit_metrics_aggregation_fn=metrics_by_client,
        evaluate_metrics_aggregation_fn=metrics_by_client,
    )
    history = serve(SoundUpdates(strategy), address=address, n_rounds=N_ROUNDS)
    Path(folder, "history").write_text(json.dumps(history.metrics_distributed))


def federate(seed, share_batch_norm, kill=False):
    """Return accuracies by what was evaluated, client and round, of a run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(PRELOADED)

    def start(function, *args):
        process = processes.Process(target=function, args=args, daemon=True)
        process.start()
        return process

    with tempfile.TemporaryDirectory() as folder:
        # All clients in each round; one less where one is going to be killed.
        n_least = len(CLIENTS) - kill
        server = start(run_server, folder, address, n_least)
        settings = seed, share_batch_norm, folder, address
        clients = {name: start(run_client, name, *settings) for name in CLIENTS}

        def wait_for_round(number):
            at = Path(folder, "round")
            while not at.exists() or int(at.read_text() or 0) < number:
                assert server.is_alive()
                time.sleep(0.02)

        if kill:
            wait_for_round(KILLED_IN)
            clients[KILLED].kill()
            wait_for_round(BACK_IN)
            clients["back"] = start(run_client, KILLED, *settings)
        server.join()
        for process in clients.values():
            process.join()
        told = json.loads(Path(folder, "history").read_text())
    return {
        kind: {name: dict(told[f"{key} of {name}"]) for name in CLIENTS}
        for kind, key in (("", "score"), (", statistics anew", "renewed"))
    }


def alone(seed, pooled):
    """Return accuracies as `federate` does, without a server."""
    parts = {name: digits(name, seed) for name in CLIENTS}
    if pooled:
        X, y = (np.concatenate([part[k] for part in parts.values()]) for k in (0, 1))
        net = make_net(seed, N_ROUNDS).fit(X, y)
    accuracies = {}
    for name, (X, y, X_test, y_test) in parts.items():
        if not pooled:
            net = make_net(seed, N_ROUNDS).fit(X, y)
        accuracies[name] = {N_ROUNDS: net.score(X_test, y_test)}
    return {"": accuracies}


def networks(done):
    """Yield the rows of the table of networks, run by run."""
    killed = f"FedBN, {KILLED} killed in round {KILLED_IN}, started again in {BACK_IN}"
    methods = {
        "FedAvg": lambda seed: federate(seed, share_batch_norm=True),
        "FedBN": lambda seed: federate(seed, share_batch_norm=False),
        "each alone": lambda seed: alone(seed, pooled=False),
        "pooled": lambda seed: alone(seed, pooled=True),
        killed: lambda seed: federate(seed, share_batch_norm=False, kill=True),
    }
    runs = [(m, seed) for m in methods for seed in range(3 if m != killed else 1)]
    known = {(row["method"], int(row["seed"])) for row in done}
    for method, seed in runs:
        if (method, seed) in known:
            continue
        start = time.perf_counter()
        accuracies = methods[method](seed)
        seconds = time.perf_counter() - start
        rows = []
        courses = (
            (method + kind, name, course)
            for kind, by_client in accuracies.items()
            for name, course in by_client.items()
        )
        for shown, name, course in courses:
            row = {"method": shown, "seed": seed, "client": name}
            for k in (5, 10, N_ROUNDS):
                row[f"accuracy_{k}"] = f"{course[k]:.4f}" if k in course else ""
            missed = sorted(set(range(1, N_ROUNDS + 1)) - set(course))
            missed = " ".join(map(str, missed)) if len(course) > 1 else ""
            rows.append(
                row | {"rounds_missed": missed, "seconds_of_run": f"{seconds:.0f}"}
            )
        yield rows


def differences():
    """Yield how far maps from sums are from pooled ones."""
    with np.load(DATA / "text_embeddings" / "ag_news_6000.npz") as arrays:
        X, y, labels = (arrays[name].astype(float) for name in ("minilm", "use", "y"))
    sizes = dict(zip(np.unique(labels), (1500, 1200, 400, 60), strict=True))
    clients = [np.flatnonzero(labels == c)[:n] for c, n in sizes.items()]
    rows = np.concatenate(clients)
    for aligner in (
        LinearAligner(),
        LinearAligner(rank=50),
        RigidAligner(),
        RigidAligner(scaling=True),
        CORALAligner(),
        GaussianOTAligner(),
        MeanVarianceAligner(),
    ):
        paired = isinstance(aligner, LinearAligner | RigidAligner)
        target = y if paired else y[:, : X.shape[1]]
        updates = [client_sums(aligner, X[at], target[at]) for at in clients]
        merged = fit_from_sums(aligner, updates)
        pooled = aligner.fit(X[rows], target[rows])
        difference = np.abs(merged.transform(X) - pooled.transform(X)).max()
        yield {
            "table": "difference",
            "map": repr(aligner),
            "n_samples": len(rows),
            "value": f"{difference:.1e}",
        }


def halves():
    """Left and right halves of digits on ten axes each; the last are for tests."""
    from sklearn.decomposition import PCA

    train = load_idx("mnist", data_home=DATA).images / 255
    test = load_idx("mnist", subset="test", data_home=DATA).images / 255
    public, tested = np.split(test, 2)
    sides = []
    for columns in (slice(14), slice(14, None)):
        axes = PCA(10).fit(public[:, :, columns].reshape(len(public), -1))
        sides.append(
            [
                axes.transform(part[:, :, columns].reshape(len(part), -1))
                for part in (public, train, tested)
            ]
        )
    lengths = np.sqrt(sum((side[0] ** 2).sum(axis=1) for side in sides))
    return sides, float(np.quantile(lengths, 0.95))


def noises(n_clients=4):
    """Yield what noise costs, by epsilon and number of rows."""
    ((_, X, X_test), (_, y, y_test)), clip = halves()
    for n_samples in (1000, 6000, 60_000):
        for epsilon in (None, 10.0, 3.0, 1.0, 0.3, 0.1):
            aligners = {"gcv": LinearAligner()}
            noise = {}
            if epsilon is not None:
                noise = {"clip": clip, "epsilon": epsilon, "delta": DELTA}
                scale = gaussian_noise_scale(
                    epsilon, DELTA, sensitivity=np.sqrt(4.5) * clip**2
                )
                alpha = scale * np.sqrt(n_clients * 20)
                aligners["size of the noise"] = LinearAligner(alpha)
            for name, aligner in aligners.items():
                scores = []
                for seed in range(5):
                    rng = np.random.default_rng([n_samples, seed])
                    rows = rng.permutation(len(X))[:n_samples]
                    updates = [
                        client_sums(
                            aligner,
                            X[part],
                            y[part],
                            **noise,
                            random_state=int(rng.integers(2**32)),
                        )
                        for part in np.array_split(rows, n_clients)
                    ]
                    fitted = fit_from_sums(aligner, updates)
                    scores.append(fitted.score(X_test, y_test))
                row = {
                    "table": "noise",
                    "map": f"LinearAligner, ridge by {name}",
                    "n_samples": n_samples,
                }
                row |= {"epsilon": epsilon or "", "value": f"{np.mean(scores):.4f}"}
                row |= {"sd": f"{np.std(scores):.4f}", "n_seeds": len(scores)}
                yield row | {"delta": DELTA if epsilon else ""}


def sums(done):
    """Yield the rows of the table of sums, all at once."""
    fields = dict.fromkeys(
        ("table", "map", "n_samples", "epsilon", "delta", "value", "sd", "n_seeds"), ""
    )
    if not done:
        yield [fields | row for row in (*differences(), *noises())]


TABLES = {"networks": "federated.csv", "sums": "federated_sums.csv"}


def main():
    """Write the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", choices=TABLES)
    for table in parser.parse_args().tables:
        packages = ["numpy", "scipy", "scikit-learn"]
        packages += ["torch", "skorch", "flwr"] if table == "networks" else []
        last = provenance(*packages)
        last["command"] = f"python -m benchmarks.federated.tables {table}"
        path = RESULTS / TABLES[table]
        done = read(path)
        for rows in globals()[table](done):
            done += [row | last for row in rows]
            write(path, done)
            for row in rows:
                print(*row.values(), flush=True)


if __name__ == "__main__":
    main()
