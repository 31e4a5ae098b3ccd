"""Damaged and hostile files: an error that names the file, soon, and never code.

Files are read in a process of their own, whose memory is measured. As a program, this
file takes the number of damaged files to try, and a seed.
"""

import contextlib
import gzip
import io
import json
import os
import pickle
import re
import resource
import subprocess
import sys
import tempfile
import traceback
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

import skalign
from skalign import LinearAligner, load, save
from skalign.cli import main
from skalign.datasets import (
    domains_from_folders,
    images_from_folders,
    load_coco_objects,
    load_idx,
    load_nico,
    make_colored_coco,
)
from skalign.datasets._idx import read_idx

_MOST = 500 * 2**20  # bytes that memory may grow by
_PICTURES = ["bmp", "gif", "jpg", "png", "ppm", "tiff", "webp"]


class _Evil:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def write_idx(folder):
    content = bytes([0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 2, *range(20)])
    (folder / "train-images-idx3-ubyte").write_bytes(content)
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 5, *range(5)])
    (folder / "train-labels-idx1-ubyte").write_bytes(labels)
    (folder / "values.gz").write_bytes(gzip.compress(content, mtime=0))


def write_pictures(folder, suffix):
    from PIL import Image

    noise = np.random.default_rng(0).integers(256, size=(9, 8, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if suffix in ("jpg", "png", "tiff", "webp") else {}
    for place in ("a/b", "a/c"):
        (folder / place).mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise).save(folder / place / f"0.{suffix}", **options)


def write_zip(folder):
    write_pictures(folder / "pictures", "png")
    with zipfile.ZipFile(folder / "home.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "pictures").rglob("*.png")):
            archive.write(path, path.relative_to(folder / "pictures"))


def write_coco(folder):
    write_pictures(folder, "png")
    square = [1, 1, 6, 1, 6, 6, 1, 6]
    entry = {"image_id": 1, "category_id": 2, "iscrowd": 0, "bbox": [1, 1, 6, 6]}
    content = {
        "images": [{"id": 1, "file_name": "0.png", "width": 9, "height": 8}],
        "categories": [{"id": 2, "name": "dog"}],
        "annotations": [
            {"id": 3, **entry, "area": 36, "segmentation": [square]},
            {"id": 4, **entry, "area": 25, "segmentation": [square]},
        ],
    }
    content["images"][0].update(width=8, height=9)
    (folder / "instances.json").write_text(json.dumps(content))


def write_nico(folder):
    write_pictures(folder, "png")
    (folder / "animal").mkdir()
    (folder / "a" / "b" / "0.png").rename(folder / "animal" / "0.png")
    (folder / "env_val.csv").write_text("0.png,bear,on_snow,animal\n")


def write_arrays(folder):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 3))
    np.save(folder / "X.npy", X)
    np.savez_compressed(folder / "X.npz", X=X)
    save(LinearAligner().fit(X, X[:, :2]), folder / "map.skops")
    objects = {
        "rgb": rng.integers(256, size=(20, 4, 4, 3), dtype=np.uint8),
        "mask": np.full((20, 4, 4), 255, np.uint8),
        "label": np.arange(20) % 2,
        "classes": ["a", "b"],
        "image_id": np.arange(20),
    }
    np.savez_compressed(folder / "objects.npz", **objects)


