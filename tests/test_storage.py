"""Files of `skalign.save`: what comes back, and what is refused."""

import importlib.util
import io
import json
import pickle
import re
import signal
import sys
from pathlib import Path
from unittest.mock import Mock
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree._tree import Tree

import skalign
from skalign import (
    AlignedRetriever,
    AnchorSearchCV,
    ClassMeanAligner,
    CORALAligner,
    DomainHarmonizer,
    ICPAligner,
    LabeledOnly,
    LinearAligner,
    RelativeRepresentation,
    RigidAligner,
    load,
    save,
)
from skalign.anchors import KMeansAnchors
from skalign.metrics import cka, get_scorer, make_similarity_scorer

STORED = Path(__file__).parent / "stored"


def _made():
    spec = importlib.util.spec_from_file_location("stored", STORED / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MADE = _made()
UNFITTED = MADE.unfitted()
KEPT = sorted(STORED.glob("*/*.skops"))

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
Y = X @ rng.normal(size=(4, 3)) + 0.1 * rng.normal(size=(60, 3))
LABELS = np.arange(60) % 2


@pytest.fixture
def path(tmp_path):
    return tmp_path / "map.skops"


def again(estimator, path, **given):
    save(estimator, path)
    return load(path, **given)


def schema_of(path):
    with ZipFile(path) as archive:
        return json.loads(archive.read("schema.json"))


def repack(path, change=(), compression=ZIP_DEFLATED):
    """Write other members in the place of those of an archive; None leaves one out."""
    with ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(path, "w", compression) as archive:
        for name, member in (members | dict(change)).items():
            if member is not None:
                archive.writestr(name, member)


def rewrite(path, old, new):
    """Replace text in the schema of a file."""
    text = json.dumps(schema_of(path))
    assert old in text
    repack(path, {"schema.json": text.replace(old, new)})


def npy_bytes(array):
    np.save(file := io.BytesIO(), array)
    return file.getvalue()


def _text(estimator):
    return re.sub(" at 0x[0-9A-F]+", "", repr(estimator))


# ------------------------------------------------------------------- what comes back
@pytest.mark.parametrize("name", UNFITTED)
def test_every_estimator_comes_back(name, path):
    estimator = UNFITTED[name]()
    loaded = again(estimator, path)
    expected, found = MADE.outputs(estimator), MADE.outputs(loaded)
    assert expected.keys() == found.keys()
    for method in expected:
        assert_array_equal(found[method], expected[method])
    if hasattr(loaded, "net_"):
        loaded.device = estimator.device
    assert _text(loaded) == _text(estimator)
    private = {"net_", "_params"}
    assert vars(loaded).keys() - private == vars(estimator).keys() - private


@pytest.mark.parametrize("name", UNFITTED)
def test_a_file_names_no_private_module_of_skalign(name, path):
    save(UNFITTED[name](), path)
    text = json.dumps(schema_of(path))
    modules = {part.split('"')[0] for part in text.split('"__module__": "')[1:]}
    ours = {module for module in modules if module.split(".")[0] == "skalign"}
    assert "skalign" in ours
    assert not [module for module in ours if "._" in module or module.count(".") > 1]


def test_every_public_estimator_is_stored():
    public = {
        name
        for name in skalign.__all__
        if isinstance(kind := getattr(skalign, name), type)
        and issubclass(kind, BaseEstimator)
    }
    assert public == UNFITTED.keys()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize(
    "path", KEPT, ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_files_of_releases_are_read(path):
    if path.stem not in UNFITTED:
        pytest.importorskip("skorch")
    with np.load(path.parent / "outputs.npz") as expected:
        found = MADE.outputs(load(path, device="cpu"))
        for method, output in found.items():
            kept = expected[f"{path.stem}.{method}"]
            assert_allclose(output, kept, rtol=1e-4, atol=1e-5)


def test_this_version_has_kept_its_files():
    release = skalign.__version__
    kept = {path.stem for path in KEPT if path.parent.name == release}
    assert kept >= UNFITTED.keys()


def test_pipelines_come_back(path):
    head = FrozenEstimator(LogisticRegression().fit(Y, LABELS))
    pipeline = make_pipeline(StandardScaler(), LinearAligner(), head).fit(X, Y)
    loaded = again(pipeline, path)
    assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))
    assert_array_equal(loaded[1].transform(X), pipeline[1].transform(X))


