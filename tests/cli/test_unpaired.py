"""Reports, fits and maps without pairs, of domains, and with priors; inspection."""

import json
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign import (
    ClassMeanAligner,
    CORALAligner,
    DomainHarmonizer,
    LinearAligner,
    RigidAligner,
    RobustAligner,
    load,
)
from skalign.cli import _aligners, _main, _matrix, _report, main
from skalign.cli._sides import Sides
from skalign.datasets import make_paired_spaces

MADE = make_paired_spaces(80, 3, 3, noise=0.1, n_classes=6, random_state=0)
X, LABELS = MADE.data, MADE.labels
ORDER = np.random.default_rng(0).permutation(80)[:70]
Y, TARGET_LABELS = MADE.target[ORDER], MADE.labels[ORDER]
PAIRS = np.column_stack([ORDER[:24], np.arange(24)])
DOMAINS = np.repeat(["a", "b"], 40)


@pytest.fixture
def folder(tmp_path):
    arrays = {"X": X, "Y": Y, "labels": LABELS, "target_labels": TARGET_LABELS,
              "domains": DOMAINS, "pairs": PAIRS}  # fmt: skip
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    return tmp_path


def run(folder, *words):
    """Run a command; words that are names of files are their paths."""
    names = {p.stem: str(p) for p in folder.iterdir()}
    return main([names.get(word, word) for word in words])


BY_LABELS = ("--labels", "labels", "--target-labels", "target_labels")


