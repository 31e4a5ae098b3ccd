"""Networks over many clients: what a round does, and a run of several processes."""

import copy
import io
import json
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("flwr", reason="flwr is not installed: skalign[federated]")
pytest.importorskip("torch", reason="torch is not installed: skalign[deep]")
pytest.importorskip("skorch", reason="skorch is not installed: skalign[deep]")

import torch
from flwr.common import EvaluateRes, FitRes, Status, ndarrays_to_parameters
from flwr.server.strategy import FedAvg
from skorch.callbacks import Callback

from skalign.federated import (
    NetworkClient,
    SoundUpdates,
    join,
    metrics_by_client,
)
from skalign.federated._fedbn import split_state

sys.path.insert(0, str(Path(__file__).parent))  # for the processes, too
from federated_workers import (
    PATIENCE,
    make_client,
    make_net,
    make_rows,
    run_client,
    run_server,
)


def _train(clients, n_rounds=3):
    """Rounds without a server; returns the updates of the last."""
    arrays = clients[0].get_parameters({})
    for _ in range(n_rounds):
        updates = [client.fit(arrays, {})[0] for client in clients]
        arrays = [np.mean(layer, axis=0) for layer in zip(*updates, strict=True)]
    return arrays


@pytest.mark.parametrize("share_batch_norm", [False, True])
def test_batch_normalisation_stays_with_each_client_of_fedbn(
    tmp_path, share_batch_norm
):
    clients = [
        make_client(name, tmp_path, shift, share_batch_norm=share_batch_norm)
        for name, shift in (("a", 0), ("b", 5))
    ]
    arrays = _train(clients)
    scores = [client.evaluate(arrays, {})[2]["score"] for client in clients]
    a, b = (client.net.module_.state_dict() for client in clients)
    assert_array_equal(a["0.weight"], b["0.weight"])
    assert bool((a["1.running_mean"] == b["1.running_mean"]).all()) == share_batch_norm
    assert (min(scores) == 1) == (not share_batch_norm)


def test_a_client_goes_on_from_what_the_server_sent(tmp_path):
    client = make_client("a", tmp_path)
    sent = [array + 1 for array in client.get_parameters({})]
    client.net.set_params(lr=0.0)
    arrays, n_samples, metrics = client.fit(sent, {})
    for array, wanted in zip(arrays, sent, strict=True):
        assert_array_equal(array, wanted)
    assert (n_samples, metrics) == (120, {"client": "a"})
    loss, n_samples, metrics = client.evaluate(sent, {})
    assert (loss, n_samples) == (1 - metrics["score"], 120)


@pytest.mark.parametrize("share_batch_norm", [False, True])
def test_renewed_statistics_are_those_of_the_rows_under_the_shared_weights(
    tmp_path, share_batch_norm
):
    client, kept = (
        make_client(name, tmp_path, 5.0, share_batch_norm=share_batch_norm)
        for name in "ab"
    )
    client.renew_statistics = True
    arrays = client.get_parameters({})
    arrays[0] = -arrays[0]  # far from the weights that statistics were taken of
    arrays[1] += 3
    for each in (client, kept):
        each.evaluate(arrays, {})
    first, batch_norm = client.net.module_[:2]
    hidden = first(torch.from_numpy(client.X)).detach()
    of_batches = [batch.var(dim=0) for batch in hidden.split(24)]
    assert_allclose(batch_norm.running_mean, hidden.mean(dim=0), rtol=1e-5)
    assert_allclose(batch_norm.running_var, sum(of_batches) / 5, rtol=1e-4)
    assert_array_equal(kept.net.module_[1].running_mean, 0)
    assert batch_norm.momentum == kept.net.module_[1].momentum


def test_renewed_statistics_lift_a_client_whose_own_ones_are_stale(tmp_path):
    clients = [make_client(name, tmp_path, 5.0) for name in "ab"]
    arrays = _train(clients)
    arrays[1] += 3  # the server's mean has moved
    clients[1].renew_statistics = True
    stale, renewed = (c.evaluate(arrays, {})[2]["score"] for c in clients)
    assert stale < 0.9 < renewed


def test_renewing_statistics_leaves_the_training_as_it_is(tmp_path):
    X, y = make_rows(5.0)
    updates = []
    for renew in (False, True):
        net = make_net(iterator_train__shuffle=True)
        client = NetworkClient(net, X, y, X, y, name="a", renew_statistics=renew)
        arrays = client.get_parameters({})
        for _ in range(2):
            arrays, *_ = client.fit(arrays, {})
            client.evaluate(arrays, {})
        updates.append(arrays)
    for one, other in zip(*updates, strict=True):
        assert_array_equal(one, other)


