"""Facts about the report of maps."""

import pytest
from numpy.testing import assert_allclose

from skalign import RigidAligner
from skalign.datasets import make_paired_spaces
from skalign.model_selection import alignment_report, default_aligners

X, y = make_paired_spaces(60, 4, noise=0.5, random_state=0, return_X_y=True)
MAPS = {"similarity": RigidAligner(scaling=True)}


@pytest.mark.parametrize("scale", [2.0**-330, 2.0**330])
def test_a_report_is_the_same_in_any_unit(scale):
    expected = alignment_report(X, y, aligners=MAPS, cv=2).scores
    scores = alignment_report(X, y * scale, aligners=MAPS, cv=2).scores
    for name, values in scores.items():
        unit = scale if name == "sliced_wasserstein" else 1
        assert_allclose(values / unit, expected[name], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("parameter", "value"), [("aligners", 3), ("aligners", [1]), ("progress", 5)]
)
def test_a_parameter_of_the_wrong_type_is_named(parameter, value):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of"):
        alignment_report(X, y, **{parameter: value})
    with pytest.raises(ValueError, match="The 'n_targets' parameter of"):
        default_aligners(4, [4])
