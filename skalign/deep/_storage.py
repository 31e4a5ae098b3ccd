"""Estimators in a file, without pickle."""

import os
from collections.abc import Callable
from inspect import isabstract
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import torch
from safetensors.torch import load as load_tensors, save as save_tensors
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import validate_params
from sklearn.utils.validation import check_is_fitted
from skops.io import dumps, get_untrusted_types, loads

from skalign._files import check_growth, check_skops, damaged, writing
from skalign.deep._parts import Mask, Partition, SimplexHead
from skalign.deep.objectives import Objective
from skalign.deep.trainer import TrainedMixin

_REST, _WEIGHTS = "estimator.skops", "weights.safetensors"
_GIVEN = "given"  # in the place of a module that was


@validate_params({"path": [str, os.PathLike]}, prefer_skip_nested_validation=True)
def save_estimator(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Store a trained estimator: weights by safetensors, the rest by skops.

    The stored estimator can predict. The state of the optimizer and of the objective
    (steps of a warm-up, weights of domains, a discriminator) and the training history
    are not stored; a fit with `warm_start` starts them anew. Nor are a `module`, a
    `local_model` of the partition, callbacks, or what `set_fit_request` requested.
    The parameters are those of the fit.

    Parameters
    ----------
    estimator : estimator of `skalign.deep`
        Fitted; no subclass of one.
    path : str or path-like
        File to write, a zip archive of the two. A file that is there is replaced once
        the new one is whole.

    Raises
    ------
    NotFittedError
        If `estimator` is not fitted.
    TypeError
        If it is not an estimator of `skalign.deep`.
    OSError
        If the file cannot be written, as on a full disk; what was there stays.
    ValueError
        If its module keeps something else than tensors, or its objective is not one of
        skalign.deep.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> from skalign import StitchingRegressor
    >>> from skalign.deep import load_estimator, save_estimator
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> aligner = StitchingRegressor(max_epochs=1, random_state=0).fit(X, X)
    >>> with TemporaryDirectory() as folder:
    ...     save_estimator(aligner, f"{folder}/map.zip")
    ...     loaded = load_estimator(f"{folder}/map.zip")
    >>> bool((loaded.transform(X) == aligner.transform(X)).all())
    True
    """
    if _name(type(estimator)) not in _stored_types():
        raise TypeError(
            "save_estimator stores estimators of skalign.deep; got "
            f"{_name(type(estimator))}."
        )
    check_is_fitted(estimator)
    objective = estimator._params.get("objective")
    if objective is not None and _name(type(objective)) not in _stored_types():
        raise ValueError(
            f"The objective {_name(type(objective))} is not one of skalign.deep, and "
            "cannot be stored."
        )
    weights = estimator.net_.module_.state_dict()
    for name, weight in weights.items():
        if not isinstance(weight, torch.Tensor):
            raise ValueError(
                f"{name} is of type {type(weight).__name__}: only tensors are stored."
            )
    # Copies: safetensors refuses tensors that share memory, as tied layers do.
    weights = {
        name: tensor.cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in weights.items()
    }
    parts = {_WEIGHTS: save_tensors(weights), _REST: dumps(_bare(estimator))}
    with writing(path) as unfinished, ZipFile(unfinished, "w", ZIP_STORED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


@validate_params({"path": [str, os.PathLike]}, prefer_skip_nested_validation=True)
def load_estimator(
    path: str | os.PathLike[str],
    *,
    module: torch.nn.Module | Callable[..., Any] | None = None,
    device: str = "auto",
) -> Any:
    """Read an estimator that :func:`save_estimator` stored.

    Parameters
    ----------
    path : str or path-like
        The file.
    module : nn.Module, callable or None, default=None
        As it was given to the estimator before it was stored; it must be, if it was.
    device : str, default="auto"
        Where to put the network; takes the place of the estimator's own.

    Returns
    -------
    estimator : estimator of `skalign.deep`
        Ready for `predict` and `transform`; `net_` has no history.

    Raises
    ------
    ValueError
        If the file was not written by :func:`save_estimator`, is damaged, unpacks to
        far more than its size or is of a version with other parameters, or `module`
        does not fit the weights, or is missing or uncalled for.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> from skalign import StitchingRegressor
    >>> from skalign.deep import load_estimator, save_estimator
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> aligner = StitchingRegressor(max_epochs=1, random_state=0).fit(X, X)
    >>> with TemporaryDirectory() as folder:
    ...     save_estimator(aligner, f"{folder}/map.zip")
    ...     loaded = load_estimator(f"{folder}/map.zip", device="cpu")
    >>> loaded.device
    'cpu'
    """
    what = f"{path} is no file of save_estimator"
    if not Path(path).is_file() and Path(path).exists():
        raise ValueError(f"{what}, but a folder, a device or a pipe.")
    with damaged(what), ZipFile(path) as archive:
        n_stored = os.stat(path).st_size
        members = archive.getinfo(_WEIGHTS), archive.getinfo(_REST)
        check_growth(sum(part.file_size for part in members), n_stored, "the file")
        weights, stored = map(archive.read, members)
        check_skops(BytesIO(stored), n_stored)
        weights = load_tensors(weights)
        found = get_untrusted_types(data=stored)
    # By name, and no other of skalign's: skorch's nets unpickle what they hold.
    if foreign := sorted(set(found) - _stored_types()):
        raise ValueError(f"{path} holds types that are not stored: {foreign}.")
    with damaged(what):
        estimator = loads(stored, trusted=found)
    if _name(type(estimator)) not in _stored_types():
        raise ValueError(f"{path} holds a {type(estimator).__name__}.")
    if missing := sorted(set(estimator._get_param_names()) - set(vars(estimator))):
        raise ValueError(
            f"{path} is of another version of skalign: {type(estimator).__name__} has "
            f"no {', '.join(missing)} there."
        )
    estimator.device = device
    was_given = getattr(estimator, "module", None) == _GIVEN
    if was_given != (module is not None):
        raise ValueError(
            f"{path} holds a {type(estimator).__name__} that was given "
            f"{'a module: pass it' if was_given else 'no module: pass none'}."
        )
    if was_given:
        estimator.module = module
    estimator._restore_net(weights)
    return estimator


def _name(kind):
    return f"{kind.__module__}.{kind.__qualname__}"


def _stored_types():
    """Names of the types that a file may hold: trained estimators and their parts."""
    kinds = [TrainedMixin, Objective, Partition, Mask, SimplexHead]
    for kind in kinds:  # which grows
        kinds += kind.__subclasses__()
    return {
        _name(kind)
        for kind in kinds
        if kind.__module__.startswith("skalign.")
        and issubclass(kind, BaseEstimator)
        and not isabstract(kind)
    }


def _bare(estimator):
    """A copy without its net and what only training needs."""
    bare = object.__new__(type(estimator))
    vars(bare).update(vars(estimator), **estimator._params)
    del bare.net_, bare._params
    for name in ("_skl_callbacks", "_metadata_request"):
        vars(bare).pop(name, None)
    bare.callbacks = None
    if getattr(bare, "partition", None) is not None:
        bare.partition = clone(bare.partition).set_params(local_model=None)
    if getattr(bare, "module", None) is not None:
        bare.module = _GIVEN
    return bare
