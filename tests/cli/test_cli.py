"""The command line, from outside and from inside."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from joblib import cpu_count
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.linear_model import Ridge
from skops.io import dump
from threadpoolctl import threadpool_info, threadpool_limits

from skalign import LinearAligner, RigidAligner, save
from skalign.cli import _apply, _files, _fit, _matrix, _report, _terminal, main
from skalign.cli._columns import COLUMNS
from skalign.datasets import make_paired_spaces
from skalign.model_selection import alignability

try:
    import resource
except ImportError:  # on Windows
    resource = None


@pytest.fixture
def spaces(tmp_path):
    """Files of 120 pairs, 8 and 6 columns wide, and of labels."""
    made = make_paired_spaces(120, 8, 6, noise=0.3, n_classes=3, random_state=0)
    np.save(tmp_path / "X.npy", made.data)
    np.savez(tmp_path / "both.npz", X=made.data, y=made.target, labels=made.labels)
    np.save(tmp_path / "y.npy", made.target)
    return tmp_path


@pytest.fixture
def stored(spaces):
    """File of a map from one of these spaces to the other."""
    aligner = LinearAligner().fit(*(np.load(spaces / f"{name}.npy") for name in "Xy"))
    save(aligner, spaces / "map.skops")
    return str(spaces / "map.skops")


def test_report_names_the_best_map(spaces, capsys):
    X, y = str(spaces / "X.npy"), str(spaces / "y.npy")
    out = spaces / "report.json"
    assert main(["report", X, y, "--cv", "3", "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    record = json.loads(out.read_text())
    means = {
        row["name"]: np.mean(row["scores"]["relative_error"]) for row in record["maps"]
    }
    best = min(means, key=means.get)
    assert record["best"] == best
    assert best in [record["best"], record["recommended"]]
    assert f"> {record['recommended']}" in printed
    assert f"{means[best]:.3f}*" in printed
    assert "identity" not in printed  # the widths differ
    assert (record["n_train"], record["n_test"]) == (80, 40)


def test_report_takes_arrays_of_an_npz_file_and_labels(spaces, capsys):
    file = str(spaces / "both.npz")
    arguments = ["report", f"{file}:X", f"{file}:y", "--labels", f"{file}:labels"]
    assert main([*arguments, "--cv", "2", "--criterion", "accuracy"]) == 0
    printed = capsys.readouterr().out
    assert "accuracy" in printed
    assert "target's own" in printed
    assert "By accuracy, '" in printed


def test_report_prints_and_stores_which_class_of_map_the_pairs_support(spaces, capsys):
    X, y, out = (str(spaces / name) for name in ("X.npy", "y.npy", "report.json"))
    assert main(["report", X, y, "--cv", "2", "--seed", "5", "-o", out]) == 0
    expected = alignability(np.load(X), np.load(y), cv=2, random_state=5)
    printed = capsys.readouterr().out
    assert expected.verdict in " ".join(printed.split())
    with open(out) as file:
        record = json.load(file)
    assert record["recommended"] == expected.name
    assert record["verdict"] == [expected.verdict]
    assert [row["name"] for row in record["maps"]] == expected.names
    assert_allclose([row["error"] for row in record["maps"]], expected.errors)
    intervals = [row["interval"] for row in record["maps"]]
    assert_allclose(intervals, expected.intervals)


def test_metrics_to_choose_by_are_those_of_the_report(spaces):
    X, y = np.load(spaces / "X.npy"), np.load(spaces / "y.npy")
    maps = {"rigid": RigidAligner()}
    labels = np.arange(len(X)) % 2
    result = alignability(X, y, labels=labels, aligners=maps, learning_curves=False)
    better = {name: column.greater_is_better for name, column in COLUMNS.items()}
    assert result.greater_is_better == better


def test_report_says_when_pairs_are_too_few_for_a_verdict(spaces, capsys):
    for name in ("X", "y"):
        np.save(spaces / f"{name}.npy", np.load(spaces / f"{name}.npy")[:19])
    X, y = (str(spaces / name) for name in ("X.npy", "y.npy"))
    refused(capsys, ["report", X, y], "At least 20 pairs are needed", "got 19")


@pytest.mark.long
def test_without_arguments_the_embedded_default_is_compared(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert "1,797 x 24" in printed
    assert "identity" in printed
    assert "The pairs support the class" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert printed.endswith("  skalign report source.npy target.npy\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--aligner", "rigid"],
        ["--aligner", "similarity", "--anchors", "40"],
        ["--aligner", "least-squares", "--anchors", "0.5", "--selector", "random"],
        ["--rank", "3"],
        ["--aligner", "nonlinear"],
    ],
)
def test_a_stored_map_is_applied_as_it_was_fitted(spaces, arguments, capsys):
    X, y = str(spaces / "X.npy"), str(spaces / "y.npy")
    stored, out = str(spaces / "map.skops"), str(spaces / "out.npy")
    assert main(["fit", X, y, "-o", stored, *arguments]) == 0
    assert "relative error" in capsys.readouterr().out
    assert main(["apply", stored, X, "-o", out]) == 0
    mapped = np.load(out)
    assert mapped.shape == (120, 6)
    if not arguments:
        expected = LinearAligner().fit(np.load(X), np.load(y)).transform(np.load(X))
        assert_allclose(mapped, expected)


def test_batches_give_the_same_rows_as_all_at_once(spaces, stored, monkeypatch):
    X = str(spaces / "X.npy")
    main(["apply", stored, X, "-o", str(spaces / "whole.npy")])
    monkeypatch.setattr("skalign.cli._apply._BATCH_BYTES", 8 * 8 * 7)
    main(["apply", stored, X, "-o", str(spaces / "batches.npy")])
    assert_allclose(np.load(spaces / "batches.npy"), np.load(spaces / "whole.npy"))


def test_memory_stays_constant_on_a_memory_mapped_file(spaces, stored, memory_grown):
    rng = np.random.default_rng(0)
    grown = []
    for n_samples in (400_000, 2_000_000):
        np.save(spaces / "large.npy", rng.normal(size=(n_samples, 8)))
        words = ["apply", stored, str(spaces / "large.npy")]
        words += ["-o", str(spaces / "out.npy")]
        mebibytes, status = memory_grown(main, words)
        assert status == 0
        grown.append(mebibytes)
        assert np.load(spaces / "out.npy", mmap_mode="r").shape == (n_samples, 6)
    assert grown[1] - grown[0] < 40  # MiB; the file grew by 98


@pytest.mark.parametrize("aligner", ["linear", "similarity"])
def test_a_map_is_fitted_to_large_files_in_batches(
    spaces, aligner, monkeypatch, capsys, memory_grown
):
    monkeypatch.setattr(_matrix, "_MOST_PAIRS", 60)
    rng, grown = np.random.default_rng(0), []
    mixing = rng.normal(size=(24, 16))
    X, y, stored = (str(spaces / name) for name in ("X.npy", "y.npy", "map.skops"))
    for n_samples in (30_000, 240_000):
        rows = rng.normal(size=(n_samples, 24)).astype(np.float32)
        np.save(X, rows)
        np.save(y, (rows @ mixing).astype(np.float32))
        del rows
        words = ["fit", X, y, "--aligner", aligner, "-o", stored]
        with config_context(working_memory=2):  # MiB
            mebibytes, status = memory_grown(main, words)
        assert status == 0
        grown.append(mebibytes)
        assert f"tested on 60 of {n_samples:,} pairs" in capsys.readouterr().out
    assert grown[1] - grown[0] < 16  # MiB; the files grew by 32
    main(["apply", stored, X, "-o", str(spaces / "out.npy")])
    whole = {"linear": LinearAligner(), "similarity": RigidAligner(scaling=True)}
    expected = whole[aligner].fit(np.load(X), np.load(y)).transform(np.load(X))
    assert_allclose(np.load(spaces / "out.npy"), expected, rtol=1e-3, atol=1e-4)


class _Evil:
    def __reduce__(self):
        return os.system, ("true",)


def test_a_file_with_an_untrusted_type_is_refused(spaces, capsys):
    aligner = LinearAligner().fit([[0.0], [1.0]], [[0.0], [1.0]])
    aligner.alpha = os.path.basename
    save(aligner, spaces / "evil.skops")
    (spaces / "pickle.skops").write_bytes(pickle.dumps(_Evil()))
    X, out = str(spaces / "X.npy"), str(spaces / "out.npy")
    assert main(["apply", str(spaces / "evil.skops"), X, "-o", out]) == 2
    assert "evil.skops refers to posixpath.basename" in capsys.readouterr().err
    assert main(["apply", str(spaces / "pickle.skops"), X, "-o", out]) == 2
    assert "is no file of skalign.save, or damaged" in capsys.readouterr().err
    dump(aligner, spaces / "older.skops")
    assert main(["apply", str(spaces / "older.skops"), X, "-o", out]) == 2
    assert "fit the estimator again" in capsys.readouterr().err
    save(Ridge().fit([[0.0], [1.0]], [0.0, 1.0]), spaces / "ridge.skops")
    assert main(["apply", str(spaces / "ridge.skops"), X, "-o", out]) == 2
    assert "holds a Ridge, not a map" in capsys.readouterr().err
    assert not (spaces / "out.npy").exists()


def _commands(folder):
    X, y, both = (str(folder / name) for name in ("X.npy", "y.npy", "both.npz"))
    both_bytes = Path(both).read_bytes()
    np.save(folder / "nan.npy", np.full((120, 8), np.nan))
    np.save(folder / "ones.npy", np.ones((120, 6)))
    np.save(folder / "short.npy", np.ones((7, 8)))
    np.save(folder / "cube.npy", np.ones((120, 2, 2)))
    np.save(folder / "text.npy", np.full((120, 2), "a"))
    np.save(folder / "object.npy", np.full((120, 2), None), allow_pickle=True)
    (folder / "broken.npy").write_bytes(b"no array")
    (folder / "broken.npz").write_bytes(both_bytes[: len(both_bytes) // 2])
    np.savez(folder / "empty.npz")
    return [
        (["report", X, "nowhere.npy"], "nowhere.npy: no such file"),
        (["report", X], "SOURCE needs a TARGET"),
        (["report", X, f"{both}:Z"], "'Z' of X, y, labels"),
        (["report", X, both], "needs one of its keys"),
        (["report", str(folder / "nan.npy"), y], "NaN"),
        (["report", str(folder / "short.npy"), y], "inconsistent numbers of samples"),
        (["report", str(folder / "cube.npy"), y], r"must be a matrix of numbers"),
        (["report", str(folder / "text.npy"), y], r"must be a matrix of numbers"),
        (["report", str(folder / "object.npy"), y], "cannot be read as an array"),
        (["report", str(folder / "broken.npy"), y], "cannot be read as an array"),
        (["report", str(folder / "broken.npz"), y], "cannot be read as an array"),
        (["report", str(folder / "empty.npz"), y], "holds no array"),
        (["report", "--labels", X], "--labels needs a SOURCE"),
        (["report", X, str(folder / "ones.npy")], "All samples of y are equal"),
        (["report", X, y, "--cv", "1"], "--cv 1 must be from 2"),
        (["report", X, y, "--criterion", "accuracy"], "needs --labels"),
        (["report", X, y, "-o", "/nowhere/out.json"], "cannot be written"),
        (["fit", X, y, "-o", "/nowhere/map.skops"], "cannot be written"),
        (["fit", X, y, "-o", "m", "--aligner", "rigid", "--rank", "2"], "--rank needs"),
        (["apply", "nowhere.skops", X, "-o", "out.npy"], "no such file"),
    ]


def refused(capsys, arguments, *parts):
    """Run a command that must end with one line, status 2 and no output."""
    try:
        status = main(list(map(str, arguments)))
    except SystemExit as leaving:
        status = leaving.code
    assert status == 2
    printed, error = capsys.readouterr()
    assert not printed
    assert error.startswith("skalign: error: ")
    assert error.count("\n") == 1
    for part in parts:
        assert part in error


@pytest.mark.parametrize("i", range(20))
def test_bad_input_ends_with_one_line_and_status_2(spaces, capsys, i):
    commands = _commands(spaces)
    assert len(commands) == 20
    arguments, message = commands[i]
    refused(capsys, arguments, message)


@pytest.fixture
def few(tmp_path):
    """Files of 24 pairs, and a map from one to the other."""
    made = make_paired_spaces(24, 3, 2, noise=0.3, n_classes=2, random_state=0)
    np.save(tmp_path / "X.npy", made.data)
    np.save(tmp_path / "y.npy", made.target)
    save(LinearAligner().fit(made.data, made.target), tmp_path / "map.skops")
    return tmp_path


X_FEW = np.arange(72.0).reshape(24, 3)
ODD_ARRAYS = {
    "scalar": np.float64(3.0),
    "vector": np.ones(24),
    "cube": np.ones((24, 3, 1)),
    "no_rows": np.ones((0, 3)),
    "no_columns": np.ones((24, 0)),
    "complex": X_FEW * 1j,
    "text": X_FEW.astype(str),
    "bytes": X_FEW.astype("S9"),
    "dates": X_FEW.astype(int).astype("M8[D]"),
    "fields": np.zeros(24, dtype=[("a", float), ("ä", int)]),
    "matrix_of_fields": np.zeros((24, 3), dtype=[("a", float), ("b", int)]),
    "infinite": np.where(X_FEW == 7, np.inf, X_FEW),
}


@pytest.mark.parametrize("name", ODD_ARRAYS)
def test_arrays_that_are_no_rows_of_numbers_are_named(few, capsys, name):
    np.save(few / f"{name}.npy", ODD_ARRAYS[name])
    before = sorted(few.iterdir())
    X, y, odd = few / "X.npy", few / "y.npy", few / f"{name}.npy"
    for command in (
        ["report", odd, y],
        ["report", X, odd],
        ["fit", odd, y, "-o", few / "out.skops"],
        ["fit", X, odd, "-o", few / "out.skops"],
        ["apply", few / "map.skops", odd, "-o", few / "out.npy"],
    ):
        refused(capsys, command, f"{name}.npy")
    assert sorted(few.iterdir()) == before


@pytest.mark.parametrize(
    "change",
    [np.asfortranarray, lambda X: X.astype(">f8"), lambda X: X.astype(np.float32),
     lambda X: X.astype(np.longdouble)],
    ids=["Fortran", "big-endian", "float32", "longdouble"],
)  # fmt: skip
def test_arrays_in_another_order_or_precision_are_mapped_alike(few, change):
    np.save(few / "other.npy", change(np.load(few / "X.npy")))
    for name in ("X", "other"):
        command = ["apply", few / "map.skops", few / f"{name}.npy"]
        assert main([*map(str, command), "-o", str(few / f"{name}.out.npy")]) == 0
    assert_allclose(
        np.load(few / "other.out.npy"), np.load(few / "X.out.npy"), rtol=1e-5
    )


def test_what_is_no_file_is_named(few, capsys):
    X, out = few / "X.npy", few / "out.npy"
    os.mkfifo(few / "pipe")
    (few / "loop").symlink_to(few / "loop")
    (few / "nothing.npy").touch()
    before = sorted(few.iterdir())
    for name, said in (
        (few, "is a folder, not a file"),
        (few / "pipe", "is a device or pipe, not a file"),
        (few / "loop", "cannot be read"),
        (few / ("n" * 256), "cannot be read"),
        (few / "gone.npz:a", "no such file"),
        ("", "no such file"),
    ):
        refused(capsys, ["report", name, X], str(name).partition(":")[0], said)
        refused(capsys, ["apply", name, X, "-o", out], said)
        refused(capsys, ["apply", few / "map.skops", name, "-o", out], said)
    refused(capsys, ["report", few / "nothing.npy", X], "nothing.npy", "it is empty")
    refused(capsys, ["apply", few / "nothing.npy", X, "-o", out], "is no file of")
    refused(capsys, ["report", f"{X}:a", X], "no such file")
    assert sorted(few.iterdir()) == before


def test_files_that_may_not_be_read_are_named(few, capsys, monkeypatch):
    usual = open

    def forbid(path, *args, **kwargs):  # root may read anything
        if str(path).endswith("X.npy"):
            raise PermissionError(13, "Permission denied", str(path))
        return usual(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", forbid)
    refused(capsys, ["report", few / "X.npy", few / "y.npy"], "X.npy", "denied")


def test_keys_of_npz_files_are_wanted_and_named(few, capsys):
    X = np.load(few / "X.npy")
    np.savez(few / "two.npz", a=X, b=X)
    for name in ("two.npz", "two.npz:", "two.npz:c"):
        refused(capsys, ["report", few / name, few / "y.npy"], "two.npz:a", "a, b")
    with ZipFile(few / "locked.npz", "w") as archive:
        archive.writestr("a.npy", (few / "X.npy").read_bytes())
    content = (few / "locked.npz").read_bytes()
    locked = content.replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1")
    assert locked != content
    (few / "locked.npz").write_bytes(locked)
    refused(capsys, ["report", few / "locked.npz", few / "y.npy"], "locked.npz")


LABELS = {
    "matrix": np.ones((24, 1)),
    "none": np.full(24, np.nan),
    "complex": np.arange(24) % 2 * 1j,
    "few": np.arange(7) % 2,
    "same": np.zeros(24, int),
    "latin": np.array([b"caf\xe9", b"tea"] * 12),
    "object": np.array(["a", None] * 12),
    "dates": (np.arange(24) % 2).astype("M8[D]"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_that_do_not_suit_are_named(few, capsys, name):
    np.save(few / f"{name}.npy", LABELS[name], allow_pickle=True)
    command = ["report", few / "X.npy", few / "y.npy", "--labels", few / f"{name}.npy"]
    refused(capsys, command, f"{name}.npy")


def test_labels_may_be_bytes(few, capsys):
    np.save(few / "labels.npy", np.array([b"tea", "café".encode()] * 12))
    command = ["report", few / "X.npy", few / "y.npy", "--labels", few / "labels.npy"]
    assert main([*map(str, command), "--cv", "2", "--aligners", "rigid"]) == 0
    assert "accuracy" in capsys.readouterr().out


def test_outputs_under_a_name_of_another_format_are_refused(few, capsys):
    X, y, stored = few / "X.npy", few / "y.npy", few / "map.skops"
    before = {path: path.read_bytes() for path in few.iterdir()}
    for name in ("out.xls", "out.zip", "out.npy.gz", "out.skops", "OUT.TXT"):
        refused(capsys, ["apply", stored, X, "-o", few / name], name, "end with .npy")
    for name in ("out.npy", "out.pkl", "out.json"):
        refused(capsys, ["fit", X, y, "-o", few / name], name, "end with .skops")
    refused(capsys, ["report", X, y, "-o", few / "a.csv"], ".md or .json")
    for command in (
        ["apply", stored, X, "-o"],
        ["fit", X, y, "-o"],
        ["report", X, y, "-o"],
    ):
        if command[0] != "apply":
            refused(capsys, [*command, "-"], "standard output (-)")
        refused(capsys, [*command, ""], "cannot be written")
        refused(capsys, [*command, few / ("n" * 256)], "cannot be written")
    assert {path: path.read_bytes() for path in few.iterdir()} == before
    assert not os.path.exists("-")


def test_an_input_is_not_written_over(few, capsys):
    X, y, stored = few / "X.npy", few / "y.npy", few / "map.skops"
    (few / "link.npy").symlink_to(X)
    np.savez(few / "both", X=np.load(X))
    (few / "both").with_suffix(".npz").rename(few / "both")
    before = X.read_bytes()
    for out in (X, few / "link.npy"):
        refused(capsys, ["apply", stored, X, "-o", out], "is an input")
    stored.rename(few / "map")
    refused(capsys, ["apply", few / "map", X, "-o", few / "map"], "is an input")
    refused(capsys, ["fit", few / "both", y, "-o", few / "both"], "is an input")
    assert X.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["report", "X", "y", "--cv", "-3"], "--cv -3 must be"),
        (["report", "X", "y", "--cv", "0"], "--cv 0 must be"),
        (["report", "X", "y", "--cv", "9" * 30], "must be from 2 to 24"),
        (["report", "X", "y", "--cv", "2.5"], "--cv"),
        (["report", "X", "y", "--seed", "-1"], "--seed"),
        (["report", "X", "y", "--seed", str(2**32)], "--seed"),
        (["fit", "X", "y", "-o", "m", "--rank", "0"], "rank"),
        (["fit", "X", "y", "-o", "m", "--rank", "7"], "rank=7 must be at most"),
        (["fit", "X", "y", "-o", "m", "--rank", "9" * 30], "rank"),
        (["fit", "X", "y", "-o", "m", "--anchors", "0"], "anchors"),
        (["fit", "X", "y", "-o", "m", "--anchors", "-5"], "anchors"),
        (["fit", "X", "y", "-o", "m", "--anchors", "500"], "500"),
        (["fit", "X", "y", "-o", "m", "--anchors", "nan"], "--anchors"),
        (["fit", "X", "y", "-o", "m", "--anchors", "9" * 5000], "--anchors"),
        (["report", "X", "y", "--criterion", "beauty"], "--criterion"),
        (["report", "X", "y", "--beauty"], "--beauty"),
        (["report", "X", "y", "y"], "unrecognized"),
        (["fit", "X", "y"], "-o"),
        (["fit", "X", "y", "-o", "m", "--selector", "random"], "--selector needs"),
        (["fit", "X", "y", "-o", "m", "--anchors", "25"], "anchors"),
        (["fit", "X", "y", "-o", "m", "--aligner", "magic"], "--aligner"),
        (["beauty"], "beauty"),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_options_that_do_not_suit_are_named(few, capsys, options, said):
    files = {"X": few / "X.npy", "y": few / "y.npy", "m": few / "m"}
    refused(capsys, [files.get(word, word) for word in options], said)
    assert not (few / "m").exists()


def test_equal_target_rows_are_refused_and_named(few, capsys):
    np.save(few / "same.npy", np.ones((24, 2)))
    X, same, out = few / "X.npy", few / "same.npy", few / "out.skops"
    refused(capsys, ["report", X, same], "same.npy", "All samples of y are equal")
    refused(
        capsys, ["fit", X, same, "-o", out], "same.npy", "All samples of y are equal"
    )
    assert not out.exists()


def test_a_target_so_large_that_squares_overflow_is_refused_or_mapped(few, capsys):
    np.save(few / "large.npy", np.load(few / "y.npy") * 1e200)
    command = ["fit", few / "X.npy", few / "large.npy", "-o", few / "out.skops"]
    refused(capsys, command, "large.npy")


def commands(few):
    X, y, stored = few / "X.npy", few / "y.npy", few / "map.skops"
    return [
        (["fit", X, y, "-o", few / "out.skops"], few / "out.skops"),
        (["apply", stored, X, "-o", few / "out.npy"], few / "out.npy"),
        (["report", X, y, "--cv", "2", "--aligners", "rigid", "-o", few / "out.json"],
         few / "out.json"),
    ]  # fmt: skip


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("i", range(3))
def test_a_full_standard_output_is_an_error_and_nothing_is_written(
    few, capsys, monkeypatch, i
):
    command, out = commands(few)[i]
    out.write_bytes(b"before")
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        refused(capsys, command, "standard output cannot be written", "No space")
    assert out.read_bytes() == b"before"
    assert not list(few.glob(".*"))


@pytest.mark.parametrize("i", range(3))
def test_a_closed_pipe_ends_nothing(few, capsys, monkeypatch, i):
    command, out = commands(few)[i]
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert main(list(map(str, command))) == 0
    assert not capsys.readouterr().err
    assert out.exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_help_into_a_full_device_is_an_error(capsys, monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["--help"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("skalign: error: standard output cannot be written")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "skalign: interrupted\n"),
        (MemoryError(), 2, "skalign: error: MemoryError:\n"),
        (TypeError("two\nlines"), 2, "skalign: error: TypeError: two lines\n"),
    ],
)
def test_whatever_happens_ends_with_one_line(
    few, capsys, monkeypatch, error, status, said
):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(LinearAligner, "fit", fail)
    monkeypatch.setattr(LinearAligner, "transform", fail)
    for module in (_fit, _report):
        monkeypatch.setattr(module, "alignability", fail)
    for command, out in commands(few):
        assert main(list(map(str, command))) == status
        printed, text = capsys.readouterr()
        assert text == said
        assert not printed
        assert not out.exists()
    assert not list(few.glob(".*"))


@pytest.fixture
def usual_signals():
    """Signals as in a terminal: in the background, processes may ignore some."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    if hasattr(signal, "SIGHUP"):
        usual[signal.SIGHUP] = signal.SIG_DFL
    before = {number: signal.signal(number, usual[number]) for number in usual}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_with_one_line(few, capsys, monkeypatch, name):
    number = getattr(signal, name, signal.SIGINT)

    def end(*_, **__):
        signal.raise_signal(number)
        time.sleep(1)  # until the handler is called, some instructions later

    monkeypatch.setattr(LinearAligner, "transform", end)
    for module in (_fit, _report):
        monkeypatch.setattr(module, "alignability", end)
    before = signal.getsignal(number)
    for command, out in commands(few):
        assert main(list(map(str, command))) == 128 + number
        assert capsys.readouterr().err == "skalign: interrupted\n"
        assert not out.exists()
    assert not list(few.glob(".*"))
    assert signal.getsignal(number) is before


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_imports_ends_with_one_line(capsys, monkeypatch, number):
    class Module:
        def __getattr__(self, name):
            signal.raise_signal(number)
            time.sleep(1)  # until the handler is called, some instructions later

    monkeypatch.setitem(sys.modules, "skalign.cli._main", Module())
    assert main(["--version"]) == 128 + number
    assert capsys.readouterr().err == "skalign: interrupted\n"


