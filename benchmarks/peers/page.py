"""The page, `benchmarks/RESULTS.md`, written from the tables."""

import numpy as np

from benchmarks.metrics.cost import TABLE as METRICS
from benchmarks.peers.growth import doublings, exponent
from benchmarks.peers.reasons import NO_ROW, REASONS
from benchmarks.records import read

VALUES = ("value", "p-value")  # all others are errors: the lower, the better
N_MANY = 10**9
WORKERS = 1000


def number(value, digits=3):
    """Return a number as the page shows it."""
    value = float(value)
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.{digits - 2}e}"
    return f"{value:,.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"


def is_slower(row):
    """Return whether it takes us longer, by more than the spread of the turns."""
    return float(row["ratio_low"]) > 1


def is_less_accurate(row):
    """Return whether our error is larger than theirs, or our value another one."""
    ours, theirs = float(row["accuracy"]), float(row["peer_accuracy"])
    if row["measure"] in VALUES:
        return abs(ours - theirs) > 1e-5 * max(abs(ours), abs(theirs))
    return ours > 1.01 * theirs and ours - theirs > 1e-6


def is_behind(row):
    return is_slower(row) or is_less_accurate(row)


def why(row):
    """Return the last cell of a row: how it compares, and the reason if behind."""
    if not is_behind(row):
        return "ahead" if float(row["ratio"]) <= 1 else "equal within the spread"
    words = []
    if is_slower(row):
        words.append(f"{number(row['ratio'])} times as long")
    if is_less_accurate(row):
        values = row["measure"] in VALUES
        words.append("another value" if values else "less accurate")
    reason = REASONS.get((row["task"], row["peer"]), "no reason is known")
    return f"**{', '.join(words)}**: {reason}"


def table(titles, rows):
    """Return a table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def split(rows):
    """Return the rows of peers, of floors, and the names of what was left out."""
    measured = [row for row in rows if not row["skipped"]]
    floors = [row for row in measured if row["peer"].startswith("floor: ")]
    peers = [row for row in measured if not row["peer"].startswith("floor: ")]
    absent = sorted({row["peer"].partition(",")[0] for row in rows if row["skipped"]})
    return peers, floors, absent


def peers_table(rows):
    def cells(row):
        spread = f"{number(row['ratio_low'])} to {number(row['ratio_high'])}"
        accuracy = f"{number(row['accuracy'], 4)} / {number(row['peer_accuracy'], 4)}"
        memory = " / ".join(
            number(row[column]) if row[column] else "not seen"
            for column in ("mib", "peer_mib")
        )
        return (
            f"`{row['task'].partition(',')[0]}`{row['task'].partition(',')[2]}"
            f"<br>{row['work']}",
            row["peer"],
            f"{number(row['ratio'])} ({spread}, {row['turns']})",
            number(row["seconds"]),
            f"{accuracy}<br>{row['measure']}",
            memory,
            why(row),
        )

    titles = [
        "Task", "Beside", "Time, ours / theirs", "Ours, s", "Accuracy, ours / theirs",
        "MiB, ours / theirs", "Verdict",
    ]  # fmt: skip
    return table(titles, map(cells, rows))


def floors_table(rows):
    titles = ["Task", "Floor", "Time, ours / floor (quartiles)", "Ours, s"]
    return table(
        titles,
        [
            (
                f"`{row['task']}`: {row['work']}",
                row["peer"].removeprefix("floor: "),
                f"{number(row['ratio'])} ({number(row['ratio_low'])} to "
                f"{number(row['ratio_high'])})",
                number(row["seconds"]),
            )
            for row in rows
        ],
    )


def by(rows, column):
    """Return lists of rows by the value of a column."""
    found = {}
    for row in rows:
        found.setdefault(row[column], []).append(row)
    return found


def growth_table(rows):
    def cells(name, of):
        ratios = doublings(of)
        last = ratios[-4:]
        return (
            f"`{name}`",
            f"{exponent(of):.2f}",
            f"{ratios[-1]:.2f}",
            f"{last.min():.2f} to {last.max():.2f}",
            number(of[-1]["seconds"]),
            f"{number(of[0]['mib'])} / {number(of[-1]['mib'])}",
        )

    n = int(rows[-1]["n_samples"])
    titles = [
        "`fit` of batches", "Exponent", "Last doubling", "Last four doublings",
        f"{n:,} samples, s", f"MiB, {int(rows[0]['n_samples']):,} / {n:,} samples",
    ]  # fmt: skip
    return table(
        titles, [cells(name, of) for name, of in by(rows, "estimator").items()]
    )


def metrics_table(rows):
    def cells(name, of):
        of = [row for row in of if row["seconds"]]
        return (
            f"`{name.partition(',')[0]}`{name.partition(',')[2]}",
            f"{exponent(of, 3000):.2f}",
            f"{int(of[-1]['n_samples']):,}",
            number(of[-1]["seconds"]),
            number(of[-1]["peak_mib"]),
        )

    titles = ["Metric", "Exponent", "Largest number of samples", "s there", "MiB there"]
    return table(titles, [cells(name, of) for name, of in by(rows, "measure").items()])


def hours(seconds):
    return f"{number(seconds / 3600)} h"


def constants_table(rows):
    titles = [
        "Features of each space", "A pair, µs", "of which products, µs",
        "A sample of `transform`, µs", "Sums, MB", "Merging two, ms",
        "Map from sums, s",
    ]  # fmt: skip
    return table(
        titles,
        [
            (
                row["n_features"],
                number(per_sample(row, "collect") * 1e6),
                number(per_sample(row, "products") * 1e6),
                number(per_sample(row, "transform") * 1e6),
                number(int(row["sums_bytes"]) / 1e6),
                number(float(row["merge_seconds"]) * 1e3),
                number(row["fit_sums_seconds"]),
            )
            for row in rows
        ],
    )


def per_sample(row, step):
    return float(row[f"{step}_seconds"]) / int(row["n_samples"])


def many_samples(row):
    """Return what a thousand million pairs cost, reckoned from the constants."""
    d, n_bytes = int(row["n_features"]), int(row["sums_bytes"])
    pair, mapped = per_sample(row, "collect"), per_sample(row, "transform")
    merge, learn = float(row["merge_seconds"]), float(row["fit_sums_seconds"])
    levels = int(np.ceil(np.log2(WORKERS)))
    return f"""\
