"""Odd calls of every public callable: an answer, a warning, or an error that helps.

A try is a call that is right but for one or two arguments, which are replaced by odd
ones. ``--fuzz-tries`` says how many there are, ``--fuzz-first`` where they start,
``--fuzz-only "LinearAligner 7"`` repeats one, and ``--fuzz-log`` appends outcomes to a
file and leaves out what it holds.
"""

import ast
import functools
import importlib
import inspect
import json
import random
import re
import signal
import tempfile
import traceback
import warnings
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp  # noqa: F401, as some others, for arguments
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import Interval, StrOptions

import skalign
from skalign import (
    CORALAligner,  # noqa: F401
    LinearAligner,  # noqa: F401
    RigidAligner,
    metrics,  # noqa: F401
    model_selection,
)
from skalign._aligner import AlignerMixin
from skalign.anchors import RandomAnchors

ROOMS = ["skalign", "anchors", "datasets", "domains", "federated", "metrics"]
ROOMS += ["model_selection", "moments", "style"]
if find_spec("matplotlib"):
    ROOMS.append("plotting")
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
TORCH = bool(find_spec("torch") and find_spec("skorch"))
if TORCH:
    import torch

    ROOMS.append("deep")

SECONDS = 60  # of the processor, after which a call hangs; ten times that on the clock

# ------------------------------------------------------------------ right arguments
_rng = np.random.default_rng(0)
X = _rng.normal(size=(24, 3))
Y = X @ [[0, 1, 0], [-1, 0, 0], [0, 0, 1]] + 0.1 * _rng.normal(size=(24, 3)) + 1
XY, TILED, CONTENT = np.hstack([X, Y]), np.tile(X, 4), np.tile(X, 2)[:, :5]
PICTURES = _rng.random(size=(24, 1, 4, 4))
CLASSES, THREE, DOMAIN = np.arange(24) % 2, np.arange(24) % 3, np.arange(24) // 12
SIDE, PARTLY = np.where(DOMAIN, -1, 0), np.where(DOMAIN, -1, CLASSES)
WEIGHT, NORMS = np.arange(24) % 3 + 1.0, np.linalg.norm(X, axis=0)
FITTED = RigidAligner().fit(X, Y)
HEAD = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, CLASSES)
OBJECTS = {
    "rgb": _rng.integers(256, size=(24, 4, 4, 3), dtype=np.uint8),
    "mask": np.full((24, 4, 4), 255, dtype=np.uint8),
    "label": CLASSES,
    "classes": np.array(["boat", "dog"]),
    "image_id": np.arange(24),
}
SCENES = {
    "data": _rng.integers(256, size=(24, 3, 4, 4), dtype=np.uint8),
    "target": np.arange(24) % 4,
    "target_names": ["city", "lake", "park", "tunnel"],
}
UPDATES = [
    skalign.federated.client_sums(RigidAligner(), X[rows], Y[rows])
    for rows in (slice(12), slice(12, None))
]
if TORCH:
    T, MAPS = torch.tensor(X).float(), torch.tensor(PICTURES).float()
    LOGITS, CODES = T[:, :2], torch.tensor(CLASSES)

