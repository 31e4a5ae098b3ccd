"""What a type checker says of a script that uses the package."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import skalign

SCRIPT = """\
import numpy as np
import skalign
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.linear_model import LogisticRegression
from skalign import AlignedRetriever, CORALAligner, LinearAligner
from skalign import MultiDomainClassifier, RigidAligner
from skalign.deep import IRM
from skalign.metrics import cka, mmd, energy_distance
from skalign.model_selection import alignability

rng = np.random.default_rng(0)
X = rng.normal(size=(100, 5))
y = X @ rng.normal(size=(5, 3))
aligner = LinearAligner(alpha="gcv").fit(X, y)
mapped = aligner.transform(X)
back = aligner.inverse_transform(mapped)
print(mapped.shape, aligner.score(X, y), aligner.alpha_)
rigid = skalign.RigidAligner(scaling=True).fit(X[:, :3], y)
print(rigid.predict(X[:, :3]).mean())
pipe = make_pipeline(StandardScaler(), LinearAligner())
search = GridSearchCV(pipe, {"linearaligner__alpha": [0.1, 1.0]}).fit(X, y)
coral = CORALAligner().fit(X, X + 1)
Z = coral.transform(X)
print(cka(X, y), mmd(X, Z), energy_distance(X, Z))
found = alignability(X, y, cv=3)
print(found.verdict)
retriever = AlignedRetriever(LinearAligner()).fit(X, y)
classifier = MultiDomainClassifier(IRM(weight=1.0), max_epochs=1)
classifier.fit(X, (X[:, 0] > 0).astype(int), sample_domain=np.arange(100) % 2)
print(classifier.predict_proba(X), classifier.classes_)
print(skalign.metrics.mmd(X, Z))
"""
MISTAKES = {
    "LinearAligner(alfa=1)": 'No parameter named "alfa"',
    "aligner.tranform(X)": 'Cannot access attribute "tranform"',
    "skalign.LinearAlinger": '"LinearAlinger" is not a known attribute',
    "mmd(X, Z, gama=1)": 'No parameter named "gama"',
    "aligner.fit(X, y, sample_weigth=None)": 'No parameter named "sample_weigth"',
}


def _reported(script, folder):
    """Errors that pyright reports in basic mode, as (line, message)."""
    checker = shutil.which("pyright") or shutil.which("basedpyright")
    if checker is None:
        pytest.skip("pyright is not installed (pip install basedpyright)")
    (folder / "script.py").write_text(script)
    settings = {"typeCheckingMode": "basic", "include": ["script.py"]}
    settings["extraPaths"] = [str(Path(skalign.__file__).parents[1])]
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [checker, "-p", str(folder), "--outputjson", "--pythonpath"]
    done = subprocess.run(
        [*command, sys.executable], capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    found = [entry for entry in found if entry["severity"] == "error"]
    return [(e["range"]["start"]["line"], e["message"]) for e in found]


@pytest.mark.services
def test_a_script_is_clean_and_runs(tmp_path):
    assert _reported(SCRIPT, tmp_path) == []
    exec(SCRIPT, {})


@pytest.mark.services
def test_misspelt_names_are_reported(tmp_path):
    found = _reported(SCRIPT + "\n".join(MISTAKES), tmp_path)
    first = SCRIPT.count("\n")
    for line, expected in enumerate(MISTAKES.values(), start=first):
        (message,) = [said for at, said in found if at == line]
        assert expected in message
