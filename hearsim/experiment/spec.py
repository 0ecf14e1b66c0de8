"""The specification of an experiment: one TOML, checked, with factors resolved into named levels.

```toml
metrics = ["estoi_vocals", "cepstral_correlation_unprocessed"]
pairs = [{ listener = "N2", song = "rock" }]   # these alone; or "pairs.csv"; without the key, all: see `pairs`

[factors]
listeners = ["N2", "N4"]        # or "bisgaard", "listeners.json", "listeners.json#L0001", { degree = .., slope = .. }
songs = [{ style = "rock" }]    # or a folder of tracks with stems
mixes = ["flat", { name = "+6 dB", gains_db = { vocals = 6 } }]
aids = ["closed"]               # or "unaided"
models = ["hs-tasnet-lite", "oracle"]
seeds = [0, 1]
"aid.compression.ratio" = [1, 2]   # any setting of a profile: see `hearsim.experiment.settings`

[[exclude]]                     # excluded combinations
aid = "unaided"
mix = "+6 dB"

[report]
baseline = { mix = "flat" }
x = "mix"
```
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from hearsim.core.errors import HearsimError
from hearsim.core.files import read_toml
from hearsim.core.validation import Settings, check, nearest
from hearsim.experiment.pairs import Pairs, read_pairs
from hearsim.experiment.settings import flatten, level_name, read_settings
from hearsim.metrics.registry import heard_names
from hearsim.music.songs import FolderSongs, MadeSong, Song
from hearsim.profile.clarity import load_listeners
from hearsim.profile.load import load_part
from hearsim.profile.panels import Drawn, bisgaard
from hearsim.profile.schema import Aid, Listener, Mix, Rig
from hearsim.simulation.stems import Separation

FACTORS = ("listener", "song", "seed", "mix", "aid", "model")
CONDITION = ("mix", "aid", "model")
"""The factors of a condition, chosen for a listener and a song; settings of a profile follow them."""
PLURALS = dict(zip(("listeners", "songs", "seeds", "mixes", "aids", "models"), FACTORS, strict=True))


UNAIDED, ORACLE = "unaided", "oracle"
VERSIONS = ("heard", "aided")
Entry = TypeVar("Entry")
Level = TypeVar("Level")
Part = TypeVar("Part", bound=Settings)


def _name_or_table(value: object) -> object:
    if isinstance(value, str | dict):
        return value
    raise ValueError("give a name in quotes, or a table")


def _level_names(value: object) -> object:
    return {key: level_name(level) for key, level in flatten(value).items()} if isinstance(value, dict) else value


Named = Annotated[str | dict[str, Any], BeforeValidator(_name_or_table)]
Names = Annotated[dict[str, str], BeforeValidator(_level_names)]
"""Levels by factor, as a table of the spec names them: numbers may be without quotes."""


class Factors(Settings):
    """The factors: lists of levels, by name or as a table."""

    listeners: tuple[Named, ...]
    songs: tuple[Named, ...]
    mixes: tuple[Named, ...] = ("flat",)
    aids: tuple[Named, ...] = ("closed",)
    models: tuple[Named, ...] = ("hs-tasnet-lite",)
    seeds: tuple[Annotated[int, Field(strict=True, ge=0)], ...] = (0,)


class Report(Settings):
    """The report's baseline and axis: names of factors and of their levels."""

    baseline: Names = Field(default={})
    x: str = ""
    title: str = ""


class SpecFile(Settings):
    """The TOML's content."""

    name: str = ""  # or the file's; of an experiment.toml, its folder's
    rig: str = "aid"
    metrics: tuple[str, ...] = Field(min_length=1)
    outputs: tuple[str, ...] = ()
    factors: Factors
    exclude: tuple[Names, ...] = ()
    pairs: Any = None
    report: Report = Report()


@dataclass(frozen=True)
class Study:
    """An experiment, ready to be planned: every factor as levels by name, in the order of the spec."""

    name: str
    path: Path
    rig: Rig
    metrics: tuple[str, ...]
    outputs: tuple[str, ...]
    listeners: dict[str, Listener]
    songs: dict[str, Song]
    seeds: dict[str, int]
    mixes: dict[str, Mix]
    aids: dict[str, Aid | None]  # None: unaided
    models: dict[str, Separation]
    settings: dict[str, dict[str, Any]]  # of a profile: levels by dotted key
    exclude: tuple[dict[str, str], ...]
    pairs: Pairs | None  # None: every listener hears every song
    report: Report

    def levels(self) -> dict[str, Mapping[str, Any]]:
        """Return the levels of each factor: those of `FACTORS`, then settings of a profile by dotted key."""
        return {factor: getattr(self, plural) for plural, factor in PLURALS.items()} | self.settings

    @property
    def factors(self) -> tuple[str, ...]:
        """The names of the factors, in the order of `levels`."""
        return (*FACTORS, *self.settings)

    @property
    def condition(self) -> tuple[str, ...]:
        """The factors of a condition, chosen for a listener and a song."""
        return (*CONDITION, *self.settings)


