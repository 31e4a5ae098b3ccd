"""Facts about pictures that are read from folders."""

import os
import sys
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skalign.datasets import domains_from_folders, images_from_folders

Image = pytest.importorskip("PIL.Image")


def paint(path, color, size=(6, 6), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).convert(mode).save(path)


def make_domains(home, per_class=2):
    """Red says the domain of a picture, green its class and blue its place."""
    for i, domain in enumerate(["amazon", "webcam"]):
        for j, label in enumerate(["bike", "mug"]):
            for k in range(per_class):
                color = (100 * i + 50, 100 * j + 50, 10 * k)
                paint(home / domain / label / f"{k}.png", color)
    return home


def pack(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder))
    return path


@pytest.mark.parametrize("zipped", [False, True])
def test_folders_say_the_domain_and_the_class(tmp_path, zipped):
    path = make_domains(tmp_path / "office")
    path = pack(path, tmp_path / "office.zip") if zipped else path
    pictures = domains_from_folders(path, size=4)
    assert pictures.data.shape == (8, 3, 4, 4)
    assert pictures.data.dtype == np.float32
    assert pictures.domain_names == ["amazon", "webcam"]
    assert pictures.target_names == ["bike", "mug"]
    assert_array_equal(pictures.sample_domain, [0, 0, 0, 0, 1, 1, 1, 1])
    assert_array_equal(pictures.target, [0, 0, 1, 1, 0, 0, 1, 1])
    red, green, blue = (255 * pictures.data.mean(axis=(2, 3))).T
    assert_allclose(red, 100 * pictures.sample_domain + 50, rtol=1e-5)
    assert_allclose(green, 100 * pictures.target + 50, rtol=1e-5)
    assert_allclose(blue, [0, 10] * 4, rtol=1e-5)
    assert pictures.filenames[2] == "amazon/mug/0.png"
    assert "8 images of 3 x 4 x 4" in pictures.DESCR
    assert "amazon, webcam" in pictures.DESCR


def test_domains_and_classes_come_in_the_order_that_was_asked_for(tmp_path):
    make_domains(tmp_path / "office")
    pictures = domains_from_folders(
        "office", domains=["webcam", "amazon"], classes=["mug"], data_home=tmp_path
    )
    assert pictures.domain_names == ["webcam", "amazon"]
    assert_array_equal(pictures.sample_domain, [0, 0, 1, 1])
    assert_array_equal(pictures.target, 0)
    assert pictures.filenames[0] == "webcam/mug/0.png"


def test_bytes_are_the_pixels_themselves(tmp_path):
    make_domains(tmp_path)
    bytes_, y = domains_from_folders(tmp_path, dtype="uint8", return_X_y=True)
    assert bytes_.dtype == np.uint8
    floats = domains_from_folders(tmp_path)
    assert_allclose(floats.data, bytes_ / 255, rtol=1e-6)
    assert_array_equal(y, floats.target)


def test_the_middle_square_is_taken(tmp_path):
    pixels = np.zeros((4, 12, 3), dtype=np.uint8)
    pixels[:, 4:8] = 200
    (tmp_path / "a" / "b").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "a" / "b" / "wide.png")
    data = domains_from_folders(tmp_path, size=4, dtype="uint8").data
    assert_array_equal(data, 200)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_pictures_of_any_mode_become_three_channels(tmp_path, mode):
    paint(tmp_path / "a" / "b" / "0.png", (102, 102, 102), mode=mode)
    data = domains_from_folders(tmp_path, size=3, dtype="uint8").data
    assert data.shape == (1, 3, 3, 3)
    assert_array_equal(data, 102)


def test_the_whole_way_to_a_picture_is_its_class(tmp_path):
    paint(tmp_path / "desert" / "sand" / "0.png", (1, 1, 1))
    paint(tmp_path / "desert" / "0.png", (2, 2, 2))
    paint(tmp_path / "ocean" / "0.png", (3, 3, 3))
    scenes = images_from_folders(tmp_path, size=2, dtype="uint8")
    assert scenes.target_names == ["desert", "desert/sand", "ocean"]
    assert_array_equal(scenes.data[:, 0, 0, 0], [2, 1, 3])
    X, y = images_from_folders(
        tmp_path, size=2, classes=["ocean", "desert"], dtype="uint8", return_X_y=True
    )
    assert_array_equal(X[:, 0, 0, 0], [3, 2])
    assert_array_equal(y, [0, 1])