@pytest.mark.services
@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["apply", "fit", "report"])
def test_a_signal_to_the_process_leaves_no_file(few, command, number):
    """The process waits for the rest of its standard input."""
    inputs, temporary = few / "inputs", few / "temporary"
    temporary.mkdir()
    few.joinpath("X.npy").replace(out := few / "out")  # an output that is there
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**7, 3)}
    with inputs.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
        file.write(bytes(_apply._BATCH_BYTES))  # of which apply has written a part
    words = {"apply": [few / "map.skops", "-"]}.get(command, ["-", few / "y.npy"])
    process = subprocess.Popen(
        [sys.executable, "-m", "skalign", command, *words, "-o", out],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    before = out.read_bytes()
    process.stdin.write(inputs.read_bytes())
    while not [*temporary.iterdir(), *few.glob(".*.part")]:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    printed, said = process.communicate()
    assert (process.returncode, printed) == (128 + number, b"")
    assert said == b"skalign: interrupted\n"
    assert out.read_bytes() == before
    assert not [*temporary.iterdir(), *few.glob(".*")]


def test_names_in_any_letters_are_printed(few, capsysbinary, monkeypatch):
    for name in ("Zürich", "東京", os.fsdecode(b"caf\xe9")):
        (few / f"{name}.npy").write_bytes((few / "X.npy").read_bytes())
        command = ["apply", few / "map.skops", few / f"{name}.npy", "-o", few / name]
        assert main(list(map(str, command))) == 0
        assert (few / name).is_file()
    assert "東京".encode() in capsysbinary.readouterr().out


def test_a_map_that_gives_no_numbers_is_refused(few, capsys):
    np.save(few / "huge.npy", np.full((4, 3), 1e308))
    out = few / "out.npy"
    command = ["apply", few / "map.skops", few / "huge.npy", "-o", out]
    aligner = LinearAligner().fit(np.load(few / "X.npy"), np.load(few / "y.npy"))
    aligner.coef_ = np.full_like(aligner.coef_, 1e9)
    save(aligner, few / "map.skops")
    refused(capsys, command, "huge.npy", "The result overflows float64")
    assert not out.exists()


@pytest.mark.parametrize("command", ["report", "fit"])
def test_folder_that_is_not_there_is_told_before_cross_validation(
    spaces, capsys, command
):
    wanted = [words for words, _ in _commands(spaces) if "/nowhere" in words[-1]]
    arguments = next(words for words in wanted if words[0] == command)
    assert main(arguments) == 2
    assert not capsys.readouterr().out


def test_rows_of_another_width_or_with_nan_are_refused(spaces, stored, capsys):
    X, y, out = (str(spaces / name) for name in ("X.npy", "y.npy", "out.npy"))
    assert main(["apply", stored, y, "-o", out]) == 2
    assert "has 6 columns, but the map was fitted with 8" in capsys.readouterr().err
    rows = np.load(X)
    rows[60, 3] = np.nan
    np.save(spaces / "nan.npy", rows)
    assert main(["apply", stored, str(spaces / "nan.npy"), "-o", out]) == 2
    assert "NaN" in capsys.readouterr().err
    assert not list(spaces.glob("out*"))


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["map"])
    assert ended.value.code == 2
    assert "invalid choice: 'map'" in capsys.readouterr().err


