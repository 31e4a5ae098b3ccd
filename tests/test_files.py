"""Facts about how files are written and read."""

import io
import os
import stat
import struct
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skalign._files import (
    check_growth,
    damaged,
    map_npy,
    npz_keys,
    read_npz,
    writing,
)


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_takes_the_place_of_the_one_that_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with writing(path) as unfinished:
        unfinished.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert listing(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("there", [True, False])
def test_a_failure_leaves_what_was_there(tmp_path, error, there):
    path = tmp_path / "file"
    if there:
        path.write_text("old")

    def fail():
        with writing(path) as unfinished:
            unfinished.write_text("ne")
            raise error

    with pytest.raises(error):
        fail()
    assert listing(tmp_path) == ["file"] * there
    assert not there or path.read_text() == "old"


def test_a_private_file_is_private_while_it_is_written(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o600)
    with writing(path) as unfinished:
        assert stat.S_IMODE(unfinished.stat().st_mode) == 0o600
        unfinished.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "far").mkdir()
    link = tmp_path / "link"
    for target in (tmp_path / "far" / "file", tmp_path / "far" / "new"):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        with writing(link) as unfinished:
            unfinished.write_text("new")
        assert link.is_symlink()
        assert target.read_text() == "new"
    assert listing(tmp_path) == ["far", "link"]


def test_devices_and_pipes_are_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with writing(pipe) as unfinished:
        unfinished.write_text("text")
    assert os.read(reader, 9) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with writing(os.devnull) as unfinished:
        unfinished.write_text("text")
    assert listing(tmp_path) == ["pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device_is_an_error():
    with pytest.raises(OSError, match="No space"), writing("/dev/full") as unfinished:
        unfinished.write_text("text")


def test_what_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    cases = ["folder", "loop", "nowhere/file", "n" * 256]
    for name in cases:
        with pytest.raises(OSError, match=name[:4]), writing(tmp_path / name):
            raise AssertionError("nothing is to be written")
    (tmp_path / "fixed").write_text("old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anything
    with pytest.raises(PermissionError, match="fixed"), writing(tmp_path / "fixed"):
        raise AssertionError("nothing is to be written")
    assert listing(tmp_path) == ["fixed", "folder", "loop"]


def npy_bytes(array, version=None):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), version=version)
    return file.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12, dtype=">i2").reshape(3, 4)),
        np.float16(3),
        np.zeros((0, 5)),
        np.array(["ant", "bee"]),
        np.array([b"ant", b"bee"]),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        np.array([1j]),
    ],
    ids=str,
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_whole_arrays_are_read(tmp_path, array, version):
    (tmp_path / "a.npy").write_bytes(npy_bytes(array, version))
    assert_array_equal(map_npy(tmp_path / "a.npy"), array)
    with ZipFile(tmp_path / "a.npz", "w", ZIP_DEFLATED) as archive:
        archive.writestr("key.npy", npy_bytes(array, version))
    assert npz_keys(tmp_path / "a.npz") == ["key"]
    assert_array_equal(read_npz(tmp_path / "a.npz", ["key"])["key"], array)


def declaring(shape, descr="<f8"):
    """Bytes of an .npy file that declares a shape and holds 24 bytes."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape})
    header = f"{header:<117}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(24)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "magic string"),
        (b"\x93NUMPY", "magic string"),
        (b"\x93NUMPY\1\0\xff\xffabc", "length of 65,535"),
        (b"\x93NUMPY\2\0\0\0\0\xff", "length of 4,278,190,080"),
        (b"\x93NUMPY\3\0\0\0\0\0", "version"),
        (b"\x93NUMPY\1\0\4\0((((", "damaged"),
        (declaring((2**29,)), "declares 4,294,967,"),
        (declaring((2**60, 2**60)), "declares"),
        (declaring((4,)), "holds 152 bytes, but its header declares 160"),
        (declaring((2,)), "holds 152 bytes, but its header declares 144"),
        (declaring((-3, -1)), "declares"),
        (declaring((10**18, 3), "<U0"), "declares"),
        (declaring((3,), "|O"), "Python objects"),
        (declaring((3,), [("a", "|O")]), "Python objects"),
        (npy_bytes(np.ones(3))[:-1], "declares"),
        (npy_bytes(np.ones(3)) + b"7", "declares"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_an_array_that_is_not_what_its_header_says_is_refused(
    tmp_path, content, message
):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.npy is no \.npy file.*{message}"):
        map_npy(tmp_path / "a.npy")
    with ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("key.npy", content)
    with pytest.raises(ValueError, match=rf"a\.npz is no .*key in it .*{message}"):
        read_npz(tmp_path / "a.npz", ["key"])


def test_an_array_may_unpack_to_what_arrays_usually_do(tmp_path):
    counts = np.random.default_rng(0).poisson(1.0, size=3 * 10**6)
    np.savez_compressed(tmp_path / "a.npz", counts=counts)
    assert_array_equal(read_npz(tmp_path / "a.npz", ["counts"])["counts"], counts)
    check_growth(2**26, 1, "a")
    check_growth(32 * 2**22, 2**22, "a")
    with pytest.raises(ValueError, match="a declares 67,108,865 bytes"):
        check_growth(2**26 + 1, 2**20, "a")


def test_all_arrays_that_are_asked_for_count(tmp_path):
    zeros = np.zeros(2**22)
    np.savez_compressed(tmp_path / "a.npz", a=zeros, b=zeros, c=zeros)
    assert len(read_npz(tmp_path / "a.npz", ["b"])) == 1
    with pytest.raises(ValueError, match="declares 67,109,120 bytes"):
        read_npz(tmp_path / "a.npz", ["a", "c"])


def test_errors_of_the_system_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        map_npy(tmp_path / "gone.npy")
    with pytest.raises(ValueError, match="this, or damaged: Memory"), damaged("this"):
        raise MemoryError
    with pytest.raises(ValueError, match="this, or damaged"), damaged("this"):
        raise OSError(
            22, "Invalid argument"
        )  # a damaged archive seeks before its start
