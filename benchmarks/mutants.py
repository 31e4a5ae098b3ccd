"""Mutation testing of one folder or file of skalign.

One operator, comparison or constant of the source is changed at a time; a mutant is
killed if a test then fails. cosmic-ray makes the mutants. Its own runner starts the
whole test suite for each of them, and mutmut 3 does not change decorated functions
(every `fit` and many metrics here), so this script runs them:

1. Coverage is recorded once, test by test.
2. A process collects the tests. For each mutant, a fork of it replaces the code of the
   changed functions and runs the tests that reach the changed statement, fast ones
   first, until one fails. Mutants outside function bodies are imported again together
   with their tests. The source tree is never written to.

Arithmetic, comparisons, constants, `and`, `or` and `not` are changed; messages,
annotations, parameter constraints and the arguments of `Interval` are not.

    python -m benchmarks.mutants skalign/paired --tests tests/paired tests/peers \\
        --sample 300 --seed 0 --out mutants_paired.jsonl

Results are appended to the file as one line of JSON per mutant; the same command
continues an interrupted run. Options:

- `--list` prints the mutants that survived.
- `--budget 20` skips, for each mutant, its slowest tests beyond 20 seconds in total.
- `--again` repeats the mutants that survived. If tests were added, remove
  `mutants_paired.reached.json` first, so that coverage is recorded again.
- `--all-tests` imports each mutant again and runs all tests, not only those recorded as
  reaching the statement (a shared fixture is recorded for the first test that uses it).

Requires the extras `test` and `bench`.
"""

import argparse
import ast
import contextlib
import importlib
import importlib.abc
import importlib.util
import inspect
import json
import math
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import types
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PYTEST = ["-q", "-m", "not services", "-o", "addopts=--import-mode=importlib"]
PYTEST += ["-p", "no:xdist", "-p", "no:cacheprovider"]
PYTEST += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
SKIPPED_CALLS = {"warn", "Interval", "ValueError", "TypeError", "_fit_context"}
SKIPPED_NAMES = {"_parameter_constraints", "__all__", "__version__"}


def wanted_operators():
    """Name the operators of cosmic-ray whose mutants are plausible faults."""
    arithmetic = ("Add", "Sub", "Mul", "Div")
    order = ("Lt", "LtE", "Gt", "GtE", "Eq", "NotEq")
    pairs = [("Pow", "Mul"), ("FloorDiv", "Mul"), ("Mod", "FloorDiv")]
    pairs += [("BitAnd", "BitOr"), ("BitOr", "BitAnd")]
    pairs += [(a, b) for a in arithmetic for b in arithmetic if a != b]
    names = [f"ReplaceBinaryOperator_{a}_{b}" for a, b in pairs]
    names += [
        f"ReplaceComparisonOperator_{a}_{b}" for a in order for b in order if a != b
    ]
    names += [
        "ReplaceComparisonOperator_Is_IsNot",
        "ReplaceComparisonOperator_IsNot_Is",
    ]
    names += ["ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_Delete_Invert"]
    names += ["ReplaceUnaryOperator_Delete_Not", "NumberReplacer"]
    names += ["ReplaceTrueWithFalse", "ReplaceFalseWithTrue"]
    names += ["ReplaceAndWithOr", "ReplaceOrWithAnd"]
    return [f"core/{name}" for name in names]


def left_out(tree):
    """Positions of messages, annotations and constraints: (start, end) each."""
    spans = []
    for node in ast.walk(tree):
        parts = []
        if isinstance(node, (ast.Raise, ast.JoinedStr)):
            parts = [node]
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            parts = [node] if name in SKIPPED_CALLS or "validate" in name else []
        elif isinstance(node, (ast.FunctionDef, ast.Lambda)):
            arguments = node.args.args + node.args.kwonlyargs + node.args.posonlyargs
            parts = [a.annotation for a in arguments]
            parts += [getattr(node, "returns", None)]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.Assign):
            names = {getattr(target, "id", None) for target in node.targets}
            parts = [node] if names & SKIPPED_NAMES else []
        spans += [
            ((p.lineno, p.col_offset), (p.end_lineno, p.end_col_offset))
            for p in parts
            if p is not None
        ]
    return spans


def operator_gaps(tree):
    """Positions between the two sides of every binary operation."""
    gaps = []
    for node in ast.walk(tree):
        sides = None
        if isinstance(node, ast.BinOp):
            sides = node.left, node.right
        elif isinstance(node, ast.AugAssign):
            sides = node.target, node.value
        if sides is not None:
            a, b = sides
            gaps.append(((a.end_lineno, a.end_col_offset), (b.lineno, b.col_offset)))
    return gaps


