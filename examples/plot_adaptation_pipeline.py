"""
======================================================
Can a classifier adapt to a new domain without labels?
======================================================

Sensors were replaced: the new measurements are scaled and shifted, and they have no
labels. :class:`~skalign.DomainAdapter` makes an unpaired aligner a step of a pipeline,
and a score that needs no target labels selects the aligner.
"""

# %%
# A labelled source and an unlabelled target
# ------------------------------------------
# `y_target` is used only at the end, to evaluate the results.

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import (
    CORALAligner,
    DomainAdapter,
    GaussianOTAligner,
    MeanVarianceAligner,
)
from skalign.metrics import CircularValidationScorer

rng = np.random.default_rng(0)
centers = np.array([[0, 0], [4, 0], [4, 3]])
y, y_target = rng.integers(0, 3, 300), rng.integers(0, 3, 200)
X = centers[y] + rng.normal(size=(300, 2))
X_target = centers[y_target] + rng.normal(size=(200, 2))
X_target = X_target @ np.array([[2.0, 0.8], [0.8, 0.8]]) + [-6, 6]

# %%
# Adaptation as a step of a pipeline
# ----------------------------------
# The target samples are passed as metadata. `transform_input` applies the scaler to
# them too. They are wrapped in a tuple so that cross-validation does not split them
# into folds.
#
# The search uses circular validation: predict labels for the target samples, train on
# these labels, and count how many labels of the source are recovered.

pipe = make_pipeline(
    StandardScaler(),
    DomainAdapter("passthrough"),
    LogisticRegression(),
    transform_input=["X_target"],
)
aligners = {
    "none": "passthrough",
    "mean and variance": MeanVarianceAligner(),
    "CORAL": CORALAligner(reg=0),
    "Gaussian OT": GaussianOTAligner(),
}
grid = {"domainadapter__aligner": list(aligners.values())}
with sklearn.config_context(enable_metadata_routing=True):
    search = GridSearchCV(pipe, grid, scoring=CircularValidationScorer())
    search.fit(X, y, X_target=(X_target,))
    adapted = {
        name: sklearn.clone(pipe)
        .set_params(domainadapter__aligner=aligner)
        .fit(X, y, X_target=X_target)
        for name, aligner in aligners.items()
    }
score = search.cv_results_["mean_test_score"]
chosen = list(aligners)[search.best_index_]

# %%
# Accuracy on the target
# ----------------------
# Here the target labels are used for the first time.

accuracy = [np.mean(adapted[name].predict(X_target) == y_target) for name in aligners]
figure, axes = plt.subplots(1, 3, figsize=(10, 3.5), layout="constrained")
for ax, name in zip(axes, ("none", chosen), strict=False):
    DecisionBoundaryDisplay.from_estimator(
        adapted[name],
        X_target,
        response_method="predict",
        multiclass_colors=["C0", "C1", "C2"],
        alpha=0.3,
        ax=ax,
    )
    ax.scatter(*X_target.T, color=[f"C{k}" for k in y_target], s=8)
    ax.set(title=f"aligner: {name}", xticks=[], yticks=[], xlabel="", ylabel="")
lines = np.arange(len(aligners))
axes[2].barh(lines - 0.2, score, 0.4, label="circular validation")
axes[2].barh(lines + 0.2, accuracy, 0.4, label="accuracy on target")
axes[2].set(xlim=(0, 1), yticks=lines, yticklabels=list(aligners))
axes[2].legend(loc="upper center", bbox_to_anchor=(0.4, -0.1), ncols=2)
plt.show()

# %%
# Without adaptation, the middle class is never predicted, because the decision regions
# lie where the classes were in the measurements of the old sensors. Scaling each
# feature separately helps. The aligners that match the full covariance restore all
# three regions. Circular validation ranks the aligners in the order of their accuracy
# on the target, without any target label.
