"""Tables, tensors and standard streams as inputs and outputs."""

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context

from skalign import LinearAligner, load
from skalign.cli import _apply, _files, _kinds, _matrix, main
from skalign.cli._files import read_array, read_matrix
from skalign.cli._kinds import InputError
from skalign.datasets import make_paired_spaces

pa = pytest.importorskip("pyarrow")
safetensors = pytest.importorskip("safetensors.numpy")

from pyarrow import csv, feather, ipc, parquet  # noqa: E402

N, IDS = 60, [f"item {i}" for i in range(60)]
MADE = make_paired_spaces(N, 4, 3, noise=0.1, n_classes=2, random_state=0)
X, Y = MADE.data, MADE.target


def vectors(rows, kind=None, fixed=True):
    kind = kind or pa.float64()
    values = pa.array(np.ascontiguousarray(rows).reshape(-1), kind)
    if fixed:
        return pa.FixedSizeListArray.from_arrays(values, rows.shape[1])
    return pa.array(rows.tolist(), pa.list_(kind))


def table(rows, names="x", **columns):
    many = {f"{names}{j}": column for j, column in enumerate(rows.T)}
    return pa.table({"id": IDS[: len(rows)]} | many | columns)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The pairs in every format, and a map from one to the other."""
    tmp_path = tmp_path_factory.mktemp("made")
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", Y)
    safetensors.save_file({"X": X, "y": Y}, tmp_path / "both.safetensors")
    for name, rows in (("X", X), ("y", Y)):
        many = table(rows)
        csv.write_csv(many, tmp_path / f"{name}.csv")
        parquet.write_table(many, tmp_path / f"{name}.parquet", row_group_size=7)
        with ipc.new_stream(tmp_path / f"{name}.arrow", many.schema) as stream:
            stream.write_table(many, max_chunksize=11)
    both = pa.table({
        "X": vectors(X), "y": vectors(Y, fixed=False), "url": IDS,
        "label": MADE.labels,
    })  # fmt: skip
    feather.write_feather(both, tmp_path / "both.feather")
    parquet.write_table(both, tmp_path / "both.parquet")
    command = ["fit", tmp_path / "X.npy", tmp_path / "y.npy", "-o", tmp_path / "map"]
    assert main([*map(str, command)]) == 0
    return tmp_path


@pytest.fixture
def folder(made, tmp_path):
    """A copy of these files, which a test may change."""
    return shutil.copytree(made, tmp_path, dirs_exist_ok=True)


SOURCES = ["X.npy", "X.csv", "X.parquet", "X.arrow", "both.safetensors:X",
           "both.feather:X", "both.parquet:X"]  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("n_rows", [1, 8, 100])
def test_every_format_holds_the_same_rows(folder, name, n_rows):
    matrix = read_matrix(str(folder / name))
    assert matrix.shape == X.shape
    assert_allclose(matrix.whole(), X)
    batches = [rows for _, rows in matrix.batches(n_rows)]
    assert_allclose(np.concatenate(batches), X)
    assert [len(rows) for rows in batches[:-1]] == [n_rows] * (len(batches) - 1)


@pytest.mark.parametrize("name", SOURCES)
def test_every_format_gives_the_same_map(folder, name, capsys):
    target = name.replace("X", "y")
    words = ["fit", folder / name, folder / target, "-o", folder / "other"]
    assert main([*map(str, words)]) == 0
    words = ["apply", folder / "other", folder / name, "-o", folder / "out.npy"]
    assert main([*map(str, words)]) == 0
    expected = LinearAligner().fit(X, Y).transform(X)
    assert_allclose(np.load(folder / "out.npy"), expected)


def test_the_report_is_that_of_arrays(folder, capsys):
    records = []
    for names in (("X.npy", "y.npy"), ("both.parquet:X", "both.parquet:y")):
        words = ["report", *(str(folder / name) for name in names), "--cv", "2"]
        words += ["--aligners", "rigid,linear", "--format", "json"]
        assert main(words) == 0
        records.append(json.loads(capsys.readouterr().out))
    assert records[0]["maps"] == records[1]["maps"]


def read(path):
    kind = path.suffix
    if kind == ".npy":
        return None, np.load(path)
    if kind in (".npz", ".safetensors"):
        load = np.load if kind == ".npz" else safetensors.load_file
        ((name, rows),) = load(path).items()
        return name, rows
    if kind == ".csv":
        found = csv.read_csv(path)
        columns = [c.to_numpy() for c in found.columns[-3:]]
        return found, np.column_stack(columns)
    found = parquet.read_table(path) if kind == ".parquet" else feather.read_table(path)
    rows = found.columns[-1].combine_chunks()
    return found, rows.flatten().to_numpy().reshape(-1, rows.type.list_size)


@pytest.mark.parametrize("source", ["X.npy", "X.csv", "both.parquet:X"])
@pytest.mark.parametrize(
    "suffix",
    [".npy", ".npz", ".safetensors", ".csv", ".parquet", ".arrow", ".feather"],
)
def test_mapped_rows_have_the_format_of_the_suffix(folder, source, suffix, monkeypatch):
    monkeypatch.setattr(_apply, "_BATCH_BYTES", 8 * 4 * 7)
    out = folder / f"out{suffix}"
    words = ["apply", str(folder / "map"), str(folder / source), "-o", str(out)]
    has_ids = suffix not in (".npy", ".npz", ".safetensors")
    if source.startswith("both") and has_ids:
        words += ["--id", "url"]
    assert main(words) == 0
    found, rows = read(out)
    assert_allclose(rows, LinearAligner().fit(X, Y).transform(X))
    if has_ids and source != "X.npy":
        name = "id" if source == "X.csv" else "url"
        assert found.column_names[0] == name
        assert found[name].to_pylist() == IDS
    if suffix not in (".npy", ".csv"):
        expected = "X" if source.startswith("both") else "vector"
        assert (found.column_names[-1] if has_ids else found) == expected
    assert_allclose(
        read_matrix(str(out), "url" if "--id" in words else None).whole(), rows
    )


def test_identifiers_keep_their_type(folder):
    ids = pa.array(np.arange(N).astype("M8[ms]"))
    parquet.write_table(table(X, when=ids).drop(["id"]), folder / "when.parquet")
    out = folder / "out.parquet"
    words = ["apply", folder / "map", folder / "when.parquet", "--id", "when"]
    assert main([*map(str, words), "-o", str(out)]) == 0
    assert parquet.read_table(out)["when"].combine_chunks().equals(ids)


def test_single_precision_is_kept(folder):
    rows = pa.table({"v": vectors(X.astype("f4"), pa.float32())})
    parquet.write_table(rows, folder / "single.parquet")
    for kind in ("npz", "safetensors", "parquet"):
        out = folder / f"out.{kind}"
        words = ["apply", folder / "map", folder / "single.parquet", "-o", out]
        assert main([*map(str, words)]) == 0
        assert read(out)[1].dtype == np.float32


@pytest.mark.parametrize("kind", _kinds.MATRICES)
def test_rows_in_another_byte_order_are_mapped_alike(folder, kind):
    np.save(folder / "turned.npy", X.astype(">f8"))
    out = folder / f"out.{kind}"
    words = ["apply", folder / "map", folder / "turned.npy", "-o", out]
    assert main([*map(str, words)]) == 0
    assert_allclose(read(out)[1], LinearAligner().fit(X, Y).transform(X))


def test_columns_are_selected_by_name_and_pattern(folder):
    wide = table(X, extra=np.zeros(N), note=IDS)
    parquet.write_table(wide, folder / "wide.parquet")
    for key in ("x*", "x0,x1,x2,x3", "x0, x[1-3]"):
        matrix = read_matrix(f"{folder / 'wide.parquet'}:{key}")
        assert_allclose(matrix.whole(), X)
    labels = read_array(f"{folder / 'both.parquet'}:label")
    assert list(labels) == list(MADE.labels)


def test_numbers_without_header_are_all_rows(folder):
    (folder / "plain.csv").write_text("1,2\n3,4.5\n")
    assert_allclose(read_matrix(str(folder / "plain.csv")).whole(), [[1, 2], [3, 4.5]])


def test_whole_numbers_may_become_fractions_far_below(folder):
    text = "a,b\n" + "1,2\n" * 300_000 + "0.5,1\n"
    (folder / "long.csv").write_text(text)
    rows = read_matrix(str(folder / "long.csv")).whole()
    assert rows.shape == (300_001, 2)
    assert rows[-1, 0] == 0.5


def write_bad(folder):
    """Write tables that are refused, and return what must be said of each."""
    (folder / "text.csv").write_text("id,a,b\nx,1,2\ny,3,many\n")
    (folder / "short.csv").write_text("id,a,b\nx,1,2\ny,3\n")
    (folder / "gap.csv").write_text("id,a,b\nx,1,2\ny,,3\n")
    (folder / "twice.csv").write_text("a,a\n1,2\n")
    (folder / "head.csv").write_text("a,b\n")
    (folder / "empty.csv").write_text("")
    (folder / "latin.csv").write_bytes("name,a\ncafé,1\n".encode("latin-1"))
    ragged = pa.table({"v": [[1.0, 2, 3, 4], [1.0], None]})
    parquet.write_table(ragged, folder / "ragged.parquet")
    parquet.write_table(ragged.slice(2), folder / "none.parquet")
    gap = pa.table({"v": [[1.0, 2, 3, 4], [1.0, None, 3, 4]]})
    parquet.write_table(gap, folder / "gap.parquet")
    nan = X.copy()
    nan[5, 2] = np.inf
    parquet.write_table(pa.table({"v": vectors(nan)}), folder / "inf.parquet")
    parquet.write_table(table(nan), folder / "infs.parquet")
    two = pa.table({"a": vectors(X), "b": vectors(X)})
    parquet.write_table(two, folder / "two.parquet")
    parquet.write_table(table(X, note=IDS), folder / "note.parquet")
    content = (folder / "X.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(content[:-20])
    holes = content[:100] + bytes(200) + content[300:]
    (folder / "holes.parquet").write_bytes(holes)
    (folder / "cut.arrow").write_bytes((folder / "X.arrow").read_bytes()[:-700])
    tensors = (folder / "both.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(tensors[:-8])
    safetensors.save_file(
        {"v": np.ones(3), "s": np.array(1.0)}, folder / "v.safetensors"
    )
    return {
        "text.csv": ["'many' in line 3, column 'b', is not a number"],
        "short.csv": ["Row #3", "Expected 3 columns"],
        "gap.csv": ["row 1", "missing value", "'a'"],
        "twice.csv": ["two columns called 'a'"],
        "head.csv": ["has no rows"],
        "empty.csv": ["it is empty"],
        "latin.csv": ["UTF-8"],
        "ragged.parquet": ["row 1", "'v'", "1 numbers", "the first row holds 4"],
        "none.parquet": ["has no columns"],
        "gap.parquet": ["row 1", "missing value", "'v'"],
        "inf.parquet": ["infinity in row 5, entry 2 of column 'v'"],
        "infs.parquet": ["infinity in row 5, column 'x2'"],
        "two.parquet": ["several columns of vectors, a, b"],
        "two.parquet:c": ["no column 'c'", "a, b"],
        "note.parquet": ["column 'note' holds string", "--id"],
        "cut.parquet": ["cannot be read"],
        "holes.parquet": ["cannot be read"],
        "cut.arrow": ["cannot be read"],
        "cut.safetensors": ["cannot be read"],
        "v.safetensors": ["needs one of its keys", "s, v"],
        "v.safetensors:v": ["must be a matrix", "(3,)"],
        "v.safetensors:s": ["must be a matrix", "()"],
        "X.npy:a": ["no such file"],
    }


def test_tables_that_are_no_rows_of_numbers_are_named(folder):
    for name, parts in write_bad(folder).items():
        with pytest.raises(InputError) as raised:
            read_matrix(str(folder / name)).whole()
        for part in [name.partition(":")[0], *parts]:
            assert part in str(raised.value), (name, raised.value)


@pytest.mark.parametrize("kind", [f".{kind}" for kind in _kinds.MATRICES])
def test_an_error_in_the_last_batch_leaves_the_output(
    folder, kind, monkeypatch, capsys
):
    monkeypatch.setattr(_apply, "_BATCH_BYTES", 8 * 4 * 7)
    rows = X.copy()
    rows[-1, 2] = np.nan
    parquet.write_table(table(rows), folder / "nan.parquet")
    out = folder / f"out{kind}"
    out.write_bytes(b"before")
    before = sorted(folder.iterdir())
    words = ["apply", folder / "map", folder / "nan.parquet", "-o", out]
    assert main([*map(str, words)]) == 2
    error = capsys.readouterr().err
    assert "nan.parquet holds NaN in row 59, column 'x2'" in error
    assert error.count("\n") == 1
    assert out.read_bytes() == b"before"
    assert sorted(folder.iterdir()) == before


def test_names_of_columns_are_remembered_and_checked(folder, capsys):
    named = table(Y, names="y").drop(["id"])
    csv.write_csv(named, folder / "named.csv")
    stored, out = folder / "named_map", folder / "out.csv"
    words = ["fit", folder / "X.csv", folder / "named.csv", "-o", stored]
    assert main([*map(str, words)]) == 0
    words = ["apply", stored, folder / "X.csv", "-o", out]
    assert main([*map(str, words)]) == 0
    assert csv.read_csv(out).column_names == ["id", "y0", "y1", "y2"]
    turned = table(X).select(["id", "x1", "x0", "x2", "x3"])
    csv.write_csv(turned, folder / "turned.csv")
    assert main([*map(str, [*words[:2], folder / "turned.csv", "-o", out])]) == 2
    error = capsys.readouterr().err
    assert "same order" in error
    assert error.count("\n") == 1


def test_identifiers_that_differ_are_named(folder, capsys):
    shuffled = table(Y).take(np.r_[0, 2, 1, 3:N])
    csv.write_csv(shuffled, folder / "shuffled.csv")
    for command in (["report"], ["fit", "-o", folder / "m"]):
        words = [*command, folder / "X.parquet", folder / "shuffled.csv"]
        assert main([*map(str, words)]) == 2
        error = capsys.readouterr().err
        assert "row 1 (counted from 0) is 'item 1' in" in error
        assert "'item 2' in" in error
    assert not (folder / "m").exists()


def test_an_identifier_column_that_is_not_there_is_refused(folder, capsys):
    words = ["apply", folder / "map", folder / "X.csv", "-o", folder / "o.csv"]
    assert main([*map(str, words), "--id", "key"]) == 2
    assert "no column 'key' for --id" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["X.csv", "X.parquet", "X.arrow", "both.safetensors:X"]
)
def test_large_files_are_fitted_and_mapped_in_batches(
    folder, name, monkeypatch, capsys
):
    monkeypatch.setattr(_matrix, "_BATCH", 4 * 11)
    monkeypatch.setattr(_matrix, "_MOST_PAIRS", 30)
    monkeypatch.setattr(_matrix.Matrix, "whole", None)  # never read as a whole
    target = name.replace("X", "y")
    with config_context(working_memory=2e-3):  # MiB
        words = ["fit", folder / name, folder / target, "-o", folder / "other"]
        assert main([*map(str, words)]) == 0
        assert "tested on 30 of 60 pairs" in capsys.readouterr().out
        words = ["report", folder / name, folder / target, "--cv", "2"]
        words += ["--aligners", "rigid"]
        assert main([*map(str, words)]) == 0
        assert "30 pairs drawn" in capsys.readouterr().out
    out = folder / "out.npy"
    words = ["apply", folder / "other", folder / name, "-o", out]
    assert main([*map(str, words)]) == 0
    expected = LinearAligner().fit(X, Y).transform(X)
    assert_allclose(np.load(out), expected, rtol=1e-6)


def test_memory_stays_constant_on_a_long_table(tmp_path):
    rows = np.random.default_rng(0).normal(size=(2**14, 16))
    long = pa.table({"v": vectors(np.tile(rows, (12, 1)))})
    parquet.write_table(long, tmp_path / "long.parquet", row_group_size=2**14)
    n_bytes = long.nbytes
    del long
    before, most = pa.total_allocated_bytes(), 0
    for _ in read_matrix(str(tmp_path / "long.parquet")).batches(1000):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < n_bytes / 3


def test_pages_of_an_arrow_file_do_not_stay_in_memory(tmp_path, memory_grown):
    grown = []

    def read_sum():
        matrix = read_matrix(str(tmp_path / "one.arrow"))
        assert sum(rows.sum() for _, rows in matrix.batches()) == total

    for n_samples in (2**16, 2**18):
        values = np.arange(n_samples * 32.0)
        total = values.sum()
        batch = pa.record_batch({"v": vectors(values.reshape(-1, 32))})
        with pa.ipc.new_file(tmp_path / "one.arrow", batch.schema) as writer:
            writer.write_batch(batch)  # a single one
        del values, batch
        grown.append(memory_grown(read_sum)[0])
    assert grown[1] - grown[0] < 16  # MiB; the file grew by 48


def test_a_map_is_tested_on_some_of_many_pairs(folder, monkeypatch, capsys):
    monkeypatch.setattr(_matrix, "_MOST_PAIRS", 30)
    words = [folder / "X.csv", folder / "y.csv", "-o", folder / "tested_on_some"]
    assert main(["fit", *map(str, words)]) == 0
    said = capsys.readouterr().out
    assert "tested on 30 of 60 pairs, fitted on all" in said
    assert "fitted on 60 pairs" in said
    fitted = load(folder / "tested_on_some")
    assert_allclose(fitted.coef_, LinearAligner().fit(X, Y).coef_)


class _Stream:
    """Standard stream of bytes."""

    def __init__(self, content=None):
        self.buffer = io.BytesIO(content or b"")
        if content is not None:
            self.buffer = io.BufferedReader(self.buffer)

    def isatty(self):
        return False


@pytest.mark.parametrize("kind", _kinds.MATRICES)
def test_rows_stream_from_standard_input_to_standard_output(folder, kind, monkeypatch):
    name = f"X.{kind}"
    np.savez(folder / "X.npz", X)
    safetensors.save_file({"X": X}, folder / "X.safetensors")
    streams = _Stream((folder / name).read_bytes()), _Stream()
    monkeypatch.setattr(sys, "stdin", streams[0])
    monkeypatch.setattr(sys, "stdout", streams[1])
    assert main(["apply", str(folder / "map"), "-", "-o", "-"]) == 0
    out = folder / f"out{(folder / name).suffix}"
    out.write_bytes(streams[1].buffer.getvalue())
    assert_allclose(read(out)[1], LinearAligner().fit(X, Y).transform(X))


class _InParts(io.RawIOBase):
    """Stream that gives so many bytes at a time, as a pipe may."""

    def __init__(self, content, size):
        self._file, self._size = io.BytesIO(content), size

    def readable(self):
        return True

    def readinto(self, part):
        return self._file.readinto(memoryview(part)[: self._size])


@pytest.mark.parametrize(("size", "copies"), [(3, 1), (200, 0), (10**6, 0)])
def test_arrays_are_mapped_while_they_arrive(folder, size, copies, monkeypatch):
    monkeypatch.setattr(_apply, "_BATCH_BYTES", 8 * 4 * 7)
    seen, copied = [], _files.copied
    monkeypatch.setattr(_files, "copied", lambda s: seen.append(1) or copied(s))
    monkeypatch.setattr(sys, "stdin", _Stream(b""))
    content = (folder / "X.npy").read_bytes()
    sys.stdin.buffer = io.BufferedReader(_InParts(content, size))
    out = folder / "out.npy"
    assert main(["apply", str(folder / "map"), "-", "-o", str(out)]) == 0
    assert len(seen) == copies
    assert_allclose(np.load(out), LinearAligner().fit(X, Y).transform(X))


def as_npy(array):
    np.save(file := io.BytesIO(), array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (as_npy(X)[:-9], "- ends within rows 56 to 59, but its header declares 60"),
        (as_npy(X) + b"0", "- holds more than the 60 rows that its header declares"),
        (as_npy(X)[:100], "- cannot be read as an array"),
        (as_npy(X[:, :3]), "- has 3 columns, but the map was fitted with 4"),
        (as_npy(X[:0]), "- has no rows"),
        (as_npy(X[0]), "its shape is (4,)"),
        (as_npy(X.astype("S5")), "must be a matrix of numbers"),
    ],
)
def test_arrays_that_arrive_damaged_leave_no_output(
    folder, content, said, monkeypatch, capsys
):
    monkeypatch.setattr(_apply, "_BATCH_BYTES", 8 * 4 * 7)
    monkeypatch.setattr(sys, "stdin", _Stream(content))
    before = sorted(folder.iterdir())
    words = ["apply", str(folder / "map"), "-", "-o", str(folder / "out.npy")]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_columns_that_arrive_one_after_the_other_are_copied(folder, monkeypatch):
    content = as_npy(np.asfortranarray(X))
    monkeypatch.setattr(sys, "stdin", _Stream(content))
    out = folder / "out.npy"
    assert main(["apply", str(folder / "map"), "-", "-o", str(out)]) == 0
    assert_allclose(np.load(out), LinearAligner().fit(X, Y).transform(X))


def test_only_one_input_is_standard_input(capsys):
    assert main(["report", "-", "-"]) == 2
    assert "only one input can be standard input" in capsys.readouterr().err


def test_a_terminal_is_no_input(capsys, monkeypatch):
    stream = _Stream()
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["report", "-", "no.npy"]) == 2
    assert "is a terminal" in capsys.readouterr().err


def test_without_pyarrow_tables_say_what_to_install(folder, capsys, monkeypatch):
    monkeypatch.setattr(_kinds, "find_spec", lambda name: None)
    for words in (
        ["apply", folder / "map", folder / "X.csv", "-o", folder / "o.npy"],
        ["apply", folder / "map", folder / "X.npy", "-o", folder / "o.csv"],
        ["apply", folder / "map", folder / "both.safetensors:X", "-o", folder / "o"],
    ):
        assert main([*map(str, words)]) == 2
        assert "skalign[files]" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_arrays_have_no_place_for_identifiers(folder, suffix, capsys):
    words = ["apply", folder / "map", folder / "X.csv", "-o", folder / f"o{suffix}"]
    assert main([*map(str, words), "--id", "id"]) == 2
    assert "no column for the identifiers" in capsys.readouterr().err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("kind", _kinds.MATRICES)
def test_a_full_device_is_an_error(folder, capsys, kind):
    words = ["apply", folder / "map", folder / "X.csv", "-o", "/dev/full"]
    assert main([*map(str, words), "--format", kind]) == 2
    error = capsys.readouterr().err
    assert "/dev/full cannot be written" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("kind", _kinds.MATRICES)
def test_a_reader_that_leaves_is_no_error(folder, capsys, monkeypatch, kind):
    reader, writer = os.pipe()
    os.close(reader)
    words = ["apply", folder / "map", folder / "X.csv", "-o", "-", "--format", kind]
    with suppress(BrokenPipeError), open(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        status = main([*map(str, words)])
    assert (status, *capsys.readouterr()) == (0, "", "")


@pytest.mark.services
@pytest.mark.parametrize("kind", ["npy", "parquet"])  # all kinds in one process: above
def test_processes_are_joined_by_pipes(folder, kind):
    apply = f"{sys.executable} -m skalign apply {folder}/map"
    done = subprocess.run(
        f"cat {folder}/X.csv | {apply} - --format {kind} -o - > {folder}/out.{kind} && "
        f"{apply} {folder}/X.csv -o - --format {kind} | head -c 10 > /dev/null",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert_allclose(
        read(folder / f"out.{kind}")[1], LinearAligner().fit(X, Y).transform(X)
    )
