"""Shell completion: names of profiles and their parts, models, metrics, pages. Each callback is quick."""

from collections.abc import Callable, Iterable
from pathlib import Path


def profiles(incomplete: str) -> list[str]:
    """Return shipped profiles, and TOML files here."""
    from hearsim.profile.load import profile_names

    return _starting(incomplete, [*profile_names(), *(path.name for path in Path().glob("*.toml"))])


def models(incomplete: str) -> list[str]:
    """Return shipped models."""
    from hearsim.core.files import model_names

    return _starting(incomplete, model_names())


def systems(incomplete: str) -> list[str]:
    """Return the systems of separation networks."""
    from hearsim.separation.registry import SYSTEMS

    return _starting(incomplete, SYSTEMS)


def topics(incomplete: str) -> list[str]:
    """Return the pages of `hearsim docs`."""
    from hearsim.cli.documentation import pages

    return _starting(incomplete, pages())


def shown(incomplete: str) -> list[str]:
    """Return the arguments of `hearsim show`: its lists and the profiles."""
    from hearsim.cli.catalogue import LISTS

    return [*_starting(incomplete, LISTS), *profiles(incomplete)]


def shipped(folder: str) -> Callable[[str], list[str]]:
    """Return a callback for the names of shipped parts in a folder of profiles/."""

    def names(incomplete: str) -> list[str]:
        from hearsim.cli.catalogue import paths

        return _starting(incomplete, (path.stem for path in paths(folder)))

    return names


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
