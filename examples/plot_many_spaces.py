"""
===================================
A common space for several encoders
===================================

Three encoders embed the same items in spaces that differ in rotation, scale and number
of features, and each of them misses some items. :class:`~skalign.GeneralizedProcrustes`
maps all spaces to one consensus. It estimates missing samples of one space from the
others, and a fourth encoder can be added later.
"""

# %%
# Three spaces of the same items
# ------------------------------
# The items lie on a spiral. Each space is a rotated, scaled and shifted copy with
# noise, in which 30 % of the items are missing: their values are NaN.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import ortho_group

from skalign import GeneralizedProcrustes

rng = np.random.default_rng(0)
angle = np.linspace(0.5, 3.5 * np.pi, 300)
spiral = np.column_stack([angle * np.cos(angle), angle * np.sin(angle)]) / 6


def encode(width, scale):
    turn = ortho_group.rvs(width, random_state=rng)[:2]
    rows = scale * spiral @ turn + rng.normal(size=width)
    return rows + 0.12 * scale * rng.normal(size=rows.shape)


spaces = [encode(2, 1), encode(2, 0.4), encode(3, 2)]
missing = rng.random((len(spiral), 3)) < 0.3
missing[missing.all(axis=1), 0] = False
holed = [
    np.where(gone[:, None], np.nan, rows)
    for rows, gone in zip(spaces, missing.T, strict=True)
]

# %%
# The consensus
# -------------
# The spaces are stacked side by side in one matrix. With ``kind="similarity"``, the map
# of each space is a rotation, a shift and a scale.

X = np.hstack(holed)
model = GeneralizedProcrustes(space_sizes=[2, 2, 3], kind="similarity").fit(X)
filled = model.inverse_transform(model.transform(X))
print(f"{model.n_iter_} iterations, objective {model.objective_[-1]:.3f}")

# %%
# A fourth encoder joins with 20 items
# ------------------------------------
# The maps of the other spaces do not change, and samples of the new space can be mapped
# into any other space.

late = encode(2, 5)
known = np.where(np.arange(300)[:, None] % 15 == 0, late, np.nan)
model.add_space(known)
translated = model.translate(late, source=3, target=0)

# %%
# The spaces before alignment and in the consensus
# ------------------------------------------------

figure, axes = plt.subplots(2, 4, figsize=(10, 5), layout="constrained")
columns = [*holed, late]
for k, (rows, ax) in enumerate(zip(columns, axes[0], strict=True)):
    ax.scatter(*rows[:, :2].T, c=angle, s=6)
    ax.set_title(f"space {k}" + (", later" if k == 3 else ""))
panels = {
    "consensus, all samples": model.transform(X),
    "consensus, space 3": model.to_consensus(late, 3),
    "space 1, missing samples": np.where(missing[:, 1:2], filled[:, 2:4], np.nan),
    "space 3 in space 0": translated,
}
for (title, rows), ax in zip(panels.items(), axes[1], strict=True):
    ax.scatter(*rows[:, :2].T, c=angle, s=6)
    ax.set_title(title)
for ax in axes.flat:
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# Accuracy of the estimated samples
# ---------------------------------

for k, columns in enumerate(np.split(np.arange(7), [2, 4])):
    gone = missing[:, k]
    error = np.square(filled[gone][:, columns] - spaces[k][gone]).sum()
    spread = np.square(spaces[k][gone] - spaces[k][gone].mean(axis=0)).sum()
    print(f"space {k}: R2 of missing samples {1 - error / spread:.3f}")

# %%
# The consensus is less noisy than any single space. Missing samples are estimated from
# the other spaces nearly as well as the noise allows, and 20 items were enough to map
# the fourth space into the first.
