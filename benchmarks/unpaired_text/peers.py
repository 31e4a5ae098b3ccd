"""Other tools without pairs, on the tasks of the table `unpaired`.

    git clone https://github.com/guy-dar/mini-vec2vec  # commit 948de01
    git clone https://github.com/artetxem/vecmap       # commit b82246f
    export MINI_VEC2VEC=mini-vec2vec VECMAP=vecmap OMP_NUM_THREADS=1
    python -m benchmarks.unpaired_text.peers       # writes results/peers.csv
    python -m benchmarks.unpaired_text.peers page  # the table of the user guide

The tools are run from their own repositories, and left out without the variable.
Samples, tested sentences and scores are those of the table `unpaired`, where the same
splits are found for our estimator. `hits_back` is the other direction of the same map:
sentences of the target encoder searched among the mapped ones.

- mini-vec2vec: the cells of its notebook as they are, on samples that are centred and
  scaled to unit length as in its cell for data ("published"), or with fewer neighbours
  and clusters for few samples ("small"; not tuned). It needs torch.
- vecmap: `map_embeddings.py --unsupervised`. The tested sentences are mapped as words
  beyond `--vocabulary_cutoff`, which are not matched. Both sides are mapped to a common
  space and treated alike, so that each pair of encoders is mapped once.

Both need equal widths: the wider side is reduced to its leading right singular vectors,
as many as the other side has features.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
from sklearn.preprocessing import normalize

from benchmarks.records import read
from benchmarks.unpaired_text import RESULTS
from benchmarks.unpaired_text.__main__ import (
    AG,
    ENGLISH,
    MULTI30K,
    cosines,
    drawn,
    hits,
    run,
    spread,
)

NAMES = ["tool", "corpus", "source", "target", "n_samples", "split"]
SMALL = {"k = 50": "k = 10", "n_clusters=500": "n_clusters=100"}
# Tool: variable with the folder of its repository, and file that is run.
HOMES = {
    "mini-vec2vec, published": ("MINI_VEC2VEC", "linear_vec2vec.ipynb"),
    "mini-vec2vec, small": ("MINI_VEC2VEC", "linear_vec2vec.ipynb"),
    "vecmap": ("VECMAP", "map_embeddings.py"),
}


def equal_widths(*spaces):
    """Reduce the wider of two spaces, each (training, tested), to leading axes."""
    width = min(train.shape[1] for train, _ in spaces)
    for train, tested in spaces:
        if train.shape[1] > width:
            # About the origin: the tools centre both sides in their own way.
            axes = np.linalg.svd(train, full_matrices=False)[2][:width].T
            train, tested = train @ axes, tested @ axes
        yield train, tested


def centred(train, tested):
    mean = train.mean(axis=0)
    return normalize(train - mean), normalize(tested - mean)


def mini_vec2vec(notebook, X, y, tested, targets, split, changes=None):
    """Return tested samples of both sides in the space of the target."""
    import torch  # only this tool needs it

    (X, tested), (y, targets) = (
        centred(*side) for side in equal_widths((X, tested), (y, targets))
    )
    names = ("X_train", "X_eval", "Y_train", "Y_eval")
    sides = map(torch.from_numpy, (X, tested, y, targets))
    scope = dict(zip(names, sides, strict=True))
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    for old in changes or {}:
        if not any(old in source for source in sources):
            raise ValueError(f"{notebook} has no {old!r}; it is not commit 948de01.")
    # It imports the loader of its data, which is not needed.
    sys.modules.setdefault("datasets", types.SimpleNamespace(load_dataset=None))
    torch.manual_seed(split)
    np.random.seed(split)  # noqa: NPY002
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        for source in sources:
            if "sent_embeds" in source:  # loads its data
                continue
            if "cuda" in source:  # evaluates the map
                break
            for old, new in (changes or {}).items():
                source = source.replace(old, new)
            exec(source, scope)
    return tested @ scope["W"].numpy(), targets


def vecmap(script, X, y, tested, targets, split):
    """Return tested samples of both sides in a common space."""
    (X, tested), (y, targets) = equal_widths((X, tested), (y, targets))
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("x", "y", "mapped_x", "mapped_y")]
        for path, rows in zip(files, ((X, tested), (y, targets)), strict=False):
            write_words(path, np.concatenate(rows))
        command = [sys.executable, script, "--unsupervised", "--seed", str(split)]
        command += ["--vocabulary_cutoff", str(len(X)), "--unsupervised_vocab"]
        command += [str(min(4000, len(X))), *files]
        subprocess.run(command, check=True)
        return [
            np.loadtxt(path, skiprows=1 + n, usecols=range(1, X.shape[1] + 1))
            for path, n in zip(files[2:], (len(X), len(y)), strict=True)
        ]


def write_words(path, rows):
    """Write samples as word vectors, in the text format of word2vec."""
    with path.open("w", encoding="utf-8") as file:
        print(*rows.shape, file=file)
        for i, row in enumerate(rows):
            print(f"w{i}", *(f"{value:.7g}" for value in row), file=file)


def commit(folder):
    """Return the commit of a repository; an error if it differs from it."""
    git = ["git", "-C", folder]
    if subprocess.check_output([*git, "status", "--porcelain", "-uno"]):
        raise SystemExit(f"{folder} has changes; a clean clone is needed.")
    return subprocess.check_output([*git, "rev-parse", "--short", "HEAD"], text=True)


def peer(tool, corpus, source, target, n, split):
    variable, name = HOMES[tool]
    folder = Path(os.environ[variable])
    X, y, tested, targets = drawn("halves", corpus, source, corpus, target, n, split)
    start = sum(os.times()[:4])
    data = folder / name, X, y, tested, targets, split
    if tool == "vecmap":
        mapped, targets = vecmap(*data)
    else:
        mapped, targets = mini_vec2vec(*data, SMALL if "small" in tool else None)
    seconds = sum(os.times()[:4]) - start
    similarities = cosines(mapped, targets, 0)
    names = "hits", "hits_csls", "hits_back", "hits_back_csls"
    scores = hits(similarities) + hits(similarities.T)
    row = {k: f"{v:.4f}" for k, v in zip(names, scores, strict=True)}
    row["cpu_seconds"] = f"{seconds:.1f}"
    return row | {"tool_commit": commit(folder).strip()}


def tasks(tools, splits):
    """Yield tasks, those of one split before those of the next."""
    pairs = [(AG, "minilm", "use"), (AG, "use", "minilm")]
    pairs += [(MULTI30K, a, b) for a in ENGLISH for b in ENGLISH if a != b]
    for split in splits:
        for tool in tools:
            for corpus, source, target in pairs:
                if tool != "vecmap" or source < target:  # treats both sides alike
                    yield tool, corpus, source, target, 3000, split


def page():
    """Print the table of the user guide, with our estimator on the same splits."""
    ours = {
        tuple(row[name] for name in ("source", "target", "split")): row
        for row in read(RESULTS / "unpaired.csv")
        if row["kind"] == "halves" and row["n_samples"] == "3000"
    }
    groups = {}
    for row in read(RESULTS / "peers.csv"):
        key = row["source"], row["target"]
        groups.setdefault(key, {}).setdefault(row["tool"], []).append(row)
    print("| encoders | tool | runs | hits@1 | CSLS | seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for key, tools in groups.items():
        splits = {row["split"] for rows in tools.values() for row in rows}
        same = [ours[*key, split] for split in sorted(splits) if (*key, split) in ours]
        for tool, rows in {"skalign": same, **tools}.items():
            if rows:
                cells = [spread(rows, column) for column in ("hits", "hits_csls")]
                seconds = np.mean([float(row["cpu_seconds"]) for row in rows])
                print(f"| {key[0]} to {key[1]} | {tool} | {len(rows)} |", end=" ")
                print(*cells, f"{seconds:.0f}", sep=" | ", end=" |\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", nargs="?", choices=["page"])
    parser.add_argument("--tools", nargs="*", choices=HOMES, default=list(HOMES))
    parser.add_argument("--splits", nargs="*", type=int, default=range(5))
    arguments = parser.parse_args()
    if arguments.page:
        return page()
    tools = []
    for tool in arguments.tools:
        variable = HOMES[tool][0]
        if variable in os.environ:
            tools.append(tool)
        else:
            print(f"{tool} is left out: {variable} does not say where its clone is.")
    run(RESULTS / "peers.csv", tasks(tools, arguments.splits), NAMES, peer)


if __name__ == "__main__":
    main()