@pytest.mark.filterwarnings("ignore:.*may have failed:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_map_with_directions_that_are_not_determined_comes_back(path):
    labels = np.arange(60) % 3
    aligner = ICPAligner(max_iter=3, random_state=0)
    aligner.fit(
        X, X @ np.diag(range(1, 5)) + Y[:, :1], labels=labels, target_labels=labels
    )
    assert isinstance(aligner.aligner_, Pipeline)
    assert_array_equal(again(aligner, path).transform(X), aligner.transform(X))


@pytest.mark.parametrize("csls", [None, 2])
def test_an_index_of_which_a_part_is_converted_comes_back(csls, path):
    retriever = AlignedRetriever(csls=csls).fit(X, Y)
    retriever.convert(np.arange(9), X[:9] + 0.1)
    loaded = again(retriever, path)
    for found, expected in zip(
        loaded.kneighbors(X[9:]), retriever.kneighbors(X[9:]), strict=True
    ):
        assert_array_equal(found, expected)
    assert_array_equal(loaded.next_to_convert(5), retriever.next_to_convert(5))


def test_what_was_one_object_is_one_again(path):
    aligner = RigidAligner().fit(Y, Y)
    pipeline = make_pipeline(aligner, aligner)
    loaded = again(pipeline, path)
    assert loaded[0] is loaded[1]


def test_requests_for_metadata_come_back(path):
    with config_context(enable_metadata_routing=True):
        harmonizer = DomainHarmonizer(CORALAligner())
        harmonizer.set_fit_request(sample_domain=True)
        harmonizer.set_transform_request(sample_domain=True)
        domain = np.arange(60) % 2
        pipeline = make_pipeline(StandardScaler(), harmonizer)
        pipeline.fit(X, sample_domain=domain)
        loaded = again(pipeline, path)
        expected = pipeline.transform(X, sample_domain=domain)
        assert_array_equal(loaded.transform(X, sample_domain=domain), expected)
        assert repr(loaded[1]._metadata_request) == repr(harmonizer._metadata_request)
    assert harmonizer._metadata_request.owner is harmonizer  # saving changed nothing


@pytest.mark.parametrize(
    "scoring",
    [
        make_scorer(r2_score),
        make_similarity_scorer(cka),
        get_scorer("retrieval_accuracy"),
        "neg_mmd",
        None,
    ],
    ids=repr,
)
def test_searches_come_back_with_scorer_and_splitter(scoring, path):
    scoring = get_scorer(scoring) if isinstance(scoring, str) else scoring
    search = AnchorSearchCV(
        LinearAligner(), [KMeansAnchors()], [10, 20], cv=KFold(2), scoring=scoring
    ).fit(X, Y)
    loaded = again(search, path)
    assert loaded.score(X, Y) == search.score(X, Y)
    assert repr(loaded.cv) == repr(search.cv)


def test_an_estimator_of_scikit_learn_can_hold_one_of_skalign(path):
    search = GridSearchCV(LinearAligner(), {"alpha": [0.1, 1.0]}, cv=KFold(2)).fit(X, Y)
    assert_array_equal(again(search, path).predict(X), search.predict(X))


def test_a_memory_map_is_stored_as_an_array(path, tmp_path):
    np.save(tmp_path / "coef.npy", np.eye(3))
    aligner = RigidAligner().fit(Y, Y)
    aligner.coef_ = np.load(tmp_path / "coef.npy", mmap_mode="r")
    assert type(again(aligner, path).coef_) is np.ndarray


def test_the_random_state_comes_back(path):
    aligner = RigidAligner().fit(Y, Y)
    aligner.generator = np.random.RandomState(0)
    assert again(aligner, path).generator.rand() == np.random.RandomState(0).rand()


def test_callbacks_are_not_stored(path):
    class Watch:
        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, *args, **kwargs):
            pass

    aligner = ICPAligner(init="identity", max_iter=2, random_state=0)
    aligner.set_callbacks(Watch()).fit(Y, Y)
    assert_array_equal(again(aligner, path).transform(Y), aligner.transform(Y))
    assert hasattr(aligner, "_skl_callbacks")


