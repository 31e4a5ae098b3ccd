"""Facts about reading the MNIST file format."""

import gzip
import os
import struct
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skalign.datasets import load_idx
from skalign.datasets._idx import read_idx

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


# The names of tests, made of such bytes, are the same in each process.
to_gzip = partial(gzip.compress, mtime=0)


def to_idx(array, dtype="u1"):
    header = bytes([0, 0, CODES[dtype], array.ndim])
    header += struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(f">{dtype}").tobytes()


def write_mnist(directory, name="{}-{}-{}-ubyte", pack=bytes, n_train=5, n_test=3):
    rng = np.random.default_rng(0)
    written = {}
    for prefix, n in (("train", n_train), ("t10k", n_test)):
        images = rng.integers(256, size=(n, 4, 3))
        labels = rng.integers(10, size=n)
        for kind, code, array in (
            ("images", "idx3", images),
            ("labels", "idx1", labels),
        ):
            path = directory / name.format(prefix, kind, code)
            path.write_bytes(pack(to_idx(array)))
        written[prefix] = images, labels
    return written


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 1, 3), (0, 2, 2), (1, 2, 1, 2)])
def test_every_type_and_shape_comes_back(tmp_path, dtype, shape):
    array = np.random.default_rng(0).normal(scale=30, size=shape)
    array = np.abs(array).astype(dtype) if dtype == "u1" else array.astype(dtype)
    path = tmp_path / "values.idx"
    path.write_bytes(to_idx(array, dtype))
    read = read_idx(path)
    assert_array_equal(read, array)
    assert read.dtype == np.dtype(dtype)
    assert read.dtype.isnative
    assert read.flags.writeable


def test_gzip_is_told_by_the_content_not_by_the_name(tmp_path):
    array = np.arange(6).reshape(2, 3)
    for name, content in (
        ("packed", gzip.compress(to_idx(array))),
        ("plain.gz", to_idx(array)),
    ):
        (tmp_path / name).write_bytes(content)
        assert_array_equal(read_idx(str(tmp_path / name)), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds 0 bytes"),
        (b"\0\0\x08", "holds 3 bytes"),
        (b"\1\0\x08\1\0\0\0\0", "starts with the bytes 01 00 08 01"),
        (b"\0\0\x0a\1\0\0\0\0", "starts with the bytes 00 00 0a 01"),
        (b"\0\0\x08\0\0\0\0\0", "number of dimensions, at least 1"),
        (b"<!DOCTYPE html>", "starts with the bytes 3c 21 44 4f"),
        (b"\0\0\x08\2\0\0\0\2", "header of 2 dimensions takes 12"),
        (b"\0\0\x08\1\0\0\0\4abc", r"holds 11 bytes.*announces 12: uint8.*\(4,\)"),
        (b"\0\0\x08\1\0\0\0\2abc", "holds 11 bytes.*announces 10"),
        (b"\0\0\x0e\2\xff\xff\xff\xff\xff\xff\xff\xff", "float64"),
        (bytes([0, 0, 8, 65]) + bytes(260), "at most 64"),
        (bytes([0, 0, 8, 4, 0, 0, 0, 0]) + b"\xff" * 12, "no array can have"),
        (to_gzip(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7])), "holds 9 bytes"),
        (to_gzip(bytes([0, 0, 8, 1, 0, 0, 0, 2] + 99 * [7])), "11 bytes or more"),
        (to_gzip(bytes([0, 0, 8, 1, 9, 0, 0, 0])), "declares 150,994,952 bytes"),
        (to_gzip(to_idx(np.arange(9)))[:-9], "damaged gzip"),
        (to_gzip(to_idx(np.arange(9)))[:12] + bytes(20), "damaged gzip"),
        (to_gzip(to_idx(np.arange(9)))[:-8] + bytes(8), "damaged gzip"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, message):
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"pipe is not a regular file"):
        read_idx(tmp_path / "pipe")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["{}-{}-{}-ubyte", "{}-{}.{}-ubyte"])
