"""
What masks, partitions and prototypes look like
===============================================

:class:`~skalign.NCFALClassifier` finds environments, learns which pixels it needs, and
brings the classes to the corners of one simplex. All three can be looked at.
"""

# %%
# Digits of 8 x 8 pixels in three classes, 0 to 2, 3 to 5 and 6 to 8, and in three
# colours. In the training rows the colour is that of the class in 90 %, in the test
# rows never; a fifth of the labels is wrong, so that colour is the better predictor.

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
# One classifier finds its environments; its gates cost something, so that those of no
# use close. For comparison, the simplex alone: environments at random, and no penalty.

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
    print(f"{name}: {model.score(rows[test], y[test]):.0%} of the test rows")

# %%
# Fifteen rows of each environment, the gates of each colour's channel, and class means
# in the plane of the simplex, whose corners are the classes: those of both
# environments, and of the test rows.

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
    ax.set_title(f"Environment {e}: {len(of_it)} rows, colour agrees in {share:.0%}")
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
# The environments are the rows whose colour says the label and those where it does not.
# Gates at the edges, where no digit is, have closed; the others stay open in all three
# channels alike, for a mask of pixels cannot take a colour away. What does is the
# penalty: with it, class means of both environments are near the same corners, and
# those of the test rows, with colours that always mislead, lean to their own. With the
# simplex alone they are on the side of the wrong ones: that corners were reached in
# training says nothing of that.
