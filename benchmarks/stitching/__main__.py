"""StitchingRegressor beside a hand-written loop of the same network, on latents.

    python -m benchmarks.stitching    # results/stitching_loop.csv

Latents of two autoencoders of MNIST with 30 units each (``unpaired_latents.py train``),
all 60,000 pairs, 10 epochs of batches of 64. The loop knows nothing of skalign; it sees
the rows as they are, or (`scaled`) both sides centred and divided by one number, as
`StitchingRegressor` does with them. The error is that of decoded test latents, divided
by the target's own.
"""

import argparse

import torch
from torch import nn

from benchmarks.direct_alignment.networks import load_images
from benchmarks.records import append, provenance
from benchmarks.stitching import RESULTS
from benchmarks.unpaired_latents.latents import decoding_error, load_network
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


def one_scale(rows):
    """Mean of the columns, and one number for all."""
    return rows.mean(axis=0), (rows - rows.mean(axis=0)).std()


def main():
    """Measure both for each seed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    source, target = (load_network("mnist", "convolutional", 30, s) for s in (0, 1))
    images = load_images("mnist")[2]
    own = decoding_error(target, target.test_latents, images)
    sides = source.latents, target.latents, source.test_latents
    (x_mean, x_scale), (y_mean, y_scale) = map(one_scale, sides[:2])
    for seed in range(options.seeds):
        aligner = StitchingRegressor(max_epochs=options.epochs, random_state=seed)
        X, y, new = sides
        scaled = (
            (X - x_mean) / x_scale,
            (y - y_mean) / y_scale,
            (new - x_mean) / x_scale,
        )
        mapped = {
            "ours": aligner.fit(X, y).transform(new),
            "loop": by_hand(*sides, options.epochs, seed),
            "scaled": by_hand(*scaled, options.epochs, seed) * y_scale + y_mean,
        }
        errors = {
            name: decoding_error(target, rows, images) / own
            for name, rows in mapped.items()
        }
        row = {"seed": seed, "epochs": options.epochs}
        row |= {name: f"{error:.4f}" for name, error in errors.items()}
        for name in ("loop", "scaled"):
            row[f"ours_over_{name}"] = f"{errors['ours'] / errors[name]:.4f}"
        row |= provenance("torch", "numpy")
        print(*row.values(), flush=True)
        append(TABLE, row)


if __name__ == "__main__":
    main()
