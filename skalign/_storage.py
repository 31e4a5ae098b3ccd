"""Fitted estimators in files that execute no code when they are read.

A file is an archive of skops. Its schema names the types of skalign as users import
them, not by the private module in which they are now, and the version of the format.
"""

import copy
import json
import os
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import FunctionType
from typing import Any
from zipfile import ZipFile

import numpy as np
import sklearn.metrics
import sklearn.model_selection
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import validate_params
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.validation import check_is_fitted

import skalign
from skalign._arrays import is_of_another_library
from skalign._files import check_growth, check_npy, damaged, writing

_FORMAT = 1
_SCHEMA = "schema.json"
_JSON_RATIO = 30  # from text to Python objects
_REFUSED = {
    "SparseMatrixNode": "sparse matrices",  # archives of their own
    "MethodNode": "bound methods",
    "OperatorFuncNode": "functions of the module operator",
}
# How types that skops does not trust may be read: set to a state, but never called.
_AS_STATE = {"ObjectNode", "FunctionNode", "TupleNode"}
_ROOMS_OF_PARTS = {"domains", "metrics", "moments", "retrieval"}


@dataclass
class _Reading:
    """What a call of `load` was given, and the networks that it is to make."""

    given: dict[str, Any]
    device: str
    networks: list[tuple[Any, Any]] = field(default_factory=list)


_READING: ContextVar[_Reading] = ContextVar("reading")


def _import_skops():
    """Import skops, without torch and Dask unless they are loaded.

    It imports all packages within scikit-learn, which takes some seconds with those
    that serve other array libraries.
    """
    hidden = set()
    if "skops" not in sys.modules:
        absent = {"cupy", "dask", "torch"} - sys.modules.keys()
        hidden = {f"sklearn.externals.array_api_compat.{name}" for name in absent}
    sys.modules.update(dict.fromkeys(hidden))  # None raises an ImportError
    try:
        return import_module("skops.io")  # waits for another thread that imports it
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def __getattr__(name):
    """Return what was given to `load` under a name; skops looks for it here."""
    reading = _READING.get(None)
    if reading is None or name not in reading.given:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return reading.given[name]


@dataclass(frozen=True)
class Given:
    """A parameter that no file holds, to be given to `load` again."""

    name: str
    value: Any


def restore_later(estimator, weights):
    """Have `load` call ``estimator._restore_weights(weights, device)`` at its end."""
    _READING.get().networks.append((estimator, weights))


