"""StitchingRegressor beside a hand-written loop of the same network, on latents.

    python benchmarks/stitching_loop.py    # results/stitching_loop.csv

Latents of two autoencoders of MNIST with 30 units each (``unpaired_latents.py train``),
all 60,000 pairs, 10 epochs of batches of 64; the loop knows nothing of skalign and sees
the rows as they are. The error is that of decoded test latents, divided by the target's
own.
"""

import argparse
import time

import torch
from direct_alignment.networks import load_images
from records import RESULTS, append, provenance
from torch import nn
from unpaired_latents import decoding_error, load_network

from skalign import StitchingRegressor

TABLE = RESULTS / "stitching_loop.csv"


def by_hand(X, y, new, n_epochs, seed):
    """Train the network of three layers, and map new rows."""
    torch.manual_seed(seed)
    n, m = X.shape[1], y.shape[1]
    net = nn.Sequential(
        nn.Linear(n, 2 * n), nn.ReLU(), nn.Linear(2 * n, 2 * n), nn.ReLU(),
        nn.Linear(2 * n, m),
    )  # fmt: skip
    X, y, new = (torch.from_numpy(rows) for rows in (X, y, new))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(X)).split(64):
            optimizer.zero_grad()
            nn.functional.mse_loss(net(X[rows]), y[rows]).backward()
            optimizer.step()
    with torch.inference_mode():
        return net(new).numpy()


def main():
    """Measure both for each seed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    source, target = (load_network("mnist", "convolutional", 30, s) for s in (0, 1))
    images = load_images("mnist")[2]
    own = decoding_error(target, target.test_latents, images)
    for seed in range(options.seeds):
        start = time.perf_counter()
        aligner = StitchingRegressor(max_epochs=options.epochs, random_state=seed)
        aligner.fit(source.latents, target.latents)
        mapped = aligner.transform(source.test_latents)
        ours = decoding_error(target, mapped, images) / own
        middle = time.perf_counter()
        mapped = by_hand(
            source.latents, target.latents, source.test_latents, options.epochs, seed
        )
        loop = decoding_error(target, mapped, images) / own
        row = {
            "seed": seed,
            "epochs": options.epochs,
            "ours": f"{ours:.4f}",
            "loop": f"{loop:.4f}",
            "ours_over_loop": f"{ours / loop:.4f}",
            "seconds_ours": f"{middle - start:.1f}",
            "seconds_loop": f"{time.perf_counter() - middle:.1f}",
            **provenance("torch", "numpy"),
        }
        print(*row.values(), flush=True)
        append(TABLE, row)


if __name__ == "__main__":
    main()
