"""Training on two processes, which share every batch, against one process.

Run by torchrun, this file trains each case on one process and then on two, in float64,
and prints what differs.
"""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from skorch.callbacks import LRScheduler, PrintLog
from torch import distributed, nn

import skalign
from skalign import (
    ContrastiveAligner,
    MultiDomainClassifier,
    NCFALClassifier,
    StitchingRegressor,
)
from skalign.deep import (
    DANN,
    ERM,
    IRM,
    MMD,
    DeepCORAL,
    DomainRandomization,
    GroupDRO,
    Mask,
    MixStyle,
    Mixup,
    Objective,
    Partition,
    Penalty,
    PermutedAdaIN,
    SimplexHead,
    VREx,
)
from skalign.deep.trainer._distributed import (
    n_processes,
    own,
    own_sizes,
    shared,
    whole,
)

SIZES = (25, 20, 16)


class LargestRisk(Objective):
    """An objective of a user, that learns a part itself."""

    def start(self, training):
        return nn.Linear(training.n_features, 1, bias=False)

    def loss(self, batch, learned):
        return batch.risks.max() + learned(batch.features).var()


class Spread(Penalty):
    """A penalty of a user, on pairs of samples of the batch."""

    def penalty(self, batch):
        return torch.pdist(batch.features).var()


def styled():
    return nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)),
        DomainRandomization(),
        nn.Conv2d(1, 4, 2, padding=1),
        MixStyle(p=0.7, n_domains=3),
        PermutedAdaIN(p=0.7),
        nn.Tanh(),
        nn.Flatten(),
    )


def unsteady():
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 4)
    )


def classifier(objective=None, **settings):
    settings = {"hidden_layer_sizes": (8,), "batch_size": 5, "max_epochs": 3} | settings
    return MultiDomainClassifier(objective, lr=0.01, random_state=0, **settings)


def ncfal(**settings):
    settings = {"hidden_layer_sizes": (8,), "batch_size": 5, "max_epochs": 3} | settings
    return NCFALClassifier(lr=0.01, random_state=0, **settings)


# Batches of 5 samples of each of three domains are shared as 8 and 7.
CASES = {
    "ERM": classifier(ERM()),
    "IRM": classifier(IRM(weight=2)),
    "VREx": classifier(VREx()),
    "GroupDRO": classifier(GroupDRO(step_size=0.5)),
    "DeepCORAL": classifier(DeepCORAL()),
    "MMD": classifier(MMD()),
    "DANN": classifier(DANN(warmup=0.5)),
    "Mixup": classifier(Mixup()),
    "Mixup of features": classifier(Mixup(level="features")),
    "an objective of a user": classifier(LargestRisk()),
    "a penalty of a user": classifier(Spread(warmup=3)),
    "all samples": classifier(MMD(), batch_size=None, max_epochs=8, weight_decay=0.01),
    "domains without labels": classifier(DeepCORAL()),
    "layers of styles": classifier(module=styled),
    "early stopping": classifier(
        IRM(weight=2),
        max_epochs=20,
        early_stopping=True,
        n_iter_no_change=2,
        callbacks=[LRScheduler("ReduceLROnPlateau", patience=1, monitor="valid_loss")],
    ),
    "warm start": classifier(GroupDRO(), warm_start=True),
    "NCFAL": ncfal(),
    "NCFAL, parts": ncfal(
        mask=Mask(scope="domain", penalty=0.1, target=0.5),
        encoder="domain",
        head=SimplexHead(distance_weight=0.1),
    ),
    "NCFAL, gates": ncfal(mask=Mask(gate="gumbel", scope="sample")),
    "NCFAL, domains found": ncfal(
        partition=Partition(max_iter=2, n_rounds=2), mask=Mask("feature")
    ),
    "stitching": StitchingRegressor(
        batch_size=7,
        max_epochs=6,
        early_stopping=True,
        validation_fraction=0.2,
        weight_decay=0.01,
        random_state=0,
    ),
    "contrastive": ContrastiveAligner(
        2,
        hidden_layer_sizes=(8,),
        batch_size=9,
        max_epochs=3,
        lr=0.01,
        weight_decay=0.01,
        random_state=0,
    ),
}


