"""The lists of `hearsim show`: profiles and their parts, fitting rules, metrics, models, systems."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hearsim.core.errors import HearsimError

Row = dict[str, Any]
LISTENER_HZ = (250, 500, 1000, 2000, 4000, 6000)


def paths(folder: str) -> list[Path]:
    """Return the shipped files of a folder of profiles/."""
    from hearsim.core.files import data_folder

    return sorted((data_folder("profiles") / folder).glob("*.toml"))


def _description(path: Path) -> str:
    """Return the first sentence of the comment that a TOML file begins with."""
    with path.open(encoding="utf-8") as file:
        line = file.readline().strip()
    return line.lstrip("# ").partition(". ")[0].rstrip(".") if line.startswith("#") else ""


def profiles() -> list[Row]:
    """Return the shipped profiles and their parts."""
    from hearsim.core.files import read_toml

    parts = ("listener", "mix", "aid", "rig")
    tables = [(path, read_toml(path)) for path in paths(".")]
    return [
        {"name": path.stem, **{part: table.get(part, "") for part in parts}, "description": _description(path)}
        for path, table in tables
    ]


def listeners() -> list[Row]:
    """Return the shipped listeners with their thresholds in dB HL at `LISTENER_HZ`."""
    from hearsim.profile.load import load_listener

    rows = []
    for path in paths("listeners"):
        listener = load_listener(path)
        thresholds = {
            f"{ear}_db_hl": [round(float(value), 1) for value in getattr(listener, ear).at(LISTENER_HZ)]
            for ear in ("left", "right")
        }
        rows.append({"name": path.stem, **thresholds, "description": _description(path)})
    return rows


def mixes() -> list[Row]:
    """Return the shipped mixes with their gains in dB."""
    from hearsim.profile.load import load_mix

    return [
        {"name": path.stem, **load_mix(path).gains_db.model_dump(), "description": _description(path)}
        for path in paths("mixes")
    ]


def aids() -> list[Row]:
    """Return the shipped aids with their settings."""
    from hearsim.profile.load import load_aid

    rows = []
    for path in paths("aids"):
        aid = load_aid(path)
        rows.append(
            {
                "name": path.stem,
                "scenario": aid.scenario,
                "rule": aid.rule,
                "ratio": aid.compression.ratio if aid.compression else None,
                "mpo_db_spl": aid.mpo_db_spl,
                "vent_hz": aid.vent.cutoff_hz if aid.vent else None,
                "description": _description(path),
            }
        )
    return rows


def rigs() -> list[Row]:
    """Return the shipped rigs with their calibration."""
    from hearsim.profile.load import load_rig

    return [
        {**load_rig(path).model_dump(), "name": path.stem, "description": _description(path)} for path in paths("rigs")
    ]


def rules() -> list[Row]:
    """Return the fitting rules, hearsim's own and those of plug-ins."""
    from hearsim.core.plugins import find_plugin, known_names

    def row(name: str) -> Row:
        return {"name": name, "description": _first_sentence(find_plugin("hearsim.fittings", name))}

    return _rows_of_plugins(known_names("hearsim.fittings"), row)


def stages() -> list[Row]:
    """Return the stages of the aid that installed packages offer."""
    from hearsim.core.plugins import load_plugin, plugin_names

    def row(name: str) -> Row:
        return {"name": name, "description": _first_sentence(load_plugin("hearsim.stages", name))}

    return _rows_of_plugins(plugin_names("hearsim.stages"), row)


def metrics() -> list[Row]:
    """Return the objective metrics: unit, better direction, source, and every place that computes them."""
    from hearsim.metrics.places import metrics_by_place
    from hearsim.metrics.registry import metric, names

    places = metrics_by_place()

    def row(name: str) -> Row:
        one = metric(name)
        return {
            "name": name,
            "unit": one.unit or None,
            "better": one.better or None,
            "computed_by": ", ".join(place for place, those in places.items() if name in those) or None,
            "source": one.source or None,
            "description": one.sentence,
        }

    return _rows_of_plugins(names(), row)


