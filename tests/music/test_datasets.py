"""Every layout is recognised, folded to four stems, and what can't be used is named and left out."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from trees import RATE, TONES_HZ, tone, write, write_song

from hearsim.core.errors import HearsimError
from hearsim.music.tracks import Track, read_tracks, summary


def read(root: Path, tmp_path: Path) -> tuple[dict[str, Track], list[str]]:
    said: list[str] = []
    tracks = read_tracks(root, tmp_path / "cache", RATE, said.append)
    return {track.name: track for track in tracks}, said


def expect_tone(track: Track, stem: str, *tones_hz: float) -> None:
    expected = sum(tone(hz) for hz in tones_hz).T
    np.testing.assert_allclose(track.read(stem, 0, RATE), expected, atol=2e-4)


def test_a_folder_of_tracks(tmp_path: Path) -> None:
    write_song(tmp_path / "data" / "first", suffix="flac")
    write_song(tmp_path / "data" / "second", stems=("vocals", "other"))
    tracks, said = read(tmp_path / "data", tmp_path)
    assert list(tracks) == ["first", "second"] and said == []
    assert set(tracks["second"].stems) == {"vocals", "other"}
    for stem, hz in TONES_HZ.items():
        expect_tone(tracks["first"], stem, hz)


def test_only_chosen_tracks_are_decoded(tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        write_song(tmp_path / "data" / name, stems=("vocals", "other"))
    tracks = read_tracks(tmp_path / "data", tmp_path / "cache", RATE, patterns=("sec*", "third"))
    assert [track.name for track in tracks] == ["second", "third"]
    assert len(list((tmp_path / "cache").iterdir())) == 4
    with pytest.raises(
        HearsimError, match=r"data holds no track that fits 'fourth': it has first, second, third; did you mean first"
    ):
        read_tracks(tmp_path / "data", tmp_path / "cache", RATE, patterns=("first", "fourth"))


def test_an_exact_name_is_no_pattern(tmp_path: Path) -> None:
    """Names of yt-dlp end in brackets; as a pattern, this one fits the other track."""
    for name in ("Title [dQw4]", "Title d"):
        write_song(tmp_path / "data" / name, stems=("vocals", "other"))
    for pattern, expected in {"Title [dQw4]": ["Title [dQw4]"], "Title [d]": ["Title d"]}.items():
        tracks = read_tracks(tmp_path / "data", tmp_path / "cache", RATE, patterns=(pattern,))
        assert [track.name for track in tracks] == expected
    with pytest.raises(HearsimError, match=r"fits 'Titel d': .*; did you mean Title d"):
        read_tracks(tmp_path / "data", tmp_path / "cache", RATE, patterns=("Titel d",))


def test_two_files_of_a_stem_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "data" / "song" / "vocals.ogg", tone(550))
    write(tmp_path / "data" / "song" / "Vocals.wav", tone(440))
    with pytest.raises(HearsimError, match=r"song holds Vocals\.wav and vocals\.ogg: leave one of them there"):
        read(tmp_path / "data", tmp_path)
    (track,) = read_tracks(tmp_path / "data", tmp_path / "cache", RATE, ignore=("*.ogg",))
    expect_tone(track, "vocals", 440)


def test_stems_of_any_case_and_suffix_are_found(tmp_path: Path) -> None:
    song = tmp_path / "data" / "song"
    write_song(song, stems=("drums", "bass"))
    (song / "drums.wav").rename(song / "DRUMS.WAV")
    write(song / "Vocals.w64", tone(440))
    write(song / "other.aiff", tone(700))
    write(song / "Mixture.wav", tone(440))
    (song / "._bass.wav").write_bytes(b"of a Mac")
    tracks, said = read(tmp_path / "data", tmp_path)
    assert said == []
    for stem, hz in TONES_HZ.items():
        expect_tone(tracks["song"], stem, hz)


@pytest.mark.parametrize("name", ["lead_vocals.wav", "Vocal.m4a", "vocals (2).flac"])
def test_sound_that_fits_no_stem_is_refused_unless_ignored(tmp_path: Path, name: str) -> None:
    write_song(tmp_path / "data" / "song", stems=("drums", "bass", "other"))
    (tmp_path / "data" / "song" / name).write_bytes(b"")
    expected = rf"song holds {re.escape(name)}, which fits no stem, and the stem vocals is missing: .* looks like it"
    with pytest.raises(HearsimError, match=expected):
        read(tmp_path / "data", tmp_path)
    (track,) = read_tracks(tmp_path / "data", tmp_path / "cache", RATE, ignore=(f"song/{name.replace('[', '[[]')}",))
    assert set(track.stems) == {"drums", "bass", "other"}


def test_a_folder_of_sound_without_stems_among_tracks_is_refused(tmp_path: Path) -> None:
    write_song(tmp_path / "data" / "song")
    write(tmp_path / "data" / "second" / "guitar.wav", tone(440))
    with pytest.raises(
        HearsimError, match=r"second holds guitar\.wav, which fits no stem: name the stems vocals, drums"
    ):
        read(tmp_path / "data", tmp_path)


def test_folders_of_systems_are_passed_over_and_loose_sound_is_reported(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for folder in ("song", ".trash", "__MACOSX", "train/.Trash-1000/song", "@eaDir/song"):
        write_song(root / folder, stems=("vocals", "other"))
    write(root / "loose.wav", tone(440))
    tracks, said = read(root, tmp_path)
    assert list(tracks) == ["song"]
    assert said == [f"left out: {root / 'loose.wav'}: it lies in no folder of a track"]


def test_splits_of_any_name_and_depth_are_found(tmp_path: Path) -> None:
    root = tmp_path / "data"
    names = ["pop/1990s/one", "two", "Train/three", "valid/four", "validation/five", "dev/six", "test/seven"]
    for name in names:
        write_song(root / name, stems=("vocals", "other"))
    assert list(read(root, tmp_path)[0]) == names


def test_a_track_given_in_place_of_its_data_set_is_a_sentence(tmp_path: Path) -> None:
    write_song(tmp_path / "song", stems=("drums", "bass"))
    with pytest.raises(HearsimError, match=r"it holds bass\.wav, drums\.wav itself: give the folder above it"):
        read(tmp_path / "song", tmp_path)


def test_stems_over_full_scale_keep_their_samples(tmp_path: Path) -> None:
    loud = 30 * tone(440)  # a peak of 3
    song = tmp_path / "data" / "song"
    song.mkdir(parents=True)
    soundfile.write(song / "vocals.wav", loud, RATE, "FLOAT")
    soundfile.write(song / "drums.wav", np.float32(32767 / 32768) * np.sign(loud), RATE, "FLOAT")
    (track,) = read(tmp_path / "data", tmp_path)[0].values()
    np.testing.assert_array_equal(track.read("vocals", 0, RATE), loud.T)
    assert track.stems["drums"].dtype == np.int16
    assert track.peak("vocals", 0, RATE) == np.abs(loud).max() and track.peak("drums", 0, RATE) == 32767 / 32768


def test_surround_stems_are_refused_by_name(tmp_path: Path) -> None:
    write_song(tmp_path / "data" / "song")
    write(tmp_path / "data" / "song" / "vocals.wav", np.repeat(tone(440), 3, axis=1))
    with pytest.raises(HearsimError, match=r"song/vocals\.wav has 6 channels: fold it down to stereo first"):
        read(tmp_path / "data", tmp_path)


def test_truncated_stems_are_refused(tmp_path: Path) -> None:
    write_song(tmp_path / "data" / "song")
    whole = (tmp_path / "data" / "song" / "drums.wav").read_bytes()
    (tmp_path / "data" / "song" / "drums.wav").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HearsimError, match=r"song/drums\.wav is cut off or damaged \(\d+ of 32000 bytes are there\)"):
        read(tmp_path / "data", tmp_path)


def test_a_track_of_two_stems(tmp_path: Path) -> None:
    song = tmp_path / "data" / "song"
    write(song / "vocals.wav", tone(440))
    write(song / "Instrumental.wav", tone(700))
    (track,) = read(tmp_path / "data", tmp_path)[0].values()
    expect_tone(track, "accompaniment", 700)
    assert summary([track]) == ["1 track with vocals, accompaniment: song"]
    with pytest.raises(HearsimError, match="song has its accompaniment in one stem: choose tracks with vocals, drums"):
        track.read_stems(0, RATE)
    write(song / "drums.wav", tone(1300))  # a part of it, and the other parts are not there
    with pytest.raises(HearsimError, match=r"song holds Instrumental\.wav, which fits no stem"):
        read(tmp_path / "data", tmp_path)
    for stem in ("bass", "other"):
        write(song / f"{stem}.wav", tone(TONES_HZ[stem]))
    assert set(read(tmp_path / "data", tmp_path)[0]["song"].stems) == set(TONES_HZ)


def test_musdb_hq(tmp_path: Path) -> None:
    write_song(tmp_path / "data" / "train" / "A - One")
    write_song(tmp_path / "data" / "test" / "B - Two")
    tracks, _ = read(tmp_path / "data", tmp_path)
    assert list(tracks) == ["train/A - One", "test/B - Two"]
    expect_tone(tracks["test/B - Two"], "bass", TONES_HZ["bass"])


def test_musdb(tmp_path: Path) -> None:
    stempeg = pytest.importorskip("stempeg", exc_type=Exception)
    order = ("drums", "bass", "other", "vocals")
    rate, frames = 44100, np.arange(44100) / 44100
    streams = [0.1 * np.sin(2 * np.pi * TONES_HZ[stem] * frames)[:, None] * np.ones(2) for stem in order]
    path = tmp_path / "data" / "train" / "A - One.stem.mp4"
    path.parent.mkdir(parents=True)
    data = np.stack([sum(streams), *streams])
    stempeg.write_stems(str(path), data, rate, writer=stempeg.StreamsWriter())
    said: list[str] = []
    (track,) = read_tracks(tmp_path / "data", tmp_path / "cache", rate, said.append)
    assert track.name == "train/A - One" and set(track.stems) == set(TONES_HZ)
    for stem, hz in TONES_HZ.items():
        power = np.abs(np.fft.rfft(track.read(stem, 0, rate)[0]))
        assert abs(int(np.argmax(power)) - hz) < 3


def test_musdb_without_stempeg_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "A - One.stem.mp4").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "stempeg", None)
    with pytest.raises(HearsimError, match=r"One\.stem\.mp4 needs a package.*hearsim\[datasets\]"):
        read(tmp_path, tmp_path)


def test_dsd100(tmp_path: Path) -> None:
    write_song(tmp_path / "data" / "Sources" / "Dev" / "055 - One")
    write_song(tmp_path / "data" / "Sources" / "Test" / "001 - Two")
    write(tmp_path / "data" / "Mixtures" / "Dev" / "055 - One" / "mixture.wav", tone(440))
    tracks, _ = read(tmp_path / "data", tmp_path)
    assert list(tracks) == ["dev/055 - One", "test/001 - Two"]
    expect_tone(tracks["test/001 - Two"], "drums", TONES_HZ["drums"])


def moises_track(folder: Path, sources: dict[tuple[str, str], float], bleed: bool = False) -> None:
    stems: dict[str, list[dict[str, object]]] = {}
    for number, ((stem, kind), hz) in enumerate(sources.items()):
        write(folder / stem / f"id{number}.wav", tone(hz))
        source = {"id": f"id{number}", "trackType": kind, "extension": "wav", "has_bleed": bleed}
        stems.setdefault(stem, []).append(source)
    said = {"song": "S", "artist": "A", "stems": [{"stemName": s, "tracks": t} for s, t in stems.items()]}
    (folder / "data.json").write_text(json.dumps(said))


def test_moisesdb_is_folded(tmp_path: Path) -> None:
    root = tmp_path / "moisesdb"
    song = root / "moisesdb_v0.1" / "0a1b"
    moises_track(
        song,
        {
            ("vocals", "lead female singer"): 440,
            ("vocals", "background vocals"): 550,
            ("drums", "snare drum"): 1300,
            ("percussion", "a-tonal percussion (claps, shakers, congas, cowbell etc)"): 1500,
            ("percussion", "pitched percussion (mallets, glockenspiel, ...)"): 1700,
            ("bass", "bass_guitar"): 110,
            ("bass", "tuba_(bass_of_brass)"): 90,
            ("other_keys", "synth pad"): 700,
            ("guitar", "acoustic guitar"): 800,
        },
    )
    moises_track(root / "moisesdb_v0.1" / "0b", {("vocals", "lead male singer"): 440}, bleed=True)
    (root / "moisesdb_v0.1" / "0c").mkdir()
    (root / "moisesdb_v0.1" / "0c" / "data.json").write_text("[]")
    tracks, said = read(root, tmp_path)
    (track,) = tracks.values()
    assert track.name == "0a1b"
    expect_tone(track, "vocals", 440, 550)
    expect_tone(track, "drums", 1300, 1500)
    expect_tone(track, "bass", 110)
    expect_tone(track, "other", 1700, 90, 700, 800)
    assert len(said) == 2 and "0b/data.json: its sources bleed" in said[0]
    assert "0c/data.json: it is not as MoisesDB writes it" in said[1]


def medley_track(root: Path, name: str, instruments: dict[str, float], extra: str = "") -> None:
    """Write a track; an instrument may be a list, as it is of every tenth stem there."""
    lines = [f"artist: A\n{extra}stems:"]
    for number, (instrument, hz) in enumerate(instruments.items(), start=1):
        file = f"{name}_STEM_{number:02}.wav"
        write(root / "Audio" / name / f"{name}_STEMS" / file, tone(hz))
        lines.append(f"  S{number:02}:\n    component: ''\n    filename: {file}\n    instrument: {instrument}")
    (root / "Metadata").mkdir(exist_ok=True)
    (root / "Metadata" / f"{name}_METADATA.yaml").write_text("\n".join(lines) + "\n")


def test_medleydb_is_folded(tmp_path: Path) -> None:
    root = tmp_path / "MedleyDB"
    medley_track(
        root,
        "Ann_Song",
        {"[female singer, vocalists]": 440, "drum set": 1300, "electric bass": 110, "[piano, harp]": 700, "viola": 800},
    )
    medley_track(root, "Bob_Song", {"male singer": 440}, "has_bleed: 'yes'\n")
    medley_track(root, "Cid_Song", {"Main System": 440})
    medley_track(root, "Eve_Song", {"[male singer, tambourine]": 440})
    medley_track(root, "Dan_Song", {"piano": 440})
    (root / "Metadata" / "Dan_Song_METADATA.yaml").write_text("stems: [")
    tracks, said = read(root, tmp_path)
    (track,) = tracks.values()
    assert track.name == "Ann_Song"
    expect_tone(track, "vocals", 440)
    expect_tone(track, "drums", 1300)
    expect_tone(track, "bass", 110)
    expect_tone(track, "other", 700, 800)
    for line, why in zip(said, ("bleed", "no stem", "not as MedleyDB", "no stem"), strict=True):
        assert why in line


def test_files_that_can_not_be_used_are_named(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_song(root / "song")
    (root / "song" / "drums.wav").write_bytes(b"RIFF\0\0\0\0, or so it says")
    write(root / "song" / "bass.wav", np.zeros((RATE, 2)))
    soundfile.write(root / "song" / "other.wav", np.full((RATE, 2), np.nan), RATE, "FLOAT")
    write_song(root / "good")
    (root / "not a track").mkdir()
    with pytest.raises(HearsimError, match=r"song/drums\.wav can't be read as audio .* \(1 more file can't be used\)"):
        read(root, tmp_path)
    ignore = ("drums.wav", "song/other.*")
    for _ in range(2):  # from the files, then from the cache
        said: list[str] = []
        tracks = {t.name: t for t in read_tracks(root, tmp_path / "cache", RATE, said.append, ignore=ignore)}
        assert set(tracks["good"].stems) == {"vocals", "bass", "other"} and set(tracks["song"].stems) == {"vocals"}
        assert said == ["1 silent files are stems that their tracks lack: song/bass.wav"]


def test_the_cache_is_mapped_or_loaded(tmp_path: Path) -> None:
    write_song(tmp_path / "song")
    for load in (False, True):
        (track,) = read_tracks(tmp_path, tmp_path / "cache", RATE, load=load)
        assert isinstance(track.stems["bass"], np.memmap) != load
        expect_tone(track, "bass", TONES_HZ["bass"])


READ = "import sys; from pathlib import Path; from hearsim.music.tracks import read_tracks; \
root, cache = map(Path, sys.argv[1:]); print(len(read_tracks(root, cache, 8000)))"


def test_two_processes_may_fill_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one comes, decodes and is done while this one is about to write the same file."""
    write_song(tmp_path / "data" / "song", stems=("bass",))
    save = np.save

    def late(*arguments: object) -> None:
        other = [sys.executable, "-c", READ, str(tmp_path / "data"), str(tmp_path / "cache")]
        assert subprocess.run(other, capture_output=True, check=True).stdout == b"1\n"
        save(*arguments)

    monkeypatch.setattr(np, "save", late)
    tracks, _ = read(tmp_path / "data", tmp_path)
    expect_tone(tracks["song"], "bass", TONES_HZ["bass"])
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_folders_without_a_usable_track_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(HearsimError, match="nowhere is not a folder"):
        read(tmp_path / "nowhere", tmp_path)
    (tmp_path / "data" / "empty").mkdir(parents=True)
    with pytest.raises(HearsimError, match="holds no tracks: it needs a folder for each"):
        read(tmp_path / "data", tmp_path)
    (tmp_path / "data" / "empty" / "vocals.wav").write_bytes(b"")
    with pytest.raises(HearsimError, match=r"empty/vocals\.wav can't be read as audio: it is empty .*`ignore`"):
        read(tmp_path / "data", tmp_path)


def test_other_rates_and_mono_files_become_what_training_needs(tmp_path: Path) -> None:
    write(tmp_path / "data" / "song" / "vocals.wav", tone(440)[:, 0])
    tracks, _ = read(tmp_path / "data", tmp_path)
    expected = np.repeat(tone(440)[:, :1], 2, axis=1).T
    np.testing.assert_allclose(tracks["song"].read("vocals", 0, RATE), expected, atol=1e-4)
    (twice,) = read_tracks(tmp_path / "data", tmp_path / "cache", 2 * RATE)
    resampled = twice.read("vocals", 0, 2 * RATE)[:, 500:-500:2]
    np.testing.assert_allclose(resampled, expected[:, 250:-250], atol=1e-3)


def test_a_cache_that_can_not_be_made_is_a_sentence(tmp_path: Path) -> None:
    write_song(tmp_path / "song")
    with pytest.raises(HearsimError, match="/proc/x can't be made"):
        read_tracks(tmp_path, Path("/proc/x"), RATE)
