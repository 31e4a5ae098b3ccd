"""Matrices in CSV, Parquet and Arrow files, read in batches."""

import csv
import re
from contextlib import contextmanager
from fnmatch import fnmatchcase

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skalign.cli._kinds import InputError
from skalign.cli._matrix import Matrix
from skalign.moments import forget

_ID = "id"  # column of identifiers, unless --id names another
_BLOCK = 2**20  # bytes of CSV that are parsed at once
_LONGEST_LINE = 2**26
_HOW_TO_NAME = (
    "; name the columns to use, as FILE:COLUMN,COLUMN, or that of identifiers, by --id"
)
_LIST_TYPES = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


class _Csv:
    """Columns of a CSV file."""

    def __init__(self, path):
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline(_LONGEST_LINE)
        names = next(csv.reader([first]), [])
        self._path, self.has_header = path, not all(map(_is_number, names))
        if not self.has_header:
            names = [f"f{i}" for i in range(len(names))]  # as pyarrow names them
        self._block = max(_BLOCK, 8 * len(first))
        self.schema = pa.schema([(name, pa.string()) for name in names])
        self.n_rows = None

    def batches(self, n_rows, names, numbers):
        from pyarrow.csv import ConvertOptions, ReadOptions, open_csv

        options = ReadOptions(
            use_threads=False,  # errors then have the number of the line
            block_size=self._block,
            autogenerate_column_names=not self.has_header,
        )
        types = {n: pa.float64() if n in numbers else pa.string() for n in names}
        convert = ConvertOptions(include_columns=names, column_types=types)
        with open_csv(self._path, options, convert_options=convert) as reader:
            yield from reader

    def explain(self, error):
        """Say which line and column of the file hold what is no number."""
        found = re.search(
            r"CSV column #(\d+): Row #(\d+): .* invalid value '(.*)'", str(error), re.S
        )
        if found is None:
            return str(error)
        column, line, value = found.groups()
        column = self.schema.names[int(column)]
        return (
            f"{value[:60]!r} in line {line}, column {column!r}, is not a number"
            f"{_HOW_TO_NAME}"
        )


class _Parquet:
    """Columns of a Parquet file."""

    def __init__(self, path):
        from pyarrow.parquet import ParquetFile

        # Buffers of columns that were read would stay in memory.
        self._file = ParquetFile(path, pre_buffer=False)
        self.schema, self.n_rows = (
            self._file.schema_arrow,
            self._file.metadata.num_rows,
        )

    def batches(self, n_rows, names, numbers):
        yield from self._file.iter_batches(min(n_rows, 2**31 - 1), columns=names)

    def explain(self, error):
        return str(error)


class _Arrow:
    """Columns of an Arrow file (Feather) or stream."""

    def __init__(self, path):
        self._bytes, self.n_rows = np.memmap(path, mode="r"), None
        with self._open() as reader:
            self.schema = reader.schema

    def _open(self):
        file = pa.py_buffer(self._bytes)
        try:
            return pa.ipc.open_file(file)
        except pa.ArrowInvalid:
            return pa.ipc.open_stream(file)

    def batches(self, n_rows, names, numbers):
        with self._open() as reader:
            if isinstance(reader, pa.RecordBatchFileReader):
                found = map(reader.get_batch, range(reader.num_record_batches))
            else:
                found = reader
            for batch in found:
                batch = batch.select(names)
                for start in range(0, len(batch), n_rows):
                    part = batch.slice(start, n_rows)
                    part.validate(full=True)
                    yield part
                    forget(self._bytes)

    def explain(self, error):
        return str(error)


_KINDS = {"csv": _Csv, "parquet": _Parquet, "arrow": _Arrow}