def write_estimator(folder):
    from skalign import MultiDomainClassifier

    X = np.random.default_rng(0).normal(size=(12, 3))
    classifier = MultiDomainClassifier(
        max_epochs=1, hidden_layer_sizes=(4,), random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(classifier.fit(X, np.arange(12) % 2), folder / "trained.skops")


def apply(folder, stored="map.skops", rows="X.npy"):
    """Apply a map by the command line, which must answer by one line."""
    errors, out = io.StringIO(), folder / "out.npy"
    words = ["apply", str(folder / stored), str(folder / rows), "-o", str(out)]
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        status = main(words)
    text = errors.getvalue()
    if status:
        assert (status, text.count("\n"), out.exists()) == (2, 1, False), text
        assert "Error" not in text.split()[2], text  # of an unexpected type
        raise ValueError(text)
    out.unlink()


# Files to damage, who writes them and who reads them.
READERS = {
    "train-images-idx3-ubyte": (write_idx, lambda at: load_idx(at)),
    "train-labels-idx1-ubyte": (write_idx, lambda at: load_idx(at)),
    "values.gz": (write_idx, lambda at: read_idx(at / "values.gz")),
    "instances.json": (
        write_coco,
        lambda at: load_coco_objects(
            "instances.json", "a/b", data_home=at, min_area=1, crop=True, size=4
        ),
    ),
    "env_val.csv": (
        write_nico,
        lambda at: load_nico(at, splits="", environments=["val"], size=4),
    ),
    "home.zip": (write_zip, lambda at: domains_from_folders(at / "home.zip", size=4)),
    "objects.npz": (
        write_arrays,
        lambda at: make_colored_coco(
            at / "objects.npz", shares=(1, 1), strengths=(1, 1), random_state=0
        ),
    ),
    "X.npy": (write_arrays, lambda at: apply(at)),
    "X.npz": (write_arrays, lambda at: apply(at, rows="X.npz")),
    "map.skops": (write_arrays, lambda at: apply(at)),
    "trained.skops": (write_estimator, lambda at: load(at / "trained.skops")),
    **{
        f"a/b/0.{suffix}": (
            lambda folder, suffix=suffix: write_pictures(folder, suffix),
            lambda at: images_from_folders(at, size=4),
        )
        for suffix in _PICTURES
    },
}


def damage(content, rng):
    """Return bytes with one kind of damage."""
    content = bytearray(content)
    kind = rng.integers(6)
    start = int(rng.integers(len(content)))
    length = int(rng.integers(1, 9))
    if kind == 0:
        for place in rng.integers(len(content), size=rng.integers(1, 4)):
            content[place] ^= 1 << rng.integers(8)
    elif kind == 1:
        del content[start:]
    elif kind == 2:
        del content[start : start + length]
    elif kind == 3:
        content[start:start] = rng.bytes(length)
    elif kind == 4:  # sizes are integers; large ones
        content[start : start + length] = b"\xff" * length
    else:
        other = int(rng.integers(len(content)))
        content[start : start + length] = content[other : other + length]
    return bytes(content)


def npy(shape, descr="<f8"):
    file = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def zeros(head, n_zeros):
    """A head and zeros as one deflated stream, its checksum and what it unpacks to."""
    block = bytes(2**20)
    packer = zlib.compressobj(1, wbits=-15)
    parts = [packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)]
    # After a full flush the same block is packed into the same bytes.
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    parts += [packed] * (n_zeros // len(block)) + [packer.flush()]
    check = zlib.crc32(head)
    for _ in range(n_zeros // len(block)):
        check = zlib.crc32(block, check)
    return b"".join(parts), check, len(head) + n_zeros


def deflated(name, head, n_zeros=600 * 2**20, others=()):
    """A zip archive of a member, a head and many zeros, and of others."""
    file = io.BytesIO()
    packed, check, size = zeros(head, n_zeros)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, packed)
        member = archive.getinfo(name)  # as if the archive had packed it
        member.compress_type = zipfile.ZIP_DEFLATED
        member.CRC, member.file_size = check, size
        end = file.tell()
        file.seek(member.header_offset)
        file.write(member.FileHeader())
        file.seek(end)
        for other, content in dict(others).items():
            archive.writestr(other, content)
    return file.getvalue()


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def gzipped(head, n_zeros=600 * 2**20):
    packed, check, size = zeros(head, n_zeros)
    ends = check.to_bytes(4, "little") + size.to_bytes(4, "little")
    return gzip.compress(b"")[:10] + packed + ends


def png(width, height, n_zeros=0):
    def chunk(kind, content):
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + check

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size + b"\x08\x06\0\0\0")
        + chunk(b"IDAT", zlib.compress(bytes(n_zeros), 1))
        + chunk(b"IEND", b"")
    )