The example is `LinearAligner` on {N_MANY:,} pairs of {d} and {d} float32 features, on
{WORKERS:,} workers of one such core each.

- **Read**: a pair has {2 * d} numbers of 4 bytes. {N_MANY:,} x {2 * d * 4:,} bytes are
  {N_MANY * 2 * d * 4 / 1e12:.1f} TB. Each worker reads its own share once.
- **Computed**: a pair takes {pair * 1e6:.3g} µs. {N_MANY:,} x {pair * 1e6:.3g} µs are
  {hours(N_MANY * pair)} of one core, or {number(N_MANY * pair / WORKERS)} s on
  {WORKERS:,} workers.
- **Sent**: the sums of a worker, {n_bytes / 1e6:.3g} MB, whatever the number of its
  samples. In all {WORKERS:,} x {n_bytes / 1e6:.3g} MB are
  {WORKERS * n_bytes / 1e9:.3g} GB; no sample is sent. Merged pair by pair in a tree,
  they take {levels} rounds of {merge * 1e3:.3g} ms and one transfer each.
- **Stored**: the merged sums, {n_bytes / 1e6:.3g} MB, and the map,
  {d} x {d} numbers of 4 bytes, {d * d * 4 / 1e6:.3g} MB.
- **Recomputed**: the map from the sums, {learn:.3g} s, if samples are added or removed
  or another strength is tried. No sample is read again.
- **Mapped**: `transform` takes {mapped * 1e6:.3g} µs for a sample, so all take
  {hours(N_MANY * mapped)} of one core, or {number(N_MANY * mapped / WORKERS)} s on
  {WORKERS:,} workers. The result has {N_MANY * d * 4 / 1e12:.1f} TB and remains where
  it is computed."""


def text(results):
    """Return the page."""
    peers, floors, absent = split(read(results / "comparisons.csv"))
    grown, constants = read(results / "growth.csv"), read(results / "constants.csv")
    behind = [row for row in peers if is_behind(row)]
    slower = sum(map(is_slower, peers))
    one = peers[0]
    left_out = (
        f"Not installed, and therefore left out: {', '.join(absent)}."
        if absent
        else "All of these packages were installed."
    )
    rest = "\n".join(f"- {', '.join(names)}: {where}" for names, where in NO_ROW)
    return f"""\
# Results

This page is written by `OMP_NUM_THREADS=1 python -m benchmarks.peers`, which measures
everything but the table of metrics.

- Machine: {one["machine"]}; threads: {one["threads"]}.
- Versions: {one["versions"].replace(" ", ", ")}. {left_out}

Times are seconds of the processor, so that other processes on the machine matter
little. All ways to do a task are timed in turn, 3 to 7 times. The ratio of our time to
theirs is the median over the turns, with the quartiles and the number of turns in
brackets; below 1, skalign is faster. The time in seconds is a median, too. Memory is
the peak of what numpy and Python allocate during a call, beyond its inputs; that of
torch is not seen. Data are random, with fixed seeds, except for the spectra of corn.

## Beside other packages

Of {len(peers)} rows, {len(peers) - len(behind)} are at least as fast and as accurate as
the other package; in {slower}, skalign takes longer by more than the spread, and in
{len(behind) - slower} it is as fast but finds another value or a larger error. These
rows say by how much, and why. An error counts as larger if it is larger by 1 % and by
1e-6; a value counts as another one if it differs by more than 1e-5 of its size.

{peers_table(peers)}

## Beside the floor

The floor is arithmetic that no way can avoid, such as the bare products, or one pass
over the data.

{floors_table(floors)}

## Time and memory against samples

`fit` is given an iterable of batches of 1,000 samples of {grown[0]["n_features"]}
features. The exponent is the slope of the logarithm of time on that of the number of
samples, for at least 30,000 samples; 1 means that time is proportional to samples. A
doubling is the ratio of times at double the samples, of medians of
{grown[0]["turns"]} turns; the last one is within 15 % of 2 for
{sum(abs(doublings(of)[-1] / 2 - 1) <= 0.15 for of in by(grown, "estimator").values())}
of {len(by(grown, "estimator"))} aligners. Other processes on the machine move a ratio
of two times; the exponent uses them all.

{growth_table(grown)}

Files larger than memory, and arrays of Dask, are measured by
`python -m benchmarks.scaling`.

The metrics, as `python -m benchmarks.metrics.cost` measured them, 32 features, from
1,000 samples a side. The exponent is that of at least 3,000 samples. Metrics of all
pairs of samples grow with their square, by definition; except for
`wasserstein_distance`, `sinkhorn_divergence` and `rsa_correlation`, their memory does
not.

{metrics_table(read(METRICS))}

## A thousand million samples

Constants of `LinearAligner` on float32, from {int(constants[0]["n_samples"]):,} pairs:

{constants_table(constants)}

{many_samples(constants[-1])}

These figures are products of measured constants, not measurements. They assume that
time is proportional to samples, as the table above shows up to a million, and that data
arrive as fast as they are used.

## Without a row

{rest}
"""


def write_page(results, output):
    """Write the page from the tables in a folder."""
    output.write_text(text(results))
