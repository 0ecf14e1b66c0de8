"""Models by name: a shipped one, a folder, or a user's network.

A user's network is `module:name` or `file.py:name`, a `SeparatorNet` or a callable without arguments that returns one,
or the name of an installed package's plug-in (`hearsim.separators`). torch is not imported here, but by the module that
makes the network.
"""

import functools
import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from hearsim.core.errors import HearsimError, cause_of
from hearsim.core.files import find_model, model_names
from hearsim.core.plugins import failure, load_plugin, plugin_names
from hearsim.core.random_state import seeded

_OWN = re.compile(r"(?P<module>[\w.]+|.+\.py):(?P<name>[A-Za-z_]\w*)")


def is_module_name(model: str) -> bool:
    """Return whether a model's name is `module:name` or `file.py:name`."""
    return _OWN.fullmatch(model) is not None


def is_own(model: str) -> bool:
    """Return whether a model's name is that of a user's network."""
    return is_module_name(model) or model in plugin_names("hearsim.separators", model_names())


def resolve_model(model: str, base: Path, context: str = "") -> str:
    """Return a model's name that is valid in every process and folder.

    Parameters
    ----------
    model
        A shipped model's name, a folder, `module:name`, `file.py:name`, or a plug-in's name.
    base
        The folder that paths and modules are relative to.
    context
        File and key that name the model, the beginning of the sentence of an error.

    Raises
    ------
    HearsimError
        There is no such model.
    """
    if model in model_names():
        return model
    if own := _OWN.fullmatch(model):
        module = own["module"]
        file = base / (module if module.endswith(".py") else f"{module.replace('.', '/')}.py")
        if file.is_file():
            return f"{file.resolve()}:{own['name']}"
        if module.endswith(".py"):
            raise HearsimError(f"{context}model = {model!r}: there is no file {file}: give the path of one")
        return model
    return model if is_own(model) else str(find_model(model, base, context))


@functools.cache
def own_network(model: str) -> Any:
    """Return the user's network of a name; None for other names.

    `module:name` and `file.py:name` are a network, or a function or class that returns one; a plug-in is called. A call
    has seeded random numbers, so that weights without a file are the same every time. Raises `HearsimError` where the
    import or the call fails.
    """
    if own := _OWN.fullmatch(model):
        try:
            network = getattr(_imported(own["module"]), own["name"])
            return network if hasattr(network, "stems") or not callable(network) else _seeded_call(network)
        except Exception as error:  # any error of the user's code
            cause = cause_of(error)
            raise HearsimError(f"model = {model!r} can't be made ({cause}): repair its module, or its name") from error
    if model not in plugin_names("hearsim.separators"):
        return None
    make = load_plugin("hearsim.separators", model)
    try:
        return _seeded_call(make)
    except Exception as error:  # any error of the user's code
        raise failure("hearsim.separators", model, error) from error


def _seeded_call(make: Callable[[], Any]) -> Any:
    with seeded(0):
        return make()


def _imported(module: str) -> ModuleType:
    """Import a module by name, or a file, which finds the modules beside it."""
    if not module.endswith(".py"):
        return importlib.import_module(module)
    file = Path(module)
    name = f"{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        loaded = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            with _beside(file.parent):
                spec.loader.exec_module(loaded)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Let modules of a folder be imported in the body."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
