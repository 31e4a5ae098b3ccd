"""
=============================================
Searching an index while it is being replaced
=============================================

A new encoder answers the queries, but most of an index is still in the space of the old
one: items are embedded again a few at a time. How much of what a full conversion would
find is found meanwhile, and which items should come first?
"""

# %%
# Two encoders
# ------------
# Items have forty topics, of which some are asked for more often than others. Each
# encoder maps the items in its own way and adds noise. As in many text encoders, all
# vectors of the new one have a large common part, so that its cosines are large.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics.pairwise import cosine_similarity

from skalign import AlignedRetriever

rng = np.random.default_rng(0)
n_items, n_topics, width = 3300, 40, 32
popularity = rng.dirichlet(np.full(n_topics, 0.5))
topic = rng.integers(n_topics, size=n_items)
items = 0.7 * rng.normal(size=(n_topics, 16))[topic] + rng.normal(size=(n_items, 16))


def encoder(seed, common):
    own = np.random.default_rng(seed)
    seen = np.tanh(items @ own.normal(size=(16, width)) / 8)
    return seen + 0.1 * own.normal(size=seen.shape) + common


old, new = encoder(1, common=0), encoder(2, common=1)

# %%
# 300 items are embedded by both encoders: the pairs. 2,000 others are in the index. The
# rest are queries, some of which have been seen before the conversion begins.

pairs, index, others = np.split(np.arange(n_items), [300, 2300])
weight = popularity[topic[others]]
seen, asked = rng.choice(others, size=(2, 400), p=weight / weight.sum())
wanted = np.argsort(-cosine_similarity(new[asked], new[index]), axis=1)[:, :10]


def recall(found):
    return np.mean([np.isin(w, f).mean() for w, f in zip(wanted, found, strict=True)])


# %%
# Converting step by step
# -----------------------
# The retriever maps queries into the old space until the first conversion. Then it
# searches both parts of the index: cosines of the new space, which are not known for
# the rest, are predicted. ``next_to_convert`` selects the items to embed next.

shares = np.linspace(0, 1, 11)
n_converted = np.round(shares * len(index)).astype(int)
at_random = rng.permutation(len(index))
curves = {"in random order": [], "as next_to_convert selects": []}
for order, curve in curves.items():
    retriever = AlignedRetriever(n_neighbors=10)
    retriever.fit(new[pairs], old[pairs], candidates=old[index], queries=new[seen])
    for n in n_converted:
        more = n - retriever.converted_.sum()
        if more:
            batch = at_random[n - more : n]
            if order != "in random order":
                batch = retriever.next_to_convert(more)
            retriever.convert(batch, new[index[batch]])
        curve.append(recall(retriever.kneighbors(new[asked], return_distance=False)))

# %%
# For comparison, the cosines of both parts are merged as they are.

native = cosine_similarity(new[asked], new[index])
mapped = cosine_similarity(retriever.aligner_.transform(new[asked]), old[index])
merged = []
for n in n_converted:
    cosines = mapped.copy()
    cosines[:, at_random[:n]] = native[:, at_random[:n]]
    merged.append(recall(np.argsort(-cosines, axis=1)[:, :10]))

# %%
# What is found
# -------------

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4.2), layout="constrained", width_ratios=(2, 3)
)
bins = np.linspace(-1, 1, 60)
left.hist(mapped.ravel(), bins, density=True, alpha=0.7, label="not converted")
left.hist(native.ravel(), bins, density=True, alpha=0.7, label="converted")
left.set(xlabel="cosine of a query and an item", yticks=[], title="Two scales")
left.legend(loc="upper left")
right.plot(shares, merged, color="C3", label="cosines as they are, random order")
for (order, curve), color in zip(curves.items(), ("C0", "C2"), strict=True):
    right.plot(shares, curve, color=color, label=f"predicted, {order}")
right.axhline(merged[0], color="gray", linestyle=":", label="nothing converted")
right.set(xlabel="share converted", title="Recall@10 of the full conversion")
right.legend()
plt.show()

print(f"nothing converted: {merged[0]:.2f}; a fifth: as they are {merged[2]:.2f}")
for order, curve in curves.items():
    print(f"a fifth converted {order}: {curve[2]:.2f}")

# %%
# Merged as they are, the larger cosines of the converted items hide all others: until a
# third of the index is converted, less is found than before the conversion began. With
# predicted cosines recall grows with every step, and it grows faster if those items
# come first that are near the end of many results.
