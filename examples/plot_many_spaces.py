"""
=======================================================
Can three encoders that never met agree on one space?
=======================================================

Three encoders see the same items, each in its own axes, scale and width, and none of
them sees all items. One consensus brings them together: a row that a space does not
have is told by the others, and a fourth encoder joins later.
"""

# %%
# One shape, seen three times
# ---------------------------
# The items lie on a spiral. Each space turns, stretches and shifts it, adds noise, and
# misses three items in ten: their rows are NaN.

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
# The spaces stand side by side in one matrix; "similarity" turns, shifts and scales
# each of them.

X = np.hstack(holed)
model = GeneralizedProcrustes(space_sizes=[2, 2, 3], kind="similarity").fit(X)
filled = model.inverse_transform(model.transform(X))
print(f"{model.n_iter_} iterations leave {model.objective_[-1]:.3f} of the squares")

# %%
# A fourth encoder joins with 20 items
# ------------------------------------
# Nothing else is learnt anew, and its rows can be translated to any space.

late = encode(2, 5)
known = np.where(np.arange(300)[:, None] % 15 == 0, late, np.nan)
model.add_space(known)
translated = model.translate(late, source=3, target=0)

# %%
# Before, and in the consensus
# ----------------------------

figure, axes = plt.subplots(2, 4, figsize=(10, 5), layout="constrained")
columns = [*holed, late]
for k, (rows, ax) in enumerate(zip(columns, axes[0], strict=True)):
    ax.scatter(*rows[:, :2].T, c=angle, s=6)
    ax.set_title(f"space {k}" + (", later" if k == 3 else ""))
panels = {
    "all rows in the consensus": model.transform(X),
    "space 3 in the consensus": model.to_consensus(late, 3),
    "space 1: missing rows, told": np.where(missing[:, 1:2], filled[:, 2:4], np.nan),
    "space 3, carried to space 0": translated,
}
for (title, rows), ax in zip(panels.items(), axes[1], strict=True):
    ax.scatter(*rows[:, :2].T, c=angle, s=6)
    ax.set_title(title, fontsize="medium")
for ax in axes.flat:
    ax.set(aspect="equal", xticks=[], yticks=[])
plt.show()

# %%
# How far off are the rows that were never seen?

for k, columns in enumerate(np.split(np.arange(7), [2, 4])):
    gone = missing[:, k]
    error = np.square(filled[gone][:, columns] - spaces[k][gone]).sum()
    spread = np.square(spaces[k][gone] - spaces[k][gone].mean(axis=0)).sum()
    print(f"space {k}: {1 - error / spread:.3f} of the variance of missing rows")

# %%
# The mean over the spaces is smoother than any of them. Rows that a space never had are
# told by the others nearly as well as its noise allows, and 20 items were enough for
# the fourth space to be read in the axes of the first.