# "name.method.parameter", the first that fits; given unless it begins with "*.".
RULES = [
    line.rsplit(" = ", 1)
    for line in """
metrics.nc[23]*.y = THREE
metrics.nc*.y = CLASSES
metrics.etf_distance..y = CLASSES
metrics.*prototype*.y = CLASSES
metrics.similarity_test..metric = metrics.cka
metrics.noise_ceiling..metric = metrics.rsa_correlation
metrics.noise_ceiling..X = np.stack([X, Y])
metrics.noise_ceiling..Y = np.stack([Y, X])
metrics.get_scorer..scoring = "neg_mmd"
metrics.*_scorer..sample_domain = None
metrics.*_scorer..y = Y
metrics.*Scorer.*.y = CLASSES
metrics.*Scorer.*.estimator = HEAD
metrics.*Scorer.*.metric = None
metrics.*DomainScorer.*.sample_domain = DOMAIN
metrics.*DomainScorer.*.found_domain = DOMAIN
metrics.*Scorer.*.X_target = Y
metrics.*knn*.metric = 'euclidean'
metrics.r*.metric = 'euclidean'
metrics.mean_r*.metric = 'euclidean'
*Classifier.fit*.sample_domain = DOMAIN
*Classifier.*.y = CLASSES
AnchorSearchCV..selectors = [RandomAnchors(random_state=0)]
AnchorSearchCV..n_anchors = [0.5, 1.0]
StreamingSearchCV..param_grid = {"alpha": [0.1, 1.0]}
StreamingSearchCV..aligner = LinearAligner()
AnchoredAligner..selector = RandomAnchors(0.5, random_state=0)
RelativeRepresentation..selector = RandomAnchors(0.5, random_state=0)
ClassMeanAligner.*labels = CLASSES
MomentAligner.partial_fit.*labels = CLASSES
DomainAdapter..aligner = CORALAligner()
DomainAdapter.fit*.X_target = Y
DomainAdapter.fit*.y = CLASSES
DomainAdapter.transform.sample_domain = SIDE
DomainHarmonizer..aligner = CORALAligner()
DomainHarmonizer.*.y = CLASSES
DomainHarmonizer.*.sample_domain = DOMAIN
GeneralizedProcrustes..space_sizes = [3, 3]
GeneralizedProcrustes.fit_spaces.spaces = [X, Y]
GeneralizedProcrustes.fit*.X = XY
GeneralizedProcrustes.transform.X = XY
GeneralizedProcrustes.*score*.X = XY
GeneralizedProcrustes.*.y = None
RelativeRepresentation.inverse_transform.X = TILED
StyleContentSplitter.inverse_transform.X = CONTENT
LabeledOnly..estimator = LogisticRegression()
LabeledOnly.*.y = PARTLY
LabeledOnly.*.sample_domain = SIDE
style.*.n_channels = 3
*Splitter.*.y = CLASSES
*.split.sample_domain = DOMAIN
*OracleDomainSplit..test_domain = 0
*DomainSplit..test_size = 0.2
anchors.*.select*.labels = CLASSES
anchors.*.select_path.n_anchors = [2, 3]
anchors.*.n_anchors = 4
plotting.AlignmentDisplay.from_spaces.X_mapped = X
plotting.AnchorSearch*.estimator = SEARCH
plotting.AnchorSearch*.cv_results = SEARCH.cv_results_
plotting.Alignability*.result = ALIGNABILITY
plotting.Similarity*.metric = 'cosine'
plotting.Spectrum*.coef = X
plotting.*.cv = 2
*.domains_from_folders..path = FOLDER / "domains"
*.images_from_folders..path = FOLDER / "domains" / "a"
*.load_coco_objects..images = FOLDER / "domains" / "a"
*.load_coco_objects..annotations = FOLDER / "objects.json"
*.load_idx..directory = FOLDER
*.load_nico..path = FOLDER
*.make_co*.objects = OBJECTS
*.make_coco_places..scenes = SCENES
datasets.make_colored_mnist..images = PICTURES[:, 0]
datasets.make_colored_mnist..target = CLASSES
datasets.make_rendered_digits..n_samples = 6
datasets.make_rendered_digits..size = 8
federated.*.updates = UPDATES
federated.client_sums..y = Y
federated.client_sums..X = X
federated.*.metrics = [(10, {'client': 'a', 'score': 0.9})]
federated.gaussian_noise_scale..epsilon = 1.0
federated.gaussian_noise_scale..delta = 1e-5
moments.*.rows = X
moments.*.y = Y
moments.*.order = 1
moments.GroupMoments.*.labels = CLASSES
moments.*.arrays = UPDATES[0]
federated.client_sums..*labels = None
domains.*.groups = DOMAIN
domains.partition_domains..y = CLASSES
domains.domain_dependence..domain = THREE
domains.domain_dependence..y = CLASSES
domains.partition_domains..local_model = LogisticRegression()
load..path = FOLDER / "map.skops"
save..path = FOLDER / "saved.skops"
save..estimator = FITTED
deep.*Mix*.X = MAPS
deep.*AdaIN.*.X = MAPS
deep.*Randomization.*.X = MAPS
deep.*CNN.*.input = MAPS
deep.ResNet8.*.input = MAPS
deep.split_style..X = MAPS
deep.*.y = CODES
deep.*.X = T
deep.*.features = T
deep.*.n_features = 3
deep.MLP..n_inputs = 3
deep.MLP..hidden_layer_sizes = (4,)
*.content = MAPS
*.style = MAPS
*.logits = LOGITS
deep.*.output = LOGITS
*.predicted = T
*.input = T
*.sizes = [12, 12]
*.vertices = torch.eye(3)[:, :2]
*.shape = (3,)
*.arrays = skalign.federated.shared_arrays(torch.nn.Linear(3, 2))
federated.*.module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
*.X = X
*.queries = X
*.y = Y
*.Y = Y
*.X_target = Y
*.candidates = Y
*.y_target = CLASSES
*.labels = CLASSES
*.target_labels = CLASSES
*.y_pred = CLASSES[::-1]
*.sample_weight = WEIGHT
*.[XY]_weight = WEIGHT
*.sample_domain = DOMAIN
*.groups = DOMAIN
*.estimator = FITTED
*.aligner = RigidAligner()
*.aligners = {'rigid': RigidAligner()}
*.relevant = np.stack([range(24)] * 2, axis=1)
*.pairs = [[0, 0], [1, 1], [2, 2]]
*.coef = np.eye(3)
*.etf = metrics.simplex_etf(2, 3, 0)
metrics.*_interval..metric = metrics.coral_distance
metrics.make_*..metric = metrics.coral_distance
plotting.Domain*.metric = metrics.coral_distance
*.name = 'distance'
*.other = self
*.source = 0
*.space = 0
*.target = 1
*.weight = 1.0
*.step_size = 0.1
*.n_channels = 1
*.n_domains = 2
*.n_classes = 3
*.n_features = 4
*.n_targets = 4
*.n_neighbors = 3
*.k = 2
""".strip().splitlines()
]
# Given wherever it can be: calls are to be quick and to repeat.
ALWAYS = {
    **{"random_state": "0", "n_restarts": "2", "n_resamples": "9", "max_epochs": "1"},
    **{"n_permutations": "9", "n_groups": "4", "n_projections": "5", "batch_size": "6"},
    **{"hidden_layer_sizes": "(4,)", "cv": "2"},
}
METHODS = """
transform predict predict_proba decision_function score fit_transform inverse_transform
transform_target predict_std partial_fit merge kneighbors add translate add_space
space_scores to_consensus from_consensus fit_spaces select select_path split losses mean
get_n_splits get_feature_names_out get_metadata_routing row_scores probabilities
from_estimator from_spaces from_result from_map from_report from_cv_results from_arrays
__call__
"""
SKIPPED = {
    "make_adaptation_pipeline": "takes steps, and needs a setting of scikit-learn",
    "federated.join": "talks over the network",
    "federated.serve": "talks over the network",
    "federated.NetworkClient": "is called by Flower",
    "federated.SoundUpdates": "is called by Flower",
    "anchors.AnchorSelector": "is a base of others",
    "deep.Batch": "is made by the trainer",
    "deep.Training": "is made by the trainer",
    "deep.Objective": "is to be subclassed",
    "deep.Penalty": "is to be subclassed",
}
# Answers that need not be finite, and why.
NOT_FINITE = {
    "MomentAligner": "next_objective_ is -inf where no second rotation was found",
    "domains.partition_domains": "evidence is NaN where domains are drawn",
    "model_selection.alignability": "inf pairs where no number of pairs would do",
}


