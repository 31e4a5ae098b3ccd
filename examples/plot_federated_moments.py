"""
====================================================
What does it cost to learn a map without any rows?
====================================================

Three hospitals hold pairs of rows that must not leave them. Each sends sums over its
pairs, and the map that comes out is that of all pairs together. With noise on the sums
no single pair can be told from them; this is what that noise costs.
"""

# %%
# Pairs at three places
# ---------------------
# Two spaces of eight columns, scaled so that most pairs are shorter than 1: that
# is the length at which rows will be clipped, and it has to be fixed without a look at
# the rows. The first hospital holds most of the rows.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import ortho_group

from skalign import LinearAligner
from skalign.federated import client_sums, fit_from_sums, gaussian_noise_scale

WIDTH, CLIP, DELTA = 8, 1.0, 1e-6
rng = np.random.default_rng(0)
spread = np.linspace(0.3, 0.1, WIDTH)
turn = ortho_group.rvs(WIDTH, random_state=rng)


def draw(n_samples):
    X = spread * rng.normal(size=(n_samples, WIDTH))
    return X, X @ turn + 0.03 * rng.normal(size=(n_samples, WIDTH))


def hospitals(n_samples):
    X, y = draw(n_samples)
    ends = [int(0.7 * n_samples), int(0.9 * n_samples)]
    return list(zip(np.split(X, ends), np.split(y, ends), strict=True))


X_test, y_test = draw(2000)
lengths = np.sqrt((X_test**2).sum(axis=1) + (y_test**2).sum(axis=1))
print(f"{np.mean(lengths > CLIP):.0%} of the pairs are clipped")

# %%
# Sums are enough
# ---------------
# A handful of numbers for each hospital, however many rows it has, and the same map as
# from all rows in one place.

pairs = hospitals(3000)
updates = [client_sums(LinearAligner(), X, y) for X, y in pairs]
merged = fit_from_sums(LinearAligner(), updates)
X, y = (np.concatenate(side) for side in zip(*pairs, strict=True))
difference = np.abs(merged.coef_ - LinearAligner().fit(X, y).coef_).max()
print(f"largest difference of coefficients: {difference:.0e}")

# %%
# Noise hides each pair
# ---------------------
# `epsilon` bounds what anyone can learn of one pair: at 1 the odds of any guess about
# it change by less than a factor of e, but for a chance of `DELTA`. Generalised
# cross-validation knows nothing of the noise; the size of the noise is no secret, so
# that a ridge can be given it.

epsilons = np.logspace(-1, 1.5, 11)
counts = [1_000, 10_000, 100_000]


def ridge(epsilon):
    sensitivity = np.sqrt(4.5) * CLIP**2
    scale = gaussian_noise_scale(epsilon, DELTA, sensitivity=sensitivity)
    return LinearAligner(alpha=scale * np.sqrt(3 * 2 * WIDTH))


def error(aligner, pairs, epsilon, seed):
    noise = {"clip": CLIP, "epsilon": epsilon, "delta": DELTA}
    updates = [
        client_sums(aligner, X, y, **noise, random_state=3 * seed + k)
        for k, (X, y) in enumerate(pairs)
    ]
    return 1 - fit_from_sums(aligner, updates).score(X_test, y_test)


errors = {"gcv": [], "ridge of the noise's size": []}
exact = []
for n_samples in counts:
    pairs = hospitals(n_samples)
    updates = [client_sums(LinearAligner(), X, y) for X, y in pairs]
    exact.append(1 - fit_from_sums(LinearAligner(), updates).score(X_test, y_test))
    for name, make in (("gcv", lambda _: LinearAligner()), (list(errors)[1], ridge)):
        errors[name].append(
            [
                [error(make(epsilon), pairs, epsilon, seed) for seed in range(5)]
                for epsilon in epsilons
            ]
        )

# %%
# Error against epsilon
# ---------------------
# The share of the target's variance that is left over, on new rows; 1 is no better
# than the mean. Medians of five draws of the noise, and their range.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for (name, curves), ax in zip(errors.items(), axes, strict=True):
    for n_samples, values, floor in zip(counts, curves, exact, strict=True):
        values = np.array(values)
        (line,) = ax.plot(epsilons, np.median(values, axis=1), "o-", ms=4)
        line.set_label(f"{n_samples:,} pairs")
        ax.fill_between(
            epsilons,
            values.min(axis=1),
            values.max(axis=1),
            color=line.get_color(),
            alpha=0.15,
            lw=0,
        )
        ax.axhline(floor, color=line.get_color(), lw=0.8, ls=":")
    ax.axhline(1, color="0.6", lw=0.8)
    ax.set(xscale="log", yscale="log", xlabel="epsilon", title=name, ylim=(None, 100))
axes[0].set_ylabel("error on new rows")
axes[0].legend(title="dotted: without noise")
plt.show()

# %%
# The noise has one size, whatever the number of rows: ten times the rows bear a tenth
# of the epsilon. With a hundred thousand pairs privacy costs next to nothing at 1; with
# a thousand, only a loose promise leaves anything to be learnt. Where the noise drowns
# the rows, a ridge of its size keeps the map near the mean, and cross-validation fails
# altogether; where the rows stand out from it, that ridge is stronger than it need be.
