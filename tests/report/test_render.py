"""`hearsim render` as a user runs it: real files in, whole folders or one clear sentence out."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from quick_model import with_quick_model
from report_sample import Reader

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.core.audio import Audio
from hearsim.core.audio_files import open_source, read, sha256_of, write
from hearsim.core.errors import HearsimError
from hearsim.core.processor import render
from hearsim.music.demo_song import demo_song, mixture
from hearsim.report.run import render_song

PROFILE = "moderate-vocals-up"
SECONDS = 2


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a 2 s song at several rates, its stems, and files that are broken each in its own way."""
    folder = tmp_path_factory.mktemp("songs")
    stems = demo_song(3.0)
    stems = Audio(stems.samples[..., : SECONDS * 44100], stems.rate)
    mix = mixture(stems)
    write(folder / "song.wav", mix)
    (folder / "stems").mkdir()
    for name, samples in zip(("vocals", "drums", "bass", "other"), stems.samples, strict=True):
        write(folder / "stems" / f"{name}.wav", Audio(samples, mix.rate))
    for rate in (8000, 48000, 192000):
        soundfile.write(folder / f"{rate}.flac", read(folder / "song.wav", rate).samples.T, rate)
    soundfile.write(folder / "mono.wav", mix.samples[0], mix.rate)
    soundfile.write(folder / "three.wav", np.zeros((1000, 3)), mix.rate)
    soundfile.write(folder / "six.wav", np.zeros((1000, 6)), mix.rate)
    soundfile.write(folder / "empty.wav", np.zeros((0, 2)), mix.rate)
    bad = mix.samples.T.copy()
    bad[44100, 0] = np.nan
    soundfile.write(folder / "nan.wav", bad, mix.rate, "FLOAT")
    bad[44100, 0] = np.inf
    soundfile.write(folder / "inf.wav", bad, mix.rate, "FLOAT")
    (folder / "text.wav").write_text("not audio at all\n" * 100)
    soundfile.write(folder / "whole.flac", mix.samples.T, mix.rate)
    (folder / "cut.flac").write_bytes((folder / "whole.flac").read_bytes()[:60000])
    return folder