@functools.cache
def made():
    """What takes a while to make, or lies in files."""
    folder = tempfile.TemporaryDirectory()
    home = Path(folder.name)
    if find_spec("PIL"):
        from PIL import Image

        for place in ("a/x", "a/y", "b/x", "b/y"):
            (home / "domains" / place).mkdir(parents=True)
            for k in range(2):
                path = home / "domains" / place / f"{k}.png"
                Image.new("RGB", (6, 6), (40 * k, 9, 9)).save(path)
    (home / "objects.json").write_text("{}")
    (home / "digits").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 7]))
    things = {"FOLDER": home, "_folder": folder}
    rules = {"random": RandomAnchors(random_state=0)}
    things["SEARCH"] = skalign.AnchorSearchCV(RigidAligner(), rules, [0.5, 1.0], cv=2)
    things["SEARCH"].fit(X, Y)
    things["ALIGNABILITY"] = model_selection.alignability(X, Y, cv=2)
    skalign.save(FITTED, home / "map.skops")
    return things


def split(text):
    return re.split(r"\s*[|\n]\s*", text.strip())


# -------------------------------------------------------------------- odd arguments
ODD_SCALARS = split("""
None | True | False | -1 | 0 | 1 | 2 | 3 | 0.5 | 1.5 | np.int64(2) | np.int8(3)
np.float32(0.5) | np.float64(2) | np.nan | np.inf | -np.inf | 1e-300 | 1e300 | 5e-324
-0.0 | 2**63 | 1j | 'cosine' | 'linear' | 'auto' | '' | 'nowhere' | b'x' | [] | ()
[1, 2] | (3,) | {} | {'a': 1} | np.array(1) | np.array(0.5) | np.array([1, 2])
np.array([]) | np.bool_(True) | object() | [[1, 2], [3]] | pd.NA | lambda *args: 0
NotCalled | range(3) | [None] | ['a', 'b'] | [np.nan] | [np.inf] | [0.1, 1e300] | [-1]
slice(3) | X | np.ma.masked | pd.NaT | LinearAligner() | [1, None]
""")
ODD_ROWS = split("""
{} * 1e-320 | {} * 1e-300 | {} * 1e-200 | {} * 1e-160 | {} * 1e-100 | {} * 1e-30
{} * 1e-12 | {} * 1e12 | {} * 1e30 | {} * 1e100 | {} * 1e160 | {} * 1e200 | {} * 1e300
({} * 1e-42).astype('f4') | ({} * 1e-25).astype('f4') | ({} * 1e25).astype('f4')
({} * 1e37).astype('f4') | {} + 1e6 | {} + 1e8 | {} + 1e16 | {} + 2**62 | {} * 0
{} * 0 + 5 | {} * np.geomspace(1e-150, 1e150, len({}))[:, None] | {}[[0] * 24]
{} * np.geomspace(1e-150, 1e150, {}.shape[1]) | {} * [1, 1, 1e-9] | {} * [1, 1, 0]
{}.astype('?') | {}.astype('i1') | {}.astype('i8') | {}.astype('u8') | {}.astype('f2')
{}.astype('f4') | {}.astype('g') | {}.astype('>f8') | {}.astype('c16') | {}.astype('O')
{}.astype('U') | {}.astype('S') | {}.astype('M8[s]') | {}.astype('m8[s]') | {}[::-1]
{}.tolist() | tuple({}.tolist()) | list({}) | np.asfortranarray({}) | readonly({})
np.repeat({}, 2, axis=0)[::2] | memmap({}) | np.matrix({}) | np.ma.masked_array({})
np.ma.masked_less({}, 0.2) | sp.csr_array({}) | sp.coo_matrix({}) | pd.DataFrame({})
pd.DataFrame({}).add_prefix('c') | pd.DataFrame({}).convert_dtypes() | iter({})
pd.DataFrame({}).astype('category') | pd.DataFrame({}).astype(str) | pd.Series({}[:, 0])
pd.DataFrame({}).astype('Float64').mask(lambda f: f > 0.5) | pd.Series(list({}))
pd.DataFrame({}).set_axis(pd.MultiIndex.from_tuples([*zip('aab', 'xyz')]), axis=1)
pd.DataFrame({}).add_prefix('c').set_index('c0') | pd.DataFrame({}, columns=[*'aab'])
pd.DataFrame({}, columns=['a', 1, 2]) | pd.Series({}[:, 0], dtype='Float64')
put({}, np.nan) | put({}, np.inf) | put({}, -np.inf) | put({}, 1e308)
put({}.astype('O'), None) | put({}.astype('O'), pd.NA) | put({}.astype('O'), pd.NaT)
put({}.astype('O'), 'a') | put({}.astype('O'), 1j) | put({}.astype('O'), 2**70)
put({}.astype('O'), [1, 2]) | put({}.astype('O'), np.nan) | {}[:0] | {}[:1] | {}[:2]
{}[:-1] | {}[:, :0] | {}[:, :1] | {}[:, :2] | {}[0] | {}[:, 0] | {}[None]
{}[..., None]
np.tile({}, 8) | np.tile({}, 8)[:3] | np.tile({}, (3, 1)) | {}[0, 0] | {}.ravel()
np.array({}[0, 0]) | {}[:, [0, 0, 0]] | {}[:, [2, 0, 1]] | np.hstack([{}, {}[:, :1]])
""")
ODD_COLUMNS = split("""
{}.tolist() | {}.astype(float) | {}.astype(str) | {}.astype('O') | {}.astype('?')
{}.astype('c16') | {}.astype('M8[s]') | {}.astype('S1') | {}.astype('u8')
{}.astype('f2') | {} + 2**53 | {} - 2**60 | {} + 0.5 | {}[:0] | {}[:1] | {}[:-1]
{}[:, None] | {}[None] | {}[0] | {} * 0 | -{} | np.tile({}, 2) | pd.Series({})
pd.Series({}).astype('category') | pd.Series({}, dtype='Int64') | pd.DataFrame({})
pd.Series({}, index=range(5, 29)) | pd.Series({}).astype('string') | pd.Index({})
pd.Series({}, dtype='Int64').mask([True] + [False] * 23) | set({}.tolist())
put({}.astype('O'), None) | put({}.astype('O'), pd.NA) | put({}.astype('O'), pd.NaT)
put({}.astype('O'), 'a') | put({}.astype('O'), '') | put({}.astype('O'), 1j)
put({}.astype('O'), 2**70) | put({}.astype('O'), np.nan) | put({}.astype('O'), (1, 2))
put({}.astype('O'), -1) | put({}.astype(float), np.nan) | put({}.astype(float), np.inf)
put({}.astype(float), -1) | put({}.astype(float), 1e308) | put({}.astype(float), 1e-320)
np.arange(24) | {}[::-1] | readonly({}) | np.ma.masked_equal({}, 0) | np.zeros(24) | 1
sp.csr_array({}[:, None]) | np.array(['a', 'b'] * 12) | ['a', 1] * 12 | ['a', 'b'] * 12
[True, False] * 12 | [b'a', b'b'] * 12 | [None] * 24 | {} * 1e300 | {} * 1e-300 | 'a'
{} * 5e-324 | {} * 1j | ({}, {}) | ({},)
""")
JUNK = split("""
None | 'rows' | 0 | [] | [[]] | object() | np.array(None) | b'rows' | range(24) | type
lambda: 0 | np.array([]) | True | pd.DataFrame() | set() | {'X': 1} | ... | np.nan | X
CLASSES | [[1, 2], [3]] | RigidAligner() | pd.NA | np.ma.masked | [X, X] | {'a': X}
""")
if TORCH:
    ODD_ROWS += split("torch.tensor({}) | torch.tensor({}, requires_grad=True)")
    ODD_ROWS.append("torch.tensor({}).to(torch.bfloat16)")
    ODD_COLUMNS.append("torch.tensor({})")