def test_settings_of_the_caller_change_no_round(tmp_path):
    found = []
    for enabled in (False, True):
        net = make_net(iterator_train__shuffle=True)
        X, y = make_rows(5.0)
        client = NetworkClient(net, X, y, X, y, name="a", renew_statistics=True)
        with (
            torch.autocast("cpu", torch.bfloat16, enabled),
            torch.inference_mode(enabled),
            torch.set_grad_enabled(not enabled),
        ):
            torch.manual_seed(0)
            arrays, *_ = client.fit(client.get_parameters({}), {})
            loss, *_ = client.evaluate(arrays, {})
            found.append([*arrays, loss, net.history[:, "train_loss"]])
    for one, other in zip(*found, strict=True):
        assert_array_equal(one, other)


class _AtBatch(Callback):
    def __init__(self, error):
        self.error, self.n_batches = error, 0

    def on_batch_end(self, net, **kwargs):
        self.n_batches += 1
        if self.n_batches == 7:
            raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, FloatingPointError])
def test_a_failed_or_interrupted_round_leaves_the_network_as_it_was(error):
    X, y = make_rows(0.0)
    net = make_net(optimizer__momentum=0.9)
    client = NetworkClient(net, X, y, X, y, name="a")
    arrays, *_ = client.fit(client.get_parameters({}), {})
    net.callbacks_.append(("fails", _AtBatch(error)))
    before = [
        copy.deepcopy(state)
        for state in (net.module_.state_dict(), net.optimizer_.state_dict()["state"])
    ]
    with pytest.raises(error):
        client.fit([array + 1 for array in arrays], {})
    for name, tensor in net.module_.state_dict().items():
        assert_array_equal(tensor, before[0][name])
    for at, state in net.optimizer_.state_dict()["state"].items():
        assert_array_equal(state["momentum_buffer"], before[1][at]["momentum_buffer"])
    assert len(net.history) == 3


def test_a_callback_may_end_a_round():
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    X, y = make_rows(0.0)
    net = make_net()
    client = NetworkClient(net, X, y, X, y, name="a")
    net.callbacks_.append(("stop", Stop()))
    client.fit(client.get_parameters({}), {})
    assert len(net.history) == 1


def test_a_client_that_comes_back_has_its_own_normalisation(tmp_path):
    client = make_client("a", tmp_path, shift=5.0)
    arrays, *_ = client.fit(client.get_parameters({}), {})
    back, new = make_client("a", tmp_path, 5.0), make_client("b", tmp_path, 5.0)
    for name, tensor in split_state(client.net.module_, False)[1].items():
        assert_array_equal(back.net.module_.state_dict()[name], tensor)
    scores = [c.evaluate(arrays, {})[2]["score"] for c in (client, back, new)]
    assert scores[0] == scores[1] > scores[2]


def test_the_state_of_another_network_is_refused(tmp_path):
    client = make_client("a", tmp_path)
    client.fit(client.get_parameters({}), {})
    with pytest.raises(ValueError, match="the local part of this network is"):
        make_client("a", tmp_path, share_batch_norm=True)


def test_there_is_an_end_to_waiting_for_a_server(tmp_path):
    with pytest.raises(TimeoutError, match=r"no server at 127.0.0.1:1 in 0.1 seconds"):
        join(make_client("a", tmp_path), address="127.0.0.1:1", wait=0.1)


@pytest.mark.parametrize("metrics", [3, [3], [(1, 2)], [(1, 2, 3)]])
def test_metrics_that_are_none_are_named(metrics):
    with pytest.raises(TypeError, match="metrics must hold pairs"):
        metrics_by_client(metrics)


def test_metrics_are_told_by_client():
    metrics = [(3, {"client": "a", "score": 0.5}), (9, {"client": "b", "score": 1.0})]
    assert metrics_by_client(metrics) == {"score of a": 0.5, "score of b": 1.0}


def test_results_of_one_client_are_averaged_by_their_rows():
    metrics = [
        (10, {"client": "a", "score": 0.5, "note": "first"}),
        (30, {"client": "a", "score": 0.9}),
        (5, {"client": "b", "score": 0.1}),
        (7, {"score": 0.3}),
        (0, {"client": "c", "score": 0.25}),
    ]
    found = metrics_by_client(metrics)
    expected = {"score of a": (10 * 0.5 + 30 * 0.9) / 40, "score of b": 0.1}
    assert found == pytest.approx(expected | {"score of c": 0.25})