@pytest.mark.parametrize("shape", [(1, 2), (0, 3)])
def test_names_and_integers_keep_their_types(shape, path):
    labels = (np.arange(60) % 5).astype(object)
    aligner = ClassMeanAligner().fit(X, Y, labels=labels, target_labels=labels)
    aligner.empty = np.zeros(shape, dtype=np.float32)
    aligner.pair = (np.int64(3), {2: "a", "b": None})
    loaded = again(aligner, path)
    assert loaded.classes_.dtype == aligner.classes_.dtype
    assert loaded.empty.shape == shape
    assert loaded.empty.dtype == np.float32
    assert repr(loaded.pair) == repr(aligner.pair)


# ------------------------------------------------------- what is given to `load`
class Own(TransformerMixin, BaseEstimator):
    """An estimator of the user's."""

    def fit(self, X, y=None):
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X):
        return X - self.mean_


def overlap(X, Y):
    return X @ Y.T


def full_name(thing):
    return f"{thing.__module__}.{thing.__name__}"


def test_a_class_of_the_user_is_given(path):
    pipeline = make_pipeline(Own(), LinearAligner()).fit(X, Y)
    save(pipeline, path)
    with pytest.raises(ValueError, match=rf"map\.skops refers to {full_name(Own)}: if"):
        load(path)
    loaded = load(path, given={full_name(Own): Own})
    assert_array_equal(loaded.transform(X), pipeline.transform(X))
    assert type(loaded[0]) is Own


def test_a_class_that_has_moved_is_given_under_its_old_name(path):
    class Moved(Own):
        pass

    save(make_pipeline(Own(), LinearAligner()).fit(X, Y), path)
    assert type(load(path, given={full_name(Own): Moved})[0]) is Moved


def test_a_subclass_of_an_estimator_is_given(path):
    class Sub(LinearAligner):
        pass

    aligner = Sub().fit(X, Y)
    loaded = again(aligner, path, given={full_name(Sub): Sub})
    assert type(loaded) is Sub
    assert_array_equal(loaded.transform(X), aligner.transform(X))


def test_a_function_of_the_user_is_given(path):
    relative = RelativeRepresentation(KMeansAnchors(5), similarity=overlap).fit(X, Y)
    save(relative, path)
    with pytest.raises(ValueError, match=f"refers to {full_name(overlap)}"):
        load(path)
    loaded = load(path, given={full_name(overlap): overlap})
    assert_array_equal(loaded.transform(X), relative.transform(X))
    assert loaded.similarity is overlap


def test_what_is_given_is_needed(path):
    save(LinearAligner().fit(X, Y), path)
    with pytest.raises(ValueError, match=r"map\.skops needs nothing called module"):
        load(path, given={"module": None})
    with pytest.raises(ValueError, match="The 'given' parameter of load"):
        load(path, given=[Own])


def test_two_functions_of_one_name_are_refused(path):
    one, two = (lambda X, Y: X @ Y.T), (lambda X, Y: -(X @ Y.T))
    pipeline = make_pipeline(
        RelativeRepresentation(KMeansAnchors(5), similarity=one),
        RelativeRepresentation(KMeansAnchors(5), similarity=two),
    ).fit(X, X)
    with pytest.raises(TypeError, match=r"two functions that are called .*<lambda>"):
        save(pipeline, path)


def test_types_that_scikit_learn_calls_unsafe_are_given(path):
    labeled = LabeledOnly(RandomForestClassifier(2, random_state=0)).fit(X, LABELS)
    save(labeled, path)
    with pytest.raises(ValueError, match=r"refers to sklearn\.tree\._tree\.Tree"):
        load(path)
    loaded = load(path, given={"sklearn.tree._tree.Tree": Tree})
    assert_array_equal(loaded.predict(X), labeled.predict(X))


