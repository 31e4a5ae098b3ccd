"""A method that fails or is interrupted leaves its estimator as it was."""

import copy
import inspect
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

import skalign
from skalign.anchors import KMeansAnchors, RandomAnchors

PACKAGE = str(Path(skalign.__file__).parent)

rng = np.random.default_rng(0)
X, MORE = rng.gamma([1, 2, 3], size=(2, 40, 3))
Y, MORE_Y = X @ rng.normal(size=(3, 3)) + 0.1, MORE @ rng.normal(size=(3, 3))
LABELS = rng.permutation(np.arange(40) % 2)
DOMAIN = rng.permutation(np.arange(40) % 2)
CLASSES = {"labels": LABELS, "target_labels": LABELS}


def _cases():
    """One estimator of each public class: what it is fitted to, twice."""
    paired = {"fit": (X, Y), "fit_transform": (X, Y)}
    summed = {**paired, "partial_fit": (X, Y), "merge": (MORE, MORE_Y)}
    yield skalign.LinearAligner(alpha=1.0), summed
    yield skalign.RigidAligner(), summed
    yield skalign.CORALAligner(), summed
    yield skalign.GaussianOTAligner(), summed
    yield skalign.MeanVarianceAligner(), summed
    classes = {name: (*rows, CLASSES) for name, rows in summed.items()}
    yield skalign.ClassMeanAligner(), classes
    generator = np.random.RandomState(0)
    yield skalign.MomentAligner(n_restarts=1, random_state=generator), classes
    unpaired = {"fit": (X, Y), "fit_transform": (X, Y)}
    yield skalign.ICPAligner(init="identity", max_iter=2, random_state=0), unpaired
    yield skalign.OptimalTransportAligner(), unpaired
    yield skalign.SubspaceAligner(), unpaired
    yield skalign.TransferComponentAligner(), unpaired
    few = {"n_restarts": 1, "max_iter": 1, "random_state": 0}
    yield skalign.WassersteinProcrustesAligner("moments", **few), unpaired
    yield skalign.CanonicalAligner(), paired
    yield skalign.KernelAligner(gamma=1.0), paired
    yield skalign.AnchoredAligner(selector=RandomAnchors(9, random_state=0)), paired
    yield skalign.RobustAligner(random_state=np.random.RandomState(0)), paired
    yield skalign.RelativeRepresentation(KMeansAnchors(5)), paired
    yield (
        skalign.AnchorSearchCV(
            None, [RandomAnchors(random_state=0)], [10, 20], cv=2, error_score="raise"
        ),
        paired,
    )
    yield skalign.StreamingSearchCV(None, {"alpha": [1.0, 10.0]}, cv=2), paired
    spaces = {"fit": (X,), "fit_transform": (X,), "fit_spaces": ([X, Y],)}
    yield skalign.GeneralizedProcrustes(), {**spaces, "add_space": (Y,)}
    changes = {"fit": (X, Y), "add": (MORE_Y,), "convert": ([0, 5], X[:2])}
    yield skalign.AlignedRetriever(csls=2), changes
    domains = {"sample_domain": -DOMAIN}
    lifted = {"fit": (X, LABELS, domains), "fit_transform": (X, LABELS, domains)}
    yield skalign.DomainAdapter(skalign.CORALAligner()), lifted
    yield skalign.DomainHarmonizer(skalign.CORALAligner()), lifted
    yield skalign.LabeledOnly(LogisticRegression()), {"fit": (X, LABELS, domains)}
    yield skalign.StyleContentSplitter(), {"fit": (X,), "fit_transform": (X,)}
    if not (find_spec("torch") and find_spec("skorch")):
        return
    import torch._dynamo  # noqa: F401 by the first optimizer; takes longer if traced

    from skalign import deep

    short = {"max_epochs": 2, "random_state": 0, "device": "cpu"}
    for warm_start in (False, True):
        trained = {**short, "warm_start": warm_start}
        yield skalign.StitchingRegressor(**trained), paired
        yield skalign.ContrastiveAligner(**trained), paired
    trained = {"fit": (X, LABELS, {"sample_domain": DOMAIN})}
    for name in skalign.__all__:
        if name.endswith("Classifier"):
            yield getattr(skalign, name)(**short), trained
    yield skalign.MultiDomainClassifier(deep.DANN(), **short), trained
    found = skalign.NCFALClassifier(
        partition=deep.Partition(local_model=GaussianNB(), n_init=1, max_iter=1),
        mask=deep.Mask("feature"),
        **short,
        warm_start=True,
    )
    yield found, {"fit": (X, LABELS)}


CASES = list(_cases())
CALLS = [
    pytest.param(
        estimator, calls, method, state,
        id=f"{type(estimator).__name__}-{method}-{state}-{number}",
    )
    for number, (estimator, calls) in enumerate(CASES)
    for method in calls
    for state in ("new", "fitted")
    if state == "fitted" or method not in ("merge", "add", "add_space", "convert")
]  # fmt: skip

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


class Broken(Exception):
    pass