def _rows_of_plugins(names: list[str], row: Callable[[str], Row]) -> list[Row]:
    """Return a row for each name; a broken plug-in's row has its error as description."""
    rows = []
    for name in names:
        try:
            rows.append(row(name))
        except HearsimError as error:
            rows.append({"name": name, "description": str(error)})
    return rows


def shipped_models() -> list[Row]:
    """Return the shipped models with their sizes."""
    from hearsim.core.files import find_model, model_names
    from hearsim.separation.models import read_info

    rows = []
    for name in model_names():
        info = read_info(find_model(name))
        rows.append(
            {"name": name, "parameters": info.parameters, "weights": str(info.weights), "description": info.summary}
        )
    return rows


def models() -> list[Row]:
    """Return the shipped models, then the separators that installed packages offer."""
    from hearsim.core.plugins import load_plugin, plugin_names

    def row(name: str) -> Row:
        return {"name": name, "description": _first_sentence(load_plugin("hearsim.separators", name))}

    shipped = shipped_models()
    names = plugin_names("hearsim.separators", [one["name"] for one in shipped])
    return [*shipped, *_rows_of_plugins(names, row)]


def systems() -> list[Row]:
    """Return the systems of separation networks with window, hop and live delay."""
    from hearsim.separation.registry import SYSTEM_NOTES, SYSTEMS, architecture_of

    return [
        {
            "name": name,
            "architecture": architecture_of(config),
            "window": config.window,
            "hop": config.hop,
            "live_ms": round(config.live_ms, 3),
            "description": SYSTEM_NOTES[name],
        }
        for name, config in SYSTEMS.items()
    ]


LISTS: dict[str, tuple[str, Callable[[], list[Row]]]] = {
    "profiles": ("Profiles: a listener, a mix, an aid and a rig", profiles),
    "listeners": (f"Listeners: thresholds in dB HL at {', '.join(map(str, LISTENER_HZ))} Hz", listeners),
    "mixes": ("Mixes: gain of each stem in dB", mixes),
    "aids": ("Aids: fitting rule, compression ratio, maximum power output, cutoff of the vent", aids),
    "rigs": ("Rigs: dB SPL of a digital signal whose RMS is 1.0", rigs),
    "rules": ("Fitting rules", rules),
    "stages": ("Stages of the aid, from installed packages (`hearsim docs own-stage`)", stages),
    "metrics": ("Objective metrics", metrics),
    "models": ("Models: trained separation networks, and separators of installed packages", models),
    "systems": ("Systems: architectures and sizes of separation networks", systems),
}
"""The lists of `hearsim show`: title and rows of each."""


def entries() -> list[tuple[str, Row]]:
    """Return every row of every list, with the list's name; lists may share a row's name."""
    return [(title, row) for title, (_, rows) in LISTS.items() for row in rows()]


LABELS = {
    "left_db_hl": "left",
    "right_db_hl": "right",
    "mpo_db_spl": "MPO (dB SPL)",
    "vent_hz": "vent (Hz)",
    "ratio": "compression ratio",
    "microphone_full_scale_db_spl": "microphone",
    "headphones_full_scale_db_spl": "headphones",
    "live_ms": "live delay (ms)",
    "computed_by": "computed by",
}


def lines(title: str, rows: list[Row]) -> Iterator[str]:
    """Yield a list as text: for each row its name and description, and below them its values."""
    yield title
    if not rows:
        yield "  none is installed"
    width = max((len(row["name"]) for row in rows), default=0) + 2
    for row in rows:
        yield f"  {row['name']:<{width}}{row.get('description', '')}".rstrip()
        values = [
            f"{LABELS.get(key, key)} {_cell(value)}"
            for key, value in row.items()
            if key not in ("name", "description") and value is not None
        ]
        if values:
            yield f"  {'':<{width}}{', '.join(values)}"


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(f"{one:g}" for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _first_sentence(documented: Any) -> str:
    return (documented.__doc__ or "").strip().split("\n")[0].removeprefix("Return ")