@validate_params({"path": [str, os.PathLike]}, prefer_skip_nested_validation=True)
def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Store a fitted estimator in a file, without pickle.

    The file is an archive of skops; by convention its name ends with ``.skops``. It
    holds the parameters and all that was learnt. Classes and functions are stored by
    name: those that are not of skalign or scikit-learn, as an objective of your own,
    and a `module`, have to be given to :func:`load`. Of trained estimators the state of
    the optimizer and of the objective, the history and `callbacks` are not stored; the
    parameters are those of the fit. Read more in the :ref:`User Guide <saving>`.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator of skalign, or one of scikit-learn, such as a `Pipeline`.
    path : str or path-like
        File to write. A file that is there is replaced once the new one is complete.

    Raises
    ------
    NotFittedError
        If `estimator` is not fitted.
    OSError
        If the file cannot be written, as on a full disk; what was there stays.
    TypeError
        If it is not an estimator, or holds something that cannot be stored, such as
        arrays of other libraries than NumPy, or a module with a state that is no
        tensor.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> import skalign
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> aligner = skalign.LinearAligner().fit(X, X[:, ::-1])
    >>> with TemporaryDirectory() as folder:
    ...     skalign.save(aligner, f"{folder}/map.skops")
    ...     loaded = skalign.load(f"{folder}/map.skops")
    >>> bool((loaded.transform(X) == aligner.transform(X)).all())
    True
    """
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(
            f"estimator must be an estimator; got {type(estimator).__name__}."
        )
    check_is_fitted(estimator)
    skops = _import_skops()

    whole = BytesIO()
    try:
        skops.dump(_to_store(estimator), whole)
        with ZipFile(whole) as archive:
            schema = _read_schema(archive, whole.tell())
        for node in _nodes(schema):
            if node["__module__"].split(".")[0] == "skalign":
                node["__module__"] = _home(node["__module__"], node["__class__"])
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"This {type(estimator).__name__} cannot be stored: {error}"
        ) from error
    schema["skalign"] = {"format": _FORMAT, "version": skalign.__version__}
    with writing(path) as unfinished:
        _copy(whole, schema, unfinished)


@validate_params(
    {"path": [str, os.PathLike], "given": [dict, None], "device": [str]},
    prefer_skip_nested_validation=True,
)
def load(
    path: str | os.PathLike[str],
    *,
    given: dict[str, Any] | None = None,
    device: str = "auto",
) -> Any:
    """Read an estimator that :func:`save` stored.

    Nothing in the file is executed: of skalign and scikit-learn only estimators,
    splitters and metrics are read, and of other packages what is given. Read more in
    the :ref:`User Guide <saving>`.

    Parameters
    ----------
    path : str or path-like
        The file.
    given : dict, default=None
        What the file refers to without holding it, by the names in the error that is
        raised without it: ``{"module": network}`` for a `module`, and classes and
        functions by their full names, as ``{"my_package.MyObjective": MyObjective}``.
        Give only what you would import: a file chooses what they are called with.
    device : str, default="auto"
        Where to put networks; takes the place of the `device` of trained estimators.

    Returns
    -------
    estimator : estimator
        Fitted as it was stored.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If the file was not written by :func:`save`, is damaged, is of another version,
        declares far more than its size, or refers to what is not given; if something is
        given that it does not refer to, or if a `module` does not fit the weights.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> import skalign
    >>> X = np.random.default_rng(0).normal(size=(20, 2))
    >>> aligner = skalign.RigidAligner().fit(X, X[:, ::-1])
    >>> with TemporaryDirectory() as folder:
    ...     skalign.save(aligner, f"{folder}/map.skops")
    ...     loaded = skalign.load(f"{folder}/map.skops")
    >>> loaded
    RigidAligner()
    """
    skops = _import_skops()
    from skops.io.exceptions import UntrustedTypesFoundException

    given = {} if given is None else given
    what = f"{path} is no file of skalign.save"
    if not Path(path).is_file() and Path(path).exists():
        raise ValueError(f"{what}, but a folder, a device or a pipe.")
    with open(path, "rb") as file:
        with damaged(what), ZipFile(file) as archive:
            is_older = "estimator.skops" in archive.namelist()
            schema = (
                {}
                if is_older
                else _read_schema(archive, os.fstat(file.fileno()).st_size)
            )
            names = {_name(node) for node in _nodes(schema)}
        _check_format(path, schema)
        if unneeded := sorted(set(given) - names):
            raise ValueError(f"{path} needs nothing called {', '.join(unneeded)}.")
        kinds = {name: kind for name in names if (kind := _trusted(path, name))}
        with damaged(what):
            lacking = _check_nodes(schema, kinds)
            if given:
                file = _pointing_here(file, schema, given)
        if lacking:
            raise ValueError(f"{path} is of another version of skalign: {lacking[0]}.")
        trusted = [*kinds, *given, *(f"{__name__}.{name}" for name in given)]
        with _reading(given, device) as reading:
            try:
                with damaged(what):
                    estimator = skops.load(file, trusted=trusted)
            except ValueError as error:
                if not isinstance(error.__cause__, UntrustedTypesFoundException):
                    raise
                found = set(skops.get_untrusted_types(file=file))
                foreign = sorted(found - set(trusted))
                foreign = [name.removeprefix(".") for name in foreign]
                raise ValueError(
                    f"{path} refers to {', '.join(foreign)}: if you trust the file, "
                    f"load(path, given={{{foreign[0]!r}: ...}}) with what is called so."
                ) from None
    if not isinstance(estimator, BaseEstimator):
        raise ValueError(f"{path} holds a {type(estimator).__name__}, no estimator.")
    for trained, weights in reading.networks:
        try:
            trained._restore_weights(weights, device)
        except Exception as error:  # a damaged file can have any
            raise ValueError(f"{path} cannot be read here: {error}") from error
    return estimator


@contextmanager
def _reading(given, device):
    token = _READING.set(reading := _Reading(given, device))
    try:
        yield reading
    finally:
        _READING.reset(token)


def _to_store(estimator):
    """Return a copy that shares the arrays, without what is not stored."""
    copies, given, functions = {}, {}, {}

    def bare(value):
        if id(value) in copies:
            return copies[id(value)][0]
        if isinstance(value, BaseEstimator):
            new = object.__new__(type(value))
            copies[id(value)] = new, value
            has_own = hasattr(type(value), "_to_store")
            state = value._to_store() if has_own else vars(value)
            vars(new).update(
                {k: bare(v) for k, v in state.items() if k != "_skl_callbacks"}
            )
        elif type(value) in (list, tuple, set):
            new = type(value)(map(bare, value))
        elif type(value) is dict:
            new = {key: bare(entry) for key, entry in value.items()}
        elif isinstance(value, Given):
            new = _marker(_register(given, value.name, value.value))
        elif isinstance(value, MetadataRequest):
            new = _without_owner(value)
        elif isinstance(value, np.memmap):
            new = np.asarray(value)
        elif is_of_another_library(value):
            raise TypeError(
                "it holds arrays of another library than NumPy; move it by "
                "sklearn.utils._array_api.move_estimator_to(estimator, np, 'cpu')"
            )
        else:
            if isinstance(value, FunctionType):
                name = f"{value.__module__}.{value.__name__}"
                if functions.setdefault(name, value) is not value:
                    raise TypeError(f"it holds two functions that are called {name}")
            new = value
        copies[id(value)] = new, value  # both stay, so that no id is used again
        return new

    return bare(estimator)


def _register(given, name, value):
    """Return the name of what is given: `name`, numbered if another has it."""
    numbered, number = name, 1
    while given.setdefault(numbered, value) is not value:
        number += 1
        numbered = f"{name}_{number}"
    return numbered


def _marker(name):
    """Return a function of that name; skops stores the name only."""
    marker = FunctionType((lambda: None).__code__, {}, name)
    marker.__module__ = ""
    return marker


def _without_owner(request):
    """Return a request for metadata that names its estimator, to which it refers."""
    request = copy.copy(request)
    owner = type(request.owner).__name__
    for name, value in vars(request).items():
        if hasattr(value, "owner"):
            vars(request)[name] = copy.copy(value)
            vars(request)[name].owner = owner
    request.owner = owner
    return request


def _parts(schema):
    """Yield all that a schema is made of."""
    parts = [schema]
    for part in parts:  # which grows
        yield part
        if isinstance(part, dict):
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)


def _nodes(schema):
    """Yield the parts of a schema that are read as an object."""
    for part in _parts(schema):
        if isinstance(part, dict) and "__loader__" in part:
            yield part


def _name(node):
    return ".".join(filter(None, (node["__module__"], node["__class__"])))


def _read_schema(archive, n_stored):
    """Return the schema of an archive whose parts declare what they hold.

    Parameters
    ----------
    archive : ZipFile
        Archive of skops.
    n_stored : int
        Size of its file on disk.

    Returns
    -------
    schema : dict

    Raises
    ------
    ValueError
        If it unpacks to much more than its size, an array in it is damaged, or it
        holds what is not read.
    """
    members = {info.filename: info.file_size for info in archive.infolist()}
    n_bytes = _JSON_RATIO * members[_SCHEMA]
    check_growth(n_bytes, n_stored, "its schema")
    schema = json.loads(archive.read(_SCHEMA))
    if not isinstance(schema, dict):
        raise ValueError("its schema is no object")
    for part in _parts(schema):  # an array is read as often as it is named
        n_bytes += members.get(part, 0) if isinstance(part, str) else 0
    check_growth(n_bytes, n_stored, "the file")
    arrays = set()
    for node in _nodes(schema):
        loader = node["__loader__"]
        if loader in _REFUSED:
            raise ValueError(f"{_REFUSED[loader]} are not stored")
        if "file" in node and loader not in ("BytesNode", "BytearrayNode"):
            arrays.add(node["file"])
    for name in sorted(arrays):
        with archive.open(name) as array:
            check_npy(array, members[name])
    return schema


def _check_format(path, schema):
    header = schema.get("skalign")
    if not isinstance(header, dict):
        raise ValueError(
            f"{path} does not say in which version of the format of skalign.save it "
            "was written: fit the estimator again, and save it."
        )
    if (found := header.get("format")) != _FORMAT:
        raise ValueError(
            f"{path} has version {found!r} of the format, written by skalign "
            f"{header.get('version')}; skalign {skalign.__version__} reads version "
            f"{_FORMAT}: install a newer skalign."
        )


def _check_nodes(schema, kinds):
    """Raise an error for objects that would be called; return what others lack."""
    lacking = []
    for node in _nodes(schema):
        kind = kinds.get(name := _name(node))
        if kind is not None and node["__loader__"] not in _AS_STATE:
            raise ValueError(f"it reads {name} by {node['__loader__']}")
        if isinstance(kind, type) and issubclass(kind, BaseEstimator):
            stored = set(node["content"]["content"])
            if missing := sorted(set(kind._get_param_names()) - stored):
                lacking.append(f"its {name} has no {', '.join(missing)}")
    return lacking


@cache
def _of_scikit_learn():
    """Names of types that skops does not trust: splitters, scorers and metrics."""
    return {
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.metrics._scorer._Scorer",
        "sklearn.utils._metadata_requests.MetadataRequest",
        "sklearn.utils._metadata_requests.MethodMetadataRequest",
    } | {
        f"{part.__module__}.{part.__name__}"
        for room, kind in (
            (sklearn.metrics, FunctionType),
            (sklearn.model_selection, type),
        )
        for part in map(room.__dict__.get, room.__all__)
        if isinstance(part, kind)
    }


def _trusted(path, name):
    """Return what is called so, if files may refer to it without its being given."""
    if name in _of_scikit_learn():
        return name
    module, _, last = name.rpartition(".")
    first, *rest = name.split(".")
    if first != "skalign" or len(rest) > 2 or any(part[:1] == "_" for part in rest):
        return None
    try:
        kind = getattr(import_module(module), last)
    except (AttributeError, ImportError) as error:
        raise ValueError(f"{path} refers to {name}: {error}") from error
    if isinstance(kind, type):
        is_part = issubclass(kind, BaseEstimator) or rest[0] in _ROOMS_OF_PARTS
    else:
        is_part = rest[0] == "metrics" and isinstance(kind, FunctionType)
    return kind if is_part else None


def _home(module, name):
    """Return the package from which users import an object of skalign."""
    kind, parts = getattr(import_module(module), name, None), module.split(".")
    for n_parts in range(1, len(parts)):
        home = ".".join(parts[:n_parts])
        if kind is not None and getattr(import_module(home), name, None) is kind:
            return home
    raise TypeError(f"it holds {module}.{name}, which is not public")


def _copy(source, schema, target):
    """Write an archive again, with another schema."""
    with ZipFile(source) as archive, ZipFile(target, "w") as new:
        for name in archive.namelist():
            is_schema = name == _SCHEMA
            new.writestr(name, json.dumps(schema) if is_schema else archive.read(name))


def _pointing_here(file, schema, given):
    """Return a copy of the file in which what is given is looked up in this module."""
    for node in _nodes(schema):
        if (name := _name(node)) in given:
            node.update(__module__=__name__, __class__=name)
    _copy(file, schema, new := BytesIO())
    return new
