"""skalign inspect: describe a stored map."""

import inspect
import json
from numbers import Number

import numpy as np
from sklearn.base import BaseEstimator

from skalign._storage import load
from skalign.cli._files import size_of
from skalign.cli._record import step
from skalign.cli._render import command_lines, fill
from skalign.cli._terminal import say, width


def run(options):
    n_bytes = size_of(options.map)
    estimator = load(options.map)
    attributes = {
        name: _value(value)
        for name, value in sorted(vars(estimator).items())
        if name.endswith("_") and not name.startswith("_")
    }
    record = {
        "file": options.map,
        "bytes": n_bytes,
        "estimator": " ".join(repr(estimator).split()),
        "summary": inspect.getdoc(estimator).partition("\n")[0],
        "documentation": estimator._get_doc_link(),
        "columns": [attributes.get("n_features_in_"), attributes.get("n_targets_")],
        "attributes": attributes,
    }
    if options.format == "json":
        say(json.dumps(record, indent=1, allow_nan=False))
        return 0
    source, target = ("?" if n is None else f"{n:,}" for n in record["columns"])
    longest = max(map(len, attributes), default=0)
    needs = ["--domains", "domains.npy"] if "domains_" in attributes else []
    apply = ["skalign", "apply", options.map, "new.npy", *needs, "-o", "mapped.npy"]
    then = step("Next, apply it:", apply)
    n_columns = width()
    say(
        fill(f"file     {options.map}, {n_bytes:,} bytes", n_columns, 9),
        fill(f"map      {record['estimator']}", n_columns, 9),
        fill(f"         {record['summary']}", n_columns, 9),
        fill(f"columns  {source} to {target}", n_columns, 9),
        *([f"page     {record['documentation']}"] if record["documentation"] else []),
        "",
        *(
            fill(f"{name:<{longest}}  {_shown(value)}", n_columns, longest + 2)
            for name, value in attributes.items()
        ),
        "",
        then["why"],
        "",
        command_lines(then, n_columns),
    )
    return 0


def _value(value):
    """Describe a fitted attribute by what JSON can hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        if value.size <= 8 and value.dtype.kind in "biufOU":
            return [_value(v) for v in value.ravel()]
        return {"shape": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, Number) and not isinstance(value, complex):
        return value if np.isfinite(value) else str(value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, BaseEstimator):
        return " ".join(repr(value).split())
    return type(value).__name__


def _shown(value):
    if isinstance(value, dict):
        return f"{' x '.join(f'{n:,}' for n in value['shape'])} of {value['dtype']}"
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
