"""Arguments of the command line, and what they start."""

import argparse
import warnings
from importlib import import_module

from threadpoolctl import threadpool_limits

import skalign
from skalign.cli._columns import COLUMNS
from skalign.cli._conditions import columns, condition
from skalign.cli._ending import fail
from skalign.cli._kinds import MATRICES, REPORTS, InputError
from skalign.cli._output import check_inputs, check_output
from skalign.cli._terminal import say

# Their objects are imported only by the command that needs them, to answer soon.
PAIRED = ("rigid", "similarity", "linear", "least-squares", "nonlinear", "robust")
UNPAIRED = (
    "mean-variance",
    "coral",
    "gaussian-ot",
    "optimal-transport",
    "subspace",
    "transfer-component",
    "class-means",
    "moments",
    "icp",
    "wasserstein-procrustes",
)
SELECTORS = ("random", "k-means", "farthest-point", "pivoted-qr")
_EXAMPLES = {
    "skalign": """
  skalign                                 compare maps on data it comes with
  skalign report source.npy target.npy    compare maps on files of your own
  skalign fit source.npy target.npy -o map.skops
  skalign apply map.skops new.npy -o mapped.npy
  skalign inspect map.skops""",
    "report": """
  skalign report source.npy target.npy
  skalign report both.npz:X both.npz:y --labels labels.npy --criterion accuracy
  skalign report source.npy target.npy --columns hits@1,r2 --format markdown
  skalign report source.npy target.npy -o report.json
  skalign report source.npy target.npy --fail-if 'hits@1<0.8' --fail-if 'r2<0.5'
  skalign report a.npy b.npy --labels a_classes.npy \\
      --target-labels b_classes.npy
  skalign report a.npy b.npy --pairs few_pairs.csv
  skalign report scans.csv --domains scans.csv:scanner""",
    "fit": """
  skalign fit source.npy target.npy -o map.skops
  skalign fit source.npy target.npy -o map.skops --aligner rigid
  skalign fit source.npy target.npy -o map.skops --anchors 200
  skalign fit a.npy b.npy -o map.skops --aligner icp --labels a_classes.npy \\
      --target-labels b_classes.npy
  skalign fit scans.csv -o map.skops --aligner coral --domains scans.csv:scanner""",
    "completion": """
  skalign completion bash > ~/.local/share/bash-completion/completions/skalign
  skalign completion fish > ~/.config/fish/completions/skalign.fish""",
    "inspect": """
  skalign inspect map.skops
  skalign inspect map.skops --format json""",
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


def run(words):
    """Run the command line; say what was wrong in one line."""
    try:
        return _run(words)
    except (InputError, ValueError) as error:
        return fail(f"error: {error}")
    except Exception as error:
        return fail(f"error: {type(error).__name__}: {error}")


def _run(words):
    """Run a command; show warnings in one line each."""
    try:
        options = make_parser().parse_args(words or ["report"])
    except SystemExit:  # also raised by --help
        say(end="")
        raise
    check_inputs(options)
    check_output(options)
    command = import_module(f"skalign.cli._{options.command}")
    # Limits hold for the libraries that are loaded by then.
    with threadpool_limits(limits=1) as options.threads, warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: fail(f"warning: {message}")
        return command.run(options)


def make_parser():
    """Return the parser of all arguments."""
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
    report.add_argument(
        "--unpaired", action="store_true", help="rows of the two files are not paired"
    )
    add_known(report)
    report.add_argument(
        "--aligners",
        type=names_of_aligners,
        metavar="NAME,...",
        help="maps to compare, of the names in skalign fit --help; also identity, "
        "without pairs",
    )
    report.add_argument(
        "--prior",
        metavar="MAP",
        help="also compare a linear map shrunk towards this one: identity or a file",
    )
    report.add_argument(
        "--cv", type=int, default=5, help="number of folds (default: 5)"
    )
    report.add_argument(
        "--criterion",
        choices=COLUMNS,
        metavar="METRIC",
        help="metric by which a map is recommended (default: relative_error of pairs; "
        "of others hits@1, accuracy or sliced_wasserstein, by what is known)",
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
    add_fail_if(report, "exit with status 1 if this holds for the recommended map")

    fit = commands.add_parser(
        "fit",
        help="fit a map and store it",
        description="Estimate the error of a map on held-out pairs, fit it on all "
        "pairs and store it.",
    )
    fit.add_argument("source", help="matrix of source samples")
    fit.add_argument(
        "target",
        nargs="?",
        help="matrix of target samples, row by row the same items "
        "unless the aligner is learnt without pairs",
    )
    fit.add_argument("-o", "--output", required=True, help="file for the map, .skops")
    fit.add_argument(
        "--aligner",
        choices=PAIRED + UNPAIRED,
        default="linear",
        metavar="NAME",
        help=f"from pairs: {', '.join(PAIRED)}; without: {', '.join(UNPAIRED)} "
        "(default: linear)",
    )
    add_known(fit)
    fit.add_argument("--rank", type=int, help="maximum rank of a linear map")
    fit.add_argument(
        "--prior",
        metavar="MAP",
        help="map towards which a linear map is shrunk: identity, or a file of a map",
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
    add_fail_if(fit, "do not store the map, and exit with status 1, if this holds")
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
    apply.add_argument(
        "--domains",
        metavar="FILE",
        help="domain of each row, for a map that was fitted with --domains",
    )
    add_id(apply)
    apply.add_argument(
        "--format",
        choices=MATRICES,
        help="format of the output (default: that of its suffix; of -, that of the "
        "input; else npy)",
    )

    inspect = commands.add_parser(
        "inspect",
        help="describe a stored map",
        description="Describe a stored map: its settings, columns and attributes.",
    )
    inspect.add_argument("map", help="file of the map, .skops")
    inspect.add_argument(
        "--format", choices=("table", "json"), default="table", help="default: table"
    )
    inspect.set_defaults(output=None)

    completion = commands.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description="Print a script that completes commands, options and file names "
        "in a shell.",
    )
    completion.add_argument(
        "shell", choices=("bash", "zsh", "fish", "tcsh", "powershell")
    )
    completion.set_defaults(output=None)
    return parser


def add_known(command):
    command.add_argument(
        "--labels", metavar="FILE", help="class labels of the source samples"
    )
    command.add_argument(
        "--target-labels",
        metavar="FILE",
        help="class labels of the target samples, if not paired",
    )
    command.add_argument(
        "--pairs",
        metavar="FILE",
        help="rows that are known to be the same item, if not all are: two columns of "
        "row numbers from 0",
    )
    command.add_argument(
        "--domains",
        metavar="FILE",
        help="domain of each row of SOURCE, in place of a TARGET",
    )


def add_fail_if(command, text):
    command.add_argument(
        "--fail-if",
        type=condition,
        action="append",
        default=[],
        metavar="CONDITION",
        help=f"{text}, as 'hits@1<0.8'; repeatable",
    )


def names_of_aligners(text):
    """Convert comma-separated names of aligners to a list."""
    names = [*dict.fromkeys(name.strip() for name in text.split(","))]
    for name in names:
        if name not in (known := ("identity", *PAIRED, *UNPAIRED)):
            raise argparse.ArgumentTypeError(
                f"there is no aligner {name!r}; choose from {', '.join(known)}"
            )
    return names


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
