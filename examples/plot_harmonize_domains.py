"""
=================================================
Do the pictures of four scanners become one set?
=================================================

Four scanners have taken pictures of handwritten digits, each with a gain and an offset
of its own in every pixel. :class:`~skalign.DomainHarmonizer` brings them together, and
new pictures follow the map of their scanner.
"""

# %%
# Four scanners
# -------------
# Rows come in an order of chance; `scanner` says where each is from.

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from skalign import DomainHarmonizer, MeanVarianceAligner

rng = np.random.default_rng(0)
clean, y = load_digits(return_X_y=True)
scanner = rng.integers(0, 4, len(clean))
gain = np.exp(rng.normal(0, 0.7, size=(4, clean.shape[1])))
offset = rng.normal(0, 5, size=(4, clean.shape[1]))
X = clean * gain[scanner] + offset[scanner]

# %%
# With and without
# ----------------
# Neighbours are looked for among the pictures of all scanners. The harmonizer asks for
# `sample_domain`, and scikit-learn hands it over, fold by fold, to `fit` and to
# `transform`.

steps = {
    "as they are": "passthrough",
    "harmonized": DomainHarmonizer(MeanVarianceAligner()),
}
accuracy, shown = {}, {}
cv = KFold(5, shuffle=True, random_state=0)
with sklearn.config_context(enable_metadata_routing=True):
    for name, step in steps.items():
        pipe = make_pipeline(step, KNeighborsClassifier(3))
        metadata = {} if step == "passthrough" else {"sample_domain": scanner}
        accuracy[name] = cross_val_score(pipe, X, y, cv=cv, params=metadata).mean()
        shown[name] = make_pipeline(step, PCA(2)).fit_transform(X, **metadata)

# %%
# What the rows look like
# -----------------------
# The two directions of largest variance, a colour for each scanner.

figure, axes = plt.subplots(1, 2, figsize=(8, 4))
for ax, (name, rows) in zip(axes, shown.items(), strict=True):
    ax.scatter(*rows.T, c=scanner, s=4, cmap="tab10", vmax=9)
    ax.set(title=f"{name}: accuracy {accuracy[name]:.2f}", xticks=[], yticks=[])
figure.tight_layout()
plt.show()

# %%
# As they come, the scanner is what tells pictures apart: a neighbour is a picture of
# the same scanner first, and of the same digit second. Harmonized, all scanners
# overlap, and the pictures of each serve as training data for the others. Gains and
# offsets of single pixels need no more than :class:`~skalign.MeanVarianceAligner`;
# where scanners mix pixels, :class:`~skalign.CORALAligner` is the next to try.