@pytest.mark.parametrize("packed", [False, True])
def test_subsets_are_read_under_every_usual_name(tmp_path, name, packed):
    end, pack = (".gz", gzip.compress) if packed else ("", bytes)
    written = write_mnist(tmp_path, name + end, pack)
    for subset, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = written[prefix]
        loaded = load_idx(tmp_path, subset=subset)
        assert_array_equal(loaded.images, images)
        assert_array_equal(loaded.data, images.reshape(len(images), 12))
        assert_array_equal(loaded.target, labels)
        assert [Path(path).is_file() for path in loaded.filenames] == [True, True]
        assert f"{len(images)} images of 4 x 3 pixels" in loaded.DESCR


def test_all_puts_the_test_rows_last(tmp_path):
    write_mnist(tmp_path)
    parts = [load_idx(tmp_path, subset=name) for name in ("train", "test")]
    data, target = load_idx(tmp_path, subset="all", return_X_y=True)
    assert_array_equal(data, np.concatenate([part.data for part in parts]))
    assert_array_equal(target, np.concatenate([part.target for part in parts]))


def test_a_subset_needs_only_its_own_files(tmp_path):
    write_mnist(tmp_path)
    for path in tmp_path.glob("t10k*"):
        path.unlink()
    assert len(load_idx(tmp_path).target) == 5


def test_the_file_that_is_not_compressed_is_preferred(tmp_path):
    write_mnist(tmp_path, "{}-{}-{}-ubyte.gz", gzip.compress, n_train=2)
    write_mnist(tmp_path, n_train=4)
    assert len(load_idx(tmp_path).target) == 4


def test_data_home_is_where_the_directory_lies(tmp_path, monkeypatch):
    (tmp_path / "tiny").mkdir()
    write_mnist(tmp_path / "tiny")
    wanted = load_idx(tmp_path / "tiny").data
    assert_array_equal(load_idx("tiny", data_home=tmp_path).data, wanted)
    assert_array_equal(load_idx("tiny", data_home=str(tmp_path)).data, wanted)
    monkeypatch.chdir(tmp_path)
    assert_array_equal(load_idx("tiny").data, wanted)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert_array_equal(load_idx("tiny", data_home="~").data, wanted)


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no directory .*nowhere"):
        load_idx("nowhere", data_home=tmp_path)


def test_a_missing_file_is_named_by_what_was_looked_for(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    names = (
        "train-labels-idx1-ubyte, train-labels.idx1-ubyte, "
        r"train-labels-idx1-ubyte\.gz, train-labels\.idx1-ubyte\.gz"
    )
    with pytest.raises(FileNotFoundError, match=names):
        load_idx(tmp_path)


def test_labels_that_are_too_few_are_refused(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(to_idx(np.arange(4)))
    with pytest.raises(ValueError, match=r"holds 5 images, but .* 4 labels"):
        load_idx(tmp_path)


def test_labels_in_place_of_images_are_refused(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(to_idx(np.arange(5)))
    with pytest.raises(ValueError, match=r"shape \(5,\); 3 dimensions were expected"):
        load_idx(tmp_path)


def test_subsets_of_different_sizes_are_refused(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(to_idx(np.zeros((3, 2, 2))))
    assert load_idx(tmp_path, subset="test").data.shape == (3, 4)
    with pytest.raises(ValueError, match=r"differ in size: \[\(4, 3\), \(2, 2\)\]"):
        load_idx(tmp_path, subset="all")


def test_an_unknown_subset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'subset'"):
        load_idx(tmp_path, subset="validation")


def test_mnist_is_what_it_is_known_to_be(data_home):
    if not (data_home / "mnist").is_dir():
        pytest.skip(f"no MNIST in {data_home}")
    mnist = load_idx("mnist", subset="all", data_home=data_home)
    assert mnist.images.shape == (70_000, 28, 28)
    assert mnist.data.dtype == np.uint8
    assert_array_equal(mnist.target[:5], [5, 0, 4, 1, 9])
    assert_array_equal(mnist.target[60_000:60_005], [7, 2, 1, 0, 4])
    assert_array_equal(np.bincount(mnist.target[60_000:])[:3], [980, 1135, 1032])
    assert round(float(mnist.data[:60_000].mean() / 255), 4) == 0.1307