@pytest.fixture(scope="module")
def found():
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    package = str(Path(skalign.__file__).parents[1])
    done = subprocess.run(
        [*command, "--nproc-per-node", "2", __file__],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": package, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Warning" not in done.stderr, done.stderr[-4000:]
    (line,) = done.stdout.splitlines()  # one process prints
    return json.loads(line)


@pytest.mark.services
@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_as_one(found, name):
    assert found[name]["moved"] > 1e-3
    assert found[name]["from one process"] < 1e-10
    assert found[name]["between processes"] < 1e-14
    assert found[name]["epochs"][0] == found[name]["epochs"][1]


@pytest.mark.services
def test_gradients_of_gathered_samples_are_those_of_all_processes(found):
    assert found["gathered"] == [[0.0, 1, 2, 3, 4]] * 2
    assert found["gradients"] == [[0.0, 20, 40], [10.0, 30]]  # (1 + 9) times the place


@pytest.mark.services
def test_processes_agree_whatever_they_draw(found):
    assert found["drawn"] < 1e-14
    assert found["random_state=None"] < 1e-14


@pytest.mark.services
def test_batch_normalisation_of_each_process_is_warned_of(found):
    for messages in found["batch normalisation"]:
        assert any("statistics on a CPU are those of each" in said for said in messages)


@pytest.mark.services
def test_other_processes_than_the_first_do_not_print(found):
    assert found["lines"] == [4, 0]  # two of the head, two epochs


@pytest.mark.services
def test_what_processes_cannot_share_is_refused(found):
    for samples, batch, seen in found["refused"]:
        assert "The processes were given different samples" in samples
        assert "A batch has 1 samples, fewer than the 2 processes" in batch
        assert "different samples" in seen


def test_one_process_has_all_samples():
    rows = torch.arange(5)
    with shared(5):
        assert n_processes() == 1
        assert own(rows) is rows
        assert whole(rows) is rows
        assert own_sizes([2, 3]) == [2, 3]


def in_float64():
    """Train networks in float64, where two ways of rounding are told from a mistake."""
    from_numpy = torch.from_numpy

    def doubled(array):
        tensor = from_numpy(array)
        return tensor.double() if tensor.is_floating_point() else tensor

    torch.from_numpy = doubled
    torch.Tensor.float = torch.Tensor.double
    for kind in (MultiDomainClassifier, NCFALClassifier, *others()):
        for name in ("_make_module", "_make_criterion"):
            if name in vars(kind):
                setattr(kind, name, _doubling(vars(kind)[name]))


def others():
    return StitchingRegressor, ContrastiveAligner


def _doubling(make):
    return lambda self, *args: make(self, *args).double()


def samples():
    rng = np.random.default_rng(0)
    domain = np.repeat(np.arange(3), SIZES)
    y = rng.integers(2, size=len(domain))
    X = rng.normal(size=(len(domain), 4)) + y[:, None]
    X[:, 1] += domain
    return X.astype(np.float32), y, domain


def fit(name, estimator):
    X, y, domain = samples()
    if isinstance(estimator, others()):
        return estimator.fit(X, X[:, :3] ** 2)
    if name == "domains without labels":
        y, domain = np.where(domain == 2, -1, y), np.where(domain == 2, -1, domain)
    if name == "NCFAL, domains found":
        return estimator.fit(X, y)
    estimator.fit(X, y, sample_domain=domain)
    if estimator.warm_start:
        estimator.fit(X, y, sample_domain=domain)
    return estimator


def weights(estimator):
    state = estimator.net_.module_.state_dict() | {
        f"criterion.{name}": value
        for name, value in estimator.net_.criterion_.state_dict().items()
        if isinstance(value, torch.Tensor)
    }
    return {name: value.numpy().copy() for name, value in state.items()}


def deviation(some, others):
    assert some.keys() == others.keys()
    return max(np.abs(some[name] - others[name]).max() for name in some)


def everywhere(value):
    values = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def message(fit, *args, **kwargs):
    try:
        fit(*args, **kwargs)
    except ValueError as error:
        return str(error)


def compare():
    warnings.simplefilter("ignore")
    in_float64()
    rank, found, alone = int(os.environ["RANK"]), {}, {}
    for name, estimator in CASES.items() if rank == 0 else ():
        fitted = fit(name, estimator)
        alone[name] = weights(fitted), len(fitted.net_.history)
        del fitted.net_
    distributed.init_process_group("gloo")
    for name, estimator in CASES.items():
        fitted = fit(name, estimator)
        now = weights(fitted)
        before, n_epochs = alone.get(name, (now, None))  # of the first process
        both = everywhere(now)
        losses = fitted.net_.history[:, "train_loss"]
        found[name] = {
            "moved": abs(losses[0] - losses[-1]),
            "from one process": deviation(now, before),
            "between processes": deviation(*both),
            "epochs": [n_epochs, len(fitted.net_.history)],
        }
    rows = torch.arange(rank, 5.0, 2, requires_grad=True)
    with shared(5):
        gathered = whole(rows)
        ((1 + 8 * rank) * torch.arange(5) * gathered).sum().backward()
    found["gathered"] = everywhere(gathered.tolist())
    found["gradients"] = everywhere(rows.grad.tolist())

    X, *_ = samples()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = fit("", classifier(Mixup(level="features"), module=unsteady))
    found["batch normalisation"] = everywhere([str(said.message) for said in caught])
    found["drawn"] = deviation(*everywhere(weights(fitted)))
    np.random.seed(rank)  # noqa: NPY002
    fitted = StitchingRegressor(max_epochs=2).fit(X, X)
    found["random_state=None"] = deviation(*everywhere(weights(fitted)))
    lines = []
    StitchingRegressor(max_epochs=2, callbacks=[PrintLog(sink=lines.append)]).fit(X, X)
    found["lines"] = everywhere(len(lines))
    found["refused"] = everywhere(
        [
            message(StitchingRegressor().fit, np.roll(X, rank), X),
            message(StitchingRegressor(batch_size=1).fit, X, X),
            message(StitchingRegressor().fit, X[rank:], X[rank:]),
        ]
    )
    distributed.barrier()  # else threads of gloo may abort the process at its end
    distributed.destroy_process_group()
    if rank == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    compare()
