"""
==================================================
Can an index change its encoder without its items?
==================================================

An index holds 3,000 vectors of an old encoder; queries will come from a new one. Only
one item in a hundred is embedded again. A map learnt from these pairs carries the other
vectors over, says which of them not to trust, and only those are embedded again.
"""

# %%
# A stored index
# --------------
# The items lie in forty groups of different sizes. Both encoders see them through a
# map of their own, bend them a little and add noise. The old vectors are in a database.

import sqlite3

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from skalign import LinearAligner
from skalign.metrics import jackknife_interval

rng = np.random.default_rng(0)
n_items, n_pairs, width = 3000, 30, 24
group = rng.zipf(1.6, size=n_items) % 40
items = rng.normal(size=(40, 12))[group] + 0.4 * rng.normal(size=(n_items, 12))


def encoder(seed):
    weights = np.random.default_rng(seed).normal(size=(12, width)) / np.sqrt(12)
    seen = np.tanh(0.4 * items @ weights)
    return seen + 0.05 * np.random.default_rng(seed + 1).normal(size=seen.shape)


old, new = encoder(1), encoder(3)
index = sqlite3.connect(":memory:")
index.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, vector BLOB, made_by TEXT)")
index.executemany(
    "INSERT INTO item VALUES (?, ?, 'old encoder')",
    ((i, row.tobytes()) for i, row in enumerate(old)),
)


def stored():
    rows = index.execute("SELECT vector FROM item ORDER BY id")
    return np.array([np.frombuffer(vector) for (vector,) in rows])


def write(ids, vectors, made_by):
    with index:  # all of them, or none
        index.executemany(
            "UPDATE item SET vector = ?, made_by = ? WHERE id = ?",
            (
                (row.tobytes(), made_by, int(i))
                for i, row in zip(ids, vectors, strict=True)
            ),
        )


# %%
# One pair in a hundred, and what they promise
# --------------------------------------------
# Thirty items are embedded by the new encoder. Before anything is written, they say
# what will be lost, each left out in turn, with an interval.

pairs = rng.choice(n_items, n_pairs, replace=False)
others = np.setdiff1d(np.arange(n_items), pairs)
X, y = stored()[pairs], new[pairs]


def relative_error(mapped, true):
    return np.sum((mapped - true) ** 2) / np.sum((true - y.mean(axis=0)) ** 2)


for name, aligner in {
    "least squares": LinearAligner(alpha=0),
    "LinearAligner()": LinearAligner(),
}.items():
    held_out = cross_val_predict(aligner, X, y, cv=LeaveOneOut())
    low, high = jackknife_interval(relative_error, held_out, y, paired=True)
    true = relative_error(aligner.fit(X, y).transform(old[others]), new[others])
    print(f"{name}: {low:.2f} to {high:.2f} of the variance lost; in truth {true:.2f}")

# %%
# The migration
# -------------
# Every vector is carried over, with its doubt: the standard deviation of what the map
# says of it. The thirty are stored as the new encoder has them.

vectors = stored()
doubt = np.linalg.norm(aligner.predict_std(vectors, include_noise=False), axis=1)
write(np.arange(n_items), aligner.transform(vectors), "map")
write(pairs, new[pairs], "new encoder")

# %%
# Embed again what is not to be trusted
# -------------------------------------
# A twentieth of the items, those of the largest doubt.

order = others[np.argsort(-doubt[others])]
carried = stored()
write(order[: n_items // 20], new[order[: n_items // 20]], "new encoder")
print(index.execute("SELECT made_by, COUNT(*) FROM item GROUP BY made_by").fetchall())

# %%
# Was it worth it?
# ----------------
# The error of each row is known here, since the new encoder is at hand.

error = np.sum((carried - new) ** 2, axis=1)
share = np.arange(len(others) + 1) / len(others)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
flagged = np.isin(others, order[: n_items // 20])
for rows, label in ((~flagged, "carried over"), (flagged, "embedded again")):
    left.scatter(doubt[others][rows], error[others][rows] ** 0.5, s=5, label=label)
left.set(xlabel="doubt: norm of predict_std", ylabel="true distance")
left.legend()
for label, rows in {
    "most doubted first": order,
    "any": rng.permutation(others),
    "worst first, if one knew": others[np.argsort(-error[others])],
}.items():
    repaired = np.append(0, np.cumsum(error[rows])) / error[others].sum()
    right.plot(share, 1 - repaired, label=label)
right.axvline(0.05, color="gray", linestyle=":", linewidth=1)
right.set(xlabel="share of items embedded again", ylabel="share of the error left")
right.legend()
plt.show()

repaired = error[order[: n_items // 20]].sum() / error[others].sum()
print(f"the most doubted twentieth holds {repaired:.0%} of the error")

# %%
# What the pairs told beforehand holds for the ridge; least squares loses more than
# twice as much, and so few pairs tell it even less well. Doubt follows the distance:
# a twentieth of the items, well chosen, repairs far more than a twentieth of the error.
