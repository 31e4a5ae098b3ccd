"""Fitted maps, and pipelines with them, as ONNX graphs."""

from importlib import import_module
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils._param_validation import validate_params
from sklearn.utils.validation import check_is_fitted

from skalign._arrays import FLOATS
from skalign._layers import (
    FAR,
    Affine,
    InFloat64,
    Kernel,
    Network,
    Sum,
    layers_of,
    width_after,
)
from skalign._lazy import homes_in_stub

_OLDEST = 18  # in which the axes of a sum are an input


@validate_params({"target_opset": [Integral, None]}, prefer_skip_nested_validation=True)
def to_onnx(estimator: Any, X: ArrayLike, *, target_opset: int | None = None) -> Any:
    """Convert a fitted map, or a pipeline with maps, to an ONNX graph.

    Registers converters for the maps of skalign and for scikit-learn's
    `FrozenEstimator` with skl2onnx, which converts the rest of a pipeline. The graph of
    a map returns what `transform` does: for float32 input the same up to 1e-5 of the
    largest value. That of a classifier returns labels and probabilities, as arrays.
    Names of columns are not checked, and missing samples are not skipped. Read more in
    the :ref:`User Guide <runtimes>`.

    Parameters
    ----------
    estimator : estimator
        Fitted affine or kernel map of skalign, or a `Pipeline`, with a classifier at
        the end if desired.
    X : array-like of shape (n_samples, n_features)
        Samples, of which the dtype (float32 or float64) and the number of features are
        those of the input of the graph.
    target_opset : int, default=None
        Version of the operators, at least 18. None is the latest that skl2onnx
        supports.

    Returns
    -------
    model : onnx.ModelProto
        Graph with the input ``"X"``.

    Raises
    ------
    ImportError
        If skl2onnx is not installed: ``pip install 'skalign[export]'``.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If a map is neither affine nor a kernel map, or is a network of torch.
    ValueError
        If `X` is not finite or has another number of features, or `target_opset` is
        out of range.

    Examples
    --------
    >>> import numpy as np
    >>> import skalign
    >>> X = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    >>> aligner = skalign.LinearAligner().fit(X, X[:, :3])
    >>> model = skalign.to_onnx(aligner, X)
    >>> from onnxruntime import InferenceSession
    >>> session = InferenceSession(model.SerializeToString())
    >>> (mapped,) = session.run(None, {"X": X})
    >>> np.allclose(mapped, aligner.transform(X), atol=1e-5)
    True
    """
    skl2onnx = _import_skl2onnx("to_onnx")
    latest = skl2onnx.__max_supported_opset__
    if target_opset is not None and not _OLDEST <= target_opset <= latest:
        raise ValueError(
            f"target_opset={target_opset} must be from {_OLDEST} to {latest}."
        )
    check_is_fitted(estimator)
    X = check_array(X, dtype=FLOATS, estimator=estimator)
    expected = getattr(estimator, "n_features_in_", X.shape[1])
    if X.shape[1] != expected:
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{expected}."
        )
    _register()
    last = estimator
    while (inner := _last_step(last)) is not None:
        last = inner
    options = {id(last): {"zipmap": False}} if is_classifier(last) else None
    return skl2onnx.to_onnx(
        estimator, X[:1], options=options, target_opset=target_opset
    )


def register_onnx_converters() -> None:
    """Register converters for the maps of skalign with skl2onnx.

    After this, also `skl2onnx.to_onnx` converts the maps that :func:`to_onnx` does, and
    pipelines with them; :func:`to_onnx` does not need it. Classes that import torch are
    registered only if they are loaded.

    Raises
    ------
    ImportError
        If skl2onnx is not installed: ``pip install 'skalign[export]'``.

    Examples
    --------
    >>> import numpy as np
    >>> import skalign, skl2onnx
    >>> skalign.register_onnx_converters()
    >>> X = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    >>> model = skl2onnx.to_onnx(skalign.LinearAligner().fit(X, X), X[:1])
    """
    _import_skl2onnx("register_onnx_converters")
    rooms = homes_in_stub(Path(__file__).with_name("__init__.py")).values()
    for room in {*rooms} - {"skalign.deep"}:
        import_module(room)
    _register()


def _import_skl2onnx(for_what):
    try:
        import skl2onnx
    except ImportError as error:
        raise ImportError(
            f"{for_what} needs skl2onnx ({error}). Install it by "
            "pip install 'skalign[export]'."
        ) from error
    return skl2onnx


def _last_step(model):
    """Return what a pipeline ends with, or what an estimator delegates to."""
    return model.steps[-1][1] if isinstance(model, Pipeline) else _delegate(model)


def _delegate(model):
    if isinstance(model, FrozenEstimator):
        return model.estimator
    return getattr(model, "_delegate", None)