@pytest.fixture(scope="module")
def rendered(songs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("out") / "run"
    report = render_song(songs / "song.wav", with_quick_model(PROFILE), out, songs / "stems", save_stems=True)
    return out, report


def test_outputs_are_whole_and_as_long_as_the_song(rendered: tuple[Path, dict]) -> None:
    out, report = rendered
    assert sorted(path.name for path in out.iterdir()) == [
        "aided.wav", "heard.wav", "report.html", "report.json", "stems", "unaided.wav"]  # fmt: skip
    assert all(soundfile.info(path).frames == SECONDS * 44100 for path in out.rglob("*.wav"))
    assert json.loads((out / "report.json").read_text()) == report
    assert report["files"] == sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert not list(out.parent.glob("*.part"))


@pytest.mark.usefixtures("without_page")
def test_a_users_file_among_the_stems_of_an_earlier_run_stays(
    rendered: tuple[Path, dict], songs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(rendered[0], out)
    (out / "stems" / "my take.wav").write_bytes(b"the only copy")
    render_song(songs / "song.wav", with_quick_model("flat"), out, force=True)
    assert [path.name for path in (out / "stems").iterdir()] == ["my take.wav"]  # this run saves no stems
    assert (out / "stems" / "my take.wav").read_bytes() == b"the only copy"


def test_the_report_names_its_files_as_they_lie(rendered: tuple[Path, dict]) -> None:
    """Saved stems as well: by their place in the folder, with loudness and peak."""
    out, report = rendered
    names = {path.relative_to(out).as_posix() for path in out.rglob("*.wav")}
    assert {one["path"] for one in report["outputs"]} == names
    for one in report["outputs"]:
        assert one["sha256"] == sha256_of(out / one["path"])
        peak = np.abs(soundfile.read(out / one["path"], dtype="float32")[0]).max()
        assert one["peak_dbfs"] == pytest.approx(20 * np.log10(peak))
        assert one["peak_dbfs"] - 1e-9 <= one["true_peak_dbtp"] < one["peak_dbfs"] + 6
        assert one["peak_dbfs"] - 40 < one["lufs"] < one["peak_dbfs"]


def test_the_file_is_what_the_library_renders(rendered: tuple[Path, dict], songs: Path) -> None:
    out, _ = rendered
    aided = render(hearing_aid(with_quick_model(PROFILE)), read(songs / "song.wav"))
    np.testing.assert_array_equal(read(out / "aided.wav").samples, aided.samples)


def test_report_keeps_its_promises(rendered: tuple[Path, dict]) -> None:
    _, report = rendered
    latency = report["latency"]
    assert latency["measured_samples"] == latency["total_samples"] == sum(p["samples"] for p in latency["parts"])
    assert set(report["metrics"]["stoi_vocals"]) == {"input", "unaided", "aided", "heard"}
    assert set(report["metrics"]["si_sdr_db"]) == {"vocals", "drums", "bass", "other"}
    assert report["metrics"]["unavailable"] == {}
    assert report["levels"]["peak_db_spl"]["left"] <= report["levels"]["mpo_db_spl"]["left"]
    assert report["metrics"]["lufs"]["heard"] > report["metrics"]["lufs"]["unaided"] + 3  # the aid helps


def test_saved_stems_are_the_estimates_and_aligned(rendered: tuple[Path, dict], songs: Path) -> None:
    out, report = rendered
    truth, found = (read(folder / "vocals.wav").samples for folder in (songs / "stems", out / "stems"))
    csdr = 10 * np.log10(np.sum(truth**2) / np.sum((truth - found) ** 2))
    assert report["metrics"]["csdr_db"]["vocals"] == pytest.approx(csdr, abs=1e-3)


def test_page_is_self_contained_and_whole(rendered: tuple[Path, dict]) -> None:
    out, report = rendered
    page = Reader((out / "report.html").read_text())
    assert all(link.startswith(("data:", "#")) for link in page.attributes("src", "href", "xlink:href"))
    labels = [attrs for tag, attrs in page.elements if tag == "button" and attrs.get("role") == "radio"]
    assert len(labels) == 8  # input, unaided, aided, heard and the saved stems
    for part in report["latency"]["parts"]:
        assert part["name"] in page.text
    assert f"{report['metrics']['stoi_vocals']['heard']:.3f}" in page.text


@pytest.mark.usefixtures("without_page")
@pytest.mark.parametrize("name", [pytest.param("8000.flac", marks=pytest.mark.slow), "192000.flac", "mono.wav"])
def test_rates_and_mono_work(songs: Path, tmp_path: Path, name: str) -> None:
    report = render_song(songs / name, with_quick_model("flat"), tmp_path / "run")
    assert soundfile.info(tmp_path / "run" / "aided.wav").frames == pytest.approx(SECONDS * 44100, abs=6)
    assert "--stems" in report["metrics"]["unavailable"]["stoi_vocals"]


@pytest.mark.usefixtures("without_page")
@pytest.mark.parametrize(
    ("form", "rate"), [("flac", 22050), pytest.param("ogg", 44100, marks=pytest.mark.slow), ("mp3", 48000)]
)
def test_the_same_song_in_another_format_has_the_same_figures(
    songs: Path, rendered: tuple[Path, dict], tmp_path: Path, form: str, rate: int
) -> None:
    """With its stems, through all metrics; a coded song is a little off, one at 22.05 kHz lacks its treble."""
    for path in (songs / "song.wav", *(songs / "stems").iterdir()):
        soundfile.write(tmp_path / f"{path.stem}.{form}", read(path, rate).samples.T, rate)
    report = render_song(tmp_path / f"song.{form}", with_quick_model(PROFILE), tmp_path / "run", tmp_path)
    assert report["input"]["rate_hz"] == rate
    assert soundfile.info(tmp_path / "run" / "aided.wav").frames == pytest.approx(SECONDS * 44100, abs=6)
    found, expected = report["metrics"], rendered[1]["metrics"]
    assert found["unavailable"] == {}
    for name, tolerance in (("stoi_vocals", 0.02), ("estoi_vocals", 0.03), ("lufs", 1.5)):
        assert found[name] == pytest.approx(expected[name], abs=tolerance)
    assert found["sdr_db"] == pytest.approx(expected["sdr_db"], abs=2.5)
    assert found["sdr_mixture_db"] == pytest.approx(expected["sdr_mixture_db"], abs=0.7)


@pytest.mark.usefixtures("without_page")
def test_the_profile_flat_is_a_wire(songs: Path, tmp_path: Path) -> None:
    """Nothing bypassed: what stays under the limit comes out bit for bit, from file to file."""
    samples = read(songs / "song.wav").samples
    loud = (samples / np.abs(samples).max() * 0.998).astype(np.float32)
    soundfile.write(tmp_path / "loud.wav", loud.T, 44100, "FLOAT")
    report = render_song(tmp_path / "loud.wav", with_quick_model("flat"), tmp_path / "run")
    assert report["metrics"]["peak_dbfs"]["aided"] == pytest.approx(20 * np.log10(0.998), abs=0.01)
    np.testing.assert_array_equal(read(tmp_path / "run" / "aided.wav").samples.view(np.int32), loud.view(np.int32))


def test_resampling_keeps_time(songs: Path) -> None:
    """A song at 48 kHz read at 44.1 kHz lies on the original, to the sample."""
    original, again = (read(songs / name).samples for name in ("song.wav", "48000.flac"))
    error = original[:, 2000:-2000] - again[:, 2000:-2000]
    assert np.sum(error**2) < 1e-5 * np.sum(original**2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.wav", "no such file"),
        ("text.wav", "can't be read as audio"),
        ("cut.flac", "is damaged or cut off"),
        ("empty.wav", "0 frames"),
        ("nan.wav", "NaN or infinite samples, the first at 1.000 s"),
        ("inf.wav", "NaN or infinite samples, the first at 1.000 s"),
        ("three.wav", "3 channels"),
        ("six.wav", "6 channels"),
    ],
)
def test_bad_songs_get_one_sentence(songs: Path, tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(HearsimError) as caught:
        render_song(songs / name, with_quick_model("flat"), tmp_path / "run")
    assert words in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_more_than_three_hours_are_refused(tmp_path: Path) -> None:
    """Their outputs would be more than a WAV file holds."""
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 8000, 1, "PCM_U8") as file:
        for _ in range(3 * 36 + 1):
            file.write(np.zeros(100 * 8000, np.int16))
    with pytest.raises(HearsimError, match="longer than 3 hours, more than a WAV file holds: cut it in two"):
        render_song(tmp_path / "long.wav", with_quick_model("flat"), tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["long.wav"]


def test_an_earlier_run_is_kept(rendered: tuple[Path, dict], songs: Path) -> None:
    out, _ = rendered
    before = (out / "report.json").read_bytes()
    with pytest.raises(HearsimError, match="--force"):
        render_song(songs / "song.wav", with_quick_model(PROFILE), out)
    assert (out / "report.json").read_bytes() == before
    blocked = out / "report.json" / "run"
    with pytest.raises(HearsimError, match=r"report\.json is a file: choose another --out"):
        render_song(songs / "song.wav", with_quick_model(PROFILE), blocked)


def test_faults_of_the_song_and_its_stems_come_before_those_of_the_folder(songs: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").touch()
    flat = with_quick_model("flat")
    with pytest.raises(HearsimError, match=r"nosuch\.wav: there is no such file"):
        render_song(tmp_path / "nosuch.wav", flat, tmp_path / "out")
    with pytest.raises(HearsimError, match=r"no folder .*nosuch: give the folder of the true stems"):
        render_song(songs / "song.wav", flat, tmp_path / "out", tmp_path / "nosuch")
    stems = tmp_path / "stems"
    stems.mkdir()
    for name in ("Lead Vocals.wav", "drums.wav"):
        shutil.copy(songs / "song.wav", stems / name)
    with pytest.raises(
        HearsimError, match=r"vocals is missing: Lead Vocals\.wav looks like it: .* move other sound away"
    ):
        render_song(songs / "song.wav", flat, tmp_path / "out", stems)
    with pytest.raises(HearsimError, match="out already holds"):
        render_song(songs / "song.wav", flat, tmp_path / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(songs: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HearsimError, match="can't be written"):
        render_song(songs / "song.wav", with_quick_model(PROFILE), tmp_path / "run")


def test_stems_of_another_length_are_refused(songs: Path, tmp_path: Path) -> None:
    with pytest.raises(HearsimError, match="as long as"):
        render_song(songs / "stems" / "vocals.wav", with_quick_model("flat"), tmp_path / "run", _short(songs, tmp_path))


def _short(songs: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "short"
    folder.mkdir()
    soundfile.write(folder / "vocals.wav", read(songs / "song.wav").samples[:, :1000].T, 44100)
    return folder


def test_damaged_model_is_refused(tmp_path: Path) -> None:
    import shutil

    from hearsim.core.files import find_model
    from hearsim.separation.models import load_model

    shutil.copytree(find_model("hs-tasnet-lite"), tmp_path / "bent")
    weights = tmp_path / "bent" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(HearsimError, match="is damaged"):
        load_model(tmp_path / "bent")


def test_sources_do_not_depend_on_blocks(songs: Path) -> None:
    source = open_source(songs / "48000.flac")
    whole = source.read().samples
    for size in (1000, 4096):
        np.testing.assert_array_equal(np.concatenate(list(source.blocks(size)), 1)[:, : source.frames], whole)


def test_inputs_are_never_replaced(songs: Path, tmp_path: Path) -> None:
    (tmp_path / "stems").mkdir()
    for path in (songs / "stems").iterdir():
        (tmp_path / "stems" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "aided.wav").write_bytes((songs / "song.wav").read_bytes())
    for song, stems in ((tmp_path / "aided.wav", None), (songs / "song.wav", tmp_path / "stems")):
        with pytest.raises(HearsimError, match="would be replaced"):
            render_song(song, with_quick_model(PROFILE), tmp_path, stems, save_stems=True, force=True)
    assert (tmp_path / "stems" / "bass.wav").exists() and len(list(tmp_path.iterdir())) == 2


def test_a_failed_run_leaves_no_folder_behind(songs: Path, tmp_path: Path) -> None:
    with pytest.raises(HearsimError):
        render_song(songs / "nan.wav", with_quick_model(PROFILE), tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


def test_an_error_that_is_not_of_the_outputs_is_not_called_one(songs: Path, tmp_path: Path) -> None:
    def fails(share: float, seconds: float) -> None:
        raise OSError(5, "Input/output error", "/somewhere/else")

    with pytest.raises(OSError, match="/somewhere/else"):
        render_song(songs / "song.wav", with_quick_model("flat"), tmp_path / "run", progress=fails)
    assert not list(tmp_path.iterdir())


def test_a_song_that_goes_while_it_is_read_is_named(songs: Path, tmp_path: Path) -> None:
    """An error of reading, in the midst of writing."""
    song = tmp_path / "song.wav"
    song.write_bytes((songs / "song.wav").read_bytes())

    def cuts(share: float, seconds: float) -> None:
        os.truncate(song, 1000)

    with pytest.raises(HearsimError, match=r"song\.wav has changed while it was read: render it again"):
        render_song(song, with_quick_model("flat"), tmp_path / "run", progress=cuts)
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system, which needs root")
def test_a_full_disk_is_said(songs: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "none", small], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(HearsimError, match=r"can't be written"):
            render_song(songs / "song.wav", with_quick_model(PROFILE), small / "run")
        assert not list(small.iterdir())
    finally:
        subprocess.run(["umount", small], check=True)
