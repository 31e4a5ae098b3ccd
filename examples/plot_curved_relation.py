"""
Do two spaces differ by more than a linear map?
===============================================

Two instruments measure the same samples, and one of them saturates. A linear map leaves
the curvature in place. :class:`~skalign.KernelAligner` adds a smooth correction to it,
and none if a linear map is enough.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection

from skalign import KernelAligner, LinearAligner

# %%
# The target is a curved image of the source, with noise. A grid in the source shows how
# each map bends the plane; it is used for the picture only.


def bent(X):
    angle = 0.9 * np.tanh(X[:, 0]) + 0.4
    radius = 2.2 + np.tanh(X[:, 1])
    return np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])


rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, size=(300, 2))
y = bent(X) + 0.05 * rng.normal(size=X.shape)
train, test = slice(200), slice(200, None)

# %%
# Both aligners are fitted on 200 pairs. Width and strength of the correction are chosen
# from these pairs alone.
maps = {
    "LinearAligner": LinearAligner().fit(X[train], y[train]),
    "KernelAligner": KernelAligner().fit(X[train], y[train]),
}
scores = {name: aligner.score(X[test], y[test]) for name, aligner in maps.items()}
print({name: round(score, 3) for name, score in scores.items()})

# %%
ticks, along = np.linspace(-2, 2, 13), np.linspace(-2, 2, 60)
lines = [np.column_stack([np.full(60, t), along]) for t in ticks]
lines += [line[:, ::-1] for line in lines]


def draw(ax, mapped, title):
    shade = plt.get_cmap()(np.tile(np.linspace(0, 0.9, 13), 2))
    ax.scatter(*y[test].T, s=12, color="0.7", zorder=1)
    ax.add_collection(LineCollection(mapped, colors=shade, linewidths=1, zorder=2))
    ax.set(title=title, aspect="equal", xticks=[], yticks=[])


figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), layout="constrained")
draw(axes[0], [bent(line) for line in lines], "relation of the two spaces")
for ax, (name, aligner) in zip(axes[1:], maps.items(), strict=True):
    mapped = [aligner.transform(line) for line in lines]
    draw(ax, mapped, f"{name}, $R^2$ = {scores[name]:.3f}")
for ax in axes:
    ax.set(xlim=axes[1].get_xlim(), ylim=axes[1].get_ylim())
    ax.autoscale_view()

# %%
# If the relation is linear, the correction does not lower the leave-one-out error by
# more than its standard error, and the map stays linear.
linear = X @ [[1, 0.5], [-0.5, 1]] + 0.05 * rng.normal(size=X.shape)
print(len(KernelAligner().fit(X[train], linear[train]).landmarks_), "landmarks")

# %%
# The linear map returns a parallelogram, whatever the target is. The corrected map
# follows the bend to the edge of the samples.
