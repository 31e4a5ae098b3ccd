"""
======================================
Which changes does each metric detect?
======================================

This example changes a space in six ways and compares it with the original by twelve
metrics. No metric detects every change: each is invariant to some of them, and these
invariances are the reason to choose one metric over another.
"""

# %%
# Six changes
# -----------
# The samples form clusters, and row i of both spaces is the same sample. The last
# change permutes the samples: the distribution stays the same, but the pairs are lost.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import ortho_group
from sklearn.datasets import make_blobs

from skalign import metrics

rng = np.random.default_rng(0)
X, _ = make_blobs(300, 8, centers=6, random_state=0)
X -= X.mean(axis=0)
changes = {
    "noise": X + 0.5 * rng.normal(size=X.shape),
    "shift": X + 3,
    "rotation": X @ ortho_group.rvs(8, random_state=0),
    "stretched\naxes": X * np.geomspace(0.2, 5, 8),
    "nonlinear": np.sign(X) * X**2 / 5,
    "permuted\nsamples": rng.permutation(X),
}

# %%
# Twelve metrics
# --------------
# Distances are divided by their largest value over the changes, and a similarity s is
# shown as 1 - s. A value of 0 means that the metric does not detect the change.

gamma = 1 / 200
distances = {
    "mmd": lambda A, B: metrics.mmd(A, B, gamma=gamma, unbiased=False),
    "energy_distance": metrics.energy_distance,
    "sliced_wasserstein_distance": lambda A, B: metrics.sliced_wasserstein_distance(
        A, B, random_state=0
    ),
    "feature_wasserstein_distances": lambda A, B: metrics.feature_wasserstein_distances(
        A, B
    ).mean(),
    "gaussian_wasserstein_distance": metrics.gaussian_wasserstein_distance,
    "coral_distance": lambda A, B: metrics.coral_distance(A, B) ** 0.5,
}
similarities = {
    "retrieval_accuracy": metrics.retrieval_accuracy,
    "cka": lambda A, B: metrics.cka(A, B, debiased=True),
    "procrustes_distance": lambda A, B: 1 - metrics.procrustes_distance(A, B) / 2**0.5,
    "cca_similarity": metrics.cca_similarity,
    "mutual_knn": lambda A, B: metrics.mutual_knn(A, B, metric="euclidean"),
    "rsa_correlation": metrics.rsa_correlation,
}
table = [
    np.array([measure(X, Y) for Y in changes.values()])
    for measure in distances.values()
]
table = [row / row.max() for row in table]
table += [
    np.array([1 - measure(X, Y) for Y in changes.values()])
    for measure in similarities.values()
]

# %%
# The result
# ----------

figure, ax = plt.subplots(figsize=(8, 6.5), layout="constrained")
image = ax.imshow(np.clip(table, 0, 1), cmap="cividis", aspect="auto")
ax.set_xticks(range(len(changes)), changes)
ax.set_yticks(range(len(table)), [*distances, *similarities])
ax.axhline(len(distances) - 0.5, color="white", linewidth=3)
for i, row in enumerate(table):
    for j, value in enumerate(row):
        text = "0" if value < 1e-6 else f"{value:.2f}"
        ax.text(j, i, text, ha="center", va="center", color="wk"[int(value > 0.5)])
figure.colorbar(
    image, label="distance relative to its largest value, or 1 - similarity"
)
plt.show()

# %%
# Above the line are distances between distributions. None of them detects the
# permutation. The CORAL distance does not detect a shift, and noise has a small effect
# on all of them. Below the line are metrics of paired samples. All except
# `retrieval_accuracy` are invariant to shift and rotation, CCA also to stretched axes,
# and all of them detect the permutation. Metrics based on neighbours are the most
# sensitive to noise. To evaluate a map, use a metric from above the line *and* either
# retrieval or the error of the map. To compare two models that share no space, use a
# metric from below the line.