class Table:
    """Table in a file.

    Parameters
    ----------
    name : str
        Name of the file, as it was given.
    path : str
    kind : {"csv", "parquet", "arrow"}
    """

    def __init__(self, name, path, kind):
        self.name, self._columns = name, None
        with self._reading():
            self._columns = _KINDS[kind](path)
        self.is_text = kind == "csv"
        self.has_names = getattr(self._columns, "has_header", True)
        self.schema, self.names = self._columns.schema, self._columns.schema.names
        if repeated := {name for name in self.names if self.names.count(name) > 1}:
            raise InputError(f"{name} has two columns called {min(repeated)!r}.")

    def batches(self, n_rows, names, numbers=()):
        """Yield record batches of some columns, of which some must be numbers."""
        with self._reading():
            yield from self._columns.batches(n_rows, names, numbers)

    def count(self, column):
        if self._columns.n_rows is not None:
            return self._columns.n_rows
        return sum(map(len, self.batches(_BLOCK, [column])))

    def check_column(self, column, what):
        if column not in self.names:
            raise InputError(
                f"{self.name} has no column {column!r}{what}; its columns are "
                f"{_listed(self.names)}."
            )

    @contextmanager
    def _reading(self):
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, csv.Error) as error:
            said = error if self._columns is None else self._columns.explain(error)
            raise InputError(f"{self.name} cannot be read: {said}.") from None


def read_column(table, column):
    """Read one column of a table as an array."""
    if not column:
        raise InputError(f"{table.name} needs the name of a column, as FILE:COLUMN.")
    table.check_column(column, "")
    parts = [batch.column(0) for batch in table.batches(_BLOCK, [column])]
    return pa.chunked_array(parts, table.schema.field(column).type).to_numpy()