def all_mutants(paths):
    """List (path, operator, occurrence, line, column) of every wanted mutant."""
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.plugins import get_operator

    mutants = []
    for path in paths:
        module = ast.parse(path.read_text())
        spans, gaps = left_out(module), operator_gaps(module)
        tree = get_ast_from_path(path)
        for name in wanted_operators():
            operator = get_operator(name)()
            positions = [
                start
                for node in ast_nodes(tree)
                for start, _ in operator.mutation_positions(node)
            ]
            binary = "BinaryOperator" in name  # cosmic-ray takes the stars of arguments
            for occurrence, start in enumerate(positions):
                if any(a <= start < b for a, b in spans):
                    continue
                if not binary or any(a <= start < b for a, b in gaps):
                    mutants.append((str(path), name, occurrence, *start))
    return mutants


def statement_lines(tree, line):
    """Lines of the innermost statement at a line; None outside functions."""
    found = None
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.Lambda)):
            continue
        if not function.lineno <= line <= function.end_lineno:
            continue
        body = function.body if isinstance(function.body, list) else [function.body]
        if line < body[0].lineno:  # a default value: whatever calls the function
            found = range(body[0].lineno, function.end_lineno + 1)
            continue
        for node in ast.walk(function):
            if not isinstance(node, ast.stmt) or node is function:
                continue
            end = node.end_lineno
            if inner := getattr(node, "body", None):
                end = max(node.lineno, inner[0].lineno - 1)
            if node.lineno <= line <= end:
                found = range(node.lineno, end + 1)
    return found


class Recorder:
    """pytest plugin that notes the seconds of each test, and its name to coverage."""

    def __init__(self, coverage):
        self.coverage, self.seconds = coverage, {}

    def pytest_runtest_logstart(self, nodeid, location):
        self.coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report):
        total = self.seconds.get(report.nodeid, 0.0) + report.duration
        self.seconds[report.nodeid] = total


class Choice:
    """pytest plugin that keeps the named tests in their order and notes the killer."""

    def __init__(self, names):
        self.order = {name: i for i, name in enumerate(names)}
        self.killer = None

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if item.nodeid in self.order]
        items.sort(key=lambda item: self.order[item.nodeid])

    def pytest_runtest_logreport(self, report):
        if report.failed and self.killer is None:
            self.killer = report.nodeid

    def pytest_collectreport(self, report):
        if report.failed and self.killer is None:
            self.killer = f"import of {report.nodeid}"


