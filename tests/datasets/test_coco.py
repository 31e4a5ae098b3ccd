"""Facts about objects pasted on colours and on places."""

import json
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom

from skalign.datasets import load_coco_objects, make_coco_places, make_colored_coco

Image = pytest.importorskip("PIL.Image")

CLASSES = ["boat", "dog", "train"]
PLACES = ["city", "lake", "park"]


def make_objects(n_samples=120, size=6, seed=0):
    """Two objects a picture; the left half of each is the object."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((n_samples, size, size), dtype=np.uint8)
    mask[:, :, : size // 2] = 255
    return {
        "rgb": rng.integers(256, size=(n_samples, size, size, 3), dtype=np.uint8),
        "mask": mask,
        "label": np.arange(n_samples) % 3,
        "classes": np.array(CLASSES),
        "image_id": 1000 + np.arange(n_samples) // 2,
    }


def make_scenes(n_each=10, size=6, n_places=5):
    """Scenes of one brightness each: a place has its tens, a scene its units."""
    target = np.repeat(np.arange(n_places), n_each)
    brightness = (10 * target + np.arange(len(target)) % n_each).astype(np.uint8)
    data = np.broadcast_to(
        brightness[:, None, None, None], (len(target), 3, size, size)
    )
    return {
        "data": data,
        "target": target,
        "target_names": [*PLACES, "tunnel", "valley"][:n_places],
    }


def assert_probability(events, p):
    """The share of events is one in a million that is further from p by chance."""
    low, high = binom.interval(1 - 1e-6, len(events), p)
    assert low <= np.sum(events) <= high


MAKERS = {
    "colours": lambda **given: make_colored_coco(make_objects(), **given),
    "places": lambda **given: make_coco_places(make_objects(), make_scenes(), **given),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_no_source_picture_is_in_two_environments(make):
    for n_per_class in (None, 50):
        pictures = make(n_per_class=n_per_class, random_state=0)
        images = [
            set(pictures.image_id[pictures.sample_domain == e].tolist())
            for e in range(3)
        ]
        assert not images[0] & images[1]
        assert not images[0] & images[2]
        assert not images[1] & images[2]
        assert_array_equal(1000 + pictures.indices // 2, pictures.image_id)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_without_a_number_each_object_is_pasted_once(make):
    pictures = make(random_state=0)
    assert_array_equal(np.sort(pictures.indices), np.arange(120))
    assert_array_equal(pictures.target, pictures.indices % 3)
    assert pictures.target_names == CLASSES
    sizes = np.bincount(pictures.sample_domain)
    assert_allclose(sizes, [48, 48, 24], atol=6)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_there_may_be_one_environment(make):
    pictures = make(strengths=[0.8], shares=[1], n_per_class=5, random_state=0)
    assert_array_equal(np.bincount(pictures.target), [5, 5, 5])
    assert_array_equal(pictures.sample_domain, np.zeros(15))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_classes_are_as_many_as_asked_for_and_objects_alike_often(make):
    pictures = make(n_per_class=[50, 4, 7], random_state=0)
    for e, n in enumerate([50, 4, 7]):
        of_e = pictures.sample_domain == e
        assert_array_equal(np.bincount(pictures.target[of_e]), [n] * 3)
        for k in range(3):
            found = np.unique(
                pictures.indices[of_e & (pictures.target == k)], return_counts=True
            )[1]
            assert found.max() - found.min() <= 1


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_same_seed_gives_the_same_pictures_in_both_forms(make):
    pictures = make(random_state=1)
    X, y = make(random_state=1, return_X_y=True)
    assert_array_equal(X, pictures.data)
    assert_array_equal(y, pictures.target)
    assert X.dtype == np.float32
    assert not np.array_equal(make(random_state=2).data, X)


def test_colours_go_with_classes_as_often_as_asked():
    pictures = make_colored_coco(make_objects(), n_per_class=900, random_state=0)
    own = pictures.color_class == pictures.target
    for e, strength in enumerate([0.8, 0.9, 0.0]):
        assert_probability(own[pictures.sample_domain == e], strength)
    assert set(pictures.color_class[~own]) == {-1}
    assert_array_equal(pictures.color[own], pictures.class_colors[pictures.target[own]])


def test_the_last_environment_has_colours_that_were_never_seen():
    pictures = make_colored_coco(make_objects(), n_per_class=200, random_state=0)
    train, test = pictures.sample_domain < 2, pictures.sample_domain == 2
    seen = {tuple(color) for color in pictures.color[train].tolist()}
    unseen = {tuple(color) for color in pictures.color[test].tolist()}
    assert not seen & unseen
    assert unseen == {tuple(color) for color in pictures.unseen_colors.tolist()}
    assert len(seen) == 3 + 10


def test_other_colours_keep_their_distance():
    pictures = make_colored_coco(make_objects(), n_colors=40, random_state=0)
    own, other, unseen = (
        pictures[f"{name}_colors"].astype(int) for name in ("class", "other", "unseen")
    )
    assert len(other) == len(unseen) == 40
    for colors, taken in ((other, own), (unseen, np.concatenate([own, other]))):
        distances = np.sum((colors[:, np.newaxis] - taken) ** 2, axis=2)
        assert distances.min() > 2500


def test_objects_lie_on_their_colour_by_their_mask():
    objects = make_objects()
    objects["mask"][:, :, 2] = 51  # a soft edge, a fifth of the object
    pictures = make_colored_coco(objects, random_state=0)
    rgb = objects["rgb"][pictures.indices].transpose(0, 3, 1, 2) / 255
    color = 0.75 * pictures.color[:, :, np.newaxis, np.newaxis] / 255
    assert_allclose(pictures.data[..., :2], rgb[..., :2], rtol=1e-5)
    assert_allclose(
        pictures.data[..., 2:3], 0.2 * rgb[..., 2:3] + 0.8 * color, rtol=1e-5
    )
    expected = np.broadcast_to(color, rgb[..., 3:].shape)
    assert_allclose(pictures.data[..., 3:], expected, rtol=1e-5)


def test_places_go_with_classes_as_often_as_asked():
    pictures = make_coco_places(
        make_objects(), make_scenes(), n_per_class=900, random_state=0
    )
    own = pictures.place_class == pictures.target
    for e, strength in enumerate([0.8, 0.9, 0.1]):
        assert_probability(own[pictures.sample_domain == e], strength)
    assert_array_equal(pictures.place[own], np.array(PLACES)[pictures.target[own]])
    assert set(pictures.place_class) == {0, 1, 2}  # the places of other classes


def test_other_places_and_unseen_places_are_where_they_belong():
    pictures = make_coco_places(
        make_objects(),
        make_scenes(),
        places=["park", "lake", "city"],
        other_places=["tunnel"],
        unseen_places=["valley"],
        n_per_class=100,
        random_state=0,
    )
    last = pictures.sample_domain == 2
    away = pictures.place_class == -1
    assert_array_equal(pictures.place[away & ~last], "tunnel")
    assert_array_equal(pictures.place[away & last], "valley")
    assert set(pictures.place[~away & (pictures.target == 0)]) == {"park"}
    assert "tunnel or, in the last environment, of\nvalley" in pictures.DESCR


def test_strengths_hold_where_other_places_are_those_of_classes():
    places = ["park", "lake", "city"]
    pictures = make_coco_places(
        make_objects(),
        make_scenes(),
        places=places,
        other_places=[*places, "tunnel"],
        n_per_class=300,
        random_state=0,
    )
    for e, strength in enumerate((0.8, 0.9, 0.1)):
        own = (pictures.place_class == pictures.target)[pictures.sample_domain == e]
        assert_probability(own, strength)


def test_each_picture_shows_the_scene_that_is_named_and_environments_share_none():
    scenes = make_scenes()
    pictures = make_coco_places(make_objects(), scenes, n_per_class=100, random_state=0)
    brightness = np.round(255 * pictures.data[:, 0, 0, -1])
    assert_array_equal(brightness, scenes["data"][pictures.scene_indices, 0, 0, 0])
    names = np.array(scenes["target_names"])[scenes["target"]]
    assert_array_equal(names[pictures.scene_indices], pictures.place)
    used = [
        set(pictures.scene_indices[pictures.sample_domain == e].tolist())
        for e in range(3)
    ]
    assert not used[0] & used[1]
    assert not (used[0] | used[1]) & used[2]


def test_superclasses_make_the_binary_version():
    pictures = make_coco_places(
        make_objects(),
        make_scenes(),
        superclasses={"animal": ["dog"], "vehicle": ["train", "boat"]},
        places=["park", "city"],
        n_per_class=300,
        random_state=0,
    )
    assert pictures.target_names == ["animal", "vehicle"]
    assert_array_equal(pictures.target == 0, pictures.category == "dog")
    assert_array_equal(np.bincount(pictures.target), [900, 1800])
    own = pictures.place_class == pictures.target
    for e, strength in enumerate([0.8, 0.9, 0.1]):
        assert_probability(own[pictures.sample_domain == e], strength)
    assert set(pictures.place) == {"park", "city"}


def test_objects_may_lie_in_a_file(tmp_path):
    np.savez_compressed(tmp_path / "objects.npz", **make_objects())
    read = make_colored_coco("objects.npz", data_home=tmp_path, random_state=0)
    given = make_colored_coco(make_objects(), random_state=0)
    assert_array_equal(read.data, given.data)
    with pytest.raises(FileNotFoundError, match=r"There is no file .*gone\.npz"):
        make_colored_coco("gone.npz", data_home=tmp_path)
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(ValueError, match=r"text\.npz is no \.npz file"):
        make_colored_coco("text.npz", data_home=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rgb": np.zeros((99, 600, 600, 3), np.uint8)}, "declares 106,9"),
        ({"image_id": np.full(120, None)}, "holds Python objects"),
    ],
)
def test_a_file_of_objects_that_cannot_be_read_is_named(tmp_path, change, message):
    np.savez_compressed(tmp_path / "objects.npz", **{**make_objects(), **change})
    with pytest.raises(ValueError, match=rf"objects\.npz .*{message}"):
        make_colored_coco("objects.npz", data_home=tmp_path)


def test_scenes_may_lie_in_a_folder(tmp_path):
    for place in PLACES:
        (tmp_path / "scenes" / place).mkdir(parents=True)
        for k in range(5):
            Image.new("RGB", (9, 9), (9, 9, 9)).save(
                tmp_path / "scenes" / place / f"{k}.png"
            )
    pictures = make_coco_places(
        make_objects(), "scenes", data_home=tmp_path, random_state=0
    )
    assert_allclose(pictures.data[..., 3:], 9 / 255, rtol=1e-5)
    assert set(pictures.place) == set(PLACES)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": ["boat", "cat"]}, r"no class 'cat' in objects; there is boat,"),
        ({"strengths": [0.8, 0.9, 1.1]}, r"strengths must be .* at most 1"),
        ({"strengths": [0.8, True, 0.1]}, r"strengths must be .* at most 1"),
        ({"strengths": [0.8, 1j, 0.1]}, r"strengths must be .* at most 1"),
        ({"strengths": [0.8, "a", 0.1]}, r"strengths must be .* at most 1"),
        ({"shares": [1, 1]}, r"shares=\[1, 1\] .* one for each of 3 environments"),
        ({"shares": [1, 1, 0]}, r"whole numbers above 0"),
        ({"shares": [20, 20, 10]}, r"'boat' has 40 objects; .* want at least 50"),
        ({"shares": [1, 1, True]}, r"whole numbers above 0"),
        ({"shares": [1, 1, 2**70]}, r"whole numbers above 0"),
        ({"n_per_class": 0}, r"n_per_class=\[0, 0, 0\] must be"),
        ({"n_per_class": True}, r"n_per_class=True must be whole numbers"),
        ({"n_per_class": [5, True, 5]}, r"n_per_class=\[5, True, 5\] must be"),
        ({"n_per_class": 2.0}, r"'n_per_class'"),
        ({"n_per_class": [[5, 5, 5]]}, r"one for each of 3 environments"),
        ({"n_per_class": [5, 5]}, r"n_per_class=\[5, 5\] must be"),
    ],
)
def test_what_does_not_suit_is_refused(make, given, message):
    with pytest.raises(ValueError, match=message):
        make(**given)


def test_pictures_may_have_any_names():
    plain = make_coco_places(make_objects(), make_scenes(), random_state=0)
    for rename in (lambda i: np.where(i == 1059, np.inf, i), lambda i: i.astype(str)):
        objects = make_objects()
        objects["image_id"] = rename(objects["image_id"])
        found = make_coco_places(objects, make_scenes(), random_state=0)
        assert_array_equal(found.indices, plain.indices)
    objects["image_id"] = np.where(np.arange(120) == 3, np.nan, 5.0)
    with pytest.raises(ValueError, match="image_id of objects holds NaN"):
        make_coco_places(objects, make_scenes())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": None}, r"objects must hold rgb, mask, label, image_id"),
        ({"rgb": np.zeros((120, 6, 6, 3))}, r"has rgb float64 .* expected uint8"),
        (
            {"mask": np.zeros((120, 5, 5), np.uint8)},
            r"mask uint8 \(120, 5, 5\); expected",
        ),
        ({"label": np.zeros(7, int)}, "inconsistent numbers of samples"),
        (
            {"label": np.full(120, 3)},
            "labels of objects are not indices into its 3 classes",
        ),
        (
            {"label": np.full(120, "dog")},
            "labels of objects are not indices into its 3",
        ),
        ({key: np.zeros(0) for key in make_objects()}, "objects contains no object"),
        ({"label": np.zeros((120, 1), int)}, r"shapes are \(120, 1\) and \(120,\)"),
        ({"image_id": np.array(7)}, r"shapes are \(120,\) and \(\)"),
        ({"rgb": np.array(7)}, r"must hold a label and an image_id"),
    ],
)
def test_objects_that_do_not_suit_are_refused(change, message):
    objects = {**make_objects(), **change}
    objects = {key: value for key, value in objects.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        make_colored_coco(objects)


def test_classes_in_too_few_pictures_are_named():
    objects = make_objects()
    objects["image_id"] = np.where(objects["label"] == 1, 0, np.arange(120))
    with pytest.raises(ValueError, match=r"has no object of class 'dog', whose 40"):
        make_colored_coco(objects, random_state=0)
    objects["image_id"] = objects["label"]
    with pytest.raises(ValueError, match=r"from 3 source images; .* want at least 5"):
        make_colored_coco(objects)


def test_colours_that_do_not_suit_are_refused():
    with pytest.raises(ValueError, match=r"3 classes, but 2 class_colors"):
        make_colored_coco(make_objects(), class_colors=[[0, 0, 0], [9, 9, 9]])
    with pytest.raises(ValueError, match="numbers from 0 to 255"):
        make_colored_coco(make_objects(), class_colors=[[0, 0, 256]] * 3)
    everywhere = np.stack(np.meshgrid(*[np.arange(0, 256, 51)] * 3), -1).reshape(-1, 3)
    with pytest.raises(ValueError, match="leave no room for 10 others"):
        make_colored_coco(
            make_objects(216) | {"label": np.arange(216), "classes": np.arange(216)},
            class_colors=everywhere,
        )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"places": ["city", "moon", "park"]}, r"no place 'moon' in scenes; there is"),
        ({"places": ["city", "park"]}, r"3 classes, but 2 places: city, park"),
        ({"unseen_places": ["moon"]}, r"no place 'moon'"),
        ({"scenes": {"data": []}}, r"scenes must hold data, target, target_names"),
        ({"scenes": make_scenes(size=7)}, r"\(50, 3, 7, 7\) .* \(50, 3, 6, 6\)"),
        ({"scenes": make_scenes(n_each=1)}, r"has 1 scenes, too few for shares"),
        (
            {"scenes": {**make_scenes(), "data": np.full((50, 3, 6, 6), 7.0)}},
            r"scenes has float64 values from 7\.0 to 7\.0; expected",
        ),
        (
            {"classes": ["dog"], "superclasses": {"animal": ["dog"]}},
            "classes and superclasses cannot both be given",
        ),
        ({"classes": ["dog"]}, "With one class, other_places must be given"),
        (
            {"places": ["park", "lake", "city"], "other_places": ["lake"]},
            "The class with the place 'lake' has no other place",
        ),
    ],
)
def test_scenes_and_places_that_do_not_suit_are_refused(given, message):
    given = {"scenes": make_scenes(), "random_state": 0, **given}
    with pytest.raises(ValueError, match=message):
        make_coco_places(make_objects(), **given)


def write_coco(home, **change):
    """Two pictures of 40 x 20: red squares on blue, one of them in a crowd of cats."""
    (home / "images").mkdir(exist_ok=True)
    square = [4, 4, 15, 4, 15, 15, 4, 15]
    for name in ("one.png", "two.png"):
        pixels = np.zeros((20, 40, 3), dtype=np.uint8)
        pixels[..., 2] = 255
        pixels[4:16, 4:16] = [255, 0, 0]
        Image.fromarray(pixels).save(home / "images" / name)
    entry = {"iscrowd": 0, "bbox": [4, 4, 12, 12], "segmentation": [square]}
    annotations = [
        {"id": 1, "image_id": 7, "category_id": 18, "area": 144, **entry},
        {"id": 2, "image_id": 7, "category_id": 18, "area": 20, **entry},
        {"id": 3, "image_id": 8, "category_id": 9, "area": 144, **entry},
        {"id": 4, "image_id": 8, "category_id": 18, "area": 50, **entry},
        {"id": 5, "image_id": 8, "category_id": 17, "area": 800, **entry},
    ]
    annotations[4].update(iscrowd=1, segmentation={"counts": [1], "size": [20, 40]})
    annotations[0].update(change)
    annotations[0] = {k: v for k, v in annotations[0].items() if v is not LACKING}
    content = {
        "images": [
            {"id": 7, "file_name": "one.png"},
            {"id": 8, "file_name": "two.png"},
        ],
        "annotations": annotations,
        "categories": [
            {"id": 9, "name": "boat"},
            {"id": 17, "name": "cat"},
            {"id": 18, "name": "dog"},
        ],
    }
    (home / "instances.json").write_text(json.dumps(content))
    return {"annotations": "instances.json", "images": "images", "data_home": home}


def test_the_largest_object_of_each_class_is_cut_out(tmp_path):
    objects = load_coco_objects(**write_coco(tmp_path), min_area=50, size=20)
    assert objects.classes == ["boat", "cat", "dog"]
    assert_array_equal(objects.label, [2, 0, 2])
    assert_array_equal(objects.image_id, [7, 8, 8])
    assert_array_equal(objects.area, [144, 144, 50])
    few = load_coco_objects(**write_again(tmp_path), classes=["dog"], min_area=100)
    assert_array_equal(few.label, [0])
    assert few.rgb.shape == (1, 64, 64, 3)


def write_again(home):
    return {"annotations": "instances.json", "images": "images", "data_home": home}


def test_the_outline_becomes_the_mask_and_what_is_outside_is_black(tmp_path):
    written = write_coco(tmp_path)
    objects = load_coco_objects(**written, min_area=100, size=20)
    rgb, mask = objects.rgb[0], objects.mask[0]
    assert_array_equal(rgb[mask == 0], 0)
    inside = mask == 255
    assert_array_equal(rgb[inside], np.broadcast_to([255, 0, 0], (inside.sum(), 3)))
    # 12 of 40 columns, 12 of 20 rows
    assert_allclose(mask.sum() / 255, 400 * 0.3 * 0.6, rtol=0.1)
    cropped = load_coco_objects(**written, min_area=100, size=12, crop=True)
    assert_array_equal(cropped.mask[0], 255)
    assert_array_equal(cropped.rgb[0, ..., 0], 255)


def test_cut_out_objects_can_be_pasted(tmp_path):
    objects = load_coco_objects(**write_coco(tmp_path), min_area=100, size=8)
    many = {
        key: np.repeat(objects[key], 20, axis=0) for key in ("rgb", "mask", "label")
    }
    pictures = make_colored_coco(
        {**many, "classes": objects.classes, "image_id": np.arange(40)}, random_state=0
    )
    assert pictures.data.shape == (40, 3, 8, 8)
    assert pictures.target_names == ["boat", "dog"]


def test_files_that_do_not_suit_are_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no annotation file .*x\.json"):
        load_coco_objects("x.json", "images", data_home=tmp_path)
    written = write_coco(tmp_path)
    with pytest.raises(ValueError, match=r"There is no class 'cup' in"):
        load_coco_objects(**written, classes=["cup"])
    with pytest.raises(
        ValueError, match=r"no object of boat with at least min_area=145"
    ):
        load_coco_objects(**written, classes=["boat"], min_area=145)
    with pytest.raises(FileNotFoundError, match=r"no directory .*elsewhere"):
        load_coco_objects(**{**written, "images": "elsewhere"})
    (tmp_path / "images" / "two.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"no image .*two"):
        load_coco_objects(**written, classes=["boat"], min_area=100)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        load_coco_objects(**written, classes=["boat"], min_area=100)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "must contain the lists images"),
        (b"[]", "must contain the lists images"),
        (
            b'{"images": {}, "annotations": [], "categories": []}',
            "must contain the lists",
        ),
        (
            b'{"images": [], "annotations": [], "categories": []}',
            "contains no category",
        ),
        (b'{"images": [], "annotations": [], "categories": [null]}', "no category"),
        (b"oops", "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"[" * 10**6, "is not valid JSON"),
        (b"1" * 10**5, "is not valid JSON"),
    ],
)
def test_a_file_of_something_else_is_named(tmp_path, content, message):
    written = write_coco(tmp_path)
    (tmp_path / "instances.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"instances\.json.*{message}"):
        load_coco_objects(**written)


LACKING = object()
SQUARE = [4, 4, 15, 4, 15, 15, 4, 15]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *[
            ({key: value}, f"{key} .* refers to no entry")
            for key in ("image_id", "category_id")
            for value in (LACKING, None, 5, "7", 7.0, [7], True, float("nan"), 10**30)
        ],
        *[
            ({"area": value}, "area .* must be a number above 0")
            for value in (LACKING, None, "144", True, -144, 0, [144], 10**400)
        ],
        ({"area": float("nan")}, "area nan"),
        ({"area": float("inf")}, "area inf"),
        ({"iscrowd": "no"}, "iscrowd 'no' must be 0 or 1"),
        ({"iscrowd": None}, "iscrowd None must be 0 or 1"),
        *[
            ({"segmentation": value}, "must be polygons of three points or more")
            for value in (
                *(LACKING, None, "square", 7, [], [[]], [None], SQUARE, [[1, 1, 5, 5]]),
                *([SQUARE[:7]], [SQUARE, [1, 1]], [[str(x) for x in SQUARE]]),
                *([[*SQUARE[:7], None]], [[*SQUARE[:7], float("nan")]], [[SQUARE]]),
                *([[*SQUARE[:7], 10**400]], [[True] * 6]),
            )
        ],
        *[
            ({"segmentation": value}, "run-length encoded")
            for value in ({"counts": [1], "size": [20, 40]}, {"counts": "PX"}, {})
        ],
        ({"segmentation": [[4, 4, 4, 15, 4, 9]]}, "its outline is a line"),
        ({"segmentation": [[4, 4] * 3]}, "its outline is a line"),
        ({"segmentation": [[0.1, 0.1, 0.2, 0.2, 0.7, 0.7]]}, "its outline is a line"),
        *[
            ({"segmentation": [polygon]}, r"extends beyond the image of 40 x 20 pixels")
            for polygon in (
                [104, 4, 115, 4, 115, 15],
                [4, 4, 15, 4, 15, 25],
                [-4, 4, 15, 4, 15, 15],
                [4, 4, 1e5, 4, 15, 15],
            )
        ],
    ],
)  # fmt: skip
def test_an_object_that_cannot_be_cut_out_is_left_out(tmp_path, change, message):
    written = write_coco(tmp_path, **change)
    said = rf"instances\.json skipped, .*: 1\. object 1: .*{message}"
    with pytest.warns(UserWarning, match=said):
        objects = load_coco_objects(**written, min_area=100)
    assert_array_equal(objects.image_id, [8])  # the picture of the boat
    alone = {**written, "classes": ["dog"]}
    if "category_id" in change:
        with pytest.raises(ValueError, match=f"{message}.* No object is left"):
            load_coco_objects(**alone, min_area=100)
    with pytest.warns(UserWarning, match=said):
        objects = load_coco_objects(**alone, min_area=10)
    assert_array_equal(objects.area, [20, 50])  # the next in size


@pytest.mark.parametrize(
    "bbox",
    [LACKING, None, [4, 4, 12], [4, 4, 12, None], "box", [4, 4, 0, 12], [4, 4, -1, -1],
     [4, 4, 50_000, 12], [-3, 4, 12, 12], [4.2, 4.2, 0.1, 0.1],
     [float("nan"), 4, 12, 12], [30, 4, 5, 5]],
)  # fmt: skip
def test_a_bounding_box_is_wanted_where_it_is_used(tmp_path, bbox):
    written = write_coco(tmp_path, bbox=bbox)
    assert len(load_coco_objects(**written, min_area=100).rgb) == 2
    with pytest.warns(UserWarning, match=r"1\. object 1: .*(bbox|no pixel)"):
        objects = load_coco_objects(**written, min_area=100, crop=True)
    assert_array_equal(objects.image_id, [8])


def edit_coco(home, **lists):
    path = home / "instances.json"
    content = json.loads(path.read_text())
    for key, edit in lists.items():
        edit(content[key])
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "edit",
    [
        lambda images: images.pop(0),
        lambda images: images[0].pop("id"),
        lambda images: images[0].pop("file_name"),
        lambda images: images[0].update(file_name=7),
        lambda images: images.__setitem__(0, None),
        lambda images: images.append({"id": 7, "file_name": "two.png"}),
        lambda images: images[0].update(file_name="../images/one.png"),
        lambda images: images[0].update(file_name="/one.png"),
        lambda images: images[0].update(width=20, height=10),
        lambda images: images[0].update(width=20),
        lambda images: images[0].update(width=20, height=40),
        lambda images: images[0].update(width="40", height="20"),
    ],
)
def test_objects_of_a_picture_that_does_not_suit_are_left_out(tmp_path, edit):
    written = write_coco(tmp_path)
    edit_coco(tmp_path, images=edit)
    with pytest.warns(UserWarning, match=r"skipped, .*: 2\. object \d and 1 more: "):
        objects = load_coco_objects(**written, min_area=10)
    assert_array_equal(objects.image_id, [8, 8])


def test_entries_that_are_there_twice_are_harmless_if_they_agree(tmp_path):
    written = write_coco(tmp_path)
    expected = load_coco_objects(**written, min_area=100)
    twice = lambda entries: entries.extend(entries[:2])  # noqa: E731
    edit_coco(tmp_path, images=twice, annotations=twice, categories=twice)
    objects = load_coco_objects(**written, min_area=100)
    assert_array_equal(objects.rgb, expected.rgb)
    edit_coco(tmp_path, categories=lambda kinds: kinds.append({"id": 9, "name": "dog"}))
    with pytest.warns(UserWarning, match=r"category_id 9 .* or two different ones"):
        objects = load_coco_objects(**written, min_area=100)
    assert_array_equal(objects.image_id, [7])


def test_a_warning_names_the_first_of_each_reason(tmp_path):
    written = write_coco(tmp_path)
    bad = {"category_id": 18, "area": 200}
    bad = [{"id": k, "image_id": k, **bad} for k in range(20, 29)]
    edit_coco(tmp_path, annotations=lambda entries: entries.extend(bad + bad))
    said = (
        r": 18\. object 20 and 1 more: image_id 20 .*object 24 .*; and 4 other reasons"
    )
    with pytest.warns(UserWarning, match=said):
        load_coco_objects(**written, min_area=100)


def test_ids_may_be_strings_and_large_numbers_keep_their_digits(tmp_path):
    written = write_coco(tmp_path, image_id=2**62 + 1)
    edit_coco(tmp_path, images=lambda images: images[0].update(id=2**62 + 1))
    objects = load_coco_objects(**written, min_area=100)
    assert objects.image_id.tolist() == [8, 2**62 + 1]
    written = write_coco(tmp_path, image_id="one")
    edit_coco(tmp_path, images=lambda images: images[0].update(id="one"))
    assert load_coco_objects(**written, min_area=120).image_id.tolist() == ["8", "one"]


def test_an_object_that_vanishes_when_it_is_resized_is_left_out(tmp_path):
    speck = [[1, 1, 1.4, 1, 1.4, 1.4]]
    written = write_coco(tmp_path, segmentation=speck)
    Image.fromarray(np.zeros((900, 900, 3), np.uint8)).save(
        tmp_path / "images" / "one.png"
    )
    with pytest.warns(UserWarning, match=r"object 1: .* no pixel .* at size=8"):
        load_coco_objects(**written, min_area=100, size=8)


# How a picture that is stored with an orientation is to be turned, by numpy.
UPRIGHT = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels.swapaxes(0, 1), 2),
    8: lambda pixels: np.rot90(pixels),
}


def tag(path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(path) as picture:
        picture.load()
    picture.save(path, exif=exif)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("outlined", ["stored", "upright"])
@pytest.mark.parametrize("crop", [False, True])
def test_the_declared_size_says_how_a_turned_photo_was_outlined(
    tmp_path, orientation, outlined, crop
):
    written = write_coco(tmp_path)
    pixels = np.zeros((20, 40, 3), dtype=np.uint8)
    pixels[..., 2] = 255
    pixels[1:7, 22:38] = [255, 0, 0]
    Image.fromarray(pixels).save(tmp_path / "images" / "one.png")
    tag(tmp_path / "images" / "one.png", orientation)
    upright = UPRIGHT[orientation](pixels)
    shown = pixels if outlined == "stored" else upright
    height, width = shown.shape[:2]
    rows, columns = np.nonzero(shown[..., 0])
    top, left, below, right = rows[0], columns[0], rows[-1], columns[-1]
    left, right = columns.min(), columns.max()
    box = [left, top, right - left + 1, below - top + 1]
    change = {
        "segmentation": [[left, top, right, top, right, below, left, below]],
        "bbox": box,
    }
    change = json.loads(json.dumps(change, default=int))
    edit_coco(
        tmp_path,
        images=lambda images: images[0].update(width=width, height=height),
        annotations=lambda entries: entries[0].update(change),
    )
    objects = load_coco_objects(
        **written, classes=["dog"], min_area=100, size=40, crop=crop
    )
    mask, rgb = objects.mask[0], objects.rgb[0]
    assert_array_equal(
        rgb[mask == 255] // 255 * 255, [[255, 0, 0]] * (mask == 255).sum()
    )
    expected = upright[..., 0] > 0
    if not crop:
        expected = np.array(Image.fromarray(expected).resize((40, 40), 0))
        assert np.mean((mask > 127) != expected) < 0.06
    else:  # the long side of the object fills the square
        assert (mask > 127).any(axis=int(np.ptp(np.nonzero(expected)[0]) > 6)).all()


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
def test_a_turned_photo_whose_size_says_nothing_is_left_out(tmp_path, orientation):
    written = write_coco(tmp_path)
    tag(tmp_path / "images" / "one.png", orientation)  # no size is declared
    with pytest.warns(UserWarning, match=r"object 1: .*'one\.png' is stored rotated"):
        objects = load_coco_objects(**written, min_area=100)
    assert_array_equal(objects.image_id, [8])


def test_a_photo_with_the_usual_orientation_is_no_turned_one(tmp_path):
    written = write_coco(tmp_path)
    expected = load_coco_objects(**written, min_area=100)
    for orientation in (0, 1, 9, 77):
        tag(tmp_path / "images" / "one.png", orientation)
        objects = load_coco_objects(**written, min_area=100)
        assert_array_equal(objects.rgb, expected.rgb)


def test_a_picture_that_is_cut_off_is_named(tmp_path):
    written = write_coco(tmp_path)
    path = tmp_path / "images" / "one.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"one\.png is not an image, or damaged"):
        load_coco_objects(**written, min_area=100)


TEN = ["boat", "airplane", "truck", "dog", "zebra", "horse", "bird", "train", "bus"]
TEN += ["motorcycle"]


def test_the_ten_classes_can_be_pasted_from_real_objects(data_home):
    path = data_home / "coco_objects" / "coco_objects_64.npz"
    if not path.is_file():
        pytest.skip(f"no objects of COCO in {data_home}")
    pictures = make_colored_coco(path, classes=TEN, n_per_class=60, random_state=0)
    assert pictures.data.shape == (1800, 3, 64, 64)
    assert pictures.target_names == TEN
    own = pictures.color_class == pictures.target
    for e, strength in enumerate([0.8, 0.9, 0.0]):
        assert_probability(own[pictures.sample_domain == e], strength)


def test_real_objects_can_be_pasted_on_real_scenes(data_home):
    objects = data_home / "coco_objects" / "coco_objects_64.npz"
    scenes = data_home / "scenes" / "scenes_64.zip"
    if not (objects.is_file() and scenes.is_file()):
        pytest.skip(f"no objects of COCO, or no scenes, in {data_home}")
    pytest.importorskip("PIL")
    pictures = make_coco_places(
        objects,
        scenes,
        superclasses={"animal": ["dog", "bird"], "vehicle": ["bus", "truck"]},
        places=np.array(["sun/desert", "sun/bamboo_forest"]),
        n_per_class=60,
        random_state=0,
    )
    assert pictures.data.shape == (720, 3, 64, 64)
    own = pictures.place_class == pictures.target
    for e, strength in enumerate([0.8, 0.9, 0.1]):
        assert_probability(own[pictures.sample_domain == e], strength)


@pytest.mark.parametrize("target", [[-1, 0], [0, 2], ["a", "b"], [0.0, 1.0]])
def test_scenes_of_no_place_are_refused(target):
    objects = {
        "rgb": np.zeros((4, 2, 2, 3), np.uint8), "mask": np.ones((4, 2, 2), np.uint8),
        "label": ["a", "b"] * 2, "image_id": np.arange(4),
    }  # fmt: skip
    scenes = {"data": np.zeros((2, 3, 2, 2)), "target": target,
              "target_names": ["sand", "sea"]}  # fmt: skip
    with pytest.raises(ValueError, match="not indices into its 2 places"):
        make_coco_places(objects, scenes)


def test_an_empty_superclass_is_refused():
    with pytest.raises(ValueError, match="A superclass has no classes"):
        make_coco_places("nowhere", {}, superclasses={"a": ["dog"], "b": []})


def test_colours_that_are_no_numbers_are_refused():
    objects = {
        "rgb": np.zeros((2, 2, 2, 3), np.uint8), "mask": np.ones((2, 2, 2), np.uint8),
        "label": ["a", "b"], "image_id": np.arange(2),
    }  # fmt: skip
    with pytest.raises(ValueError, match="numbers from 0 to 255"):
        make_colored_coco(objects, class_colors=[(np.nan, 0, 0), (0, 0, 0)])