def test_rows_that_are_not_paired_must_be_called_so(folder, capsys):
    assert run(folder, "report", "X", "Y") == 2
    assert "--unpaired" in capsys.readouterr().err
    assert run(folder, "fit", "X", "Y", "-o", str(folder / "m")) == 2
    assert "80 and 70" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("known", "criterion", "metrics"),
    [
        (["--unpaired"], "sliced_wasserstein", ["sliced_wasserstein", "mmd"]),
        (BY_LABELS, "accuracy", ["accuracy", "sliced_wasserstein", "mmd"]),
        (["--pairs", "pairs"], "hits@1",
         ["hits@1", "relative_error", "sliced_wasserstein", "mmd"]),
    ],
    ids=["nothing", "labels", "pairs"],
)  # fmt: skip
def test_maps_are_compared_by_what_is_known(folder, capsys, known, criterion, metrics):
    words = ["report", "X", "Y", *known, "--cv", "2"]
    names = "identity,coral" + (",rigid" if "--pairs" in known else "")
    words += ["--aligners", names + (",class-means" if known is BY_LABELS else "")]
    assert run(folder, *words, "--format", "json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["criterion"] == criterion
    assert list(record["maps"][0]["values"]) == metrics
    command = " ".join(record["next"][0]["command"])
    assert record["recommended"] in command
    expected = {"sliced_wasserstein": "coral", "accuracy": "class-means"}
    assert record["recommended"] == expected.get(criterion, "rigid")
    assert run(folder, *words, "--format", "html") == 0
    assert capsys.readouterr().out.count("<svg") == 1
    warned = "their own targets" in " ".join(record["verdict"])
    assert warned == (criterion == "sliced_wasserstein")
    if criterion == "hits@1":
        rigid = record["maps"][-1]["values"]
        assert rigid["hits@1"] > 0.5
        assert rigid["relative_error"] < 0.05


def test_the_default_maps_suit_what_is_known():
    from skalign.cli._unpaired import _default_names

    known = {"labels": LABELS, "target_labels": TARGET_LABELS}
    assert _default_names(Sides(X, Y[:, :2])) == ["wasserstein-procrustes"]
    assert "icp" in _default_names(Sides(X, Y, **known))
    assert "rigid" in _default_names(Sides(X, Y, pairs=PAIRS))
    assert "gaussian-ot" in _default_names(Sides(X, X, domains=DOMAINS))


def test_a_map_that_cannot_be_fitted_is_left_out(folder, capsys):
    words = ["report", "X", "Y", "--unpaired", "--cv", "2"]
    assert run(folder, *words, "--aligners", "coral,class-means") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "'class-means' is left out: " in printed
    assert run(folder, *words, "--aligners", "class-means") == 2
    assert "no map can be fitted" in capsys.readouterr().err


def test_known_pairs_are_kept_among_some_rows(monkeypatch):
    monkeypatch.setattr("skalign.cli._sides._MOST_ROWS", 10)
    some = Sides(X, Y, LABELS, TARGET_LABELS, PAIRS).some(0)
    assert 24 <= len(some.X) <= 34
    assert_allclose(some.X[some.pairs[:, 0]], X[PAIRS[:, 0]])
    assert_allclose(some.y[some.pairs[:, 1]], Y[PAIRS[:, 1]])
    assert len(some.labels) == len(some.X)


@pytest.mark.parametrize("large", [False, True])
def test_labels_reach_the_aligner(folder, large, monkeypatch, capsys):
    if large:
        monkeypatch.setattr("skalign.cli._fit.are_large", lambda *_: True)
        monkeypatch.setattr(_matrix, "_BATCH", 3 * 11)
    out = str(folder / "map")
    words = ["fit", "X", "Y", *BY_LABELS, "--aligner", "class-means", "-o", out]
    assert run(folder, *words) == 0
    assert "80 source and 70 target samples" in capsys.readouterr().out
    expected = ClassMeanAligner().fit(
        X, Y, labels=LABELS, target_labels=TARGET_LABELS
    )  # fmt: skip
    assert_allclose(load(out).transform(X), expected.transform(X), atol=1e-6)


def test_a_map_of_known_pairs_ignores_other_rows(folder, capsys):
    out = str(folder / "map")
    words = ["fit", "X", "Y", "--pairs", "pairs", "--aligner", "rigid", "-o", out]
    assert run(folder, *words) == 0
    assert "24 pairs" in capsys.readouterr().out
    expected = RigidAligner().fit(X[PAIRS[:, 0]], Y[PAIRS[:, 1]])
    assert_allclose(load(out).transform(X), expected.transform(X))


def test_domains_are_harmonised_and_mapped(folder, capsys):
    out, mapped = str(folder / "map"), str(folder / "mapped.npy")
    words = ["fit", "X", "--domains", "domains", "--aligner", "coral", "-o", out]
    assert run(folder, *words) == 0
    assert "80 samples of 2 domains" in capsys.readouterr().out
    apply = ["apply", out, "X", "-o", mapped]
    assert run(folder, *apply, "--domains", "domains") == 0
    harmonizer = DomainHarmonizer(CORALAligner()).fit(X, sample_domain=DOMAINS)
    expected = harmonizer.transform(X, sample_domain=DOMAINS)
    assert_allclose(np.load(mapped), expected)
    assert run(folder, *apply) == 2
    assert "needs --domains" in capsys.readouterr().err
    assert run(folder, "inspect", out) == 0
    assert "--domains domains.npy" in capsys.readouterr().out


def test_domains_are_compared_with_one_another(folder, capsys):
    words = ["report", "X", "--domains", "domains", "--labels", "labels"]
    assert run(folder, *words, "--format", "json") == 0
    record = json.loads(capsys.readouterr().out)
    assert {"accuracy", "sliced_wasserstein"} < record["maps"][0]["values"].keys()
    assert len(record["maps"][0]["scores"]["mmd"]) == 2
    assert "--domains" in record["next"][0]["command"]


def test_a_map_in_a_file_is_a_prior(folder, capsys):
    prior, out = str(folder / "prior"), str(folder / "map")
    np.save(folder / "few.npy", X[:20])
    np.save(folder / "few_target.npy", MADE.target[:20])
    assert run(folder, "fit", "X", "X", "-o", prior, "--aligner", "rigid") == 0
    words = ["fit", "few", "few_target", "--prior", prior, "-o", out]
    assert run(folder, *words) == 0
    fitted = RigidAligner().fit(X, X)
    expected = LinearAligner(prior=fitted).fit(X[:20], MADE.target[:20])
    assert_allclose(load(out).transform(X), expected.transform(X))
    words = ["fit", "X", "X", "--prior", "identity", "--aligner", "rigid", "-o", out]
    assert run(folder, *words) == 2
    assert "--prior needs --aligner linear" in capsys.readouterr().err


def test_robust_and_prior_maps_are_compared(folder, capsys, monkeypatch):
    seen = {}

    def compare(*_, aligners, **__):
        seen.update(aligners)
        raise ValueError("enough")

    monkeypatch.setattr(_report, "alignability", compare)
    words = ["report", "X", "X", "--aligners", "linear,robust", "--prior", "identity"]
    assert run(folder, *words) == 2
    assert list(seen) == ["linear", "robust", "linear, prior"]
    assert [seen[name].get_params().get("prior") for name in seen] == [
        None, None, "identity"
    ]  # fmt: skip
    assert isinstance(seen["robust"], RobustAligner)


def test_a_map_that_fails_a_condition_is_not_stored(folder, capsys):
    np.save(folder / "y.npy", MADE.target)
    out = folder / "map"
    words = ["fit", "X", "y", "-o", str(out), "--fail-if"]
    assert run(folder, *words, "relative_error>-1") == 1
    assert "failed: linear: relative_error>-1" in capsys.readouterr().err
    assert not out.exists()
    assert run(folder, *words, "relative_error>1") == 0
    assert out.exists()


REFUSED = [
    (["report", "X", "Y", "--labels", "labels", "--unpaired"], "--target-labels"),
    (["report", "X", "--domains", "labels", "--pairs", "pairs"], "only SOURCE"),
    (["report", "X", "Y", "--unpaired", "--criterion", "r2"], "r2 needs pairs"),
    (["report", "X", "Y", "--unpaired", "--fail-if", "hits@1<1"], "needs --pairs"),
    (["report", "X", "Y", "--unpaired", "--aligners", "linear"], "give --pairs"),
    (["report", "X", "X", "--aligners", "coral"], "learnt without pairs"),
    (["report", "X", "Y", "--unpaired", "--aligners", "magic"], "no aligner 'magic'"),
    (["report", "X", "Y", "--pairs", "labels"], "labels.npy"),
    (["report", "X", "Y", "--pairs", "X"], "two columns of whole numbers"),
    (["report", "Y", "X", "--pairs", "pairs"], "rows of SOURCE are from 0 to 69"),
    (["report", "X", "Y", "--unpaired", "--cv", "71"], "--cv 71 must be from 2 to 70"),
    (["report", "--pairs", "pairs"], "--pairs needs a SOURCE"),
    (["fit", "X", "-o", "m"], "SOURCE needs a TARGET"),
    (["fit", "X", "Y", "-o", "m", "--aligner", "coral", *BY_LABELS], "--labels needs"),
    (["fit", "X", "Y", "-o", "m", "--aligner", "icp", "--pairs", "pairs"],
     "--pairs needs --aligner wasserstein-procrustes"),
    (["fit", "X", "X", "-o", "m", "--labels", "labels"], "--labels needs"),
    (["fit", "X", "Y", "-o", "m", "--aligner", "coral", "--anchors", "9"],
     "--anchors needs pairs"),
    (["fit", "X", "Y", "-o", "m", "--aligner", "coral", "--fail-if", "mmd>1"],
     "--fail-if needs pairs"),
    (["fit", "X", "-o", "m", "--domains", "domains"], "learnt without pairs"),
    (["fit", "X", "-o", "m", "--domains", "Y", "--aligner", "coral"],
     "domain of each of 80 rows"),
    (["inspect", "X"], "X.npy"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"), REFUSED, ids=[" ".join(w) for w, _ in REFUSED]
)
def test_what_does_not_suit_is_refused_in_one_line(folder, capsys, words, said):
    before = sorted(folder.iterdir())
    words = [str(folder / "m") if word == "m" else word for word in words]
    try:
        status = run(folder, *words)
    except SystemExit as leaving:
        status = leaving.code
    assert status == 2
    printed, error = capsys.readouterr()
    assert not printed
    assert error.count("\n") == 1
    assert said in error
    assert sorted(folder.iterdir()) == before


def test_a_map_is_described(folder, capsys, monkeypatch):
    out = str(folder / "map")
    assert run(folder, "fit", "X", "X", "-o", out) == 0
    capsys.readouterr()
    assert run(folder, "inspect", out) == 0
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if "https://" not in line]
    assert max(map(len, lines[:-1])) <= 80
    assert "LinearAligner()" in printed
    assert "columns  3 to 3" in printed
    assert "3 x 3 of float64" in printed
    assert printed.rstrip().endswith("-o mapped.npy")
    assert run(folder, "inspect", out, "--format", "json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["attributes"]["coef_"] == {"shape": [3, 3], "dtype": "float64"}
    assert record["columns"] == [3, 3]


def test_warnings_are_one_line_without_a_path(monkeypatch, capsys):
    def run(options):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("two\nlines", stacklevel=1)
        return 0

    monkeypatch.setattr("skalign.cli._inspect.run", run)
    assert main(["inspect", "map.skops"]) == 0
    assert capsys.readouterr().err == "skalign: warning: two lines\n"


def test_the_arguments_name_the_aligners():
    assert tuple(_aligners.PAIRED) == _main.PAIRED
    assert tuple(_aligners.UNPAIRED) == _main.UNPAIRED
    assert tuple(_aligners.SELECTORS) == _main.SELECTORS