class Loop:
    """pytest plugin that tries mutants in forks in place of running the tests once."""

    def __init__(self, body):
        self.body = body

    def pytest_runtestloop(self, session):
        self.body({item.nodeid: item for item in session.items})
        return True


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Import one module from a changed source."""

    def __init__(self, path, source):
        self.name, self.path, self.source = name_of(path), path, source

    def find_spec(self, fullname, path=None, target=None):
        if fullname == self.name:
            return importlib.util.spec_from_file_location(
                fullname, Path(self.path).absolute(), loader=self
            )

    def is_package(self, fullname):
        return Path(self.path).name == "__init__.py"

    def get_source(self, fullname):
        return self.source


def name_of(path):
    """Name of the module in a file."""
    parts = Path(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions_of(owner, module):
    """Yield (name, function) of all functions that a module or class defines."""
    for name, value in list(vars(owner).items()):
        if inspect.isclass(value):
            if value.__module__ == module:
                for inner, function in functions_of(value, module):
                    yield f"{name}.{inner}", function
            continue
        for part in ("__func__", "fget", "fn"):  # what decorators wrap
            value = getattr(value, part, value)
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, types.FunctionType) and value.__module__ == module:
            yield name, value


def transplant(path, source):
    """Give the functions of a module that is imported the code of another source."""
    module = sys.modules[name_of(path)]
    fresh = types.ModuleType(module.__name__)
    fresh.__dict__.update(__package__=module.__package__, __file__=module.__file__)
    exec(compile(source, module.__file__, "exec"), fresh.__dict__)
    changed, count = dict(functions_of(fresh, module.__name__)), 0
    for name, function in functions_of(module, module.__name__):
        code = changed[name].__code__
        count += code != function.__code__
        function.__code__ = code
    if count == 0:
        raise ValueError(f"The mutant of {path} is in no function that can be found.")


def without_deadline():
    """Keep hypothesis from failing where a machine is merely slow."""
    with contextlib.suppress(ImportError):
        from hypothesis import settings

        settings.register_profile("mutants", deadline=None)
        settings.load_profile("mutants")


def record(tests, out):
    """Run tests once; write which of them reaches which line, in which time."""
    import coverage
    import pytest

    without_deadline()
    measured = coverage.Coverage(source=["skalign"], data_file=None)
    measured.start()
    recorder = Recorder(measured)
    code = pytest.main([*PYTEST, *tests], plugins=[recorder])
    measured.stop()
    if code not in (0, 5):  # 5: no tests here
        sys.exit("The tests must pass before anything is mutated.")
    data = measured.get_data()
    lines = {
        str(Path(file).relative_to(Path.cwd())): {
            line: sorted(set(names) - {""})
            for line, names in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    foreign = sorted(
        name
        for name, module in sys.modules.items()
        if "site-packages" in (getattr(module, "__file__", None) or "")
    )
    reached = {"seconds": recorder.seconds, "lines": lines, "modules": foreign}
    Path(out).write_text(json.dumps(reached))


def record_all(tests, out, jobs):
    """Record the files of tests apart, `jobs` at a time, and put them together."""
    files = []
    for path in map(Path, tests):
        files += sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
    parts = {str(file): out.with_suffix(f".{i}.part") for i, file in enumerate(files)}
    command = [sys.executable, "-m", "benchmarks.mutants", "skalign", "--out", str(out)]

    def record_one(file):
        if not parts[file].exists():
            extra = ["--tests", file, "--record", str(parts[file])]
            subprocess.run([*command, *extra], check=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(record_one, parts))
    whole = {"seconds": {}, "lines": {}, "modules": []}
    for part in parts.values():
        reached = json.loads(part.read_text())
        whole["seconds"] |= reached["seconds"]
        whole["modules"] = sorted({*whole["modules"], *reached["modules"]})
        for path, lines in reached["lines"].items():
            of_path = whole["lines"].setdefault(path, {})
            for line, names in lines.items():
                of_path[line] = [*of_path.get(line, []), *names]
    out.write_text(json.dumps(whole))
    for part in parts.values():
        part.unlink()


def tests_for(mutant, reached, trees, *, all_tests, budget):
    """Names of the tests to run, quicker ones first, and the seconds they took."""
    path, _, _, line, _ = mutant
    seconds = reached["seconds"]
    by_line = reached["lines"].get(path, {})
    lines = statement_lines(trees[path], line)
    if all_tests:
        names = set(seconds)
    elif lines is None:
        names = {name for names in by_line.values() for name in names}
    else:
        names = {name for line in lines for name in by_line.get(str(line), ())}
    # By powers of two of their time, so that tests of one file share its fixtures.
    order = {n: (round(math.log2(seconds[n] + 1e-3)), n) for n in names if n in seconds}
    chosen, total = [], 0.0
    for name in sorted(order, key=order.get):
        if chosen and total + seconds[name] > budget:
            break
        chosen.append(name)
        total += seconds[name]
    return chosen, total


def run_anew(path, source, names):
    """Import a mutant with the test files that are to judge it."""
    import pytest

    for name in list(sys.modules):
        if name.split(".")[0] in ("skalign", "tests"):
            del sys.modules[name]
    sys.meta_path.insert(0, Mutated(path, source))
    choice = Choice(names)
    files = list(dict.fromkeys(name.split("::")[0] for name in names))
    code = int(pytest.main([*PYTEST, "-x", "--tb=no", *files], plugins=[choice]))
    return {"code": code, "killer": choice.killer}


def run_items(path, source, names, items):
    """Change the code of imported functions, and run tests that are collected."""
    transplant(path, source)
    chosen, choice = [items[name] for name in names], Choice(names)
    chosen[0].config.pluginmanager.register(choice)
    for item, following in zip(chosen, [*chosen[1:], None], strict=True):
        # Not runtestprotocol, which leaves out the filters of warnings.
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        if choice.killer is not None:
            break
    return {"code": int(choice.killer is not None), "killer": choice.killer}


def child(mutant, names, answer, items, seconds, parsed):
    """In a fork: apply the mutant and run the tests, for some seconds of processor."""
    from cosmic_ray.mutating import MutationVisitor
    from cosmic_ray.plugins import get_operator

    path, operator, occurrence, *_ = mutant
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))
    with open(os.devnull, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    original = Path(path).read_text()
    visitor = MutationVisitor(occurrence, get_operator(operator)())
    source = visitor.walk(parsed[path]).get_code()
    number, before, after = next(
        (i, a, b)
        for i, (a, b) in enumerate(
            zip(original.splitlines(), source.splitlines(), strict=True), start=1
        )
        if a != b
    )
    result = {"at": number, "before": before.strip(), "after": after.strip()}
    try:
        if names and items:
            result |= run_items(path, source, names, items)
        elif names:
            result |= run_anew(path, source, names)
    except Exception as error:
        result |= {"code": -1, "killer": repr(error)}
    Path(answer).write_text(json.dumps(result))


def outcome(result, status):
    """Name what became of a mutant, given what its process wrote and how it ended."""
    if os.WIFSIGNALED(status):
        late = os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)
        return "timeout" if late else "killed"  # Python itself crashed
    if "code" not in result:
        return "unreached" if result else "error"
    return {0: "survived", 1: "killed", 2: "killed"}.get(result["code"], "error")


def run(mutants, reached, trees, parsed, out, *, jobs, items=None, **choice):
    """Try mutants, `jobs` at a time, and append a line for each to `out`."""
    scratch = Path(tempfile.mkdtemp(prefix="mutants"))
    waiting, running = list(reversed(mutants)), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            names, seconds = tests_for(mutant, reached, trees, **choice)
            answer = scratch / f"{len(waiting)}.json"
            sys.stdout.flush()
            pid = os.fork()
            if pid == 0:
                try:
                    child(mutant, names, answer, items, 10 + 5 * seconds, parsed)
                finally:
                    os._exit(0)
            deadline = time.monotonic() + 300 + 20 * seconds
            running[pid] = mutant, names, answer, deadline, time.monotonic()
        time.sleep(0.05)
        for pid, (mutant, names, answer, deadline, began) in list(running.items()):
            now = time.monotonic()
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended and now < deadline:
                continue
            if not ended:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
            del running[pid]
            result = json.loads(answer.read_text()) if answer.exists() else {}
            line = {"mutant": mutant, "outcome": outcome(result, status)}
            line |= {"tests": len(names), "seconds": round(now - began, 1), **result}
            with open(out, "a") as file:
                file.write(json.dumps(line) + "\n")


def results(out):
    """Read the last line of each mutant."""
    found = {}
    if Path(out).exists():
        for text in Path(out).read_text().splitlines():
            line = json.loads(text)
            found[tuple(line["mutant"])] = line
    return found


def report(found):
    counts = {}
    for line in found.values():
        counts[line["outcome"]] = counts.get(line["outcome"], 0) + 1
    print(len(found), "mutants:", counts)
    for line in sorted(found.values(), key=lambda line: line["mutant"]):
        if line["outcome"] not in ("killed", "timeout"):
            path, operator, occurrence, *_ = line["mutant"]
            print(f"\n{path}:{line.get('at')} {operator} {occurrence}")
            print(f"  {line['outcome']} of {line['tests']} tests")
            print(f"  - {line.get('before')}\n  + {line.get('after')}")


def is_in_body(mutant, trees):
    """Whether a mutant is inside the body of a function, which can be transplanted."""
    path, _, _, line, _ = mutant
    lines = statement_lines(trees[path], line)
    return lines is not None and line in lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", help="folder or file to mutate")
    parser.add_argument("--tests", nargs="+", required=True, help="given to pytest")
    parser.add_argument("--out", required=True, help="file of results, .jsonl")
    parser.add_argument("--sample", type=int, help="number of mutants; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="only show the results")
    parser.add_argument("--again", action="store_true", help="try survivors again")
    parser.add_argument("--all-tests", action="store_true", help="run every test")
    parser.add_argument("--budget", type=float, default=math.inf, metavar="SECONDS")
    parser.add_argument("--record", help=argparse.SUPPRESS)
    args = parser.parse_args()
    import pytest
    from cosmic_ray.ast import get_ast_from_path

    if args.record:
        return record(args.tests, args.record)
    found = results(args.out)
    if args.list:
        return report(found)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    reached_file = Path(args.out).with_suffix(".reached.json")
    if not reached_file.exists():
        record_all(args.tests, reached_file, args.jobs)
    reached = json.loads(reached_file.read_text())
    package = Path(args.package)
    paths = sorted(package.rglob("*.py")) if package.is_dir() else [package]
    mutants = sorted(all_mutants(paths))
    print(len(mutants), "mutants in all")
    if args.sample is not None and args.sample < len(mutants):
        mutants = sorted(random.Random(args.seed).sample(mutants, args.sample))
    if args.again:
        again = ("survived", "unreached", "error")
        mutants = [m for m in mutants if m in found and found[m]["outcome"] in again]
    else:
        mutants = [m for m in mutants if m not in found]
    for name in reached["modules"]:
        if not name.startswith(("_pytest", "pytest", "coverage")):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    without_deadline()
    trees = {str(path): ast.parse(path.read_text()) for path in paths}
    random.Random(args.seed).shuffle(mutants)
    parsed = {str(path): get_ast_from_path(path) for path in paths}
    given = {"out": args.out, "jobs": args.jobs}
    given |= {"all_tests": args.all_tests, "budget": args.budget}
    try_all = partial(run, reached=reached, trees=trees, parsed=parsed, **given)
    inside = [m for m in mutants if not args.all_tests and is_in_body(m, trees)]
    if inside:
        loop = Loop(lambda items: try_all(inside, items=items))
        pytest.main([*PYTEST, *args.tests], plugins=[loop])
    try_all([m for m in mutants if m not in inside])
    report(results(args.out))


if __name__ == "__main__":
    main()
