import io
import pickle
import signal
import sys
from unittest.mock import Mock
from zipfile import ZipFile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skops.io import dumps  # noqa: E402
from torch import nn  # noqa: E402

from skalign import (  # noqa: E402
    ContrastiveAligner,
    LinearAligner,
    MultiDomainClassifier,
    NCFALClassifier,
    StitchingRegressor,
)
from skalign.deep import (  # noqa: E402
    DANN,
    MLP,
    GroupDRO,
    Mask,
    Objective,
    Partition,
    SimplexHead,
    VREx,
    load_estimator,
    save_estimator,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "estimator.zip"


@pytest.mark.parametrize(
    "classifier",
    [
        MultiDomainClassifier(),
        MultiDomainClassifier(DANN()),
        MultiDomainClassifier(GroupDRO()),
        MultiDomainClassifier(VREx(), hidden_layer_sizes=(5, 4), early_stopping=True),
        NCFALClassifier(),
        NCFALClassifier(
            mask=Mask(), head=SimplexHead(distance_weight=0.1, n_features=5)
        ),
        NCFALClassifier(
            mask=Mask("feature"), head=SimplexHead(fixed=False, loss="cross_entropy")
        ),
    ],
    ids=lambda estimator: repr(estimator),
)
def test_a_classifier_comes_back(rows, path, classifier):
    names = np.array(["ant", "bee", "cow"])[rows.y]
    classifier.set_params(max_epochs=2, random_state=0)
    classifier.fit(rows.X, names, sample_domain=rows.sample_domain)
    save_estimator(classifier, path)
    loaded = load_estimator(path)
    for method in ("predict", "predict_proba", "transform"):
        assert_array_equal(
            getattr(loaded, method)(rows.X), getattr(classifier, method)(rows.X)
        )
    assert_array_equal(loaded.classes_, classifier.classes_)
    assert repr(loaded.set_params(device="auto")) == repr(classifier)


def test_one_that_asks_for_metadata_comes_back(rows, path):
    with config_context(enable_metadata_routing=True):
        classifier = MultiDomainClassifier(max_epochs=1).set_fit_request(
            sample_domain=True
        )
        rows.fit(classifier)
    save_estimator(classifier, path)
    assert_array_equal(load_estimator(path).predict(rows.X), classifier.predict(rows.X))


def test_a_file_that_is_there_survives_a_failure(rows, path, monkeypatch):
    classifier = rows.fit(MultiDomainClassifier(max_epochs=1))
    save_estimator(classifier, path)
    stored = path.read_bytes()
    monkeypatch.setattr("skalign.deep._storage.dumps", Mock(side_effect=TypeError))
    with pytest.raises(TypeError):
        save_estimator(classifier, path)
    assert path.read_bytes() == stored


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on file sizes")
def test_a_full_disk_leaves_the_file_that_was_there(rows, path):
    import resource

    classifier = rows.fit(MultiDomainClassifier(max_epochs=1))
    save_estimator(classifier, path)
    stored = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(stored) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            save_estimator(classifier, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == stored
    assert list(path.parent.iterdir()) == [path]


def test_pictures_come_back(path):
    X = np.random.default_rng(0).random((10, 2, 6, 6)).astype(np.float32)
    classifier = MultiDomainClassifier(max_epochs=1, random_state=0).fit(
        X, np.arange(10) % 2
    )
    save_estimator(classifier, path)
    assert_array_equal(load_estimator(path).transform(X), classifier.transform(X))


def test_an_aligner_comes_back(path):
    X = np.random.default_rng(0).normal(size=(50, 3))
    aligner = StitchingRegressor(max_epochs=2, random_state=0).fit(X, X[:, :2])
    save_estimator(aligner, path)
    loaded = load_estimator(path)
    assert_array_equal(loaded.transform(X), aligner.transform(X))
    assert loaded.predict(X).shape == (50, 2)


def test_a_given_module_is_given_again(rows, path):
    classifier = rows.fit(MultiDomainClassifier(module=nn.Linear(6, 4), max_epochs=1))
    save_estimator(classifier, path)
    loaded = load_estimator(path, module=nn.Linear(6, 4))
    assert_array_equal(loaded.predict_proba(rows.X), classifier.predict_proba(rows.X))
    assert isinstance(classifier.module, nn.Linear)  # saving changed nothing
    with pytest.raises(ValueError, match="stored weights do not fit the module"):
        load_estimator(path, module=MLP(6, (4,)))


def test_a_module_is_asked_for_where_another_would_fit(rows, path):
    module = nn.Sequential(nn.Linear(6, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh())
    rows.fit(classifier := MultiDomainClassifier(module=module, max_epochs=1))
    save_estimator(classifier, path)
    with pytest.raises(ValueError, match="given a module: pass it"):
        load_estimator(path)
    save_estimator(rows.fit(MultiDomainClassifier(max_epochs=1)), path)
    with pytest.raises(ValueError, match="given no module: pass none"):
        load_estimator(path, module=module)


def test_what_only_training_needs_is_left_out(rows, path):
    class Silent:
        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context, **kwargs):
            pass

    classifier = NCFALClassifier(
        partition=Partition(local_model=LogisticRegression()),
        callbacks=[],
        max_epochs=1,
        random_state=0,
    ).set_callbacks(Silent())
    rows.fit(classifier)
    save_estimator(classifier, path)
    loaded = load_estimator(path)
    assert_array_equal(loaded.predict(rows.X), classifier.predict(rows.X))
    assert classifier.partition.local_model is not None
    assert loaded.partition.local_model is None
    assert len(loaded.net_.history) == 0


def test_training_can_go_on_after_loading(rows, path):
    classifier = rows.fit(MultiDomainClassifier(max_epochs=1, random_state=0))
    save_estimator(classifier, path)
    loaded = load_estimator(path).set_params(warm_start=True, lr=1e-12)
    before = loaded.transform(rows.X)
    np.testing.assert_allclose(rows.fit(loaded).transform(rows.X), before, atol=1e-6)


def test_the_file_holds_weights_and_the_rest_and_no_pickle(rows, path):
    save_estimator(rows.fit(MultiDomainClassifier(max_epochs=1)), path)
    with ZipFile(path) as archive:
        assert set(archive.namelist()) == {"weights.safetensors", "estimator.skops"}
        assert b"\x80\x04\x95" not in archive.read("estimator.skops")


_SUFFIXES = {"weights": "safetensors", "estimator": "skops"}


def replace(path, **parts):
    """Write other bytes in the place of parts of a stored file; None leaves one out."""
    with ZipFile(path) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    whole |= {f"{name}.{_SUFFIXES[name]}": part for name, part in parts.items()}
    with ZipFile(path, "w") as archive:
        for name, part in whole.items():
            if part is not None:
                archive.writestr(name, part)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"estimator": dumps(nn.ReLU())}, r"types that are not stored: .*torch"),
        ({"estimator": dumps({"a": 1})}, "holds a dict"),
        ({"estimator": b"xx"}, "no file of save_estimator, or damaged"),
        ({"weights": b"xx"}, "no file of save_estimator, or damaged"),
        ({"weights": None}, "no file of save_estimator, or damaged"),
    ],
)
def test_damaged_files_are_refused(rows, path, parts, message):
    save_estimator(rows.fit(MultiDomainClassifier(max_epochs=1)), path)
    replace(path, **parts)
    with pytest.raises(ValueError, match=message):
        load_estimator(path)
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match="no file of save_estimator"):
        load_estimator(path)


