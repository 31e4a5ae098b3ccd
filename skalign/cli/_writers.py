"""Rows that are mapped, as files of several formats, batch by batch."""

from contextlib import closing, contextmanager

import numpy as np


@contextmanager
def write_rows(file, kind, shape, first, names, ids=None, vector_name=None):
    """Yield a function that writes identifiers (or None) and rows.

    Parameters
    ----------
    file : binary file
    kind : {"npy", "csv", "parquet", "arrow"}
    shape : tuple of int
        Number of rows, and of columns.
    first : ndarray
        First rows, for their dtype.
    names : list of str
        Names of the columns, for CSV.
    ids : pyarrow field or None
        Column of identifiers.
    vector_name : str or None
        Name of the column of vectors. None is "vector".
    """
    if kind == "npy":
        header = {"descr": first.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        yield lambda _, rows: file.write(np.ascontiguousarray(rows).data)
        return
    import pyarrow as pa

    number = pa.from_numpy_dtype(first.dtype)
    if kind == "csv":
        fields = [pa.field(name, number) for name in names]
    else:
        fields = [pa.field(vector_name or "vector", pa.list_(number, shape[1]))]
    schema = pa.schema([*([] if ids is None else [ids]), *fields])

    def write(found, rows):
        if kind == "csv":
            columns = [pa.array(np.ascontiguousarray(column)) for column in rows.T]
        else:
            values = pa.array(np.ascontiguousarray(rows).reshape(-1))
            columns = [pa.FixedSizeListArray.from_arrays(values, shape[1])]
        columns = [*([] if ids is None else [found]), *columns]
        writer.write_batch(pa.record_batch(columns, schema=schema))

    with closing(_open(file, kind, schema)) as writer:
        yield write


def _open(file, kind, schema):
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
