"""Arguments and entry point of the command line."""

import argparse
import sys
from importlib import import_module

from threadpoolctl import threadpool_limits

import skalign
from skalign.cli._output import InputError, check_output
from skalign.cli._terminal import fail, say

# Their objects are imported only by the command that needs them, to answer soon.
ALIGNERS = ("rigid", "similarity", "linear", "least-squares", "nonlinear")
SELECTORS = ("random", "k-means", "farthest-point", "pivoted-qr")
METRICS = ("relative_error", "r2", "hits@1", "mmd", "sliced_wasserstein", "accuracy")


class _Parser(argparse.ArgumentParser):
    """Argument parser that reports errors in one line."""

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
        Exit status: 0 for success, 2 for invalid input or an output that cannot be
        written, 130 after an interrupt.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        try:
            options = _parser().parse_args(words or ["report"])
        except SystemExit:  # also raised by --help
            say(end="")
            raise
        check_output(options)
        command = import_module(f"skalign.cli._{options.command}")
        # Limits hold for the libraries that are loaded by then.
        with threadpool_limits(limits=1) as options.threads:
            command.run(options)
    except (InputError, ValueError) as error:
        return fail(f"error: {error}")
    except KeyboardInterrupt:
        return fail("interrupted", 130)
    except Exception as error:
        return fail(f"error: {type(error).__name__}: {error}")
    return 0


def _parser():
    parser = _Parser(
        prog="skalign",
        description="Align two feature spaces: compare maps, fit a map and apply it. "
        "The default command is report.",
        epilog="Matrices are .npy files, or arrays of .npz files as FILE.npz:KEY.",
    )
    parser.add_argument(
        "--version", action="version", version=f"skalign {skalign.__version__}"
    )
    commands = parser.add_subparsers(dest="command", required=True)

    report = commands.add_parser(
        "report",
        help="compare maps by cross-validation",
        description="Compare maps from SOURCE to TARGET by cross-validation. Without "
        "files, the latents of two autoencoders of the scikit-learn digits are used.",
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
        choices=METRICS,
        default="relative_error",
        help="metric that selects the best map (default: relative_error)",
    )
    report.add_argument("--seed", type=seed, default=0, help="random seed (default: 0)")
    report.add_argument(
        "--json", metavar="OUT", help="file for the scores of every fold, .json"
    )

    fit = commands.add_parser("fit", help="fit a map and store it")
    fit.add_argument("source", help="matrix of source samples")
    fit.add_argument("target", help="matrix of the same items in the target space")
    fit.add_argument("-o", "--output", required=True, help="file for the map, .skops")
    fit.add_argument(
        "--aligner", choices=ALIGNERS, default="linear", help="default: linear"
    )
    fit.add_argument("--rank", type=int, help="maximum rank of a linear map")
    fit.add_argument(
        "--anchors", type=count_or_share, help="number or share of the pairs to fit on"
    )
    fit.add_argument(
        "--selector",
        choices=SELECTORS,
        help="method to select the anchors (default: k-means)",
    )
    fit.add_argument("--seed", type=seed, default=0, help="random seed (default: 0)")

    apply = commands.add_parser("apply", help="apply a stored map, in batches")
    apply.add_argument("map", help="file of the map, .skops")
    apply.add_argument("source", help="matrix of source samples")
    apply.add_argument(
        "-o", "--output", required=True, help="file for the mapped samples, .npy"
    )
    return parser


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