def test_float32_rows_give_float32_rows(spaces, stored):
    rows = np.load(spaces / "X.npy")
    np.save(spaces / "single.npy", rows.astype(np.float32))
    main(["apply", stored, str(spaces / "single.npy"), "-o", str(spaces / "out.npy")])
    assert np.load(spaces / "out.npy").dtype == np.float32
    assert_array_equal(np.load(spaces / "out.npy").shape, (120, 6))


@pytest.mark.parametrize("anchors", ["2.9", "inf", "0.0", "many"])
def test_anchors_are_a_whole_number_or_a_share(spaces, capsys, anchors):
    X, y = str(spaces / "X.npy"), str(spaces / "y.npy")
    with pytest.raises(SystemExit):
        main(["fit", X, y, "-o", str(spaces / "map.skops"), "--anchors", anchors])
    assert "--anchors" in capsys.readouterr().err


def test_a_target_of_one_column_is_reported(spaces, capsys):
    y = np.load(spaces / "y.npy")
    np.save(spaces / "column.npy", y[:, :1])
    words = ["report", str(spaces / "X.npy"), str(spaces / "column.npy"), "--cv", "2"]
    assert main(words) == 0
    assert re.search(r"^target  120 x 1\s", capsys.readouterr().out, re.MULTILINE)


