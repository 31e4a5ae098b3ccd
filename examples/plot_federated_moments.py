"""
======================================================
What does privacy cost when a map is learnt from sums?
======================================================

Three hospitals hold paired samples that must not leave them. Each sends only sums over
its pairs, and the resulting map equals the one fitted to all pairs together. Noise on
the sums protects each single pair. This example measures how much accuracy the noise
costs.
"""

# %%
# Pairs at three hospitals
# ------------------------
# Two spaces with eight features, scaled so that most pairs have a norm below 1. This is
# the norm at which samples are clipped; it must be fixed without looking at the data.
# The first hospital holds most of the samples.

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
# Sums suffice
# ------------
# The size of the sums does not depend on the number of samples of a hospital. The map
# is the same as the one fitted to all samples in one place.

pairs = hospitals(3000)
updates = [client_sums(LinearAligner(), X, y) for X, y in pairs]
merged = fit_from_sums(LinearAligner(), updates)
X, y = (np.concatenate(side) for side in zip(*pairs, strict=True))
difference = np.abs(merged.coef_ - LinearAligner().fit(X, y).coef_).max()
print(f"largest difference of coefficients: {difference:.0e}")

# %%
# Noise protects each pair
# ------------------------
# `epsilon` bounds what can be learnt about a single pair: with a value of 1, the odds
# of any statement about it change by at most a factor of e, except with probability
# `DELTA`. Generalised cross-validation does not account for the noise. The standard
# deviation of the noise is public, so that it can also be used to set the penalty.

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


errors = {"gcv": [], "penalty set from the noise": []}
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
# The error is the fraction of the target's variance that is not explained on new
# samples; 1 is no better than the mean. Points are medians over five draws of the
# noise, and shaded areas show their range.

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
axes[0].set_ylabel("error on new samples")
axes[0].legend(title="dotted: without noise")
plt.show()

# %%
# The standard deviation of the noise does not depend on the number of samples, so that
# ten times as many samples allow an epsilon ten times smaller. With a hundred thousand
# pairs, privacy at epsilon = 1 costs almost no accuracy. With a thousand, only a weak
# guarantee (a large epsilon) allows an accurate map. If the noise dominates,
# cross-validation fails, while a penalty set from the noise keeps the map near the
# mean. If the noise is small, that penalty is larger than necessary.
