"""Plug-ins: fitting rules, metrics, separators and stages of other packages, by entry points.

A package offers one in its pyproject.toml, without any change to hearsim:

    [project.entry-points."hearsim.metrics"]
    my-metric = "my_package.metrics:my_metric"

Names come from the packages' metadata; a plug-in is imported when it is used, so a broken one affects no other.
Hearsim's fitting rules register themselves when the files of their folder are imported.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Collection
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar

from hearsim.core.errors import HearsimError, cause_of
from hearsim.core.validation import nearest

Group = Literal["hearsim.fittings", "hearsim.metrics", "hearsim.separators", "hearsim.stages"]
Registered = TypeVar("Registered")
FOLDERS: dict[Group, str] = {"hearsim.fittings": "hearsim.aid.fitting"}
_OWN: dict[Group, dict[str, Any]] = {group: {} for group in FOLDERS}


def register(group: Group, name: str) -> Callable[[Registered], Registered]:
    """Return a decorator that registers an object of hearsim's own under a name of a group."""

    def add(registered: Registered) -> Registered:
        _OWN[group][name] = registered
        return registered

    return add


def known_names(group: Group) -> list[str]:
    """Return all names of a group: those of hearsim's own first, then those of other packages.

    Raises `HearsimError` for a name that two objects have.
    """
    own = _own(group)
    return [*own, *plugin_names(group, own)]


def find_plugin(group: Group, name: str) -> Any:
    """Return the object of a name, hearsim's own or of another package; raises `HearsimError` as `load_plugin` does."""
    own = _own(group)
    return own[name] if name in own else load_plugin(group, name, own)


@functools.cache
def _own(group: Group) -> dict[str, Any]:
    """Return hearsim's own objects of a group by name, after importing each file of the group's folder."""
    folder = importlib.import_module(FOLDERS[group])
    for module in pkgutil.iter_modules(folder.__path__):
        importlib.import_module(f"{folder.__name__}.{module.name}")
    return _OWN[group]


def plugin_names(group: Group, own: Collection[str] = ()) -> list[str]:
    """Return the names of a group's plug-ins, sorted, without importing any.

    Parameters
    ----------
    group
        The entry-point group.
    own
        Hearsim's own names in this group.

    Raises
    ------
    HearsimError
        Two packages offer the same name, or a package offers one of `own`.
    """
    return sorted(_plugins(group, own))


def load_plugin(group: Group, name: str, own: Collection[str] = ()) -> Any:
    """Import a plug-in and return its object.

    Raises
    ------
    HearsimError
        No package offers this name, two do, or the import fails: the sentence names package and cause.

    Examples
    --------
    >>> load_plugin("hearsim.metrics", "no-such-metric")
    Traceback (most recent call last):
    hearsim.core.errors.HearsimError: no installed package offers 'no-such-metric' under hearsim.metrics
    """
    plugins = _plugins(group, own)
    if name not in plugins:
        near = nearest(name, [*own, *sorted(plugins)]) or ", ".join([*own, *sorted(plugins)])
        raise HearsimError(f"no installed package offers {name!r} under {group}{near and ': ' + near}")
    point = plugins[name]
    try:
        return point.load()
    except Exception as error:  # any error of the plug-in's import
        raise HearsimError(
            f"the plug-in {name!r} ({group}, {point.value}) of the package {_package(point)} can't be imported "
            f"({cause_of(error)}): repair, update or uninstall that package"
        ) from error


def failure(group: Group, name: str, error: Exception) -> HearsimError:
    """Return the error for a plug-in whose code has failed."""
    return HearsimError(f"the plug-in {name!r} ({group}) fails ({cause_of(error)}): repair or update it")


def _plugins(group: Group, own: Collection[str]) -> dict[str, EntryPoint]:
    plugins: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        other = plugins.setdefault(point.name, point)
        if point.name in own:
            raise HearsimError(
                f"the package {_package(point)} offers {point.name!r} under {group}, which is a name of hearsim's own: "
                "rename its entry point, or uninstall it"
            )
        if point.value != other.value:
            raise HearsimError(
                f"the packages {_package(other)} and {_package(point)} both offer {point.name!r} under {group}: "
                "uninstall one, or rename its entry point"
            )
    return plugins


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module
