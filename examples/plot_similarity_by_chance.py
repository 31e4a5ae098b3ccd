"""
Is a similarity larger than by chance, and how large could it be?
=================================================================

Unrelated representations are similar by chance, and related ones are less similar than
they should be if they were measured with noise.
:func:`~skalign.metrics.similarity_test` and :func:`~skalign.metrics.noise_ceiling` give
the two ends of the scale.
"""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from skalign.metrics import (
    cca_similarity,
    cka,
    mutual_knn,
    noise_ceiling,
    rsa_correlation,
    similarity_test,
)

# %%
# Eighty samples are measured six times on each side, with noise. The second side shares
# half of its signal with the first; a third one shares nothing.
rng = np.random.default_rng(1)
n_samples, width = 80, 20
shared, own, foreign = rng.normal(size=(3, n_samples, width))


def measure(signal):
    return signal + 1.5 * rng.normal(size=(6, *signal.shape))


X, Y, Z = measure(shared), measure(shared + own), measure(foreign)

# %%
# The values of permuted pairs show what is expected by chance. It depends on the
# metric: canonical correlations of unrelated sides are far above zero.
metrics = {
    "cca_similarity": cca_similarity,
    "cka": cka,
    "cka, debiased": partial(cka, debiased=True),
    "rsa_correlation": rsa_correlation,
    "mutual_knn": mutual_knn,
}
figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for at, (name, metric) in enumerate(metrics.items()):
    test = partial(similarity_test, metric, n_permutations=499, random_state=0)
    related = test(X.mean(axis=0), Y.mean(axis=0))
    unrelated = test(X.mean(axis=0), Z.mean(axis=0))
    print(f"{name}: p = {related.pvalue:.3f} and {unrelated.pvalue:.3f}")
    drawn = ax.violinplot(
        related.null_distribution, [at], widths=0.6, showextrema=False
    )
    drawn["bodies"][0].set(facecolor="0.6", alpha=0.7)
    ax.plot(at, unrelated.statistic, "o", color="0.25", mfc="white", ms=8)
    ax.plot(at, related.statistic, "o", color="C0", ms=8)
    if name in ("cka, debiased", "rsa_correlation"):
        ceiling = noise_ceiling(metric, X, Y, random_state=0).ceiling
        print(f"  {related.statistic:.2f} of at most {ceiling:.2f}")
        ax.plot([at - 0.3, at + 0.3], [ceiling] * 2, color="C3", lw=2)
ax.plot([], [], color="C3", lw=2, label="noise ceiling")
ax.plot([], [], "o", color="C0", ms=8, label="related sides")
ax.plot([], [], "o", color="0.25", mfc="white", ms=8, label="unrelated sides")
ax.plot([], [], color="0.6", lw=8, alpha=0.7, label="permuted pairs")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
ax.set(ylabel="similarity", ylim=(-0.2, 1), xticks=range(len(metrics)))
ax.set_xticklabels(metrics)
ax.spines[["top", "right"]].set_visible(False)

# %%
# The canonical correlation of the unrelated sides is large, but within the values of
# permuted pairs: all of it is chance. The related sides are more similar than all
# permuted pairs in every metric. For debiased CKA and RSA, which are zero by chance,
# the noise ceiling shows that even equal signals would not reach a similarity of one.