def hostile(folder, stored):
    """Yield the name of a file and what it is replaced by."""
    evil = _Evil(folder / "code was run")
    pickled = pickle.dumps(evil)
    objects = io.BytesIO()
    np.save(objects, np.array([evil, evil], dtype=object), allow_pickle=True)
    million = 600 * 2**20 // 8
    for name in READERS:
        yield name, b""
        yield name, pickled
        yield name, objects.getvalue()
        yield name, gzip.compress(pickled)
    for name in ("X.npy", "map.skops", "X.npz", "objects.npz"):
        yield name, npy((2**29, 3))
        yield name, npy((2**29, 3)) + bytes(72)
        yield name, npy((2**62, 2**62)) + bytes(72)
        yield name, b"\x93NUMPY\2\0\xff\xff\xff\xff"
        yield name, b"\x93NUMPY\1\0\xff\xff"
    for key, name in (("X", "X.npz"), ("rgb", "objects.npz")):
        yield name, deflated(f"{key}.npy", npy((million,)))
        yield name, deflated(f"{key}.npy", npy((2**29, 3)), 0)
    yield "map.skops", deflated("schema.json", b"[" + b"[]," * 10**5)
    for name, whole in stored.items():
        others = members(whole)
        array = next(member for member in others if member.endswith(".npy"))
        schema = others["schema.json"].decode()
        declared = npy((million,))
        rest = {member: others[member] for member in others if member != array}
        yield name, deflated(array, declared, others=rest)
        yield name, deflated(array, npy((2**40,)), 0, rest)
        renamed = rest | {"schema.json": schema.replace(array, "array")}
        yield name, deflated("array", declared, others=renamed)
        yield name, deflated("array", npy((2**40,)), 0, renamed)
        for loader in ("ListNode", "TypeNode", "ConstructorFromReduceNode"):
            called = schema.replace("ObjectNode", loader)
            yield name, deflated("more", b"", 0, others | {"schema.json": called})
        for function in ("os.system", "builtins.eval", "skalign.metrics.mmd"):
            module, _, last = function.rpartition(".")
            called = re.sub(
                '"__class__": "[A-Z][a-zA-Z]*Node", "__module__": "skalign"',
                f'"__class__": "{last}", "__module__": "{module}"',
                schema.replace("Aligner", "Node").replace("Classifier", "Node"),
            )
            yield name, deflated("more", b"", 0, others | {"schema.json": called})
    many = (600 * 2**20).to_bytes(4, "big")
    yield "values.gz", gzipped(b"\0\0\x08\1" + many)
    yield "values.gz", gzipped(b"\0\0\x08\1\0\0\0\7")
    yield "values.gz", gzip.compress(b"\0\0\x08\3" + 12 * b"\xff")
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        yield name, b"\0\0\x0e\1" + many
        yield name, b"\0\0\x0e\xff" + 255 * 4 * b"\xff"
    for name in ("a/b/0.png", "a/b/0.jpg"):  # whatever a file is called
        yield name, png(12_000, 12_000, 2**20)
        yield name, png(30_000, 30_000)
        yield name, png(2**31 - 1, 2**31 - 1)
        yield name, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    yield "home.zip", deflated("a/b/0.webp", b"RIFF\xff\xff\xff\x7fWEBPVP8 ")
    yield "home.zip", deflated("a/b/0.tiff", b"II*\0\x08\0\0\0\xff\xff")
    yield "instances.json", b"[" * 10**6
    yield "instances.json", b'{"images":' * 10**5
    yield "instances.json", b"9" * 10**6
    yield "env_val.csv", b'"' + b"a" * 2**20
    yield "env_val.csv", b"a,b,c,animal\0\n"


