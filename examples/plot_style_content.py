"""
What is style, and what is content?
===================================

The style of an image is the mean and standard deviation of each of its channels. Its
content is the image standardised by them. Any content can be combined with any style.
"""

# %%
# The data are rendered digits, each in a random colour on a darker background of
# another random colour.

import matplotlib.pyplot as plt
import numpy as np

from skalign import StyleContentSplitter
from skalign.datasets import make_rendered_digits

rng = np.random.default_rng(0)


def colored_digits(n_samples, seed):
    ink, y = make_rendered_digits(
        n_samples, size=28, random_state=seed, return_X_y=True
    )
    ground = rng.uniform(0, 0.6, (n_samples, 3, 1, 1))
    color = ground + rng.uniform(0.05, 1, ground.shape) * (1 - ground)
    noise = 0.03 * rng.normal(size=(n_samples, 3, 28, 28))
    return ground + ink * (color - ground) + noise, y


X, y = colored_digits(2000, 0)

# %%
# :class:`~skalign.StyleContentSplitter` returns the content of each sample, followed by
# the means and standard deviations of its channels. `inverse_transform` combines them
# again. Exchanging styles in between is adaptive instance normalisation (AdaIN).

chosen = [np.flatnonzero(y == digit)[0] for digit in (0, 2, 4, 5, 7, 8)]
rows = X[chosen].reshape(6, -1)
splitter = StyleContentSplitter(n_channels=3).fit(rows)
content, style = np.split(splitter.transform(rows), [rows.shape[1]], axis=1)

figure, axes = plt.subplots(7, 8, figsize=(7.4, 6.4), layout="constrained")
for ax in axes.flat:
    ax.set_axis_off()


def show(ax, row):
    ax.imshow(row.reshape(3, 28, 28).transpose(1, 2, 0).clip(0, 1))


for i in range(6):
    show(axes[0, i + 2], rows[i])
    show(axes[i + 1, 0], rows[i])
    show(axes[i + 1, 1], 0.5 + 0.2 * content[i])
    mixed = splitter.inverse_transform(np.c_[np.repeat(content[[i]], 6, axis=0), style])
    for j in range(6):
        show(axes[i + 1, j + 2], mixed[j])
axes[1, 0].set_title("image", fontsize="medium")
axes[1, 1].set_title("content", fontsize="medium")
figure.suptitle("Each content in each style; the styles are those of the first row")

# %%
# :func:`~skalign.deep.adain` does the same for tensors within a network.

import torch

from skalign.deep import adain

pictures = torch.from_numpy(X[chosen])
swapped = adain(pictures, pictures.roll(1, dims=0))
by_rows = splitter.inverse_transform(np.c_[content, np.roll(style, 1, axis=0)])
print(
    "largest difference:", f"{abs(swapped.numpy().reshape(6, -1) - by_rows).max():.0e}"
)

# %%
# If the style does not depend on the class, a classifier benefits from removing it,
# because the training samples cover only a few styles and new samples have others.

from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

X_new, y_new = colored_digits(1000, 1)
flat, flat_new = X.reshape(len(X), -1), X_new.reshape(len(X_new), -1)
for output in ("both", "content", "style"):
    model = make_pipeline(
        StyleContentSplitter(n_channels=3, output=output), KNeighborsClassifier(1)
    ).fit(flat[:500], y[:500])
    print(f"{output}: {model.score(flat_new, y_new):.0%}")
plain = KNeighborsClassifier(1).fit(flat[:500], y[:500])
print(f"images: {plain.score(flat_new, y_new):.0%}")

# %%
# A content with the style of another image has the colours of that image but still
# shows its own digit. It also has the contrast of that image, which amplifies the noise
# of an image of low contrast, as in the last row. Whether the digit is lighter or
# darker than the background belongs to the content and does not change.

plt.show()
