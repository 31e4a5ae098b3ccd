"""
=====================================
How many pairs are enough, and which?
=====================================

Rows of the source are plentiful, pairs are dear. A search over rules for choosing the
rows to pair, and over their number, says what a map would score.
"""

# %%
# Two views of clustered items
# ----------------------------
# Items fall into groups, most of them into a few. One in fifty is an outlier, far from
# all others. Both spaces see the items through noise of their own.

import matplotlib.pyplot as plt
import numpy as np

from skalign import AnchorSearchCV, LinearAligner
from skalign.anchors import (
    FarthestPointAnchors,
    KMeansAnchors,
    PivotedQRAnchors,
    RandomAnchors,
)

rng = np.random.default_rng(0)
n_samples, width = 1500, 40
group = rng.zipf(1.5, size=n_samples) % 60
items = 2 * rng.normal(size=(60, width))[group] + rng.normal(size=(n_samples, width))
outliers = rng.choice(n_samples, size=n_samples // 50, replace=False)
items[outliers] *= 4
X, y = (
    items @ rng.normal(size=(width, width)) + 4 * rng.normal(size=(n_samples, width))
    for _ in range(2)
)

# %%
# The search
# ----------
# `width` is 40: from half as many anchors as columns to eight times as many.

rules = {
    "random": RandomAnchors(random_state=0),
    "k-means": KMeansAnchors(),
    "farthest points": FarthestPointAnchors(),
    "pivoted QR": PivotedQRAnchors(),
}
n_anchors = [20, 30, 40, 60, 80, 120, 160, 240, 320]
search = AnchorSearchCV(LinearAligner(), rules, n_anchors).fit(X, y)
print(search.best_params_)

# %%
# What each choice scores
# -----------------------
# Points are means over five folds, bars a standard deviation either way.

shape = len(rules), len(n_anchors)
means = search.cv_results_["mean_test_score"].reshape(shape)
spreads = search.cv_results_["std_test_score"].reshape(shape)
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for place, (rule, mean, spread) in enumerate(zip(rules, means, spreads, strict=True)):
    beside = np.array(n_anchors) * 1.02 ** (place - 1.5)
    ax.errorbar(beside, mean, spread, label=rule, marker="o", markersize=4)
ax.axvline(width, color="gray", linestyle=":", label="number of columns")
ax.set(xscale="log", xlabel="number of anchors", ylabel="R2 on held-out rows")
ax.set_xticks(n_anchors, labels=n_anchors)
ax.minorticks_off()
ax.legend()
plt.show()

# %%
# Below as many anchors as columns, the middle of clusters stands best for all rows, and
# rules that go for extremes learn from little but outliers. From there on extremes pay:
# long rows show the map above the noise, and 80 rows that span the space are nearly
# worth 120 at random. At eight times as many anchors as columns the rule no longer
# matters.
