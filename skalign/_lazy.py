"""Names of a package that are imported on first use."""

import ast
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path


def are_installed(*names):
    """Return whether all of these packages are installed, without importing them."""
    try:
        return all(find_spec(name) is not None for name in names)
    except ImportError:
        return False


def homes_in_stub(file):
    """Return the module of each name that the stub beside `file` imports.

    A submodule, as in ``from skalign import paired as paired``, is its own home.
    """
    stub, homes = ast.parse(Path(file).with_suffix(".pyi").read_text()), {}
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                package = Path(file).parent.name
                is_room = node.module == package
                homes[alias.name] = (
                    f"{package}.{alias.name}" if is_room else node.module
                )
    return homes


def import_on_use(package, file, needs):
    """Return the `__getattr__`, `__dir__` and `__all__` of a package.

    The names are those that the stub of the package (`__init__.pyi`) imports. A name
    whose module needs an optional package that is not installed is not listed. Access
    to it raises an error that states what to install: an AttributeError, or an
    ImportError for ``from package import name``.

    Parameters
    ----------
    package : str
        Name of the package.
    file : str
        Its `__file__`.
    needs : dict of str to sequence of str
        Optional packages that a module needs.

    Returns
    -------
    getattr, dir : callable
    all : list of str
        Names other than submodules.
    """
    homes = homes_in_stub(file)
    lacking = {module for module, names in needs.items() if not are_installed(*names)}
    absent = {name for name, home in homes.items() if home in lacking}
    rooms = {name for name, home in homes.items() if home == f"{package}.{name}"}

    def __getattr__(name):
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(homes[name])
        except ImportError as error:
            # `from package import name` asks through importlib, which replaces the text
            # of an AttributeError by its own.
            if sys._getframe(1).f_globals.get("__name__") == "importlib._bootstrap":
                raise
            raise AttributeError(str(error)) from error
        return module if name in rooms else getattr(module, name)

    def __dir__():
        return sorted({*vars(sys.modules[package]), *homes} - absent)

    return __getattr__, __dir__, sorted({*homes} - rooms - absent)