def test_a_file_is_read_once(spaces, stored, monkeypatch):
    X, out = (str(spaces / name) for name in ("X.npy", "out.npy"))
    read, load = [], _files._array

    def watched(name, *words):
        read.append(name)
        return load(name, *words)

    monkeypatch.setattr(_files, "_array", watched)
    monkeypatch.setattr(_apply, "_BATCH_BYTES", 8 * 8 * 10)
    for rows in (f"{spaces / 'both.npz'}:X", X):
        assert main(["apply", stored, rows, "-o", out]) == 0
    assert read.count(f"{spaces / 'both.npz'}:X") == 1
    assert read.count(X) == 1


def test_a_share_of_one_is_all_rows(spaces):
    X, y, stored = (str(spaces / name) for name in ("X.npy", "y.npy", "map.skops"))
    assert main(["fit", X, y, "-o", stored, "--anchors", "1.0"]) == 0


def test_files_are_what_they_hold_whatever_they_are_called(spaces, capsys):
    rows = np.load(spaces / "X.npy")
    np.savez(spaces / "layers.npz", **{"layer:0": rows, "layer:1": rows})
    (spaces / "X.npy").rename(spaces / "matrix.npz")
    y, out = str(spaces / "y.npy"), str(spaces / "map.skops")
    assert main(["fit", f"{spaces / 'layers.npz'}:layer:0", y, "-o", out]) == 0
    assert main(["fit", str(spaces / "matrix.npz"), y, "-o", out]) == 0