def _round(spoil=lambda result: result):
    """Three clients answer 1, 2 and 4; returns what the strategy makes of them."""
    sent = [np.zeros((2, 3), np.float32), np.zeros(2, np.float32)]
    strategy = SoundUpdates(FedAvg(fit_metrics_aggregation_fn=metrics_by_client))
    manager = SimpleNamespace(num_available=lambda: 3, sample=lambda **_: [])
    strategy.configure_fit(1, ndarrays_to_parameters(sent), manager)
    results = [
        FitRes(
            Status(None, ""),
            ndarrays_to_parameters([array + value for array in sent]),
            10,
            {"client": name},
        )
        for name, value in zip("abc", (1, 2, 4), strict=True)
    ]
    spoil(results[1])
    results = [(SimpleNamespace(cid=i), result) for i, result in enumerate(results)]
    return strategy, strategy.aggregate_fit(1, results, [])


def _with_arrays(arrays):
    return lambda result: setattr(result, "parameters", ndarrays_to_parameters(arrays))


def _garbage(result):
    result.parameters.tensors[0] = b"no array"


def _written(save, *arrays, **options):
    with io.BytesIO() as file:
        save(file, *arrays, **options)
        return file.getvalue()


def _object(result):
    result.parameters.tensors[0] = None


def _archive(result):
    result.parameters.tensors[0] = _written(np.savez, np.ones(3))


def _header(result):
    """A file that declares more than any memory holds."""
    array = _written(np.save, np.ones((2, 3), np.float32))
    result.parameters.tensors[0] = array.replace(b"(2, 3), }", b"(2, 3" + b"0" * 17)