class _Evil:
    def __reduce__(self):
        return pytest.fail, ("a pickle was read",)


def test_a_type_of_skalign_that_unpickles_is_refused(rows, path):
    class ResidentNet:
        def __getstate__(self):
            evil = pickle.dumps(_Evil())
            return {"device": "cpu", "__cuda_dependent_attributes__": evil}

    ResidentNet.__module__ = "skalign.deep.trainer._net"
    ResidentNet.__qualname__ = "ResidentNet"
    classifier = rows.fit(MultiDomainClassifier(max_epochs=1))
    save_estimator(classifier, path)
    classifier.more = ResidentNet()
    del classifier.net_, classifier._params
    replace(path, estimator=dumps(classifier))
    with pytest.raises(ValueError, match=r"not stored: .*_net\.ResidentNet"):
        load_estimator(path)


def test_a_file_of_a_version_without_a_parameter_is_refused(rows, path):
    classifier = rows.fit(MultiDomainClassifier(max_epochs=1))
    save_estimator(classifier, path)
    del classifier.net_, classifier._params, classifier.lr
    replace(path, estimator=dumps(classifier))
    with pytest.raises(ValueError, match=r"another version of skalign: .* has no lr"):
        load_estimator(path)


class Sub(MultiDomainClassifier):
    pass


@pytest.mark.filterwarnings("ignore:y is one column of .* integers:UserWarning")
@pytest.mark.parametrize("estimator", [LinearAligner(), Sub(max_epochs=1)])
def test_other_estimators_are_not_stored(rows, path, estimator):
    with pytest.raises(TypeError, match=r"estimators of skalign\.deep; got"):
        save_estimator(estimator.fit(rows.X, rows.y), path)


def test_parameters_are_those_of_the_fit(rows, path):
    classifier = rows.fit(
        NCFALClassifier(head=SimplexHead(loss="cross_entropy"), max_epochs=1)
    )
    before = classifier.predict_proba(rows.X)
    classifier.set_params(head__temperature=10.0, hidden_layer_sizes=(3,))
    save_estimator(classifier, path)
    loaded = load_estimator(path)
    assert loaded.head.temperature == 1
    assert_array_equal(loaded.predict_proba(rows.X), before)


class Own(Objective):
    def loss(self, batch, learned):
        return batch.mean_risk