ROWS = re.compile(r"(X|Y|XY|TILED|CONTENT|PICTURES|T|MAPS|LOGITS)\b(?!\()")
COLUMN = re.compile(r"(CLASSES|THREE|DOMAIN|SIDE|PARTLY|WEIGHT|NORMS|CODES)\b")
PARTS = re.compile(r"(OBJECTS|SCENES|UPDATES)\b")
# Numbers of steps and sizes of results: a call with a huge one does as it was told.
ENDLESS = re.compile(
    "n_(permutations|resamples|projections|init|restarts|shells|samples|rounds|latents"
    "|features|targets|target_samples|groups|splits|classes|per_class|colors|clusters"
    "|inputs|hidden|environments|iter.*)|max_.*|steps_.*|.*size|hidden.*|size|shape"
)
HUGE = {"2**63", "1e300"}


class NotCalled:
    """A class that cannot be called with any arguments."""

    def __init__(self, *args, **kwargs):
        raise TypeError("NotCalled is called")


def put(rows, value):
    """Return rows with another value in one place."""
    rows = rows.copy()
    index = (1,) * rows.ndim
    if isinstance(value, list | tuple):
        rows[index] = None  # an object of its own, not entries of the array
    rows[index] = value
    return rows


def readonly(rows):
    rows = rows.copy()
    rows.flags.writeable = False
    return rows