# --------------------------------------------------------------- what is not stored
@pytest.mark.parametrize("thing", [LinearAligner, {"a": 1}, None, X])
def test_other_things_than_estimators_are_refused(thing, path):
    with pytest.raises(TypeError, match="estimator must be an estimator; got"):
        save(thing, path)
    assert not path.exists()


def test_an_estimator_that_is_not_fitted_is_refused(path):
    with pytest.raises(NotFittedError):
        save(LinearAligner(), path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (sparse.csr_array(np.eye(3)), "sparse matrices are not stored"),
        (LinearAligner().fit, "bound methods are not stored"),
        ((i for i in range(3)), "generator"),
    ],
    ids=["sparse", "method", "generator"],
)
def test_what_cannot_be_read_again_is_refused(value, message, path):
    aligner = LinearAligner().fit(X, Y)
    aligner.more = value
    with pytest.raises(TypeError, match=f"This LinearAligner cannot be .*{message}"):
        save(aligner, path)
    assert not path.exists()


def test_arrays_of_other_libraries_are_refused(path):
    strict = pytest.importorskip("array_api_strict")
    aligner = LinearAligner().fit(X, Y)
    aligner.coef_ = strict.asarray(aligner.coef_)
    with pytest.raises(TypeError, match="another library than NumPy; move it by"):
        save(aligner, path)


@pytest.mark.parametrize("path", [None, 3, ["map"], b"map"])
def test_a_path_that_is_none_is_named(path):
    with pytest.raises(ValueError, match="The 'path' parameter of save"):
        save(LinearAligner(), path)
    with pytest.raises(ValueError, match="The 'path' parameter of load"):
        load(path)


def test_a_file_that_is_there_survives_a_failure(path, monkeypatch):
    save(aligner := LinearAligner().fit(X, Y), path)
    stored = path.read_bytes()
    monkeypatch.setattr("skalign._storage._copy", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save(aligner, path)
    assert path.read_bytes() == stored
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on file sizes")
def test_a_full_disk_leaves_the_file_that_was_there(path):
    import resource

    save(aligner := LinearAligner().fit(X, Y), path)
    stored = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(stored) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            save(aligner, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == stored
    assert list(path.parent.iterdir()) == [path]


# ------------------------------------------------------------------ what is refused
def test_files_from_before_the_format_are_refused(path):
    again_please = r"map\.skops does not say .*: fit the estimator again, and save it\."
    skops.io.dump(LinearAligner().fit(X, Y), path)
    with pytest.raises(ValueError, match=again_please):
        load(path)
    with ZipFile(path, "w") as archive:
        archive.writestr("weights.safetensors", b"")
        archive.writestr("estimator.skops", b"")
    with pytest.raises(ValueError, match=again_please):
        load(path)


def test_a_later_format_is_refused(path):
    save(LinearAligner().fit(X, Y), path)
    rewrite(path, '"format": 1', '"format": 2')
    with pytest.raises(ValueError, match=r"has version 2 .* install a newer skalign"):
        load(path)


def test_a_file_of_a_version_without_a_parameter_is_refused(path):
    aligner = LinearAligner().fit(X, Y)
    del aligner.rank
    save(aligner, path)
    with pytest.raises(ValueError, match=r"another version of skalign: .* has no rank"):
        load(path)


def test_damaged_files_are_refused_by_name(path):
    save(aligner := LinearAligner().fit(X, Y), path)
    whole, expected = path.read_bytes(), aligner.transform(X)
    places = np.random.default_rng(0).integers(len(whole), size=15)
    for content in [
        b"",
        b"hello",
        whole[: len(whole) // 2],
        *(
            whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]
            for at in places.tolist()
        ),
    ]:
        path.write_bytes(content)
        try:
            found = load(path).transform(X)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:  # a bit that nothing reads, such as a date
            assert_array_equal(found, expected)
    with pytest.raises(FileNotFoundError):
        load(path.parent / "nowhere")
    with pytest.raises(ValueError, match="but a folder"):
        load(path.parent)


class _Evil:
    def __reduce__(self):
        return pytest.fail, ("a pickle was read",)


def test_a_pickle_is_not_read(path):
    path.write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(ValueError, match=r"no file of skalign\.save, or damaged"):
        load(path)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("os", "system"),
        ("skalign.paired._linear", "LinearAligner"),
        ("skalign._storage", "module"),
        ("skalign.metrics", "SpaceScorer.__init__"),
    ],
)
def test_other_types_are_refused(module, name, path):
    save(RigidAligner().fit(Y, Y), path)
    old = '"__class__": "RigidAligner", "__module__": "skalign"'
    rewrite(path, old, f'"__class__": "{name}", "__module__": "{module}"')
    with pytest.raises(ValueError, match=r"map\.skops refers to"):
        load(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"__loader__": "ObjectNode"', '"__loader__": "ListNode"', "by ListNode"),
        ('"__loader__": "ObjectNode"', '"__loader__": "TypeNode"', "by TypeNode"),
        ('"RigidAligner"', '"NoAligner"', "has no attribute 'NoAligner'"),
        ('"__module__": "skalign"', '"__module__": "skalign.nowhere"', "No module"),
        ('"__module__": "skalign"', '"__module__": 3', "no file of skalign.save"),
        ('"file": "', '"file": "x', "no file of skalign.save"),
    ],
)
def test_changed_schemas_are_refused(old, new, message, path):
    save(RigidAligner().fit(Y, Y), path)
    rewrite(path, old, new)
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_what_is_no_estimator_is_refused(path):
    save(RigidAligner().fit(Y, Y), path)
    schema = schema_of(path)
    schema["content"] |= {"skalign": schema["skalign"], "protocol": schema["protocol"]}
    repack(path, {"schema.json": json.dumps(schema["content"])})
    with pytest.raises(ValueError, match="holds a dict, no estimator"):
        load(path)


