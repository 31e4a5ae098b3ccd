"""
From synthetic to real images
=============================

Rendered images of digits can be generated in any number, together with their labels.
How accurate is a network that is trained on them when it is applied to handwritten
digits?
"""

# %%
# The synthetic images are digits rendered from fixed strokes. The real images are the
# handwritten digits of scikit-learn, with 8 x 8 pixels. Half of the real images are
# used for training, without labels, and the other half for testing.

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
axes[0, 0].set_ylabel("synthetic")
axes[1, 0].set_ylabel("real")

# %%
# Three approaches are compared:
#
# 1. a network trained on synthetic images only;
# 2. a network trained on synthetic images with random contrast, brightness, sharpness
#    and noise (:class:`~skalign.deep.DomainRandomization` as its first layer);
# 3. a network trained on synthetic images and on unlabelled real images, with a penalty
#    on differences between the features of both (:class:`~skalign.deep.DeepCORAL`). The
#    samples of both domains are concatenated, and -1 marks missing labels.

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
    "steps_per_epoch": 36,
    "max_epochs": 10,
    "random_state": 0,
}
both = np.concatenate([X, real])
labels = np.concatenate([y, np.full(len(real), -1)])
sample_domain = np.repeat([0, -1], [len(X), len(real)])

models = {
    "synthetic": MultiDomainClassifier(module=plain, **settings).fit(X, y),
    "synthetic,\nrandom styles": MultiDomainClassifier(
        module=randomized, **settings
    ).fit(X, y),
    "synthetic and\nunlabelled real": MultiDomainClassifier(
        DeepCORAL(), module=plain, **settings
    ).fit(both, labels, sample_domain=sample_domain),
}
accuracies = {name: model.score(X_test, y_test) for name, model in models.items()}
for name, accuracy in accuracies.items():
    print(f"{name!r}: {accuracy:.1%}")

# %%
# The next figure shows the accuracies, and the first two principal components of the
# features of both domains for the first and the last network.

from sklearn.decomposition import PCA

figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
bars = axes[0].bar(list(accuracies), [100 * a for a in accuracies.values()],
                   color=["#0072B2", "#56B4E9", "#E69F00"])  # fmt: skip
axes[0].bar_label(bars, fmt="%.0f")
axes[0].set(ylabel="Accuracy on real images (%)", ylim=(0, 100))
axes[0].tick_params(axis="x", labelsize="x-small")
for ax, name in zip(axes[1:], list(models)[::2], strict=True):
    features = [models[name].transform(rows[:800]) for rows in (X, X_test)]
    pca = PCA(2).fit(np.concatenate(features))
    for rows, colour, label in zip(
        features, ["#D55E00", "#009E73"], ["synthetic", "real"], strict=True
    ):
        ax.scatter(*pca.transform(rows).T, s=4, alpha=0.5, color=colour, label=label)
    ax.set(title=name.replace("\n", " "), xticks=[], yticks=[])
    ax.title.set_fontsize("small")
axes[2].legend(markerscale=3, loc="upper left", bbox_to_anchor=(1, 1))

# %%
# The network trained on synthetic images classifies about 60 % of the real images
# correctly. Random styles increase the accuracy although no real image is used, and
# unlabelled real images increase it further: the features of the synthetic images then
# form clusters, and those of the real images lie in the same clusters or between them.
# Whether a cluster contains only one class can be checked only with labels of the
# target.

plt.show()
