"""
====================================================
Displays of spaces before and after they are aligned
====================================================

This example shows the displays of :mod:`skalign.plotting` on the latent spaces of two
autoencoders of handwritten digits: how the spaces differ, what a map changes, and how
many pairs it needs.
"""

# %%
# Before and after
# ----------------
# Lines connect the two latents of the same image; colours are the digits 0 to 4. Both
# panels show the same plane, each at its own scale. The target is the same in both.

import matplotlib.pyplot as plt
import numpy as np

from skalign import AnchorSearchCV, LinearAligner, RigidAligner
from skalign.anchors import KMeansAnchors, RandomAnchors
from skalign.datasets import load_digits_latents
from skalign.plotting import (
    AlignabilityDisplay,
    AlignmentDisplay,
    AnchorSearchDisplay,
    DomainDistanceDisplay,
    SimilarityDisplay,
    SpectrumDisplay,
)

digits = load_digits_latents()
train, test = digits.train_indices[:400], digits.test_indices
X, y = digits.data[train], digits.target[train]
X_test, y_test = digits.data[test], digits.target[test]
rigid, linear = RigidAligner(scaling=True).fit(X, y), LinearAligner().fit(X, y)
few = digits.labels[test] < 5
AlignmentDisplay.from_estimator(
    linear, X_test[few], y_test[few], labels=digits.labels[test][few]
)
plt.show()

# %%
# Similarity of samples
# ---------------------
# Blocks are classes. The thin diagonal within a block shows that the two latents of the
# same image are the most similar.

SimilarityDisplay.from_estimator(rigid, X_test, y_test, labels=digits.labels[test])
plt.show()

# %%
# Singular values of the maps
# ---------------------------
# A rotation with a scale has equal singular values; least squares does not.

display = SpectrumDisplay.from_estimator(rigid, name="rotation and scale")
SpectrumDisplay.from_estimator(linear, name="linear", ax=display.ax_)
plt.show()

# %%
# Distances between distributions
# -------------------------------
# Each set of samples is a domain here: the source latents, the source latents mapped in
# two ways, and the target latents.

spaces = {
    "source": X_test,
    "rigid": rigid.transform(X_test),
    "linear": linear.transform(X_test),
    "target": y_test,
}
DomainDistanceDisplay.from_spaces(
    np.concatenate(list(spaces.values())),
    np.repeat([f"{i} {name}" for i, name in enumerate(spaces)], len(X_test)),
)
plt.show()

# %%
# Number of anchors
# -----------------
# The score on held-out pairs, for two rules that choose the anchors.

rules = {"random": RandomAnchors(random_state=0), "k-means": KMeansAnchors()}
search = AnchorSearchCV(LinearAligner(), rules, [15, 30, 60, 120, 240], cv=3)
AnchorSearchDisplay.from_estimator(search.fit(X, y), score_name="R2 on test pairs")
plt.show()

# %%
# Class of map
# ------------
# The error of the kernel map still decreases with more pairs, while that of the linear
# map has nearly converged.

display = AlignabilityDisplay.from_spaces(X, y, labels=digits.labels[train])
plt.show()

# %%
# Scores of each class of map
# ---------------------------

display.plot_scores()
plt.show()

# %%
# The spaces differ by more than a rotation: the singular values of the linear map vary
# widely, and its mapped samples are closer to the target distribution. 400 pairs are
# enough for the kernel map to detect that the relation is also nonlinear, and it is the
# class of map that gains most from further pairs.