def _register():
    """Register converters for the classes of skalign that are loaded."""
    from skl2onnx import update_registered_converter

    kinds = [BaseEstimator]
    for kind in kinds:  # which grows
        kinds += kind.__subclasses__()
    for kind in dict.fromkeys(kinds):
        if kind.__module__.startswith("skalign."):
            update_registered_converter(
                kind, f"Skalign{kind.__name__}", _shape, _convert, parser=_parse
            )
    update_registered_converter(
        FrozenEstimator, "SklearnFrozenEstimator", _shape, _convert, parser=_parse
    )


def _parse(scope, model, inputs, custom_parsers=None):
    """Declare one output for a map; convert what others hold in their place."""
    from skl2onnx._parse import _parse_sklearn
    from skl2onnx.common.data_types import guess_tensor_type

    if (inner := _delegate(model)) is not None:
        return _parse_sklearn(scope, inner, inputs, custom_parsers)
    layers_of(model)  # raises the reason if there are none
    operator = scope.declare_local_operator(f"Skalign{type(model).__name__}", model)
    operator.inputs.extend(inputs)
    kind = guess_tensor_type(inputs[0].type)
    operator.outputs.append(scope.declare_local_variable("variable", kind))
    return operator.outputs


def _shape(operator):
    (given,), (returned,) = operator.inputs, operator.outputs
    width = width_after(layers_of(operator.raw_operator), given.type.shape[1])
    returned.type = type(given.type)([given.type.shape[0], width])


def _convert(scope, operator, container):
    from skl2onnx.common.data_types import guess_numpy_type

    dtype = np.dtype(guess_numpy_type(operator.inputs[0].type))
    graph = _Graph(scope, container)
    name = operator.inputs[0].full_name
    name = graph.apply(layers_of(operator.raw_operator), name, dtype)
    container.add_node(
        "Identity",
        name,
        operator.outputs[0].full_name,
        name=scope.get_unique_operator_name("Identity"),
    )


class _Graph:
    """Nodes of ONNX for layers."""

    def __init__(self, scope, container):
        self.scope, self.container = scope, container

    def _constant(self, values, dtype):
        from onnx.numpy_helper import from_array

        name = self.scope.get_unique_variable_name("constant")
        tensor = from_array(np.ascontiguousarray(values, dtype=dtype))
        self.container.add_initializer(name, None, None, tensor)
        return name

    def _node(self, kind, *inputs, **attributes):
        name = self.scope.get_unique_variable_name(kind.lower())
        self.container.add_node(
            kind,
            list(inputs),
            name,
            name=self.scope.get_unique_operator_name(kind),
            **attributes,
        )
        return name

    def apply(self, layers, name, dtype):
        """Apply layers to a variable, and return the name of the result."""
        for layer in layers:
            name = self._apply_one(layer, name, dtype)
        return name

    def _apply_one(self, layer, name, dtype):
        if isinstance(layer, Affine):
            name = self._node("Sub", name, self._constant(layer.shift, dtype))
            product = "MatMul" if layer.coef.ndim == 2 else "Mul"
            name = self._node(product, name, self._constant(layer.coef, dtype))
            if np.any(layer.offset):
                name = self._node("Add", name, self._constant(layer.offset, dtype))
            return name
        if isinstance(layer, Kernel):
            return self._kernel(layer, name, dtype)
        if isinstance(layer, Sum):
            branches = [self.apply(part, name, dtype) for part in layer.branches]
            return self._node("Sum", *branches)
        if isinstance(layer, InFloat64):
            from onnx.helper import np_dtype_to_tensor_dtype as code

            wide = np.dtype(np.float64)
            name = self._node("Cast", name, to=code(wide))
            name = self.apply(layer.layers, name, wide)
            return self._node("Cast", name, to=code(dtype))
        assert isinstance(layer, Network)
        raise TypeError(
            "A network of torch cannot be converted by skl2onnx: pass "
            "skalign.to_torch(estimator) to torch.onnx.export."
        )

    def _kernel(self, layer, name, dtype):
        points = layer.points.astype(dtype)
        if layer.kind == "cosine":
            lengths = self._node("ReduceL2", name, self._axis(), keepdims=1)
            least = self._constant(np.finfo(dtype).tiny, dtype)
            name = self._node("Div", name, self._node("Max", lengths, least))
            return self._node("MatMul", name, self._constant(points.T, dtype))
        far = [self._constant(side, dtype) for side in (-FAR, FAR)]
        name = self._node("Clip", name, *far)
        products = self._node("MatMul", name, self._constant(-2 * points.T, dtype))
        own = self._node("ReduceSumSquare", name, self._axis(), keepdims=1)
        others = self._constant(np.einsum("ij,ij->i", points, points), dtype)
        squares = self._node("Sum", products, own, others)
        squares = self._node("Max", squares, self._constant(0.0, dtype))
        if layer.kind == "euclidean":
            return self._node("Sqrt", squares)
        return self._node("Exp", self._node("Neg", squares))

    def _axis(self):
        return self._constant([1], np.int64)
