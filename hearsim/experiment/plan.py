"""The cells of an experiment: every combination of levels, each with a key of all that its result depends on."""

import hashlib
import json
import math
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from hearsim import __version__
from hearsim.core.errors import HearsimError
from hearsim.core.validation import Settings
from hearsim.experiment.settings import changed
from hearsim.experiment.spec import Study
from hearsim.music.songs import Song
from hearsim.profile.load import load_aid
from hearsim.profile.schema import Profile
from hearsim.simulation.stems import HOP, Separation

RESULTS_VERSION = 1
"""Version of the results: cells of an earlier version are computed again."""
MANY_CELLS = 20_000
Part = TypeVar("Part", bound=Settings)


@dataclass(frozen=True)
class Cell:
    """One combination: the names of its levels, their values, and the key of its result.

    The key is the SHA-256 of everything that the result depends on: settings, checksums of song and model, version of
    hearsim, metrics. Paths are not part of it.
    """

    names: tuple[str, ...]  # in the order of `Study.factors`
    key: str
    profile: Profile
    aided: bool
    song: Song
    song_seed: int
    song_key: str
    model: Separation
    network_key: str  # "" for the true stems
    metrics: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def seed(self) -> int:
        """The seed of the global random generators in this cell, which a library may use."""
        return int(self.key[:8], 16)

    def excerpt(self, seconds: float) -> "Cell":
        """Return the cell for the first seconds of its song, with other keys."""
        short = f"{seconds:g} s of {self.song_key}"
        return replace(
            self,
            song=self.song.excerpt(seconds),
            song_key=_key({"excerpt": short}),
            network_key=_key({"excerpt": short, "network": self.network_key}) if self.network_key else "",
        )


def count(study: Study) -> int:
    """Return the number of combinations of levels and pairs, before `exclude`."""
    sizes = {factor: len(levels) for factor, levels in study.levels().items()}
    if study.pairs is not None:
        sizes |= {"listener": len(study.pairs), "song": 1}
    return math.prod(sizes.values())


def cells_of(study: Study) -> list[Cell]:
    """Return the cells, song by song, in the order of the spec; a song that two seeds give alike counts once.

    Raises `HearsimError` without cells, for a rig that can't play an aid, and for remixes with an unaided listener.
    """
    songs: dict[tuple[str, str], str] = {}
    counted = set()
    for (name, song), (seed_name, seed) in product(study.songs.items(), study.seeds.items()):
        key = _key({"counting": RESULTS_VERSION, "song": song.identity(seed)})
        if (name, key) not in counted:
            counted.add((name, key))
            songs[name, seed_name] = key
    cells = []
    by_song = (study.songs, study.seeds, study.models, study.listeners, study.aids, study.mixes)
    for song_name, seed_name, model, listener, aid, mix, *settings in product(*by_song, *study.settings.values()):
        if (song_name, seed_name) not in songs:
            continue
        names = (listener, song_name, seed_name, mix, aid, model, *settings)
        chosen = dict(zip(study.factors, names, strict=True))
        if study.pairs is not None and (listener, song_name) not in study.pairs:
            continue
        if any(all(chosen[factor] == level for factor, level in one.items()) for one in study.exclude):
            continue
        cells.append(_cell(study, chosen, songs[song_name, seed_name]))
    if not cells:
        raise HearsimError(f"{study.path}: exclude leaves no cells: remove one of its tables")
    return cells


def _cell(study: Study, chosen: dict[str, str], song_key: str) -> Cell:
    aid, model = study.aids[chosen["aid"]], study.models[chosen["model"]]
    mix = _changed(study, "mix", study.mixes[chosen["mix"]], chosen)
    if aid is None and mix.gains_db != type(mix.gains_db)():
        levels = " and ".join(
            f'{factor} = "{level}"' if factor == "mix" else f'"{factor}" = "{level}"'
            for factor, level in chosen.items()
            if factor.split(".")[0] == "mix"
        )
        raise HearsimError(
            f"{study.path}: the aid remixes, so the unaided listener hears no mix {chosen['mix']!r}: add "
            f'[[exclude]] with aid = "unaided" and {levels}'
        )
    device = _changed(study, "aid", aid, chosen) if aid else load_aid("none")
    block = device.block_samples or model.hop or HOP
    try:
        profile = Profile(
            name="-".join(chosen.values()),
            listener=_changed(study, "listener", study.listeners[chosen["listener"]], chosen),
            mix=mix,
            aid=device.model_copy(update={"block_samples": block}),
            rig=_changed(study, "rig", study.rig, chosen),
        )
    except HearsimError as error:
        raise HearsimError(f"{study.path}: {str(error).removeprefix('Profile: ')}") from None
    network = model.network
    settings = {
        "counting": RESULTS_VERSION,  # its name in the first results
        "hearsim": __version__,
        "song": song_key,
        "profile": profile.model_dump(mode="json", exclude={"name", "model"}),
        "worn": aid is not None,
        "model": model.identity(),
        "metrics": study.metrics,
        "outputs": study.outputs,
    }
    return Cell(
        names=tuple(chosen.values()),
        key=_key(settings),
        profile=profile,
        aided=aid is not None,
        song=study.songs[chosen["song"]],
        song_seed=study.seeds[chosen["seed"]],
        song_key=song_key,
        model=model,
        network_key=_key({"song": song_key, "network": network.identity()}) if network else "",
        metrics=study.metrics,
        outputs=study.outputs,
    )


def _changed(study: Study, name: str, part: Part, chosen: dict[str, str]) -> Part:
    """Return a part of a profile with the settings of a cell."""
    levels = {key: chosen[key] for key in study.settings if key.startswith(f"{name}.")}
    if not levels:
        return part
    settings = {key.removeprefix(f"{name}."): study.settings[key][level] for key, level in levels.items()}
    settings_text = ", ".join(f"{key} = {level}" for key, level in levels.items())
    label = chosen.get(name, getattr(part, "name", name))
    return changed(part, settings, f"{study.path}: factors: {name} {label!r} with {settings_text}")


def shard_of(cells: list[Cell], shard: tuple[int, int]) -> list[Cell]:
    """Return part k of n of the cells, k from 1: songs are not divided, so that each separation is made once."""
    part, parts = shard
    places = {
        key: index for index, key in enumerate(dict.fromkeys((cell.song_key, cell.network_key) for cell in cells))
    }
    if len(places) >= parts:
        return [cell for cell in cells if places[cell.song_key, cell.network_key] % parts == part - 1]
    return cells[part - 1 :: parts]


def _key(settings: dict[str, Any]) -> str:
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def parse_shard(text: str) -> tuple[int, int]:
    """Return k and n of "k/n"; raises `HearsimError` for anything else."""
    part, slash, parts = text.partition("/")
    if not slash or not part.isdecimal() or not parts.isdecimal() or not 1 <= int(part) <= int(parts):
        raise HearsimError(f"--shard {text} is not part of a whole: write it as 1/4 .. 4/4")
    return int(part), int(parts)


def plan_file(study: Study) -> dict[str, Any]:
    """Return the content of plan.json, which identifies the experiment of a folder."""
    return {
        "schema": "hearsim.experiment/1",
        "hearsim": __version__,
        "results_version": RESULTS_VERSION,
        "name": study.name,
    }


def spec_folder(study: Study) -> Path:
    """Return the default folder of results."""
    return Path("out") / f"experiment-{study.name}"
