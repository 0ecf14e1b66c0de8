"""`build`: from a spec to a folder with the whole listening test; whole or not at all.

out/manifest.json        what everything is: keep it from the participants
out/webmushra/           copy it into a webMUSHRA checkout, or give it to `hearsim export collect`
out/beaqlejs/, plain/    the same for BeaqleJS, and for any other tool
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hearsim.audio_files import AID_RATE_HZ
from hearsim.errors import HearsimError, WriteError
from hearsim.export import beaqlejs, webmushra
from hearsim.export.manifest import manifest
from hearsim.export.measures import EARS, measure
from hearsim.export.names import RESULTS
from hearsim.export.order import code
from hearsim.export.plain import write_plain
from hearsim.export.songs import Excerpt, read_excerpt
from hearsim.export.spec import Plan, read_plan
from hearsim.export.stimuli import Fitter, Fronts, Stimulus, remixes
from hearsim.export.waves import TONE_HZ, encode, tone
from hearsim.paths import part_of, temporary_folder, writes

MANY = 1000
TONE_DB_SPL, TONE_HEADROOM_DB = 80.0, 10.0
Progress = Callable[[int, int], None]  # stimuli done, stimuli in all
Table = dict[str, Any]


def build(
    path: Path,
    out: Path | None = None,
    force: bool = False,
    yes: bool = False,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Render a listening test into a folder, `out/export-NAME` without `out`; return the folder.

    `force` replaces an earlier export, but never one that holds results; `yes` agrees to more than 1000 stimuli.
    Raises `HearsimError` for bad input; then nothing is left behind, and an earlier export stays as it was.
    """
    plan = read_plan(path)
    out = out or Path("out") / f"export-{plan.spec.name}"
    _check_folder(out, force)
    _check_size(plan, out, yes)
    place = out.resolve()  # "." has no name
    part = part_of(place)
    try:
        with temporary_folder(part):
            _write(plan, part, progress)
            _check_folder(out, force)  # somebody else may have come first
            with writes(out):
                _move(part, place)
    except WriteError as error:
        raise HearsimError(f"{out} can't be written ({error.why}): choose another --out, or make room") from error
    return out


def _check_folder(out: Path, force: bool) -> None:
    with writes(out):
        if not out.exists():
            return
        if not out.is_dir():
            raise HearsimError(f"{out} is a file: choose another --out")
        held = sorted(one.name for one in out.iterdir())
    if RESULTS in held:
        raise HearsimError(f"{out} holds {RESULTS}, which are never replaced: choose another --out")
    if held and "manifest.json" not in held:
        raise HearsimError(f"{out} holds {held[0]} and no listening test: choose another --out")
    if held and not force:
        raise HearsimError(f"{out} already holds a listening test: choose another --out, or give --force")


def _check_size(plan: Plan, out: Path, yes: bool) -> None:
    stimuli = count(plan)
    size = stimuli * round(plan.spec.seconds * AID_RATE_HZ) * 2 * (3 if plan.spec.samples == "24-bit" else 4)
    size *= len(plan.spec.formats)
    shape = (
        f"{len(plan.fittings)} listeners x {len(plan.spec.songs)} songs x {len(plan.versions)} versions are {stimuli} "
        f"stimuli, {size / 1e9:.1f} GB"
    )
    if stimuli > MANY and not yes:
        raise HearsimError(f"{plan.path}: {shape}: give --yes if that is what you want")
    place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if size > free:
        raise HearsimError(f"{plan.path}: {shape}, and {place} has {free / 1e9:.1f} GB left: choose another --out")


def count(plan: Plan) -> int:
    """Return the number of stimuli."""
    return len(plan.fittings) * len(plan.spec.songs) * len(plan.versions)