def available(name):
    if name == "trained.skops":
        pytest.importorskip("skorch")
    if name.startswith("a/b") or name in ("home.zip", "instances.json", "env_val.csv"):
        pytest.importorskip("PIL")


def try_files(n_tries, seed=0):
    """Read files in this process; return counts of answers and errors, and faults."""
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", ResourceWarning)
    faults, counts, lost = [], {"answers": 0, "errors": 0}, []
    sys.unraisablehook = lambda about: lost.append(repr(about.exc_value))
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 2**10  # noqa: E731
    with tempfile.TemporaryDirectory() as home:
        whole, folders = {}, {}
        for name, (write, read) in READERS.items():
            try:
                available(name)
            except pytest.skip.Exception:
                continue
            folders[name] = Path(home) / name.replace("/", "_")
            folders[name].mkdir()
            write(folders[name])
            whole[name] = (folders[name] / name).read_bytes()
            read(folders[name])
        if not n_tries:
            stored = {name: whole[name] for name in whole if name.endswith(".skops")}
            files = hostile(Path(home), stored)
            files = [file for file in files if file[0] in whole]
        else:
            rng = np.random.default_rng(seed)
            names = [list(whole)[i % len(whole)] for i in range(n_tries)]
            files = ((name, damage(whole[name], rng)) for name in names)
        before = peak()
        for i, (name, content) in enumerate(files):
            path = folders[name] / name
            path.write_bytes(content)
            try:
                READERS[name][1](folders[name])
            except (ValueError, OSError) as error:
                counts["errors"] += 1
                if path.name not in str(error) and str(path.parent) not in str(error):
                    faults.append([i, name, f"names no file: {error!r}"])
            except BaseException:
                faults.append([i, name, traceback.format_exc(limit=-3)])
            else:
                counts["answers"] += 1
                if not n_tries:
                    faults.append([i, name, f"was read: {content[:60]!r}"])
            path.write_bytes(whole[name])
            if peak() - before > _MOST:
                grown = (peak() - before) / 2**20
                faults.append([i, name, f"memory has grown by {grown:.0f} MiB"])
                before = peak()
            if lost:
                faults.append([i, name, f"left behind: {lost}"])
                lost.clear()
        if (Path(home) / "code was run").exists():
            faults.append([-1, "", "code was run"])
    return counts, faults


@pytest.fixture(scope="module")
def found(fuzz_tries):
    """Counts and faults of damaged files, and of hostile ones, in a new process."""
    if sys.platform != "linux":
        pytest.skip("measures memory as Linux does")
    home = Path(skalign.__file__).parents[1]  # the same skalign there
    done = subprocess.run(
        [sys.executable, __file__, str(fuzz_tries)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(home)},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return dict(zip(("damaged", "hostile"), json.loads(done.stdout), strict=True))


@pytest.mark.services
@pytest.mark.parametrize("kind", ["damaged", "hostile"])
def test_files_are_read_or_refused(found, fuzz_tries, kind):
    counts, faults = found[kind]
    assert not faults, "\n".join(f"{i} {name}: {said}" for i, name, said in faults)
    if kind == "damaged":
        assert sum(counts.values()) == fuzz_tries
    else:
        assert counts["answers"] == 0
        assert counts["errors"] > 50


def test_archives_of_zeros_unpack_to_what_they_declare():
    content = deflated("a", b"head", 2 * 2**20, {"b": b"other"})
    assert members(content) == {"a": b"head" + bytes(2 * 2**20), "b": b"other"}
    assert gzip.decompress(gzipped(b"head", 2**20)) == b"head" + bytes(2**20)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    n_tries, *seed = map(int, sys.argv[1:])
    print(json.dumps([try_files(n_tries, *seed), try_files(0)]))
