"""
=====================================
How many pairs are enough, and which?
=====================================

Source samples are plentiful, but pairs are expensive. A search over rules for choosing
the samples to pair, and over the number of pairs, estimates the score of a map for each
combination.
"""

# %%
# Two views of clustered items
# ----------------------------
# Items belong to groups of very different sizes. One item in fifty is an outlier, far
# from all others. Each space is a linear map of the items with independent noise.

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
# Each space has `width` = 40 features. The number of anchors goes from half to eight
# times the number of features.

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
# Scores
# ------
# Points are means over five folds, and bars show one standard deviation.

shape = len(rules), len(n_anchors)
means = search.cv_results_["mean_test_score"].reshape(shape)
spreads = search.cv_results_["std_test_score"].reshape(shape)
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for place, (rule, mean, spread) in enumerate(zip(rules, means, spreads, strict=True)):
    beside = np.array(n_anchors) * 1.02 ** (place - 1.5)
    ax.errorbar(beside, mean, spread, label=rule, marker="o", markersize=4)
ax.axvline(width, color="gray", linestyle=":", label="number of features")
ax.set(xscale="log", xlabel="number of anchors", ylabel="$R^2$ on held-out samples")
ax.set_xticks(n_anchors, labels=n_anchors)
ax.minorticks_off()
ax.legend()
plt.show()

# %%
# With fewer anchors than features, cluster centres represent all samples best, and
# rules that select extreme samples mostly select outliers. With more anchors, extreme
# samples help: samples of large norm have a better signal-to-noise ratio, and 80
# samples that span the space are nearly as good as 120 random ones. At eight times as
# many anchors as features, the rule no longer matters.
