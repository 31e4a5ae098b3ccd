import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from skalign import LinearAligner, RigidAligner
from skalign.unpaired import ICPAligner


def test_stages_follow_one_another(make_clouds):
    clouds = make_clouds()
    stages = [("rotation", 2), (LinearAligner(alpha=0), 3)]
    with pytest.warns(ConvergenceWarning, match="stopped after 5 iterations"):
        icp = ICPAligner(stages, init="means", tol=0).fit(
            clouds.X, clouds.y, **clouds.classes
        )
    assert icp.n_iter_ == 5
    assert isinstance(icp.aligner_, LinearAligner)
    assert icp.get_params(deep=False)["aligner"] is stages


@pytest.mark.long
def test_a_last_stage_that_bends_follows_a_curved_map():
    rng = np.random.default_rng(0)

    def bend(rows):
        return rows + rows[:, ::-1] ** 2

    def quarters(rows):
        return (rows > 0.5) @ [1, 2]

    X, others = rng.beta([2, 3], [3, 2], size=(2, 1600, 2))
    y = bend(others)  # no row is on both sides
    quadratic = make_pipeline(PolynomialFeatures(include_bias=False), LinearAligner())
    schedule = [("covariance", 10), (LinearAligner(), 10)]
    straight, bent = (
        ICPAligner(stages, init="identity", matching="assignment", tol=1e-3).fit(
            X, y, labels=quarters(X), target_labels=quarters(others)
        )
        for stages in (schedule, [*schedule, (quadratic, 15)])
    )
    errors = [np.mean((icp.transform(X) - bend(X)) ** 2) for icp in (straight, bent)]
    assert errors[1] < 0.3 * errors[0]
    assert isinstance(bent.aligner_, type(quadratic))


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ([], "at least one stage"),
        (["rotation"], r"list of \(aligner, n_iter\); got the entry 'rotation'"),
        ([("spin", 3)], "'rotation', 'covariance' or an aligner.*got 'spin'"),
        ([(Ridge(), 3)], r"an aligner with fit and transform; got Ridge\(\)"),
        ([("rotation", 0)], "n_iter=0 of a stage must be an int >= 1"),
        ([("rotation", 1.5)], "n_iter=1.5"),
    ],
)
def test_schedules_that_make_no_sense_are_refused(turned, schedule, message):
    with pytest.raises(ValueError, match=message):
        ICPAligner(schedule, init="identity").fit(*turned)


def test_less_than_two_matches_are_refused():
    X = np.array([[0.0, 0.0], [0.1, 0.0]])
    y = np.array([[-1.0, 0.0], [-2.0, 0.0]])
    with pytest.raises(ValueError, match="matching='mutual' found 1 matches"):
        ICPAligner("rotation", init="identity", matching="mutual").fit(X, y)


@pytest.mark.parametrize(
    "aligner",
    [LinearAligner(), RigidAligner(), [("rotation", 3), (LinearAligner(), 2)]],
)
def test_stages_that_may_reflect_are_refused_on_request(turned, aligner):
    icp = ICPAligner(aligner, init="identity", allow_reflection=False)
    with pytest.raises(ValueError, match=r"Aligner\(\) may fit a reflection. Use"):
        icp.fit(*turned)
    icp.set_params(aligner=RigidAligner(allow_reflection=False)).fit(*turned)
