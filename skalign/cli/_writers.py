"""Rows that are mapped, as files of several formats, batch by batch."""

import json
from contextlib import closing, contextmanager
from math import prod
from zipfile import ZipFile

import numpy as np

from skalign.cli._kinds import TABLES

_SAFETENSORS = {"f2": "F16", "f4": "F32", "f8": "F64"}


@contextmanager
def write_rows(file, kind, shape, first, names, ids=None, vector_name=None):
    """Yield a function that writes identifiers (or None) and rows.

    Parameters
    ----------
    file : binary file
    kind : {"npy", "npz", "safetensors", "csv", "parquet", "arrow"}
    shape : tuple of int
        Number of rows, and of columns.
    first : ndarray
        First rows, for their dtype.
    names : list of str
        Names of the columns, for CSV.
    ids : pyarrow field or None
        Column of identifiers, of tables.
    vector_name : str or None
        Name of the column of vectors, or of the array. None is "vector".
    """
    vector_name = vector_name or "vector"
    if kind not in TABLES:
        dtype = first.dtype.newbyteorder("<")  # as .safetensors files have it
        with _open_array(file, kind, vector_name, dtype, shape) as opened:
            yield lambda _, rows: opened.write(np.ascontiguousarray(rows, dtype).data)
        return
    import pyarrow as pa

    number = pa.from_numpy_dtype(first.dtype)
    if kind == "csv":
        fields = [pa.field(name, number) for name in names]
    else:
        fields = [pa.field(vector_name, pa.list_(number, shape[1]))]
    schema = pa.schema([*([] if ids is None else [ids]), *fields])

    def write(found, rows):
        if kind == "csv":
            columns = [pa.array(np.ascontiguousarray(column)) for column in rows.T]
        else:
            values = pa.array(np.ascontiguousarray(rows).reshape(-1))
            columns = [pa.FixedSizeListArray.from_arrays(values, shape[1])]
        columns = [*([] if ids is None else [found]), *columns]
        writer.write_batch(pa.record_batch(columns, schema=schema))

    with closing(_open_table(file, kind, schema)) as writer:
        yield write


@contextmanager
def _open_array(file, kind, name, dtype, shape):
    """Write what precedes the numbers of an array; yield the file to write them to."""
    if kind == "npz":
        with (
            ZipFile(file, "w") as archive,
            archive.open(f"{name}.npy", "w", force_zip64=True) as member,
            _open_array(member, "npy", name, dtype, shape) as opened,
        ):
            yield opened
        return
    if kind == "npy":
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
    else:
        tensor = {
            "dtype": _SAFETENSORS[dtype.str[1:]],
            "shape": shape,
            "data_offsets": [0, prod(shape) * dtype.itemsize],
        }
        header = json.dumps({name: tensor}).encode()
        header += b" " * (-len(header) % 8)
        file.write(len(header).to_bytes(8, "little") + header)
    yield file


def _open_table(file, kind, schema):
    if kind == "csv":
        from pyarrow.csv import CSVWriter

        return CSVWriter(file, schema)
    if kind == "parquet":
        from pyarrow.parquet import ParquetWriter

        return ParquetWriter(file, schema)
    from pyarrow import ipc

    return (
        ipc.new_file(file, schema) if file.seekable() else ipc.new_stream(file, schema)
    )
