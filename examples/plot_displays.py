"""
======================================
What a map does to a space, in figures
======================================

Two autoencoders of the same handwritten digits, and the displays that show how their
latent spaces differ, what a map makes of it and how many pairs it needs.
"""

# %%
# Before and after
# ----------------
# Lines join the two latents of the same image, colours are the digits 0 to 4. Both
# panels show one plane, each at its own scale, and the target stays where it is.

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
# Rows that are alike
# -------------------
# Blocks are classes. The thin diagonal within a block is each image, found again.

SimilarityDisplay.from_estimator(rigid, X_test, y_test, labels=digits.labels[test])
plt.show()

# %%
# How the maps stretch
# --------------------
# A rotation with a scale stretches all directions alike; least squares does not.

display = SpectrumDisplay.from_estimator(rigid, name="rotation and scale")
SpectrumDisplay.from_estimator(linear, name="linear", ax=display.ax_)
plt.show()

# %%
# How far apart the clouds are
# ----------------------------
# Each space is a domain here: source latents, mapped in two ways, and the target.

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
# How many anchors
# ----------------

rules = {"random": RandomAnchors(random_state=0), "k-means": KMeansAnchors()}
search = AnchorSearchCV(LinearAligner(), rules, [15, 30, 60, 120, 240], cv=3)
AnchorSearchDisplay.from_estimator(search.fit(X, y), score_name="R2 on test pairs")
plt.show()

# %%
# Which class of map
# ------------------
# The kernel map is still learning where the linear one has nearly converged.

display = AlignabilityDisplay.from_spaces(X, y, labels=digits.labels[train])
plt.show()

# %%
# The scores of each class
# ------------------------

display.plot_scores()
plt.show()

# %%
# The spaces differ by more than a rotation: the spectrum of the linear map is far from
# flat, and its cloud lies nearer to the target's. From 400 pairs a kernel can tell that
# the map is bent as well, and it is the class that gains most from further pairs.
