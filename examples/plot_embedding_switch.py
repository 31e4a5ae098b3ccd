"""
==============================================================
Replacing the encoder of an index without embedding every item
==============================================================

An index holds 3,000 vectors of an old encoder, but queries will be embedded by a new
one. Only 1 % of the items are embedded again. A map learnt from these pairs maps the
other vectors and estimates their uncertainty, and the most uncertain items are then
embedded again too.
"""

# %%
# A stored index
# --------------
# The items form forty groups of different sizes. Each encoder applies its own slightly
# nonlinear map and adds noise. The old vectors are stored in a database.

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
    with index:  # one transaction
        index.executemany(
            "UPDATE item SET vector = ?, made_by = ? WHERE id = ?",
            (
                (row.tobytes(), made_by, int(i))
                for i, row in zip(ids, vectors, strict=True)
            ),
        )


# %%
# Estimating the loss of accuracy from the pairs
# ----------------------------------------------
# Thirty items are embedded by the new encoder. Before anything is written, leaving each
# of them out in turn gives an estimate of the error, with an interval.

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
    print(f"{name}: {low:.2f} to {high:.2f} of the variance lost; true loss {true:.2f}")

# %%
# Mapping all vectors
# -------------------
# The uncertainty of each mapped vector is the norm of its standard deviations. For the
# thirty pairs, the vectors of the new encoder are stored.

vectors = stored()
uncertainty = np.linalg.norm(aligner.predict_std(vectors, include_noise=False), axis=1)
write(np.arange(n_items), aligner.transform(vectors), "map")
write(pairs, new[pairs], "new encoder")

# %%
# Embedding the most uncertain items again
# ----------------------------------------
# The 5 % of the items with the largest uncertainty are embedded by the new encoder.

order = others[np.argsort(-uncertainty[others])]
mapped = stored()
write(order[: n_items // 20], new[order[: n_items // 20]], "new encoder")
print(index.execute("SELECT made_by, COUNT(*) FROM item GROUP BY made_by").fetchall())

# %%
# Does the uncertainty predict the error?
# ---------------------------------------
# In this example the true error of each item is known.

error = np.sum((mapped - new) ** 2, axis=1)
share = np.arange(len(others) + 1) / len(others)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
flagged = np.isin(others, order[: n_items // 20])
for rows, label in ((~flagged, "mapped"), (flagged, "embedded again")):
    left.scatter(
        uncertainty[others][rows], error[others][rows] ** 0.5, s=5, label=label
    )
left.set(xlabel="uncertainty: norm of predict_std", ylabel="true distance")
left.legend()
for label, rows in {
    "most uncertain first": order,
    "random order": rng.permutation(others),
    "largest true error first": others[np.argsort(-error[others])],
}.items():
    repaired = np.append(0, np.cumsum(error[rows])) / error[others].sum()
    right.plot(share, 1 - repaired, label=label)
right.axvline(0.05, color="gray", linestyle=":", linewidth=1)
right.set(
    xlabel="fraction of items embedded again", ylabel="fraction of the error left"
)
right.legend()
plt.show()

repaired = error[order[: n_items // 20]].sum() / error[others].sum()
print(f"the most uncertain 5 % of the items have {repaired:.0%} of the error")

# %%
# For ridge regression, the estimate from the pairs agrees with the true loss. Least
# squares loses more than twice as much, and its estimate from so few pairs is less
# accurate. The uncertainty increases with the true distance: embedding the most
# uncertain 5 % of the items again removes far more than 5 % of the error.