@pytest.mark.filterwarnings("ignore:R.2 score is not well-defined")
def test_a_score_of_one_row_is_null_in_json(spaces):
    X, y = (np.load(spaces / f"{name}.npy")[:20] for name in "Xy")
    for name, rows in (("X", X), ("y", y)):
        np.save(spaces / f"{name}.npy", rows)
    path = spaces / "report.json"
    arguments = [str(spaces / "X.npy"), str(spaces / "y.npy"), "--cv", "11"]
    arguments += ["--aligners", "rigid"]
    assert main(["report", *arguments, "-o", str(path)]) == 0

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    record = json.loads(path.read_text(), parse_constant=refuse)
    assert any(None in row["scores"]["r2"] for row in record["maps"])


def test_no_rows_are_refused(spaces, stored, capsys):
    np.save(spaces / "none.npy", np.empty((0, 8)))
    out = spaces / "out.npy"
    assert main(["apply", stored, str(spaces / "none.npy"), "-o", str(out)]) == 2
    assert "has no rows" in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_is_no_file_to_write(spaces, capsys):
    folder = spaces / "folder"
    folder.mkdir()
    words, _ = next(words for words in _commands(spaces) if words[0][0] == "fit")
    before = set(spaces.iterdir())
    assert main([*words[:-1], str(folder)]) == 2
    assert "it is a folder" in capsys.readouterr().err
    assert set(spaces.iterdir()) == before
    assert not list(folder.iterdir())