def test_hidden_files_and_files_that_are_no_pictures_are_left_out(tmp_path):
    make_domains(tmp_path)
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "amazon" / "bike" / "labels.txt").write_text("0")
    paint(tmp_path / "amazon" / ".thumbnails" / "0.png", (0, 0, 0))
    assert len(domains_from_folders(tmp_path).data) == 8


def test_folders_may_be_links(tmp_path):
    real = make_domains(tmp_path / "real")
    for name in ("amazon", "webcam"):
        (tmp_path / "linked").mkdir(exist_ok=True)
        (tmp_path / "linked" / name).symlink_to(real / name, target_is_directory=True)
    assert_array_equal(
        domains_from_folders(tmp_path / "linked").data, domains_from_folders(real).data
    )
    (real / "amazon" / "bike" / "back").symlink_to(real, target_is_directory=True)
    assert len(domains_from_folders(real).data) == 8  # not round and round


@pytest.mark.parametrize("load", [domains_from_folders, images_from_folders])
def test_what_is_not_there_is_named(tmp_path, load):
    with pytest.raises(
        FileNotFoundError, match=r"gone is neither a folder nor a zip file"
    ):
        load("gone", data_home=tmp_path)
    with pytest.raises(ValueError, match="contains no image"):
        load(tmp_path)
    make_domains(tmp_path)
    with pytest.raises(ValueError, match=r"There is no class 'cup' in .*; there is"):
        load(tmp_path, classes=["cup"])
    with pytest.raises(
        ValueError, match=r"Expected distinct names, one class.*got \[\]"
    ):
        load(tmp_path, classes=[])
    (tmp_path / "amazon" / "void").mkdir()
    with pytest.raises(ValueError, match=r"folder amazon/void in .* contains no image"):
        load(tmp_path)


def test_an_empty_folder_in_a_zip_file_is_named_too(tmp_path):
    make_domains(tmp_path / "office")
    (tmp_path / "office" / "dslr").mkdir()
    path = pack(tmp_path / "office", tmp_path / "office.zip")
    with pytest.raises(ValueError, match=r"folder dslr in .* contains no image"):
        domains_from_folders(path)


def test_an_unknown_domain_is_named(tmp_path):
    make_domains(tmp_path)
    with pytest.raises(ValueError, match=r"no domain 'dslr' .* is amazon, webcam\."):
        domains_from_folders(tmp_path, domains=["amazon", "dslr"])


def test_pictures_outside_the_folders_of_classes_are_refused(tmp_path):
    paint(tmp_path / "amazon" / "0.png", (0, 0, 0))
    with pytest.raises(ValueError, match=r"0\.png in .* is not <domain>/<class>/"):
        domains_from_folders(tmp_path)
    paint(tmp_path / "0.png", (0, 0, 0))
    with pytest.raises(ValueError, match=r"0\.png in .* is not <class>/<image>"):
        images_from_folders(tmp_path)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_damaged_picture_is_named(tmp_path, zipped):
    path = make_domains(tmp_path / "office")
    (path / "webcam" / "mug" / "1.png").write_bytes(b"not a picture")
    path = pack(path, tmp_path / "office.zip") if zipped else path
    with pytest.raises(ValueError, match=r"webcam/mug/1\.png in .* is not an image"):
        domains_from_folders(path)


def test_a_damaged_zip_file_is_named(tmp_path):
    make_domains(tmp_path / "office")
    noise = np.random.default_rng(0).integers(256, size=(50, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "office" / "webcam" / "mug" / "1.png")
    path = pack(tmp_path / "office", tmp_path / "office.zip")
    content = bytearray(path.read_bytes())
    start = content.index(b"webcam/mug/1.png") + 3000
    content[start : start + 40] = 40 * b"y"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"webcam/mug/1\.png in .* damaged"):
        domains_from_folders(path)


def test_pixels_of_16_bits_are_brought_to_8(tmp_path):
    path = tmp_path / "amazon" / "mug" / "0.png"
    path.parent.mkdir(parents=True)
    wide = np.linspace(0, 65535, 100).reshape(10, 10)
    Image.fromarray(wide.astype(np.uint16)).save(path)
    data = domains_from_folders(tmp_path, size=10).data
    assert_allclose(data[0], np.broadcast_to(wide / 65535, (3, 10, 10)), atol=1 / 255)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_whose_range_is_not_known_are_refused(tmp_path, dtype):
    path = tmp_path / "amazon" / "mug" / "0.tiff"
    path.parent.mkdir(parents=True)
    Image.fromarray(np.ones((10, 10), dtype=dtype)).save(path)
    with pytest.raises(ValueError, match=r"mug/0\.tiff in .* whose range is not known"):
        domains_from_folders(tmp_path)