ONES = np.ones((2, 3), np.float32), np.ones(2, np.float32)
MALFORMED = {
    "wrong shape": (
        _with_arrays([ONES[0].T, ONES[1]]),
        r"unexpected shapes: \[\(3, 2\)\]",
    ),
    "too few": (_with_arrays(ONES[:1]), "it holds 1 arrays, 2 were sent"),
    "too many": (_with_arrays([*ONES, ONES[0]]), "it holds 3 arrays, 2 were sent"),
    "NaN": (_with_arrays([ONES[0] * np.nan, ONES[1]]), r"\(2, 3\) is not finite"),
    "infinity": (_with_arrays([ONES[0], ONES[1] * np.inf]), r"\(2,\) is not finite"),
    "integers": (_with_arrays([ONES[0].astype(int), ONES[1]]), "dtype int64; expected"),
    "no rows": (lambda r: setattr(r, "num_examples", 0), "samples is 0; expected"),
    "fewer than none": (lambda r: setattr(r, "num_examples", -5), "samples is -5;"),
    "no count": (lambda r: setattr(r, "num_examples", None), "samples is None;"),
    "half a row": (lambda r: setattr(r, "num_examples", 10.5), "samples is 10.5;"),
    "NaN rows": (lambda r: setattr(r, "num_examples", np.nan), "samples is nan;"),
    "1e308 rows": (lambda r: setattr(r, "num_examples", 1e308), "samples is 1e.308;"),
    "too many rows": (lambda r: setattr(r, "num_examples", 2**63), "samples is 9"),
    "no metrics": (lambda r: setattr(r, "metrics", None), "its metrics are None"),
    "overflow": (_with_arrays([ONES[0] * 3e38, ONES[1]]), "its sum would overflow"),
    "objects": (_object, "its arrays cannot be read"),
    "an archive": (_archive, r"it holds 2 arrays, .* unexpected shapes: \[None\]"),
    "a large header": (_header, "its arrays cannot be read"),
    "garbage": (_garbage, "its arrays cannot be read"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_update_is_left_out_and_the_round_goes_on(name, logged):
    spoil, line = MALFORMED[name]
    strategy, _ = _round(spoil)
    for array in strategy.arrays_:
        assert_allclose(array, 2.5)  # the mean of 1 and 4
    (message,) = logged
    name = "b" if name != "no metrics" else "without a name"
    wanted = f"The update of client {name} .* in round 1 is left out: "
    assert re.match(wanted, message)
    assert re.search(line, message)


def test_sound_updates_are_averaged(logged):
    strategy, _ = _round()
    assert_allclose(strategy.arrays_[0], 7 / 3, rtol=1e-6)
    assert not logged


def test_without_a_sound_update_the_network_stays():
    strategy, _ = _round()
    before = strategy.arrays_
    assert strategy.aggregate_fit(2, [], [RuntimeError("gone")]) == (None, {})
    assert strategy.arrays_ is before


def test_failures_and_results_that_are_none_are_told(logged):
    strategy = SoundUpdates(FedAvg(evaluate_metrics_aggregation_fn=metrics_by_client))
    results = [
        (
            SimpleNamespace(cid=i),
            EvaluateRes(Status(None, ""), loss, 10, {"client": str(i), "score": 1.0}),
        )
        for i, loss in enumerate((0.25, np.nan))
    ]
    told = strategy.aggregate_evaluate(3, results, [RuntimeError("gone")])
    assert told == (0.25, {"score of 0": 1.0})
    assert any("failed in round 3: RuntimeError('gone')" in m for m in logged)
    assert any("client 1 (1) in round 3" in m for m in logged)


def _wait_for(condition, process, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        assert process.is_alive(), f"the server ended: {process.exitcode}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A server and four clients, of which one is killed and one sends rubbish."""
    folder = tmp_path_factory.mktemp("run")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    # A process that has imported all of it, and that the others are forked from;
    # optimizers import torch._dynamo.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(
        ["skorch", "torch._dynamo", "skalign.deep", "skalign.federated._flower"]
    )

    started = []

    def start(function, *args):
        process = processes.Process(target=function, args=args, daemon=True)
        process.start()
        started.append(process)
        return process

    server = start(run_server, str(folder), address, 4, 3)
    clients = {
        name: start(run_client, name, str(folder), address, shift, kind)
        for name, shift, kind in (
            ("a", 0.0, "NetworkClient"),
            ("b", 3.0, "NetworkClient"),
            ("c", -3.0, "StuckClient"),
            ("d", 0.0, "MalformedClient"),
        )
    }
    try:
        _wait_for((folder / "c.stuck").exists, server)
        clients["c"].kill()
        clients["c"].join()
        back = start(run_client, "c", str(folder), address, -3.0)
        server.join(PATIENCE)
        for process in (back, clients["a"], clients["b"], clients["d"]):
            process.join(PATIENCE)
        yield SimpleNamespace(
            exit_codes={
                "server": server.exitcode,
                "back": back.exitcode,
                **{name: process.exitcode for name, process in clients.items()},
            },
            history=json.loads((folder / "history.json").read_text()),
            log=(folder / "server.log").read_text().splitlines(),
        )
    finally:
        for process in started:
            process.kill()


@pytest.mark.services
def test_a_run_outlives_a_client_that_is_killed(run):
    assert run.exit_codes == {
        "server": 0, "a": 0, "b": 0, "c": -9, "d": 0, "back": 0
    }  # fmt: skip
    scores = run.history["scores"]
    rounds = {key: [told_in for told_in, _ in told] for key, told in scores.items()}
    assert rounds["score of a"] == rounds["score of b"] == [1, 2, 3]
    assert {1, 3} <= set(rounds["score of c"])  # killed in round 2
    assert all(told[-1][1] > 0.9 for told in scores.values())
    failed = [line for line in run.log if "A client failed" in line]
    assert failed
    assert all("in round 2" in line for line in failed)


@pytest.mark.services
def test_a_client_that_sends_rubbish_is_left_out_of_each_round(run):
    left_out = [line for line in run.log if "is left out" in line]
    assert len(left_out) == 3
    wanted = "unexpected shapes", "is not finite", "number of samples is 0"
    for k, reason in enumerate(wanted):
        where = rf"client d \(\w+\) in round {k + 1} is left out: "
        assert re.search(where + ".*" + reason, left_out[k])


@pytest.mark.services
def test_telemetry_is_off(run):
    assert run.history["telemetry"] == "0"


@pytest.mark.services  # no server, but two new processes that import flwr
@pytest.mark.parametrize(
    ("before", "is_imported"), [(None, False), ("1", True)], ids=["new", "imported"]
)
def test_telemetry_is_off_and_the_environment_given_back(before, is_imported):
    program = (
        f"import os, sys{', flwr' * is_imported}; before = dict(os.environ);"
        "import skalign.federated;"
        f"assert ('flwr' in sys.modules) == {is_imported};"
        "skalign.federated.serve;"
        "from flwr.supercore import telemetry;"
        "assert telemetry.FLWR_TELEMETRY_ENABLED == '0';"
        "os.environ.pop('GRPC_VERBOSITY', None); before.pop('GRPC_VERBOSITY', None);"
        "assert os.environ == before"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FLWR")}
    if before is not None:
        environment["FLWR_TELEMETRY_ENABLED"] = before
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
