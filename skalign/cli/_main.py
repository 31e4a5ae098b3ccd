"""Arguments and entry point of the command line."""

import argparse
import sys
from importlib import import_module

from threadpoolctl import threadpool_limits

import skalign
from skalign.cli._columns import COLUMNS
from skalign.cli._conditions import columns, condition
from skalign.cli._kinds import MATRICES, REPORTS, InputError
from skalign.cli._output import check_inputs, check_output
from skalign.cli._terminal import fail, say

# Their objects are imported only by the command that needs them, to answer soon.
ALIGNERS = ("rigid", "similarity", "linear", "least-squares", "nonlinear")
SELECTORS = ("random", "k-means", "farthest-point", "pivoted-qr")
_EXAMPLES = {
    "skalign": """
  skalign                                 compare maps on data it comes with
  skalign report source.npy target.npy    compare maps on files of your own
  skalign fit source.npy target.npy -o map.skops
  skalign apply map.skops new.npy -o mapped.npy""",
    "report": """
  skalign report source.npy target.npy
  skalign report both.npz:X both.npz:y --labels labels.npy --criterion accuracy
  skalign report source.npy target.npy --columns hits@1,r2 --format markdown
  skalign report source.npy target.npy -o report.json
  skalign report source.npy target.npy --fail-if 'hits@1<0.8' --fail-if 'r2<0.5'""",
    "fit": """
  skalign fit source.npy target.npy -o map.skops
  skalign fit source.npy target.npy -o map.skops --aligner rigid
  skalign fit source.npy target.npy -o map.skops --anchors 200""",
    "apply": """
  skalign apply map.skops new.npy -o mapped.npy
  skalign apply map.skops new.parquet:embedding --id url -o mapped.parquet
  cat new.csv | skalign apply map.skops - -o - > mapped.csv""",
}
_FILES = """matrices:
  FILE.npy, FILE.npz:KEY, FILE.safetensors:KEY
  FILE.parquet, FILE.arrow, FILE.feather, FILE.csv: the column of vectors, or
  all columns of numbers except id; FILE.parquet:COLUMN and FILE.csv:x_* select
  - reads standard input"""


class _Parser(argparse.ArgumentParser):
    """Argument parser that shows examples, and reports errors in one line."""

    def __init__(self, **keywords):
        command = keywords["prog"].split()[-1]
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog=f"examples:{_EXAMPLES[command]}\n\n{_FILES}",
            **keywords,
        )

    def error(self, message):
        self.exit(fail(f"error: {message}; see {self.prog} --help"))


def main(arguments=None):
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, default=None
        Words after ``skalign``. None uses ``sys.argv``.

    Returns
    -------
    status : int
        Exit status: 0 for success, 1 if a condition of ``--fail-if`` holds, 2 for
        invalid input or an output that cannot be written, 130 after an interrupt.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        try:
            options = _parser().parse_args(words or ["report"])
        except SystemExit:  # also raised by --help
            say(end="")
            raise
        check_inputs(options)
        check_output(options)
        command = import_module(f"skalign.cli._{options.command}")
        # Limits hold for the libraries that are loaded by then.
        with threadpool_limits(limits=1) as options.threads:
            return command.run(options)
    except (InputError, ValueError) as error:
        return fail(f"error: {error}")
    except KeyboardInterrupt:
        return fail("interrupted", 130)
    except Exception as error:
        return fail(f"error: {type(error).__name__}: {error}")