def test_an_objective_of_the_user_is_not_stored(rows, path):
    classifier = rows.fit(MultiDomainClassifier(Own(), max_epochs=1))
    with pytest.raises(
        ValueError, match=r"objective .*Own is not one of skalign\.deep"
    ):
        save_estimator(classifier, path)
    assert not path.exists()


def test_the_generator_of_the_caller_is_left_alone(rows, path):
    save_estimator(rows.fit(MultiDomainClassifier(max_epochs=1)), path)
    before = torch.random.get_rng_state()
    load_estimator(path)
    assert_array_equal(torch.random.get_rng_state(), before)


def test_an_estimator_that_is_not_fitted_is_refused(path):
    with pytest.raises(NotFittedError):
        save_estimator(MultiDomainClassifier(), path)
    assert not path.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused(rows, path):
    save_estimator(rows.fit(MultiDomainClassifier(max_epochs=1)), path)
    with pytest.raises(ValueError, match="device='cuda' cannot be used here"):
        load_estimator(path, device="cuda")


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight

    def forward(self, X):
        return self.second(torch.relu(self.first(X)))


def test_layers_that_share_weights_come_back(rows, path):
    classifier = MultiDomainClassifier(module=Tied, max_epochs=1).fit(rows.X, rows.y)
    save_estimator(classifier, path)
    loaded = load_estimator(path, module=Tied)
    assert_array_equal(loaded.predict_proba(rows.X), classifier.predict_proba(rows.X))
    first, second = loaded.net_.module_.encoder.children()
    assert first.weight is second.weight


class Counting(nn.Linear):
    def get_extra_state(self):
        return 5

    def set_extra_state(self, state):
        pass


def test_a_state_that_is_no_tensor_is_refused_and_nothing_written(rows, path):
    classifier = MultiDomainClassifier(module=Counting(6, 4), max_epochs=1).fit(
        rows.X, rows.y
    )
    with pytest.raises(ValueError, match="of type int: only tensors are stored"):
        save_estimator(classifier, path)
    assert not path.exists()


def test_loading_leaves_the_generator_of_numpy_alone(rows, path):
    save_estimator(NCFALClassifier(max_epochs=1).fit(*rows[:2], sample_domain=rows[2]),
                   path)  # fmt: skip
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert load_estimator(path).random_state is None
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_type_that_is_no_estimator_of_its_own_is_refused(rows, path):
    classifier = rows.fit(MultiDomainClassifier(max_epochs=1))
    save_estimator(classifier, path)
    with ZipFile(path) as archive:
        stored = archive.read("estimator.skops")
    with ZipFile(io.BytesIO(stored)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = parts["schema.json"].decode()
    for kind, module in (
        ("Regressor", "_stitching"),
        ("TrainedMixin", "trainer._trained"),
    ):
        changed = schema.replace("MultiDomainClassifier", kind)
        changed = changed.replace("_multi_domain", module)
        file = io.BytesIO()
        with ZipFile(file, "w") as archive:
            for name, part in (parts | {"schema.json": changed}).items():
                archive.writestr(name, part)
        replace(path, estimator=file.getvalue())
        with pytest.raises(ValueError, match="types that are not stored"):
            load_estimator(path)


WIDE = {"hidden_layer_sizes": (10**6, 10**6)}
HOSTILE = [
    (MultiDomainClassifier, WIDE, {}),
    (MultiDomainClassifier, {}, {"shape_": (10**12,)}),
    (MultiDomainClassifier, {}, {"_n_features_out": 10**12}),
    (NCFALClassifier, WIDE, {}),
    (NCFALClassifier, {}, {"_n_features_out": 10**12}),
    (NCFALClassifier, {"mask": Mask()}, {"shape_": (10**12,)}),
    (StitchingRegressor, {"hidden_factor": 10**6}, {}),
    (StitchingRegressor, {}, {"n_targets_": 10**12}),
    (ContrastiveAligner, WIDE, {}),
    (ContrastiveAligner, {}, {"n_components_": 10**12}),
]


@pytest.mark.parametrize(("kind", "parameters", "attributes"), HOSTILE)
def test_sizes_are_compared_before_they_take_memory(
    kind, parameters, attributes, rows, tmp_path
):
    # None of these could be allocated.
    estimator = kind(max_epochs=1, random_state=0)
    is_classifier = hasattr(estimator, "predict_proba")
    if is_classifier:
        rows.fit(estimator)
    else:
        estimator.fit(rows.X, rows.X)
    estimator._params = estimator._params | parameters
    vars(estimator).update(attributes)
    save_estimator(estimator, tmp_path / "large")
    with pytest.raises(ValueError, match="stored weights do not fit the module"):
        load_estimator(tmp_path / "large")


@pytest.mark.parametrize("path", [None, 3, ["net"], b"net"])
def test_a_path_that_is_none_is_named(path):
    with pytest.raises(ValueError, match="The 'path' parameter of save_estimator"):
        save_estimator(MultiDomainClassifier(), path)
    with pytest.raises(ValueError, match="The 'path' parameter of load_estimator"):
        load_estimator(path)