@pytest.mark.parametrize("load", [domains_from_folders, images_from_folders])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
def test_a_photo_that_is_stored_turned_is_read_upright(tmp_path, load, zipped, suffix):
    pixels = np.zeros((32, 32, 3), dtype=np.uint8)  # each quarter has its brightness
    pixels[:16, :16], pixels[:16, 16:], pixels[16:, :16] = 60, 120, 240
    turned = {  # by numpy
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: np.rot90(pixels, -1),
        7: np.rot90(pixels.swapaxes(0, 1), 2),
        8: np.rot90(pixels),
    }
    for orientation in turned:
        path = tmp_path / "home" / "a" / "b" / f"{orientation}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(path, exif=exif, quality=100)
    path = tmp_path / "home"
    path = pack(path, tmp_path / "home.zip") if zipped else path
    data = load(path, size=32, dtype="uint8").data[:, 0]
    for seen, expected in zip(data, turned.values(), strict=True):
        assert_allclose(seen.astype(int), expected[..., 0], atol=8)


@pytest.mark.parametrize("zipped", [False, True])
def test_more_pixels_than_the_limit_of_pillow_are_refused(
    tmp_path, zipped, monkeypatch
):
    path = make_domains(tmp_path / "office")
    paint(path / "webcam" / "mug" / "1.png", (0, 0, 0), size=(15, 10))
    path = pack(path, tmp_path / "office.zip") if zipped else path
    said = r"webcam/mug/1\.png in .* is not an image, or damaged: .*exceeds limit"
    for limit in (149, 50):  # Pillow itself warns up to twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ValueError, match=said):
            domains_from_folders(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 150)
    assert len(domains_from_folders(path).data) == 8


def test_a_picture_in_a_format_that_runs_programs_is_refused(tmp_path):
    path = make_domains(tmp_path) / "amazon" / "mug" / "1.png"
    Image.new("RGB", (8, 8)).save(path, format="EPS")
    with pytest.raises(ValueError, match=r"mug/1\.png in .* is not an image"):
        domains_from_folders(tmp_path)


def test_a_pipe_in_the_place_of_a_picture_is_refused(tmp_path):
    os.mkfifo(make_domains(tmp_path) / "amazon" / "mug" / "pipe.png")
    with pytest.raises(ValueError, match=r"pipe\.png in .*: it is not a regular file"):
        domains_from_folders(tmp_path)


def test_a_picture_that_unpacks_to_far_more_than_its_zip_file_is_refused(tmp_path):
    path = pack(make_domains(tmp_path / "office"), tmp_path / "office.zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("amazon/mug/bomb.webp", b"RIFF" + bytes(2**26))
    with pytest.raises(ValueError, match=r"bomb\.webp in .* declares 67,108,868 bytes"):
        domains_from_folders(path)


def test_without_pillow_the_error_says_what_to_install(tmp_path, monkeypatch):
    make_domains(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        domains_from_folders(tmp_path)


@pytest.mark.long
def test_office_caltech10_has_its_published_sizes(data_home):
    path = data_home / "office_caltech10" / "images_128.zip"
    if not path.is_file():
        pytest.skip(f"no images of Office-Caltech10 in {data_home}")
    office = domains_from_folders(path, size=8, dtype="uint8")
    assert office.domain_names == ["amazon", "caltech10", "dslr", "webcam"]
    assert_array_equal(np.bincount(office.sample_domain), [958, 1123, 157, 295])
    assert len(office.target_names) == 10
    deep = np.load(path.with_name("deep_features.npz"))
    assert office.target_names == deep["classes"].tolist()


def test_scenes_have_their_published_sizes(data_home):
    path = data_home / "scenes" / "scenes_64.zip"
    if not path.is_file():
        pytest.skip(f"no scenes in {data_home}")
    classes = ["sun/ocean", "intel/forest", "sun/desert"]
    scenes = images_from_folders(path, classes=classes, size=8, dtype="uint8")
    assert_array_equal(np.bincount(scenes.target), [200, 200, 314])
