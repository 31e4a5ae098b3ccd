"""Facts about objects pasted on colours and on places."""

import json
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom

from skalign.datasets import load_coco_objects, make_coco_places, make_colored_coco

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
    assert "tunnel and, in the last environment, of valley" in pictures.DESCR


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


def test_scenes_may_lie_in_a_folder(tmp_path):
    Image = pytest.importorskip("PIL.Image")
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
        ({"strengths": [0.8, 0.9, 1.1]}, r"strengths=.* numbers from 0 to 1"),
        ({"shares": [1, 1]}, r"shares=\[1, 1\] .* one for each of 3 environments"),
        ({"shares": [1, 1, 0]}, r"whole numbers above 0"),
        ({"shares": [20, 20, 10]}, r"'boat' has 40 objects; .* want at least 50"),
        ({"n_per_class": 0}, r"n_per_class=\[0, 0, 0\] must be"),
        ({"n_per_class": [5, 5]}, r"n_per_class=\[5, 5\] must be"),
    ],
)
def test_what_does_not_suit_is_refused(make, given, message):
    with pytest.raises(ValueError, match=message):
        make(**given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": None}, r"objects must hold rgb, mask, label, image_id"),
        ({"rgb": np.zeros((120, 6, 6, 3))}, r"holds rgb float64 .* bytes"),
        ({"mask": np.zeros((120, 5, 5), np.uint8)}, r"mask uint8 \(120, 5, 5\); bytes"),
        ({"label": np.zeros(7, int)}, "inconsistent numbers of samples"),
        ({"label": np.full(120, 3)}, "labels that are no indices into its 3 classes"),
        ({"label": np.full(120, "dog")}, "labels that are no indices into its 3"),
        ({key: np.zeros(0) for key in make_objects()}, "objects holds no object"),
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
    with pytest.raises(ValueError, match=r"from 3 pictures; .* want at least 5"):
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
        ({"scenes": make_scenes(size=7)}, r"\(50, 3, 7, 7\) .* \(n_scenes, 3, 6, 6\)"),
        ({"scenes": make_scenes(n_each=1)}, r"has 1 scenes, too few for shares"),
        (
            {"scenes": {**make_scenes(), "data": np.full((50, 3, 6, 6), 7.0)}},
            r"scenes of float64 go from 7\.0 to 7\.0; bytes",
        ),
        (
            {"classes": ["dog"], "superclasses": {"animal": ["dog"]}},
            "classes and superclasses are both given",
        ),
        ({"classes": ["dog"]}, "With one class, other_places must be given"),
        (
            {"places": ["park", "lake", "city"], "other_places": ["lake"]},
            "The class that is in 'lake' is given no other place",
        ),
    ],
)
def test_scenes_and_places_that_do_not_suit_are_refused(given, message):
    given = {"scenes": make_scenes(), "random_state": 0, **given}
    with pytest.raises(ValueError, match=message):
        make_coco_places(make_objects(), **given)


def write_coco(home, **change):
    """Two pictures of 40 x 20: red squares on blue, one of them in a crowd of cats."""
    Image = pytest.importorskip("PIL.Image")
    (home / "images").mkdir()
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


def test_annotations_that_do_not_suit_are_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no annotation file .*x\.json"):
        load_coco_objects("x.json", "images", data_home=tmp_path)
    written = write_coco(tmp_path, segmentation={"counts": [1], "size": [20, 40]})
    with pytest.raises(ValueError, match=r"object 1 in one\.png is run-length encoded"):
        load_coco_objects(**written, min_area=100)
    with pytest.raises(ValueError, match=r"There is no class 'cup' in"):
        load_coco_objects(**written, classes=["cup"])
    with pytest.raises(ValueError, match=r"no object of boat of at least 145"):
        load_coco_objects(**written, classes=["boat"], min_area=145)
    with pytest.raises(FileNotFoundError, match=r"no directory .*elsewhere"):
        load_coco_objects(**{**written, "images": "elsewhere"})
    (tmp_path / "images" / "two.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"no picture .*two"):
        load_coco_objects(**written, classes=["boat"], min_area=100)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        load_coco_objects(**written, classes=["boat"], min_area=100)
    for content, message in (("{}", "must hold images"), ("oops", "is no JSON")):
        (tmp_path / "instances.json").write_text(content)
        with pytest.raises(ValueError, match=message):
            load_coco_objects(**written)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 5}, "objects of picture 5"),
        ({"category_id": 5}, "Object 1 is of category 5"),
        ({"segmentation": []}, r"object 1 in one\.png must be polygons of three"),
        ({"segmentation": [[1, 1, 5, 5]]}, "must be polygons of three points"),
    ],
)
def test_an_object_that_does_not_suit_is_named(tmp_path, change, message):
    written = write_coco(tmp_path, **change)
    with pytest.raises(ValueError, match=message):
        load_coco_objects(**written, min_area=100)


def test_a_picture_that_is_cut_off_is_named(tmp_path):
    written = write_coco(tmp_path)
    path = tmp_path / "images" / "one.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"one\.png is no picture, or damaged"):
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
    with pytest.raises(ValueError, match="no indices into its 2 places"):
        make_coco_places(objects, scenes)


def test_an_empty_superclass_is_refused():
    with pytest.raises(ValueError, match="A superclass is empty"):
        make_coco_places("nowhere", {}, superclasses={"a": ["dog"], "b": []})


def test_colours_that_are_no_numbers_are_refused():
    objects = {
        "rgb": np.zeros((2, 2, 2, 3), np.uint8), "mask": np.ones((2, 2, 2), np.uint8),
        "label": ["a", "b"], "image_id": np.arange(2),
    }  # fmt: skip
    with pytest.raises(ValueError, match="numbers from 0 to 255"):
        make_colored_coco(objects, class_colors=[(np.nan, 0, 0), (0, 0, 0)])
