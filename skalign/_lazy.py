"""Names of a package that are imported on first use."""

import sys
from importlib import import_module
from importlib.util import find_spec


def are_installed(*names):
    """Whether all of these packages can be found; none is imported."""
    try:
        return all(find_spec(name) is not None for name in names)
    except ImportError:
        return False


def import_on_use(package, homes, absent=()):
    """Make the `__getattr__` and `__dir__` of a package that imports names on use.

    A name whose module cannot be imported, since an optional dependency is not
    installed, is no attribute of the package. What raises says what to install: an
    AttributeError, or an ImportError for ``from package import name``.

    Parameters
    ----------
    package : str
        Name of the package.
    homes : dict of str to str
        Module of each name, or the name of a submodule itself for a submodule.
    absent : collection of str
        Names whose dependencies are not installed.

    Returns
    -------
    getattr, dir : callable
    """

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
        return module if homes[name] == f"{package}.{name}" else getattr(module, name)

    def __dir__():
        return sorted({*vars(sys.modules[package]), *homes}.difference(absent))

    return __getattr__, __dir__