def memmap(rows):
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, rows.dtype, "w+", shape=rows.shape)
    mapped[...] = rows
    return mapped


# --------------------------------------------------------------------- drawing a try
@functools.cache
def public():
    """Every public name: "room.name", or the name alone where skalign has it."""
    found, seen = {}, set()
    for room in ROOMS:
        path = room if room == "skalign" else f"skalign.{room}"
        module = importlib.import_module(path)
        for name in module.__all__:
            if not hasattr(module, name):
                continue  # an optional package is missing
            value = getattr(module, name)
            key = name if room == "skalign" else f"{room}.{name}"
            if not TORCH and is_of_tensors(key):
                continue
            if id(value) not in seen and key not in SKIPPED:
                found[key] = value
            seen.add(id(value))
    return found


def is_of_tensors(name):
    """Whether a name is a part of networks, where torch checks what comes."""
    return name.startswith("deep.") or "shared_arrays" in name


def parameters(function):
    left = ("self", "cls", "ax")
    return [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name not in left
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def right(name, method, parameter):
    """Return right source for a parameter, or None, and whether it is always given."""
    path = f"{name}.{method}.{parameter}"
    for pattern, value in RULES:
        if fnmatchcase(path, pattern):
            return value, not pattern.startswith("*.")
    if parameter in ALWAYS:
        return ALWAYS[parameter], True
    return None, False


def allowed(function, parameter):
    """Return values, as source, that scikit-learn's constraints let pass."""
    constraints = getattr(function, "_parameter_constraints", None) or getattr(
        function, "_skl_parameter_constraints", {}
    )
    for constraint in constraints.get(parameter, ()):
        if isinstance(constraint, StrOptions):
            yield from map(repr, sorted(constraint.options))
        elif isinstance(constraint, Interval):
            numbers = ("0", "1", "2", "0.25", "0.5", "1.0")
            yield from (
                value for value in numbers if constraint.is_satisfied_by(eval(value))
            )
        elif constraint == "boolean":
            yield from ("True", "False")


def arguments(rng, name, method, function, plain):
    """Draw right arguments of one call, as source; `plain` ones are all usual."""
    drawn = {}
    for parameter in parameters(function):
        value, always = right(name, method, parameter.name)
        required = parameter.default is parameter.empty
        always |= method in ("fit_transform", "partial_fit") and parameter.name in "Xy"
        options = list(allowed(function, parameter.name))
        if not (always or required or plain) and options and rng.random() < 0.15:
            drawn[parameter.name] = rng.choice(options)
        elif required or always or (value is not None and rng.random() < 0.3):
            drawn[parameter.name] = "None" if value is None else value
    return drawn


def odd(rng, value, parameter):
    """Return odd source in the place of right source."""
    if PARTS.match(value) and rng.random() < 0.8:
        whole = "UPDATES[0]" if value == "UPDATES" else value
        key = rng.choice(sorted(eval(whole)))
        item = odd(rng, rng.choice(("X", "CLASSES")), parameter)
        item = re.sub(r"\b(X|CLASSES)\b", f"np.asarray({whole}[{key!r}])", item)
        part = f"{{**{whole}, {key!r}: {item}}}"
        return f"[{part}, *UPDATES]" if value == "UPDATES" else part
    if ROWS.match(value):
        pool = JUNK if rng.random() < 0.1 else ODD_ROWS
    elif COLUMN.match(value):
        pool = JUNK if rng.random() < 0.1 else ODD_COLUMNS
    else:
        pool = ODD_SCALARS
    if ENDLESS.fullmatch(parameter):
        pool = [item for item in pool if item not in HUGE]
    return rng.choice(pool).replace("{}", f"({value})" if " " in value else value)


MADE_BY = {
    "moments.GroupMoments": "from_rows",
    "moments.Moments": "from_arrays",
    "moments.Sums": "from_dict",
}


def methods_of_sums(value):
    """Return methods that take nothing, or other sums of the same samples."""
    names = ("merge", "to_dict", "rounding", "varies")
    return [name for name in names if hasattr(value, name)]


def draw(name, number, n_odd=None):
    """Return the calls of a try, as (method, arguments as source)."""
    rng, value = random.Random(f"{name} {number}"), public()[name]
    calls = [("", value)]
    if inspect.isclass(value):
        methods = [method for method in METHODS.split() if method in dir(value)]
        if is_of_tensors(name):
            is_module = issubclass(value, torch.nn.Module)
            methods = ["forward"] if is_module else methods[:-1]  # "__call__" is last
        methods = methods or ["get_params"]  # settings, which others are given
        if issubclass(value, AlignerMixin) and not hasattr(value, "_unmap"):
            methods.remove("inverse_transform")
        made = MADE_BY.get(name)
        if made:
            methods = [made, *methods_of_sums(value)]
        elif name == "ClassMeanAligner":
            methods.remove("fit_transform")  # labels are no parameters of it
        method = rng.choice(methods)
        if made:
            calls = [(made, getattr(value, made))] * (method != made)
        elif isinstance(inspect.getattr_static(value, method), classmethod):
            calls = []
        elif hasattr(value, "fit") and method not in ("fit_transform", "fit_spaces"):
            first = "partial_fit" if method in ("merge", "partial_fit") else "fit"
            calls.append((first, getattr(value, first)))
        calls.append((method, inspect.unwrap(getattr(value, method))))
    drawn = [
        (method, arguments(rng, name, method, f, n_odd == 0)) for method, f in calls
    ]
    slots = [
        (given, parameter.name, right(name, method, parameter.name)[0] or "None")
        for (method, given), (_, function) in zip(drawn, calls, strict=True)
        for parameter in parameters(inspect.unwrap(function))
        if parameter.name in given or rng.random() < 0.35
    ]
    rng.shuffle(slots)
    if rng.random() < 0.6:  # rows more often than settings
        slots.sort(key=lambda slot: not ROWS.match(slot[2]))
        n_rows = sum(bool(ROWS.match(slot[2])) for slot in slots)
        if n_rows:
            slots.insert(0, slots.pop(rng.randrange(n_rows)))
    for given, parameter, value in slots[
        : rng.choice((1, 1, 1, 2)) if n_odd is None else n_odd
    ]:
        given[parameter] = odd(rng, value, parameter)
    return drawn


def written(name, calls):
    """Return a try as one line of Python."""
    parts = [
        (f".{method}" if method else "")
        + f"({', '.join(f'{key}={value}' for key, value in given.items())})"
        for method, given in calls
    ]
    return name + "".join(parts)


# ------------------------------------------------------------------------- judgement
class Hangs(BaseException):
    pass


def _stop(*_):
    raise Hangs


def attempt(name, calls, changed_state):
    """Make the calls; return an outcome, and what there is to say of it."""
    source = written(name, calls)
    scope = globals() | (made() if re.search("FOLDER|[A-Z]{3,}", source) else {})
    try:
        evaluated = [
            (method, {key: eval(value, scope) if value != "self" else value
                      for key, value in given.items()})
            for method, given in calls
        ]  # fmt: skip
    except Exception as error:
        return "not drawn", repr(error)
    result, before = public()[name], changed_state()
    for timer in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(timer, _stop)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(10 * SECONDS)
        try:
            for method, given in evaluated:
                function = getattr(result, method) if method else result
                merged = {
                    k: result
                    for k, v in given.items()
                    if isinstance(v, str) and v == "self"
                }
                result = function(**given | merged)
            if inspect.isgenerator(result):
                result = list(result)
        except Hangs:
            return "hangs", f"more than {SECONDS} s"
        except Exception as error:
            outcome = (
                refusal(error) if not is_of_tensors(name) else ("error", repr(error))
            )
        else:
            outcome = answer(name, result)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
    if "matplotlib" in str(caught) or "plotting" in name:
        plt.close("all")
    changed = changed_state(before)
    if is_of_tensors(name) or (
        "random_state" in str(inspect.signature(public()[name]))
        and "random_state=0" not in source
    ):
        changed = [key for key in changed if not key.endswith(".random")]
    if changed:
        return "state", ", ".join(changed)
    for warning in caught:
        if is_loud(warning, outcome[0]):
            return "warns", f"{warning.message} ({warning.filename}:{warning.lineno})"
    if outcome[0] == "answer" and caught:
        return "warning", str(caught[0].message)
    return outcome


def numbers(value, depth=0):
    """Generate the arrays of numbers in a result."""
    if depth > 4 or value is None or isinstance(value, str | bytes):
        return
    if isinstance(value, BaseEstimator):
        learnt = {key: part for key, part in vars(value).items() if key[-1] == "_"}
        # Scores of a search may be missing, errors of strengths that no data decide.
        for key in learnt.keys() - {"cv_results_", "alpha_errors_"}:
            yield from numbers(learnt[key], depth + 1)
    elif isinstance(value, dict):
        yield from numbers(list(value.values()), depth)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from numbers(part, depth + 1)
    elif TORCH and isinstance(value, torch.Tensor):
        yield value.detach().numpy()
    elif isinstance(value, float | np.ndarray | np.generic | pd.DataFrame | pd.Series):
        array = np.asarray(value)
        if array.dtype.kind in "fc":
            yield array


def answer(name, result):
    """Judge a result."""
    if not is_of_tensors(name) and name not in NOT_FINITE:
        for array in numbers(result):
            if not np.isfinite(array).all():
                return "not finite", f"{array.dtype} of shape {array.shape}"
    return "answer", ""


def refusal(error):
    """Judge an error: a check has raised it, not what came after."""
    frames = traceback.extract_tb(error.__traceback__)
    last, files = frames[-1], [frame.filename for frame in frames]
    said = f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
    ours = "/skalign/" in last.filename and is_raised(last.filename, last.lineno)
    theirs = "/sklearn/" in last.filename and is_raised(last.filename, last.lineno)
    checked = any("/sklearn/utils/" in file and CHECKS.search(file) for file in files)
    # As sklearn's check_array says it, of a tensor, a ragged list, what is no splitter.
    plain = re.search("requires grad|inhomogeneous", str(error))
    theirs |= last.filename.endswith(
        ("model_selection/_split.py", "joblib/parallel.py", "_parallel_backends.py")
    )
    is_call = last.filename == __file__ and isinstance(error, TypeError)
    if isinstance(error, np.linalg.LinAlgError | UnicodeError):
        return "inside", said
    if isinstance(error, OSError | ImportError):
        return "error", said
    if not str(error):
        return "unclear", said
    if isinstance(error, FloatingPointError | RuntimeError) and (ours or plain):
        return "error", said
    if isinstance(error, ValueError | TypeError | AttributeError) and (
        ours or theirs or checked or plain or is_call
    ):
        return "error", said
    return "inside", said


CHECKS = re.compile("validation.py|_array_api.py|_available_if.py")


@functools.cache
def _raised(path):
    tree = ast.parse(Path(path).read_text())
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        for line in range(node.lineno, node.end_lineno + 1)
    }