def _move(part: Path, out: Path) -> None:
    """Put a finished export in its place; an earlier one is out of the way only when that has worked."""
    old = part.with_suffix(".old")
    if out.exists():
        os.replace(out, old)
    try:
        os.replace(part, out)
    except OSError:
        with suppress(FileNotFoundError):
            os.replace(old, out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write(plan: Plan, part: Path, progress: Progress) -> None:
    folders = {
        "webmushra": part / "webmushra" / webmushra.audio_folder(plan),
        "beaqlejs": part / "beaqlejs" / beaqlejs.audio_folder(plan),
        "plain": part / "plain" / "stimuli",
    }
    audio = [folders[one] for one in plan.spec.formats]
    with writes(part):
        for folder in audio:
            folder.mkdir(parents=True)
    fronts = Fronts(plan)
    fitters = {fitting: Fitter(plan, fitting) for fitting in plan.fittings}
    stimuli: list[Table] = []
    excerpts = []
    for song in plan.spec.songs:
        excerpt = read_excerpt(song, plan.spec.seconds, plan.path.parent)
        excerpts.append(excerpt)
        references: dict[str, Stimulus] = {}
        for remixed in remixes(plan, excerpt, fronts):
            for fitting, fitter in fitters.items():
                stimulus = fitter.play(remixed, excerpt)
                references.setdefault(fitting, stimulus)  # the first version is the reference
                stimuli.append(_keep(plan, stimulus, references[fitting], excerpt, audio))
                progress(len(stimuli), count(plan))
    tones = _tones(plan, audio)
    if "webmushra" in plan.spec.formats:
        webmushra.write_webmushra(plan, part / "webmushra", tones)
    if "beaqlejs" in plan.spec.formats:
        beaqlejs.write_beaqlejs(plan, part / "beaqlejs")
    if "plain" in plan.spec.formats:
        write_plain(plan, part / "plain")
    table = manifest(plan, excerpts, fronts.models, tones, stimuli)
    with writes(part):
        (part / "manifest.json").write_text(
            json.dumps(table, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def full_scale_db_spl(plan: Plan) -> float:
    """Return the level in dB SPL of an RMS of 1.0 in the files, when they are played as the tone says."""
    return plan.rig.headphones_full_scale_db_spl - plan.spec.gain_db


def _keep(plan: Plan, stimulus: Stimulus, reference: Stimulus, excerpt: Excerpt, audio: list[Path]) -> Table:
    """Write a stimulus into all folders; return its entry in the manifest."""
    version = stimulus.remixed.version
    name = code(plan, stimulus.fitting, excerpt.name, version.name)
    data = encode(stimulus.samples, plan.spec.samples)
    _write_all(audio, f"{name}.wav", data)
    entry: Table = {
        "code": name,
        "file": f"{name}.wav",
        "sha256": hashlib.sha256(data).hexdigest(),
        "fitting": stimulus.fitting,
        "song": excerpt.name,
        "condition": version.name,
        "bytes": len(data),
        "frames": stimulus.samples.shape[1],
        "lufs_into_aid": stimulus.remixed.lufs,
        "match_gain_db": stimulus.remixed.match_gain_db,
        "gain_db": plan.spec.gain_db,
        "mpo_events": dict(zip(EARS, stimulus.mpo_events, strict=True)),
    }
    return entry | measure(stimulus, reference, excerpt, full_scale_db_spl(plan))


def _write_all(folders: list[Path], name: str, data: bytes) -> None:
    for folder in folders:
        with writes(folder):
            (folder / name).write_bytes(data)


def _tones(plan: Plan, audio: list[Path]) -> Table:
    """Write the calibration tone of each ear, at the gain of all files; return what the manifest says of them."""
    full_scale = full_scale_db_spl(plan)
    level = min(TONE_DB_SPL, full_scale - TONE_HEADROOM_DB)
    files = {}
    for index, ear in enumerate(EARS):
        data = encode(tone(index, level - full_scale), plan.spec.samples)
        _write_all(audio, f"tone-{ear}.wav", data)
        files[ear] = {"path": f"tone-{ear}.wav", "sha256": hashlib.sha256(data).hexdigest()}
    return {"frequency_hz": TONE_HZ, "level_db_spl": level, "full_scale_db_spl": full_scale, "files": files}
