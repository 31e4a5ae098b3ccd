"""Facts about how files are written and read."""

import os
import stat

import pytest

from skalign._files import writing


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