class TableMatrix(Matrix):
    """Matrix that is a column of vectors, or several columns of numbers, of a table.

    Parameters
    ----------
    table : Table
    key : str
        Column of vectors, or names or patterns of columns of numbers, separated by
        commas. If empty, the only column of vectors, or all columns except for that of
        identifiers.
    id_name : str or None
        Column of identifiers. None is "id", if there is such a column.
    """

    def __init__(self, table, key="", id_name=None):
        self.name, self._table = table.name, table
        if id_name is not None:
            table.check_column(id_name, " for --id")
        self.id_name = id_name or (_ID if _ID in table.names else None)
        if self.id_name is not None:
            self.id_field = table.schema.field(self.id_name)
        self._columns = self._select(key)
        types = [table.schema.field(column).type for column in self._columns]
        n_columns = len(types)
        if _is_vectors(types[0]):
            self.vector_name = self._columns[0]
            n_columns = self._width(types[0])
            types = [_storage(types[0]).value_type]
        shape = (table.count(self._columns[0]), n_columns)
        super().__init__(table.name, shape, _dtype_of(types), stays=True)

    def _select(self, key):
        """Return the names of the columns of numbers, or of the column of vectors."""
        table, schema = self._table, self._table.schema
        others = [column for column in table.names if column != self.id_name]
        vectors = [c for c in others if _is_vectors(schema.field(c).type)]
        found = vectors or others
        if key in table.names:
            found = [key]
        elif key:
            patterns = [pattern.strip() for pattern in key.split(",")]
            for pattern in patterns:
                if not any(fnmatchcase(column, pattern) for column in others):
                    table.check_column(pattern, "")
            found = [c for c in others if any(fnmatchcase(c, p) for p in patterns)]
        if not found:
            raise InputError(f"{self.name} has no columns of numbers.")
        if len(found) > 1 and (lists := sorted(set(found) & set(vectors))):
            raise InputError(
                f"{self.name} has several columns of vectors, {_listed(lists)}: name "
                f"one, as FILE:{lists[0]}."
            )
        for column in found:
            type_ = schema.field(column).type
            if not (column in vectors or table.is_text or _is_number_type(type_)):
                raise InputError(
                    f"{self.name}: column {column!r} holds {type_}, not numbers"
                    f"{_HOW_TO_NAME}."
                )
        return found

    def _width(self, type_):
        """Return the length of the first vector."""
        if pa.types.is_fixed_size_list(_storage(type_)):
            return _storage(type_).list_size
        for batch in self._table.batches(1, self._columns):
            if len(batch):
                return pc.list_value_length(_plain(batch.column(0)))[0].as_py() or 0
        return 0

    def _batches(self, n_rows):
        has_ids = self.id_name is not None
        names = [*self._columns, *([self.id_name] if has_ids else [])]
        start = 0
        names = [*dict.fromkeys(names)]
        found = self._table.batches(n_rows, names, self._columns)
        for batch in _of_length(found, n_rows):
            ids = batch.column(self.id_name) if has_ids else None
            if has_ids and ids.null_count:
                row = start + int(np.argmax(ids.is_null().to_numpy()))
                raise InputError(
                    f"{self.name}: row {row} (counted from 0) has no identifier in "
                    f"column {self.id_name!r}."
                )
            yield ids, self._numbers(batch, start)
            start += len(batch)

    def _numbers(self, batch, start):
        if self.vector_name is None:
            rows = np.empty((len(batch), len(self._columns)), self.dtype)
            for j, column in enumerate(self._columns):
                rows[:, j] = self._cast(batch.column(column), start, column, 1)
            return rows
        vectors, width = _plain(batch.column(self.vector_name)), self.shape[1]
        lengths = pc.list_value_length(vectors)
        wrong = pc.fill_null(pc.not_equal(lengths, width), True)
        if pc.any(wrong).as_py():
            row = int(np.argmax(wrong.to_numpy(zero_copy_only=False)))
            length = lengths[row].as_py()
            raise InputError(
                f"{self.name}: row {start + row} (counted from 0) of column "
                f"{self.vector_name!r} holds "
                f"{'no vector' if length is None else f'{length} numbers'}, but the "
                f"first row holds {width}."
            )
        values = self._cast(vectors.flatten(), start, self.vector_name, width)
        return values.reshape(-1, width)

    def _cast(self, values, start, column, width):
        if values.null_count:
            row = start + int(np.argmax(values.is_null().to_numpy(False))) // width
            raise InputError(
                f"{self.name}: row {row} (counted from 0) has a missing value in "
                f"column {column!r}."
            )
        target = pa.from_numpy_dtype(self.dtype)
        if values.type != target:
            values = pc.cast(values, target, safe=False)
        return values.to_numpy(zero_copy_only=False)

    def named(self, rows):
        if self.vector_name is not None or not self._table.has_names:
            return rows
        columns = [np.ascontiguousarray(column) for column in rows.T]
        return pa.table(columns, names=self._columns)

    def column_name(self, column):
        if self.vector_name is not None:
            return f"entry {column} of column {self.vector_name!r}"
        return f"column {self._columns[column]!r}"


def _of_length(batches, n_rows):
    """Join and divide record batches into batches of so many rows, in order."""
    waiting, n_waiting = [], 0
    for batch in batches:
        waiting.append(batch)
        n_waiting += len(batch)
        while n_waiting >= n_rows:
            joined = _joined(waiting)
            yield joined.slice(0, n_rows)
            waiting, n_waiting = [joined.slice(n_rows)], n_waiting - n_rows
    if n_waiting:
        yield _joined(waiting)


def _joined(batches):
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _plain(values):
    return values.storage if isinstance(values, pa.ExtensionArray) else values


def _storage(type_):
    return type_.storage_type if isinstance(type_, pa.BaseExtensionType) else type_


def _is_number_type(type_):
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    return any(check(type_) for check in (*kinds, pa.types.is_decimal))


def _is_vectors(type_):
    type_ = _storage(type_)
    is_list = any(check(type_) for check in _LIST_TYPES)
    return is_list and _is_number_type(type_.value_type)


def _dtype_of(types):
    """Return float32 if all columns are of that precision or less, else float64."""
    narrow = (pa.types.is_float32, pa.types.is_float16)
    is_single = all(any(check(type_) for check in narrow) for type_ in types)
    return np.dtype(np.float32 if is_single else np.float64)


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _listed(names, most=8):
    names = [str(name)[:60] for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
