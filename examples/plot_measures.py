"""
=====================================
What each measure sees, and does not
=====================================

Six ways to change a space, and what the measures of two spaces make of each. None of
them sees everything, and what a measure is blind to is the reason to choose it.
"""

# %%
# Six changes
# -----------
# Rows lie in clusters, and row i of both sides is the same item. The last change leaves
# the cloud as it is and mixes up who is who.

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
    "bent": np.sign(X) * X**2 / 5,
    "rows\nmixed up": rng.permutation(X),
}

# %%
# Twelve measures
# ---------------
# Distances are shown as shares of their largest value over the changes, similarities as
# what is lost of 1. So 0 means that a measure does not see the change at all.

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
# The picture
# -----------

figure, ax = plt.subplots(figsize=(8, 6.5), layout="constrained")
image = ax.imshow(np.clip(table, 0, 1), cmap="cividis", aspect="auto")
ax.set_xticks(range(len(changes)), changes)
ax.set_yticks(range(len(table)), [*distances, *similarities])
ax.axhline(len(distances) - 0.5, color="white", linewidth=3)
for i, row in enumerate(table):
    for j, value in enumerate(row):
        text = "blind" if value < 1e-6 else f"{value:.2f}"
        ax.text(j, i, text, ha="center", va="center", color="wk"[int(value > 0.5)])
figure.colorbar(image, label="share of the largest effect, or of a similarity lost")
plt.show()

# %%
# Above the line are distances between sets: none of them sees that rows were mixed up.
# The CORAL distance does not see a shift, and noise hardly shows in any of them. Below
# are measures of pairs: all but retrieval are blind to shift and rotation, CCA also to
# stretched axes, and none forgives mixed rows; neighbours notice noise first. A map
# should be judged by one from above *and* by retrieval or its error; two models that
# share no space by one from below.
