"""Presets: mixes in a folder of the user's, the same TOML files that a profile's `mix` points at."""

import re
from pathlib import Path

from hearsim.core.errors import HearsimError
from hearsim.core.files import make_folder, write_text
from hearsim.live.control import Controls
from hearsim.profile.load import load_mix, mix_names
from hearsim.profile.schema import STEMS, Mix

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class TakenError(HearsimError):
    """A preset of that name exists already, and may be replaced on request."""


class Presets:
    """The shipped mixes and those in a folder, by name. Control process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def names(self) -> list[str]:
        """Names of all presets, the user's first."""
        shipped = mix_names()
        own = {path.stem for path in self._folder.glob("*.toml")} - set(shipped)
        return [*sorted(name for name in own if NAME.fullmatch(name)), *shipped]

    def load(self, name: str) -> Mix:
        """Return the preset of a name out of `names`. Raises `HearsimError` for any other, and for a broken file."""
        if name not in self.names:
            raise HearsimError(f"no preset is called {name!r}: there are {', '.join(self.names)}")
        return load_mix(name if name in mix_names() else self._path(name).resolve())

    def save(self, name: str, controls: Controls, replace: bool) -> Path:
        """Save the faders and mutes as a mix; return its file.

        Raises `HearsimError` for an invalid or shipped name, `TakenError` where a preset would be replaced.
        """
        if not NAME.fullmatch(name):
            raise HearsimError(
                f"a preset can't be called {name[:50]!r}: take up to 40 small letters, digits and hyphens"
            )
        if name in mix_names():
            raise HearsimError(f"{name} ships with hearsim: choose another name")
        path = self._path(name)
        if path.exists() and not replace:
            raise TakenError(f"{path} is already there: choose another name, or replace it")
        make_folder(self._folder)
        write_text(path, to_toml(controls))
        return path

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.toml"


def to_toml(controls: Controls) -> str:
    """Return the faders and mutes as the TOML of a mix."""
    faders, muted = controls.array("gains_db"), controls.array("muted")
    lines = [f'{stem} = "mute"' if muted[k] else f"{stem} = {faders[k]:.1f}" for k, stem in enumerate(STEMS)]
    return "\n".join(['# Saved by `hearsim live`. Gains in dB, or "mute".', "[gains_db]", *lines, ""])