def refused(path, match):
    with pytest.raises(ValueError, match=match) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_file_may_be_compressed(path):
    save(aligner := LinearAligner().fit(X, Y), path)
    repack(path, compression=ZIP_DEFLATED)
    assert_array_equal(load(path).transform(X), aligner.transform(X))


def test_a_file_of_far_more_than_its_size_is_refused(path):
    aligner = RigidAligner().fit(Y, Y)
    aligner.many = np.zeros(2**18)
    save(aligner, path)
    whole = path.read_bytes()
    schema = schema_of(path)
    many = schema["content"]["content"]["many"]
    zeros = npy_bytes(np.zeros(2**24))
    repack(path, {many["file"]: zeros})
    refused(path, "file declares 134,")
    path.write_bytes(whole)
    repack(path, {"schema.json": b"[" + b" " * 2**22})
    refused(path, "its schema declares")
    path.write_bytes(whole)
    repack(path)
    load(path)
    text = json.dumps(schema)
    more = text.replace('"protocol"', f'"again": {json.dumps([many] * 40)}, "protocol"')
    repack(path, {"schema.json": more})  # the same array again and again
    refused(path, "file declares 8")


def test_an_array_declares_what_it_holds_under_any_name(path):
    save(RigidAligner().fit(Y, Y), path)
    schema = schema_of(path)
    coef = schema["content"]["content"]["coef_"]
    header = {"descr": "<f8", "fortran_order": False, "shape": (2**40,)}
    np.lib.format.write_array_header_1_0(file := io.BytesIO(), header)
    for name in (coef["file"], "coef.bin"):
        text = json.dumps(schema).replace(coef["file"], name)
        repack(path, {"schema.json": text, name: file.getvalue()})
        refused(path, "its header declares 8,796,093")


def test_loading_in_many_threads_gives_each_its_own(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    def moved(k):
        class Moved(Own):
            number = k

        path = tmp_path / f"{k}.skops"
        save(make_pipeline(Own(), Ridge()).fit(X, Y), path)
        return load(path, given={full_name(Own): Moved})[0].number

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(moved, range(8))) == list(range(8))
