"""
From made pictures to real ones
===============================

Drawings of digits cost nothing, and neither do their labels. How far does a network
that has seen drawings get with what people wrote?
"""

# %%
# The made side are digits drawn along fixed lines; the real side, the digits of
# scikit-learn, 8 x 8 pixels from forms that people filled in. Half of the real pictures
# are there for training, without labels; the other half says how good a network is.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skalign.datasets import make_rendered_digits

X, y = make_rendered_digits(3000, size=8, margin=0.05, random_state=0, return_X_y=True)
real, real_y = load_digits(return_X_y=True)
real = (real / 16).reshape(-1, 1, 8, 8).astype(np.float32)
real, X_test, _, y_test = train_test_split(
    real, real_y, test_size=0.5, stratify=real_y, random_state=0
)

figure, axes = plt.subplots(2, 10, figsize=(8, 1.9), layout="constrained")
for digit in range(10):
    axes[0, digit].imshow(X[y == digit][0, 0], cmap="gray_r")
    axes[1, digit].imshow(X_test[y_test == digit][0, 0], cmap="gray_r")
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("made")
axes[1, 0].set_ylabel("real")

# %%
# Three ways. A network learns from drawings alone; it learns from drawings in random
# contrast, brightness, sharpness and noise (:class:`~skalign.deep.DomainRandomization`
# as its first layer); or it also sees real pictures without labels and has to make the
# same features of both (:class:`~skalign.deep.DeepCORAL`). For the last one, the
# rows of both domains are stacked, and -1 stands for the labels that nobody knows.

import torch
from torch import nn

from skalign import MultiDomainClassifier
from skalign.deep import DeepCORAL, DomainRandomization


def network(first):
    return nn.Sequential(
        first,
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 64),
        nn.ReLU(),
    )


torch.manual_seed(0)
plain, randomized = network(nn.Identity()), network(DomainRandomization())
settings = {
    "batch_size": 64,
    "steps_per_epoch": 46,
    "max_epochs": 10,
    "random_state": 0,
}
both = np.concatenate([X, real])
labels = np.concatenate([y, np.full(len(real), -1)])
sample_domain = np.repeat([0, -1], [len(X), len(real)])

models = {
    "drawings": MultiDomainClassifier(module=plain, **settings).fit(X, y),
    "drawings in\nrandom styles": MultiDomainClassifier(
        module=randomized, **settings
    ).fit(X, y),
    "and real pictures\nwithout labels": MultiDomainClassifier(
        DeepCORAL(), module=plain, **settings
    ).fit(both, labels, sample_domain=sample_domain),
}
accuracies = {name: model.score(X_test, y_test) for name, model in models.items()}
for name, accuracy in accuracies.items():
    print(f"{name!r}: {accuracy:.1%}")

# %%
# What the first and the last network make of the two domains: the first two principal
# components of their features.

from sklearn.decomposition import PCA

figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
bars = axes[0].bar(list(accuracies), [100 * a for a in accuracies.values()],
                   color=["#0072B2", "#56B4E9", "#E69F00"])  # fmt: skip
axes[0].bar_label(bars, fmt="%.0f")
axes[0].set(ylabel="Accuracy on real pictures (%)", ylim=(0, 105))
axes[0].tick_params(axis="x", labelsize="x-small")
for ax, name in zip(axes[1:], list(models)[::2], strict=True):
    features = [models[name].transform(rows[:800]) for rows in (X, X_test)]
    pca = PCA(2).fit(np.concatenate(features))
    for rows, colour, label in zip(
        features, ["#D55E00", "#009E73"], ["made", "real"], strict=True
    ):
        ax.scatter(*pca.transform(rows).T, s=4, alpha=0.5, color=colour, label=label)
    ax.set(title=name.replace("\n", " "), xticks=[], yticks=[])
    ax.title.set_fontsize("small")
axes[2].legend(markerscale=3, frameon=False)

# %%
# Drawings alone tell about six of ten. Drawings in random styles do better although
# nobody has looked at a real picture, and real pictures without labels do better yet:
# features of drawings form heaps then, and those of real pictures lie in the same
# heaps, or between them. Whether a heap holds one class only labels of the target can
# tell.

plt.show()