def _parser():
    parser = _Parser(
        prog="skalign",
        description="Align two feature spaces: compare maps, fit a map and apply it.\n"
        "Without a command, maps are compared on data that comes with it.",
    )
    parser.add_argument(
        "-V", "--version", action="version", version=f"skalign {skalign.__version__}"
    )
    commands = parser.add_subparsers(dest="command", required=True)

    report = commands.add_parser(
        "report",
        help="compare maps by cross-validation",
        description="Compare maps from SOURCE to TARGET by cross-validation. Without "
        "files,\nthe latents of two autoencoders of the scikit-learn digits are used.",
    )
    report.add_argument("source", nargs="?", help="matrix of source samples")
    report.add_argument(
        "target", nargs="?", help="matrix of the same items in the target space"
    )
    report.add_argument("--labels", help="array of class labels of the items")
    report.add_argument(
        "--cv", type=int, default=5, help="number of folds (default: 5)"
    )
    report.add_argument(
        "--criterion",
        choices=COLUMNS,
        default="relative_error",
        metavar="METRIC",
        help="metric by which a map is recommended (default: relative_error)",
    )
    add_id(report)
    report.add_argument("--seed", type=seed, default=0, help="random seed (default: 0)")
    report.add_argument(
        "--columns",
        type=columns,
        metavar="METRIC,...",
        help=f"metrics to show, of {', '.join(COLUMNS)}",
    )
    report.add_argument(
        "--wide",
        action="store_true",
        help="show standard deviations, in a table as wide as it needs",
    )
    report.add_argument(
        "--format",
        choices=REPORTS,
        help="format of the report (default: that of the suffix of OUTPUT, else table)",
    )
    report.add_argument(
        "-o",
        "--output",
        help="file for the report, which is then also printed as a table: "
        f"{', '.join(s for suffixes in REPORTS.values() for s in suffixes)}",
    )
    report.add_argument(
        "--fail-if",
        type=condition,
        action="append",
        default=[],
        metavar="CONDITION",
        help="exit with status 1 if this holds for the recommended map, as "
        "'hits@1<0.8'; repeatable",
    )

    fit = commands.add_parser(
        "fit",
        help="fit a map and store it",
        description="Estimate the error of a map on held-out pairs, fit it on all "
        "pairs and store it.",
    )
    fit.add_argument("source", help="matrix of source samples")
    fit.add_argument("target", help="matrix of the same items in the target space")
    fit.add_argument("-o", "--output", required=True, help="file for the map, .skops")
    fit.add_argument(
        "--aligner",
        choices=ALIGNERS,
        default="linear",
        metavar="NAME",
        help=f"{', '.join(ALIGNERS)} (default: linear)",
    )
    fit.add_argument("--rank", type=int, help="maximum rank of a linear map")
    fit.add_argument(
        "--prior",
        choices=("identity",),
        help="map towards which a linear map is shrunk, instead of the mean",
    )
    fit.add_argument(
        "--anchors", type=count_or_share, help="number or share of the pairs to fit on"
    )
    fit.add_argument(
        "--selector",
        choices=SELECTORS,
        metavar="NAME",
        help=f"method to select the anchors: {', '.join(SELECTORS)} (default: k-means)",
    )
    add_id(fit)
    fit.add_argument("--seed", type=seed, default=0, help="random seed (default: 0)")

    apply = commands.add_parser(
        "apply",
        help="apply a stored map, in batches",
        description="Apply a stored map to the samples of a file, in batches.",
    )
    apply.add_argument("map", help="file of the map, .skops")
    apply.add_argument("source", help="matrix of source samples")
    apply.add_argument(
        "-o",
        "--output",
        required=True,
        help="file for the mapped samples, "
        f"{', '.join(s for suffixes in MATRICES.values() for s in suffixes)}; "
        "- writes to standard output",
    )
    add_id(apply)
    apply.add_argument(
        "--format",
        choices=MATRICES,
        help="format of the output (default: that of its suffix; of -, that of the "
        "input; else npy)",
    )
    return parser


def add_id(command):
    command.add_argument(
        "--id",
        metavar="COLUMN",
        help="column of identifiers in tables (default: id, if there is one)",
    )


def seed(text):
    """Convert text to an integer that NumPy accepts as a seed."""
    if not 0 <= (number := int(text)) < 2**32:
        raise argparse.ArgumentTypeError(f"{text} must be from 0 to {2**32 - 1}.")
    return number


def count_or_share(text):
    """Convert text to an integer, or to a share above 0 and at most 1."""
    try:
        return int(text)
    except ValueError:
        share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(
            f"{text} is neither a whole number nor a share above 0 and at most 1."
        )
    return share
