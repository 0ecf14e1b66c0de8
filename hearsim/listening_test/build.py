"""`build`: write the whole listening test of a spec into a folder; after an error the folder is not changed.

out/manifest.json        the key to all blind names: keep it from the participants
out/webmushra/           copy it into a webMUSHRA checkout, or give it to `hearsim export collect`
out/beaqlejs/, plain/    the same for BeaqleJS, and for any other tool
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hearsim
from hearsim.core.audio import EARS
from hearsim.core.audio_files import AID_RATE_HZ
from hearsim.core.errors import HearsimError
from hearsim.core.files import make_folder, write_text, writes
from hearsim.core.results import check_is_folder, files_of, output_folder
from hearsim.core.units import counted
from hearsim.listening_test import beaqlejs, webmushra
from hearsim.listening_test.excerpts import Excerpt, read_excerpt, silent_vocals
from hearsim.listening_test.measures import measure
from hearsim.listening_test.names import HIDDEN, RESULTS, SCHEMA
from hearsim.listening_test.plain import write_plain
from hearsim.listening_test.spec import Plan, Version, read_plan
from hearsim.listening_test.stimuli import TONE_HZ, Fitter, Fronts, Stimulus, encode, remixes, tone
from hearsim.listening_test.trials import code, trials
from hearsim.separation.models import NetworkIdentity

Table = dict[str, Any]


def manifest(
    plan: Plan, excerpts: list[Excerpt], models: dict[str, NetworkIdentity], tone: Table, stimuli: list[Table]
) -> Table:
    """Return the manifest; `stimuli` are its entries, `tone` the calibration."""
    spec = plan.spec
    return {
        "schema": SCHEMA,
        "hearsim": hearsim.__version__,
        "name": spec.name,
        "method": spec.method,
        "spec": {"path": plan.path.name, "sha256": hashlib.sha256(plan.path.read_bytes()).hexdigest()},
        "seed": spec.seed,
        "rate_hz": AID_RATE_HZ,
        "channels": 2,
        "samples": spec.samples,
        "gain_db": spec.gain_db,
        "calibration": tone,
        "rig": plan.rig.model_dump(mode="json"),
        "songs": {one.name: one.origin for one in excerpts},
        "models": {name: {"sha256": one.sha256, "parameters": one.parameters} for name, one in sorted(models.items())},
        "fittings": {key: listener.model_dump(mode="json") for key, listener in plan.fittings.items()},
        "conditions": {version.name: _version(version) for version in plan.versions},
        "participants": [
            {
                "id": participant.id,
                "test_id": plan.test_id(participant),
                "group": plan.group(participant),
                "fitting": plan.fitted[participant.id],
                "trials": [
                    {"id": one.id, "song": one.song, "conditions": one.versions} for one in trials(plan, participant)
                ],
            }
            for participant in spec.participants
        ],
        "hidden": {
            code(plan, fitting, song.name, HIDDEN): {"fitting": fitting, "song": song.name}
            for fitting in plan.fittings
            for song in spec.songs
        },
        "stimuli": stimuli,
    }


def _version(version: Version) -> Table:
    return {
        "role": version.role,
        "mix": version.mix.model_dump(mode="json"),
        "model": version.model,
        "aid": version.aid.model_dump(mode="json"),
        "low_pass_hz": version.low_pass_hz,
    }


MANIFEST = "manifest.json"
MANY = 1000
TONE_DB_SPL, TONE_HEADROOM_DB = 80.0, 10.0
Progress = Callable[[int, int], None]  # stimuli done, stimuli in all
Warn = Callable[[str], None]


def _to_stderr(warning: str) -> None:
    print(f"warning: {warning}", file=sys.stderr)


def build(
    path: Path,
    out: Path | None = None,
    force: bool = False,
    yes: bool = False,
    progress: Progress = lambda done, total: None,
    warn: Warn = _to_stderr,
) -> Path:
    """Render a listening test into a folder, `out/export-NAME` without `out`; return the folder.

    `force` replaces an earlier export, but never one that holds results; `yes` agrees to more than 1000 stimuli.
    `warn` takes a sentence for each excerpt whose stimuli hardly differ; the manifest lists them.
    Raises `HearsimError` for bad input; then no files are left, and an earlier export is unchanged.
    """
    plan = read_plan(path)
    out = out or Path("out") / f"export-{plan.spec.name}"
    _check_folder(out, force)
    _check_size(plan, out, yes)
    outputs = (MANIFEST, *plan.spec.formats)
    with output_folder(out, outputs, force, check=lambda: _check_folder(out, force)) as part:
        _write(plan, part, progress, warn)
    return out


def _check_folder(out: Path, force: bool) -> None:
    check_is_folder(out)
    if not out.exists():
        return
    with writes(out):
        contents = sorted(one.name for one in out.iterdir() if one.suffix != ".part")
    if RESULTS in contents:
        raise HearsimError(f"{out} holds {RESULTS}, which are never replaced: choose another --out")
    if contents and MANIFEST not in contents:
        raise HearsimError(f"{out} holds {contents[0]} and no listening test: choose another --out")
    if contents and not force:
        raise HearsimError(f"{out} already holds a listening test: choose another --out, or give --force")


def _check_size(plan: Plan, out: Path, yes: bool) -> None:
    stimuli = count(plan)
    size = stimuli * round(plan.spec.seconds * AID_RATE_HZ) * 2 * (3 if plan.spec.samples == "24-bit" else 4)
    size *= len(plan.spec.formats)
    shape = (
        f"{counted(len(plan.fittings), 'listener')} x {counted(len(plan.spec.songs), 'song')} x "
        f"{counted(len(plan.versions), 'version')} are {stimuli} stimuli, {size / 1e9:.1f} GB"
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


def _write(plan: Plan, part: Path, progress: Progress, warn: Warn) -> None:
    folders = {
        "webmushra": part / "webmushra" / webmushra.audio_folder(plan),
        "beaqlejs": part / "beaqlejs" / beaqlejs.audio_folder(plan),
        "plain": part / "plain" / "stimuli",
    }
    audio = [folders[one] for one in plan.spec.formats]
    for folder in audio:
        make_folder(folder)
    fronts = Fronts(plan)
    fitters = {fitting: Fitter(plan, fitting) for fitting in plan.fittings}
    stimuli: list[Table] = []
    excerpts, warnings = [], []
    for song in plan.spec.songs:
        excerpt = read_excerpt(song, plan.spec.seconds, plan.path.parent)
        excerpts.append(excerpt)
        if warning := silent_vocals(excerpt, [version.mix for version in plan.versions]):
            warn(warning)
            warnings.append(warning)
        references: dict[str, Stimulus] = {}
        for remixed in remixes(plan, excerpt, fronts):
            for fitting, fitter in fitters.items():
                stimulus = fitter.play(remixed, excerpt)
                references.setdefault(fitting, stimulus)  # the first version is the reference
                stimuli.append(_write_stimulus(plan, stimulus, references[fitting], excerpt, audio))
                progress(len(stimuli), count(plan))
    tones = _tones(plan, audio)
    if "webmushra" in plan.spec.formats:
        webmushra.write_webmushra(plan, part / "webmushra", tones)
    if "beaqlejs" in plan.spec.formats:
        beaqlejs.write_beaqlejs(plan, part / "beaqlejs")
    if "plain" in plan.spec.formats:
        write_plain(plan, part / "plain")
    table = manifest(plan, excerpts, fronts.models, tones, stimuli) | {"warnings": warnings}
    table["files"] = files_of(part, MANIFEST)
    write_text(part / MANIFEST, json.dumps(table, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def full_scale_db_spl(plan: Plan) -> float:
    """Return the level in dB SPL of an RMS of 1.0 in the files, played back as calibrated with the tone."""
    return plan.rig.headphones_full_scale_db_spl - plan.spec.gain_db


def _write_stimulus(plan: Plan, stimulus: Stimulus, reference: Stimulus, excerpt: Excerpt, audio: list[Path]) -> Table:
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
    """Write the calibration tone of each ear, at the gain of all files; return their entry in the manifest."""
    full_scale = full_scale_db_spl(plan)
    level = min(TONE_DB_SPL, full_scale - TONE_HEADROOM_DB)
    files = {}
    for index, ear in enumerate(EARS):
        data = encode(tone(index, level - full_scale), plan.spec.samples)
        _write_all(audio, f"tone-{ear}.wav", data)
        files[ear] = {"path": f"tone-{ear}.wav", "sha256": hashlib.sha256(data).hexdigest()}
    return {"frequency_hz": TONE_HZ, "level_db_spl": level, "full_scale_db_spl": full_scale, "files": files}