def is_raised(path, line):
    """Whether a line of a file is that of a `raise`."""
    return line in _raised(path)


def is_loud(warning, outcome):
    """Whether a warning is of what went wrong inside, and not for the caller."""
    inside = RuntimeWarning, DeprecationWarning, np.exceptions.ComplexWarning
    if not issubclass(warning.category, inside) or outcome not in ("answer", "error"):
        return False
    # scikit-learn casts labels and scores rows of any size; an error follows a cast.
    return "/skalign/" in warning.filename or (
        outcome == "answer" and "/sklearn/" not in warning.filename
    )


FAILURES = {"hangs", "state", "warns", "not finite", "inside", "unclear"}


def run(name, number, changed_state):
    """Return the source, the outcome and its message of a try."""
    for again in range(20):  # not all oddities can be had of all arguments
        calls = draw(name, number + 10**6 * again)
        outcome, said = attempt(name, calls, changed_state)
        if outcome != "not drawn":
            break
    return written(name, calls), outcome, said


@functools.cache
def logged(path):
    if not path or not Path(path).exists():
        return {}
    lines = map(json.loads, Path(path).read_text().splitlines())
    return {(name, number): rest for name, number, *rest in lines}


def pytest_generate_tests(metafunc):
    if "tries" in metafunc.fixturenames:
        config = metafunc.config
        if only := config.getoption("--fuzz-only"):
            name, *given = only.split()
            tries = [(name, [int(number) for number in given])]
        else:
            names = sorted(public())
            first = config.getoption("--fuzz-first")
            end = first + config.getoption("--fuzz-tries")
            tries = [
                (name, range(first + i, end, len(names)))
                for i, name in enumerate(names)
            ]
        tries = [(name, list(numbers)) for name, numbers in tries if numbers]
        metafunc.parametrize("tries", tries, ids=[name for name, _ in tries])


def test_odd_calls_are_answered_or_refused(
    tries, changed_state, pytestconfig, tmp_path, monkeypatch
):
    name, given = tries
    path, failures = pytestconfig.getoption("--fuzz-log"), []
    path = path and Path(path).absolute()
    monkeypatch.chdir(tmp_path)  # where files of odd names are written
    for number in given:
        if (name, number) in logged(path):
            source, outcome, said = logged(path)[name, number]
        else:
            source, outcome, said = run(name, number, changed_state)
            if path:
                with open(path, "a") as log:
                    log.write(json.dumps([name, number, source, outcome, said]) + "\n")
        if outcome in FAILURES:
            failures.append(
                f'--fuzz-only "{name} {number}": {source}\n  {outcome}: {said}'
            )
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize(
    "name", sorted(name for name in public() if not name.startswith("datasets.load"))
)
def test_right_calls_are_answered(name, changed_state):
    """An odd argument is of no use where the others are refused."""
    for number in range(2):
        calls = draw(name, number, n_odd=0)
        outcome, said = attempt(name, calls, changed_state)
        assert outcome in ("answer", "warning"), (written(name, calls), outcome, said)