def read_study(path: Path, songs: Path | None = None) -> Study:
    """Read an experiment; `songs`, a folder, replaces its songs.

    Raises `HearsimError` naming file, key and value for any fault.
    """
    spec, settings = _read_spec(path)
    factors, base, prefix = spec.factors, path.parent, f"{path}: factors."
    entries: Sequence[Named] = (str(songs.resolve()),) if songs else factors.songs
    listeners = _levels(f"{prefix}listeners", factors.listeners, lambda level, at: _listeners(level, at, base))
    tracks = _levels(f"{prefix}songs", entries, lambda level, at: _songs(level, at, base))
    study = Study(
        name=spec.name or (path.resolve().parent.name if path.stem == "experiment" else path.stem),
        path=path,
        rig=load_part(spec.rig, Rig, base, f"{path}: rig: "),
        metrics=spec.metrics,
        outputs=spec.outputs,
        listeners=listeners,
        songs=tracks,
        seeds=_levels(f"{prefix}seeds", factors.seeds, lambda seed, _: {str(seed): seed}),
        mixes=_levels(f"{prefix}mixes", factors.mixes, lambda level, at: _part(level, at, Mix, base)),
        aids=_levels(f"{prefix}aids", factors.aids, lambda level, at: _aid(level, at, base)),
        models=_levels(f"{prefix}models", factors.models, lambda level, at: _model(level, at, base)),
        settings=settings,
        exclude=spec.exclude,
        pairs=None if spec.pairs is None else read_pairs(spec.pairs, path, list(listeners), list(tracks)),
        report=spec.report,
    )
    _check_names(study)
    return study


def _read_spec(path: Path) -> tuple[SpecFile, dict[str, dict[str, Any]]]:
    """Return the TOML's content, its metrics and outputs checked, and its settings of a profile as factors."""
    table = read_toml(path)
    settings: dict[str, dict[str, Any]] = {}
    if isinstance(nested := table.get("factors"), dict):
        flat = flatten(nested)
        settings = read_settings(path, {key: values for key, values in flat.items() if "." in key})
        table["factors"] = {key: values for key, values in flat.items() if "." not in key}
    spec = check(path, SpecFile, table)
    for metric in spec.metrics:
        _known(metric, heard_names(), f"{path}: metrics: no metric is called")
    for output in spec.outputs:
        _known(output, VERSIONS, f"{path}: outputs: no output is called")
    return spec, settings


def _levels(
    factor: str, entries: Sequence[Entry], read: Callable[[Entry, str], Mapping[str, Level]]
) -> dict[str, Level]:
    """Return the levels of a factor by name; `read` gets an entry and its place in the file.

    Raises `HearsimError` for a name given twice, and for no levels at all.
    """
    by_name: dict[str, Level] = {}
    for index, entry in enumerate(entries):
        where = f"{factor}[{index}]"
        for name, value in read(entry, where).items():
            if name in by_name:
                raise HearsimError(f"{where}: {name!r} exists already: rename it, or remove it")
            by_name[name] = value
    if not by_name:
        raise HearsimError(f"{factor} is empty, so there are no cells: name at least one")
    return by_name


def _known(name: str, names: Sequence[str], sentence: str) -> None:
    if name not in names:
        raise HearsimError(f"{sentence} {name!r}: {nearest(name, list(names)) or 'there are ' + ', '.join(names)}")


def _check_names(study: Study) -> None:
    """Refuse unknown names of factors and levels."""
    levels, path = study.levels(), study.path
    places = [(f"exclude[{index}]", study.factors, table) for index, table in enumerate(study.exclude)]
    for place, factors, table in [*places, ("report.baseline", study.condition, study.report.baseline)]:
        for factor, level in table.items():
            _known(factor, factors, f"{path}: {place}: no factor is called")
            _known(level, tuple(levels[factor]), f"{path}: {place}: {factor}: no level is called")
    if study.report.x:
        _known(study.report.x, (*study.condition, "listener"), f"{path}: report.x: no factor is called")


def _table(where: str, kind: type[Part], table: dict[str, Any]) -> Part:
    """Check a level that is a table; `where`, file and key, is the beginning of an error's sentence."""
    return check(Path(where), kind, table)


def _listeners(level: Named, where: str, base: Path) -> dict[str, Listener]:
    if isinstance(level, dict):
        return _table(where, Drawn, level).listeners()
    if level == "bisgaard":
        return bisgaard()
    if level.endswith(".json"):
        return load_listeners(base / level)
    listener = load_part(level, Listener, base, f"{where}: ")
    return {listener.name: listener}


def _songs(level: Named, where: str, base: Path) -> Mapping[str, Song]:
    if isinstance(level, dict) and "folder" not in level:
        return _table(where, MadeSong, level).named(where)
    table = level if isinstance(level, dict) else {"folder": level}
    return _table(where, FolderSongs, table).named(where, base)


def _part(level: Named, where: str, kind: type[Mix], base: Path) -> dict[str, Mix]:
    part = _table(where, kind, level) if isinstance(level, dict) else load_part(level, kind, base, f"{where}: ")
    return {part.name: part}


def _aid(level: Named, where: str, base: Path) -> dict[str, Aid | None]:
    if level == UNAIDED:
        return {UNAIDED: None}
    aid = _table(where, Aid, level) if isinstance(level, dict) else load_part(level, Aid, base, f"{where}: ")
    return {aid.name: aid}


def _model(level: Named, where: str, base: Path) -> dict[str, Separation]:
    if level == ORACLE:
        return {ORACLE: Separation(name=ORACLE)}
    table = level if isinstance(level, dict) else {"name": Path(level).name, "model": level}
    separation = _table(where, Separation, table).resolved(base, where)
    return {separation.name: separation}
