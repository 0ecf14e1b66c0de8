"""`render_song`: render one song and write its report."""

import json
from pathlib import Path
from typing import Any

from hearsim.core.audio_files import check_is_file, open_source
from hearsim.core.errors import HearsimError
from hearsim.core.files import write_text
from hearsim.core.results import files_of, output_folder
from hearsim.music.songs import open_stems, write_demo
from hearsim.music.stem_files import stem_files
from hearsim.profile.schema import Profile
from hearsim.report.page import write_page
from hearsim.report.report_json import collect
from hearsim.simulation.clips import Excerpts, excerpts
from hearsim.simulation.streaming import Progress, Result, process

OUTPUTS = ("report.json", "report.html", "aided.wav", "heard.wav", "unaided.wav")
LONGEST_FRAMES = 3 * 3600 * 44100
"""Float32 stereo of three hours is 3.8 GB; a WAV file holds 4."""


def render_song(
    song: Path | None,
    profile: Profile,
    out: Path,
    stems: Path | None = None,
    save_stems: bool = False,
    force: bool = False,
    progress: Progress = lambda share, seconds: None,
) -> dict[str, Any]:
    """Render a song (None: the built-in one) into a folder; return its report.json as a table.

    `stems` is a folder with the true stems, for the metrics that need them. Raises `HearsimError` for bad input;
    then no files are left.
    """
    if song is not None:
        check_is_file(song)  # its errors come before those of `out`
        if stems is not None:
            stem_files(stems, song)
    outputs = (*OUTPUTS, *(["stems"] if save_stems else []), *([] if song else ["demo"]))
    with output_folder(out, outputs, force, [path for path in (song, stems) if path is not None]) as part:
        if song is None:
            song = write_demo(part / "demo")
            stems = part / "demo"
        source = open_source(song)
        if source.frames > LONGEST_FRAMES:
            hours = LONGEST_FRAMES / source.rate / 3600
            raise HearsimError(f"{song} is longer than {hours:.0f} hours, more than a WAV file holds: cut it in two")
        true_stems = open_stems(stems, source) if stems else {}
        result = process(source, profile, part, true_stems, progress, part / "stems" if save_stems else None)
        sounds = [part / f"{name}.wav" for name in ("aided", "heard", "unaided")]
        sounds += sorted((part / "stems").glob("*.wav")) if save_stems else []
        report = collect(result, part, sounds)
        if part in song.parents:
            report["input"]["path"] = str(out / song.relative_to(part))
        write_page(report, _excerpts(result), part / "report.html")
        report["files"] = files_of(part, OUTPUTS[0])
        write_text(part / OUTPUTS[0], json.dumps(report, indent=1, allow_nan=False) + "\n")
    return report


def _excerpts(result: Result) -> Excerpts:
    """Return the excerpts of input, unaided, aided and heard sound, and of the saved stems."""
    rig = result.profile.rig
    at_microphone = ("input", *result.stem_clips)
    clips = result.clips | result.stem_clips
    calibrations = {name: rig.microphone if name in at_microphone else rig.headphones for name in clips}
    return excerpts(clips, calibrations, rig.headphones)
