"""Where data and caches are, and what the rows of tables were measured with."""

import csv
import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("SKALIGN_DATA", HERE.parents[1] / "shared" / "data"))
CACHE = HERE / "cache"  # what takes long and can be made again; not in git
# Processes that the script starts have other arguments, and inherit this.
COMMAND = os.environ.setdefault(
    "SKALIGN_BENCHMARK", shlex.join(["python", *sys.orig_argv[1:]])
)


def provenance(*packages):
    """Return command, machine and versions: of skalign, with its commit, and others."""
    versions = []
    for name in ("skalign", *packages):
        try:
            versions.append(f"{name}={version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name}=absent")
    versions[0] += f"+{commit()}"
    return {
        "command": COMMAND,
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "versions": " ".join(versions),
    }


def commit():
    """Return the commit of the code, "-dirty" if the package differs from it."""
    found = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", "skalign")
    return (found or "unknown") + ("-dirty" if changed else "")


def processor():
    """Return the name of the processor, or of its architecture."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*arguments):
    try:
        run = subprocess.run(
            ["git", *arguments], cwd=HERE, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return run.stdout.strip()


def read(path):
    """Return the rows of a table, dicts of strings; none if there is no table."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(path, rows):
    """Write a table anew."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def append(path, row):
    """Add a row to a table, which must have the same columns, in any order.

    A table that is older than the column of the command gets it: "not recorded".
    """
    if not path.exists():
        write(path, [row])
        return
    with path.open(newline="") as file:
        columns = next(csv.reader(file))
    if set(row) - set(columns) == {"command"}:
        columns.append("command")
        write(path, [{**old, "command": "not recorded"} for old in read(path)])
    if set(columns) != set(row):
        raise ValueError(
            f"{path.name} and the new row differ in {set(columns) ^ set(row)}."
        )
    with path.open("a", newline="") as file:
        csv.DictWriter(file, columns, lineterminator="\n").writerow(row)