@pytest.mark.skipif(resource is None, reason="needs a limit on file sizes")
@pytest.mark.parametrize("limit", [4, 7])  # kilobytes: within the rows, or at their end
def test_a_full_disk_leaves_the_file_that_was_there(spaces, capsys, limit):
    numbers = np.random.default_rng(0).normal(size=(300, 3))
    rows, few, stored = (spaces / name for name in ("rows.npy", "few.npy", "map.skops"))
    np.save(rows, numbers)
    np.save(few, numbers[:40])
    save(LinearAligner().fit(numbers, numbers), stored)
    commands = [
        *(
            (["apply", str(stored), str(rows)], spaces / f"out.{kind}")
            for kind in ("npy", "npz", "safetensors")
        ),
        (["fit", str(few), str(few)], stored),
        (["report", str(few), str(few), "--cv", "2"], spaces / "report.json"),
    ]
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    for command, file in commands:
        old = file.read_bytes() if file.is_file() else None
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * limit, most))
        try:
            status = main([*command, "-o", str(file)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
        said = capsys.readouterr().err
        if status:
            assert status == 2
            assert "cannot be written" in said
            assert (file.read_bytes() if file.is_file() else None) == old
        assert status or command[0] != "apply"
    assert not list(spaces.glob(".*"))


def test_a_zip_file_of_something_else_is_refused(spaces, capsys):
    with ZipFile(spaces / "table.zip", "w") as archive:
        archive.writestr("table.csv", "1,2")
    (spaces / "table.txt").write_text("1,2")
    X = str(spaces / "X.npy")
    assert main(["report", str(spaces / "table.zip"), X]) == 2
    assert "table.csv in it is no .npy" in capsys.readouterr().err
    assert main(["report", str(spaces / "table.txt"), X]) == 2
    assert "it is neither .npy, .npz" in capsys.readouterr().err


def test_as_many_anchors_as_pairs_are_fitted_without_a_test(spaces, capsys):
    X, stored = str(spaces / "X.npy"), str(spaces / "map.skops")
    assert main(["fit", X, X, "--anchors", "120", "-o", stored]) == 0
    assert "120 anchors leave too few pairs to test on" in capsys.readouterr().out
    assert main(["fit", X, X, "--anchors", "121", "-o", stored]) == 2
    assert "n_anchors=121 must be at most n_samples" in capsys.readouterr().err


def test_r2_of_single_pairs_chooses_no_map(spaces, capsys):
    X = str(spaces / "X.npy")
    assert main(["report", X, X, "--cv", "61", "--criterion", "r2"]) == 2
    assert "needs at least 2 test pairs in each fold" in capsys.readouterr().err


def test_a_report_on_equal_files_has_a_verdict(spaces, capsys):
    X = str(spaces / "X.npy")
    assert main(["report", X, X, "--cv", "2"]) == 0
    assert "support the class 'identity'" in capsys.readouterr().out


def test_an_output_keeps_what_it_is(spaces):
    X, stored, link = (spaces / name for name in ("X.npy", "map.skops", "link.skops"))
    stored.write_bytes(b"")
    stored.chmod(0o600)
    link.symlink_to(stored)
    assert main(["fit", str(X), str(X), "-o", str(link)]) == 0
    assert link.is_symlink()
    assert stored.stat().st_mode & 0o777 == 0o600
    assert main(["apply", str(link), str(X), "-o", str(spaces / ("o" * 250))]) == 0
    pipe = spaces / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert main(["apply", str(stored), str(X), "-o", str(pipe)]) == 0
    assert pipe.is_fifo()
    assert os.read(reader, 6) == b"\x93NUMPY"
    os.close(reader)
    assert not list(spaces.glob(".*"))


def _threads():
    return {
        library["filepath"]: library["num_threads"] for library in threadpool_info()
    }


@pytest.mark.parametrize(("work", "inside"), [(2e9, 1), (0, 2)], ids=["small", "large"])
@pytest.mark.parametrize("command", ["report", "fit", "apply"])
def test_small_problems_take_one_thread(
    spaces, stored, monkeypatch, command, work, inside
):
    X, y = str(spaces / "X.npy"), str(spaces / "y.npy")
    arguments = {
        "report": [X, y, "--cv", "2", "--aligners", "linear"],
        "fit": [X, y, "-o", stored],
        "apply": [stored, X, "-o", str(spaces / "mapped.npy")],
    }[command]
    seen = []

    def record(method):
        def recorded(*args, **kwargs):
            in_job = threading.current_thread() is not threading.main_thread()
            seen.append((in_job, _threads()))
            return method(*args, **kwargs)

        return recorded

    for name in ("_fit_with_sums", "transform"):
        method = getattr(LinearAligner, name)
        monkeypatch.setattr(LinearAligner, name, record(method))
    monkeypatch.setattr(_terminal, "_THREADED_WORK", work)
    with threadpool_limits(limits=2):
        before = _threads()
        assert main([command, *arguments]) == 0
        assert _threads() == before
    has_jobs = command == "report" and inside == 2  # which share the cores
    assert {in_job for in_job, _ in seen} == {has_jobs}
    for path, count in [item for _, threads in seen for item in threads.items()]:
        if has_jobs:
            assert count <= max(1, cpu_count() // 2), path
        elif "scipy.libs" in path:  # waits actively, as that of numpy.libs
            assert count == 1
        else:
            assert count == inside, path


def test_threads_are_given_back_after_an_error(spaces):
    with threadpool_limits(limits=2):
        before = _threads()
        assert main(["report", str(spaces / "X.npy"), str(spaces / "no.npy")]) == 2
        assert _threads() == before


def test_the_help_imports_neither_scikit_learn_nor_scipy():
    code = """
import sys
from skalign.cli import main
try:
    main(["--help"])
except SystemExit:
    print({"sklearn", "scipy", "ot", "torch", "pandas"} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("set()\n")
