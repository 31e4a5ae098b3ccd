"""Facts about NICO in the environments of OoD-Bench."""

from itertools import chain, count

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skalign.datasets import load_nico

Image = pytest.importorskip("PIL.Image")

CONTEXTS = {"animal": ["in_forest", "on_grass"], "vehicle": ["on_beach", "on_snow"]}
# Pictures of each class in a context of its own, and in one of the other class.
ENVIRONMENTS = ["train1", "train2", "val", "test"]
PUBLISHED = dict(
    zip(ENVIRONMENTS, [(400, 10), (390, 20), (50, 50), (10, 90)], strict=True)
)
SMALL = dict(zip(ENVIRONMENTS, [(4, 1), (3, 2), (1, 1), (1, 3)], strict=True))


def make_nico(home, counts=SMALL, images="images"):
    """Write split files and pictures; red says the environment, green the class."""
    numbers = count()
    home.mkdir(exist_ok=True)
    for i, (environment, shares) in enumerate(counts.items()):
        lines = []
        for j, (label, contexts) in enumerate(CONTEXTS.items()):
            picture = home / "one.png"
            Image.new("RGB", (2, 2), (50 * i, 200 * j, 0)).save(picture)
            content = picture.read_bytes()
            for context in chain(*CONTEXTS.values()):
                folder = home / label / images / "kind" / context
                folder.mkdir(parents=True, exist_ok=True)
                for _ in range(shares[context not in contexts]):
                    name = f"{next(numbers)}.png"
                    (folder / name).write_bytes(content)
                    lines.append(f"kind\\{context}\\{name},kind,{context},{label}\n")
        splits = home / "mixed_split_corrected"
        splits.mkdir(exist_ok=True)
        (splits / f"env_{environment}.csv").write_text("".join(lines))
    return home


@pytest.mark.long
def test_environments_have_the_published_sizes_and_shares(tmp_path):
    nico = load_nico(make_nico(tmp_path, PUBLISHED), size=1, dtype="uint8")
    assert_array_equal(np.bincount(nico.sample_domain), [1640, 1640, 400, 400])
    for e, shares in enumerate(PUBLISHED.values()):
        for k, (label, contexts) in enumerate(CONTEXTS.items()):
            for context in chain(*CONTEXTS.values()):
                found = np.sum(
                    (nico.sample_domain == e)
                    & (nico.target == k)
                    & (nico.context == context)
                )
                assert found == shares[context not in contexts], (e, label, context)
    assert nico.target_names == ["animal", "vehicle"]


@pytest.mark.parametrize("images", ["images", ""])
def test_each_picture_is_the_one_that_its_line_names(tmp_path, images):
    nico = load_nico(make_nico(tmp_path, images=images), size=2)
    assert nico.data.shape == (len(nico.target), 3, 2, 2)
    assert nico.data.dtype == np.float32
    colors = np.round(255 * nico.data[:, :, 0, 0])
    assert_array_equal(colors[:, 0], 50 * nico.sample_domain)
    assert_array_equal(colors[:, 1], 200 * nico.target)
    assert set(nico.category) == {"kind"}
    assert nico.filenames[0].startswith(f"animal/{images}".rstrip("/") + "/kind/in_")
    assert "train1 (20), train2 (20), val (8), test (16)" in nico.DESCR


def test_environments_come_in_the_order_that_was_asked_for(tmp_path):
    make_nico(tmp_path / "NICO")
    nico = load_nico(environments=["test", "train1"], size=1, data_home=tmp_path)
    assert nico.domain_names == ["test", "train1"]
    assert_array_equal(np.bincount(nico.sample_domain), [16, 20])
    X, y = load_nico(
        environments=["test", "train1"], size=1, data_home=tmp_path, return_X_y=True
    )
    assert_array_equal(X, nico.data)
    assert_array_equal(y, nico.target)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no directory .*NICO"):
        load_nico(data_home=tmp_path)
    home = make_nico(tmp_path / "NICO")
    with pytest.raises(ValueError, match=r"no environment 'train3' in NICO"):
        load_nico(home, environments=["train3"])
    with pytest.raises(FileNotFoundError, match=r"no split file .*other.env_train1"):
        load_nico(home, splits="other")
    lost = home / "animal" / "images" / "kind" / "in_forest" / "0.png"
    lost.unlink()
    with pytest.raises(
        FileNotFoundError, match=r"1 of 64 images are not in .*forest/0\.png"
    ):
        load_nico(home)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "env_val.csv is empty"),
        ("a.jpg,kind,on_snow\n", r"Line 1 of .*env_val\.csv is 'a\.jpg,kind,on_snow'"),
        (
            "path,category,context,superclass\n",
            r"Line 1 .* class \(animal or vehicle\)",
        ),
        (
            "..\\one.png,kind,on_snow,animal\n",
            r"Line 1 of .*env_val\.csv points outside",
        ),
        (
            "/etc/a.png,kind,on_snow,animal\n",
            r"Line 1 of .*env_val\.csv points outside",
        ),
        (f"{'a' * 200_000},kind,on_snow,animal\n", r"env_val\.csv is no split file"),
        ("\udcff,kind,on_snow,animal\n", r"env_val\.csv is no split file"),
    ],
)
def test_a_split_file_of_another_form_is_refused(tmp_path, content, message):
    home = make_nico(tmp_path)
    (home / "mixed_split_corrected" / "env_val.csv").write_text(
        content, errors="surrogateescape"
    )
    with pytest.raises(ValueError, match=message):
        load_nico(home, size=1)
