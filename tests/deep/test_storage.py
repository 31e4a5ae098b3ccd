import re
from zipfile import ZipFile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch import nn  # noqa: E402

from skalign import (  # noqa: E402
    AnchoredAligner,
    ContrastiveAligner,
    MultiDomainClassifier,
    NCFALClassifier,
    StitchingRegressor,
    load,
    save,
)
from skalign.anchors import RandomAnchors  # noqa: E402
from skalign.deep import (  # noqa: E402
    DANN,
    MLP,
    GroupDRO,
    Mask,
    Objective,
    Partition,
    SimplexHead,
    VREx,
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
    save(classifier, path)
    loaded = load(path)
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
    save(classifier, path)
    assert_array_equal(load(path).predict(rows.X), classifier.predict(rows.X))


def test_pictures_come_back(path):
    X = np.random.default_rng(0).random((10, 2, 6, 6)).astype(np.float32)
    classifier = MultiDomainClassifier(max_epochs=1, random_state=0).fit(
        X, np.arange(10) % 2
    )
    save(classifier, path)
    assert_array_equal(load(path).transform(X), classifier.transform(X))


def test_an_aligner_comes_back(path):
    X = np.random.default_rng(0).normal(size=(50, 3))
    aligner = StitchingRegressor(max_epochs=2, random_state=0).fit(X, X[:, :2])
    save(aligner, path)
    loaded = load(path)
    assert_array_equal(loaded.transform(X), aligner.transform(X))
    assert loaded.predict(X).shape == (50, 2)


def test_a_given_module_is_given_again(rows, path):
    classifier = rows.fit(MultiDomainClassifier(module=nn.Linear(6, 4), max_epochs=1))
    save(classifier, path)
    loaded = load(path, given={"module": nn.Linear(6, 4)})
    assert_array_equal(loaded.predict_proba(rows.X), classifier.predict_proba(rows.X))
    assert isinstance(classifier.module, nn.Linear)  # saving changed nothing
    with pytest.raises(ValueError, match="stored weights do not fit the module"):
        load(path, given={"module": MLP(6, (4,))})


def test_two_modules_are_given_by_two_names(rows, path):
    first, second = nn.Linear(6, 4), nn.Sequential(nn.Linear(6, 4), nn.Tanh())
    classifiers = [
        rows.fit(MultiDomainClassifier(module=module, max_epochs=1))
        for module in (first, second)
    ]
    both = VotingClassifier([("a", classifiers[0]), ("b", classifiers[1])])
    both.estimators_, both.classes_ = classifiers, classifiers[0].classes_
    save(both, path)
    loaded = load(path, given={"module": first, "module_2": second})
    for found, expected in zip(loaded.estimators_, classifiers, strict=True):
        assert_array_equal(found.predict_proba(rows.X), expected.predict_proba(rows.X))


@pytest.mark.filterwarnings("ignore:y is one column of .* integers:UserWarning")
def test_a_network_inside_another_estimator_comes_back(path):
    X = np.random.default_rng(0).normal(size=(50, 3))
    aligner = AnchoredAligner(
        StitchingRegressor(max_epochs=2, random_state=0),
        RandomAnchors(30, random_state=0),
    )
    pipeline = make_pipeline(StandardScaler(), aligner).fit(X, X[:, :2])
    save(pipeline, path)
    assert_array_equal(load(path).transform(X), pipeline.transform(X))


def test_weights_of_bfloat16_come_back(rows, path):
    module = nn.Linear(6, 4)
    module.register_buffer("scale", torch.tensor([0.1, 2.0], dtype=torch.bfloat16))
    module.register_buffer("number", torch.tensor(3))
    classifier = MultiDomainClassifier(module=module, max_epochs=1)
    classifier.fit(rows.X, rows.y)
    save(classifier, path)
    restored = load(path, given={"module": module}).net_.module_.state_dict()
    for name, weight in classifier.net_.module_.state_dict().items():
        assert restored[name].dtype == weight.dtype
        assert torch.equal(restored[name], weight)


def test_a_module_is_asked_for_where_another_would_fit(rows, path):
    module = nn.Sequential(nn.Linear(6, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh())
    rows.fit(classifier := MultiDomainClassifier(module=module, max_epochs=1))
    save(classifier, path)
    with pytest.raises(ValueError, match=r"refers to module: .* given={'module': \.\."):
        load(path)
    save(rows.fit(MultiDomainClassifier(max_epochs=1)), path)
    with pytest.raises(ValueError, match="needs nothing called module"):
        load(path, given={"module": module})


def test_what_only_training_needs_is_left_out(rows, path):
    class Silent:
        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context, **kwargs):
            pass

    classifier = NCFALClassifier(
        partition=Partition(local_model=LogisticRegression(C=2.0)),
        callbacks=[],
        max_epochs=1,
        random_state=0,
    ).set_callbacks(Silent())
    rows.fit(classifier)
    save(classifier, path)
    loaded = load(path)
    assert_array_equal(loaded.predict(rows.X), classifier.predict(rows.X))
    assert classifier.callbacks == []
    assert loaded.callbacks is None
    assert loaded.partition.local_model.C == 2
    assert len(loaded.net_.history) == 0


def test_training_can_go_on_after_loading(rows, path):
    classifier = rows.fit(MultiDomainClassifier(max_epochs=1, random_state=0))
    save(classifier, path)
    loaded = load(path).set_params(warm_start=True, lr=1e-12)
    before = loaded.transform(rows.X)
    np.testing.assert_allclose(rows.fit(loaded).transform(rows.X), before, atol=1e-6)


def test_a_net_of_skorch_which_unpickles_is_refused(rows, path):
    save(rows.fit(MultiDomainClassifier(max_epochs=1)), path)
    with ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    text = members["schema.json"].decode()
    old = '"__class__": "MultiDomainClassifier", "__module__": "skalign"'
    assert old in text
    for module in ("skalign.deep.trainer", "skalign.deep.trainer._net"):
        new = f'"__class__": "ResidentNet", "__module__": "{module}"'
        with ZipFile(path, "w") as archive:
            for name, member in members.items():
                is_schema = name == "schema.json"
                archive.writestr(name, text.replace(old, new) if is_schema else member)
        with pytest.raises(ValueError, match=r"refers to .*ResidentNet"):
            load(path)


def test_a_subclass_is_given(rows, path):
    class Sub(MultiDomainClassifier):
        pass

    classifier = rows.fit(Sub(max_epochs=1, random_state=0))
    save(classifier, path)
    loaded = load(path, given={f"{__name__}.Sub": Sub})
    assert_array_equal(loaded.predict_proba(rows.X), classifier.predict_proba(rows.X))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"float32"', '"nothing"'),
        ('"float32"', '"float64"'),
        ("float32", "load"),
        ("classes_", "classes"),
        ("encoder", "coder"),
    ],
)
def test_other_weights_are_refused_by_the_name_of_the_file(old, new, rows, path):
    save(rows.fit(MultiDomainClassifier(max_epochs=1)), path)
    with ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    text = members["schema.json"].decode().replace('\\"', "'")
    old, new = old.replace('"', "'"), new.replace('"', "'")
    assert old in text
    members["schema.json"] = text.replace(old, new).replace("'", '\\"')
    with ZipFile(path, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        load(path)


def test_parameters_are_those_of_the_fit(rows, path):
    classifier = rows.fit(
        NCFALClassifier(head=SimplexHead(loss="cross_entropy"), max_epochs=1)
    )
    before = classifier.predict_proba(rows.X)
    classifier.set_params(head__temperature=10.0, hidden_layer_sizes=(3,))
    save(classifier, path)
    loaded = load(path)
    assert loaded.head.temperature == 1
    assert_array_equal(loaded.predict_proba(rows.X), before)


class Own(Objective):
    def __init__(self, weight=1.0):
        self.weight = weight

    def loss(self, batch, learned):
        return self.weight * batch.mean_risk


def test_an_objective_of_the_user_is_given(rows, path):
    classifier = rows.fit(MultiDomainClassifier(Own(2.0), max_epochs=1))
    save(classifier, path)
    with pytest.raises(ValueError, match=rf"refers to {__name__}\.Own"):
        load(path)
    loaded = load(path, given={f"{__name__}.Own": Own})
    assert_array_equal(loaded.predict_proba(rows.X), classifier.predict_proba(rows.X))
    assert type(loaded.objective) is Own
    assert loaded.objective.weight == 2


def test_the_generator_of_the_caller_is_left_alone(rows, path):
    save(rows.fit(MultiDomainClassifier(max_epochs=1)), path)
    before = torch.random.get_rng_state()
    load(path)
    assert_array_equal(torch.random.get_rng_state(), before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused(rows, path):
    save(rows.fit(MultiDomainClassifier(max_epochs=1)), path)
    with pytest.raises(ValueError, match="device='cuda' cannot be used here"):
        load(path, device="cuda")


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight

    def forward(self, X):
        return self.second(torch.relu(self.first(X)))


def test_layers_that_share_weights_come_back(rows, path):
    classifier = MultiDomainClassifier(module=Tied, max_epochs=1).fit(rows.X, rows.y)
    save(classifier, path)
    loaded = load(path, given={"module": Tied})
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
    with pytest.raises(TypeError, match="of type int: only tensors are stored"):
        save(classifier, path)
    assert not path.exists()


def test_loading_leaves_the_generator_of_numpy_alone(rows, path):
    save(NCFALClassifier(max_epochs=1).fit(*rows[:2], sample_domain=rows[2]),
                   path)  # fmt: skip
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert load(path).random_state is None
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


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
    save(estimator, tmp_path / "large")
    with pytest.raises(ValueError, match="stored weights do not fit the module"):
        load(tmp_path / "large")