class Stop:
    """Raise at the k-th call of a function of skalign, and count the calls."""

    def __init__(self, at=None, error=Broken):
        self.at, self.error, self.n_calls = at, error, 0

    def __call__(self, frame, event, arg):
        if frame.f_code.co_filename.startswith(PACKAGE):
            self.n_calls += 1
            if self.n_calls == self.at:
                raise self.error
        return None

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self)
        return self

    def __exit__(self, *_):
        sys.settrace(self._before)


def call(method, arguments):
    *arguments, last = arguments
    keywords = last if isinstance(last, dict) else {}
    if not keywords:
        arguments.append(last)
    return method(*arguments, **keywords)


def parts(value, seen=None):
    """All that an object is made of, as plain values in order."""
    seen = {} if seen is None else seen
    if isinstance(value, str | bytes | int | float | np.generic | None):
        yield repr(value)
    elif isinstance(value, type) or id(value) in seen:
        yield "class or seen before"
    else:
        seen[id(value)] = value
        if isinstance(value, np.ndarray):
            yield value.shape, value.dtype.str, value.tobytes()
        elif isinstance(value, np.random.RandomState):
            yield repr(value.get_state(legacy=False))
        elif hasattr(value, "detach"):
            yield from parts(value.detach().cpu().numpy(), seen)
        elif isinstance(value, list | tuple | dict):
            yield len(value)
            for entry in value.values() if isinstance(value, dict) else value:
                yield from parts(entry, seen)
        elif hasattr(value, "__dict__"):
            yield type(value).__name__
            yield from parts(vars(value), seen)


@pytest.mark.parametrize(("estimator", "calls", "method", "state"), CALLS)
def test_a_broken_call_leaves_everything_as_it_was(estimator, calls, method, state):
    estimator, arguments = copy.deepcopy(estimator), calls[method]
    if state == "fitted":
        first = "partial_fit" if method == "partial_fit" else "fit"
        call(getattr(estimator, first), calls[first])
    if method == "merge":
        arguments = (call(clone(estimator).fit, arguments),)
    another = copy.deepcopy(estimator)
    complete, bound = getattr(another, method), getattr(estimator, method)
    with Stop() as whole:
        call(complete, arguments)
    depths = np.unique(np.geomspace(2, whole.n_calls, 6).astype(int))
    shallow, deep = dict(vars(estimator)), list(parts(vars(estimator)))
    for number, at in enumerate(depths):
        error = (Broken, KeyboardInterrupt)[number % 2]
        with pytest.raises(error), Stop(at, error):
            call(bound, arguments)
        assert vars(estimator).keys() == shallow.keys()
        assert all(vars(estimator)[name] is shallow[name] for name in shallow)
        assert list(parts(vars(estimator))) == deep
    call(bound, arguments)
    if state == "new":
        assert vars(estimator).keys() > shallow.keys()


def test_every_public_estimator_is_broken_here():
    public = {
        getattr(skalign, name)
        for name in skalign.__all__
        if inspect.isclass(getattr(skalign, name))
        and issubclass(getattr(skalign, name), BaseEstimator)
    }
    if find_spec("torch") and find_spec("skorch"):
        assert public == {type(estimator) for estimator, _ in CASES}


def test_an_output_that_cannot_be_made_is_no_fit():
    aligner = skalign.MeanVarianceAligner().set_output(transform="nonsense")
    with pytest.raises(ValueError, match="output config must be"):
        aligner.fit_transform(X, Y)
    assert not [name for name in vars(aligner) if name.endswith("_")]


def test_a_callback_is_torn_down_after_a_broken_fit():
    class Watch:
        def __init__(self):
            self.calls = []

        def setup(self, estimator, context):
            self.calls.append("setup")

        def teardown(self, estimator, context):
            self.calls.append("teardown")

        def on_fit_task_begin(self, *args, **kwargs):
            raise KeyboardInterrupt

        def on_fit_task_end(self, *args, **kwargs):
            pass

    watch = Watch()
    aligner = skalign.ICPAligner(init="identity").set_callbacks(watch)
    with pytest.raises(KeyboardInterrupt):
        aligner.fit(X, Y)
    assert watch.calls == ["setup", "teardown"]
    assert not [name for name in vars(aligner) if name.endswith("_")]


def test_other_threads_see_nothing_of_a_fit_that_fails():
    aligner = skalign.MeanVarianceAligner().fit(X, Y)
    expected, wrong, done = aligner.transform(X), [], threading.Event()

    def read():
        while not done.is_set():
            try:
                np.testing.assert_allclose(aligner.transform(X), expected)
            except Exception as error:
                wrong.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(200):
        with pytest.raises(ValueError, match="NaN"):
            aligner.fit(X[:, :2], Y * np.nan)
    done.set()
    reader.join()
    assert not wrong


def test_a_subclass_is_atomic_too():
    class Careless(skalign.MeanVarianceAligner):
        def fit(self, X, y=None):
            self.started_ = True
            super().fit(X, y)
            raise Broken

    aligner = Careless()
    with pytest.raises(Broken):
        aligner.fit(X, Y)
    assert vars(aligner).keys() == {"reg"}
