"""
Masks, partitions and prototypes of NCFAL
=========================================

:class:`~skalign.NCFALClassifier` divides the training data into environments, learns a
mask of the pixels, and aligns the classes with the vertices of a simplex. This example
displays all three.
"""

# %%
# The images are digits of 8 x 8 pixels in three classes (0 to 2, 3 to 5 and 6 to 8) and
# three colours. The colour agrees with the class in 90 % of the training samples and in
# none of the test samples. 20 % of the labels are wrong, so that in the training data
# colour is a better predictor than shape.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from skalign import NCFALClassifier
from skalign.deep import ERM, Mask, Partition
from skalign.metrics import class_prototypes

digits = load_digits(n_class=9)
rng = np.random.default_rng(0)
n = 4000
drawn = rng.integers(len(digits.data), size=n)


def others(labels):
    return (labels + rng.integers(1, 3, size=n)) % 3


y = digits.target[drawn] // 3
y = np.where(rng.random(n) < 0.2, others(y), y)
is_test = np.arange(n) >= 3000
agrees = (rng.random(n) < 0.9) & ~is_test
color = np.where(agrees, y, others(y))
X = np.zeros((n, 3, 8, 8), dtype=np.float32)
X[np.arange(n), color] = digits.images[drawn] / 16
rows, train, test = X.reshape(n, -1), ~is_test, is_test

# %%
# The first classifier finds the environments. Its mask has a penalty, so that gates of
# irrelevant pixels close. The second classifier, for comparison, uses only the simplex:
# its environments are random, and it has no penalty between environments.

settings = {"hidden_layer_sizes": (64,), "max_epochs": 30, "random_state": 0}
settings |= {"batch_size": None, "steps_per_epoch": 10, "lr": 5e-3}
ncfal = NCFALClassifier(
    partition=Partition(local_model=LogisticRegression(max_iter=20)),
    mask=Mask(penalty=0.02, lr=3),
    **settings,
)
alone = NCFALClassifier(ERM(), partition=Partition(assign_by="random"), **settings)
for name, model in (("found", ncfal), ("simplex alone", alone)):
    model.fit(rows[train], y[train])
    print(f"{name}: {model.score(rows[test], y[test]):.0%} accuracy on test samples")

# %%
# The figure shows fifteen samples of each environment, the gates of each colour
# channel, and the class means in the plane of the simplex, whose vertices are the
# classes. Class means are shown for both environments and for the test samples.

corners = np.array([[0, 1], [-(3**0.5) / 2, -0.5], [3**0.5 / 2, -0.5]])


def in_plane(model, pictures, labels, domain):
    """Class means of each domain, (n_domains, 3, 2): 2 / 3 of corners times logits."""
    features = model.transform(pictures).astype(float)
    means = class_prototypes(features, labels, sample_domain=domain)
    return 2 / 3 * means @ model.vertices_ @ corners


def framed(picture):
    return np.pad(picture, ((0, 0), (1, 1), (1, 1)), constant_values=0.3)


figure = plt.figure(figsize=(8, 8), layout="constrained")
strips, gates, planes = figure.subfigures(3, 1, height_ratios=[1.4, 1, 1.8])
for e, ax in enumerate(strips.subplots(2, 1)):
    of_it = np.flatnonzero(ncfal.domain_ == e)
    shown = np.concatenate([of_it[y[of_it] == k][:5] for k in range(3)])
    strip = np.concatenate([framed(picture) for picture in X[shown]], axis=2)
    ax.imshow(strip.transpose(1, 2, 0))
    share = agrees[of_it].mean()
    ax.set_title(f"Environment {e}: {len(of_it)} samples, colour agrees in {share:.0%}")
    labels = [f"labelled {k}" for k in range(3)]
    ax.set(xticks=[24.5, 74.5, 124.5], xticklabels=labels, yticks=[])

axes = gates.subplots(1, 3)
for gate, ax, name in zip(
    ncfal.mask_.reshape(3, 8, 8), axes, ["red", "green", "blue"], strict=True
):
    picture = ax.imshow(gate, vmin=0, vmax=1, cmap="viridis")
    ax.set(xticks=[], yticks=[], title=f"Gates of {name}")
gates.colorbar(picture, ax=axes, label="open")

axes = planes.subplots(1, 2, sharex=True, sharey=True)
for ax, name, model in ((axes[0], "Simplex alone", alone), (axes[1], "NCFAL", ncfal)):
    pictures = np.concatenate([rows[train], rows[test]])
    domain = np.concatenate([ncfal.domain_, np.full(test.sum(), 2)])
    means = in_plane(model, pictures, y, domain)
    ax.plot(*corners[[0, 1, 2, 0]].T, color="0.7", zorder=0)
    for e, marker in enumerate("os*"):
        label = ["environment 0", "environment 1", "test"][e]
        ax.scatter(*means[e].T, c=["C0", "C1", "C2"], marker=marker, s=60, label=label)
    for k, corner in enumerate(corners):
        ax.annotate(f"{k}", 1.12 * corner, ha="center", va="center", color=f"C{k}")
    ax.set_title(f"{name}: class means")
    ax.set(aspect="equal", xlim=(-1.2, 1.2), ylim=(-0.8, 1.3))
    ax.axis("off")
axes[1].legend(loc="upper right", frameon=False, fontsize="small")
plt.show()

# %%
# The two environments are the samples whose colour agrees with the label and those
# whose colour does not. The gates of the empty pixels at the edges have closed. The
# others are open to the same degree in all three channels, because a mask of pixels
# cannot remove a colour. The penalty does: with it, the class means of both
# environments are close to the same vertices, and those of the test samples, whose
# colours are always misleading, lie in the direction of their own vertex. With the
# simplex alone, the class means of the test samples lie in the direction of wrong
# vertices, although training reached the right ones.
