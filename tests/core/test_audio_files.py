"""Audio files: every format is read whole or refused; what is cut, out of scale or no music gets one sentence."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hearsim.core.audio_files import open_source, read, write
from hearsim.core.errors import HearsimError, WriteError

RATE = 44100
FORMATS = {  # name -> libsndfile's format and subtype
    "pcm.wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "extensible.wav": ("WAVEX", "PCM_24"),
    "adpcm.wav": ("WAV", "IMA_ADPCM"),
    "rf64.wav": ("RF64", "PCM_16"),
    "sony.w64": ("W64", "PCM_16"),
    "apple.aiff": ("AIFF", "PCM_16"),
    "core.caf": ("CAF", "PCM_16"),
    "sun.au": ("AU", "PCM_16"),
    "a.flac": ("FLAC", "PCM_16"),
    "a.ogg": ("OGG", "VORBIS"),
    "a.opus": ("OGG", "OPUS"),
    "a.mp3": ("MP3", "MPEG_LAYER_III"),
}


def music(frames: int = RATE) -> np.ndarray:
    """Return a second of stereo noise that grows, (2, frames)."""
    noise = np.random.default_rng(3).standard_normal((2, frames)) * np.linspace(0.001, 0.2, frames)
    return noise.astype(np.float32)


def made(folder: Path, name: str) -> Path:
    form, subtype = FORMATS[name]
    soundfile.write(folder / name, music().T, 48000 if subtype == "OPUS" else RATE, subtype, format=form)
    return folder / name


def sentence(path: Path) -> str:
    """Return the one sentence with which a file is refused."""
    with pytest.raises(HearsimError) as caught:
        open_source(path)
    text = str(caught.value)
    assert text.startswith(str(path)) and "\n" not in text
    return text


@pytest.mark.parametrize("name", FORMATS)
def test_whole_files_are_read_whole(tmp_path: Path, name: str) -> None:
    source = open_source(made(tmp_path, name), None)
    assert source.file_frames == (44902 if name == "adpcm.wav" else RATE)  # whose last block is filled up
    assert source.read().samples.shape == (2, source.file_frames)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_cut_files_are_refused(tmp_path: Path, name: str, share: float) -> None:
    path = made(tmp_path, name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    text = sentence(path)
    assert "cut off" in text or "can't be read as audio" in text


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"core.caf"}))
def test_even_one_byte_is_missed(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name)
    path.write_bytes(path.read_bytes()[:-1])
    sentence(path)


@pytest.mark.parametrize("damage", ["half", "last byte", "bit"])
def test_a_damaged_flac_is_said_to_be_one(tmp_path: Path, damage: str) -> None:
    """In words of its own: libsndfile has "Internal psf_fseek() failed" for all of them."""
    path = made(tmp_path, "a.flac")
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half] ^= 0x10
    path.write_bytes({"half": data[:half], "last byte": path.read_bytes()[:-1], "bit": data}[damage])
    assert sentence(path) == f"{path} is damaged or cut off and its end can't be read: copy or export it anew"


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000])
def test_streamed_wav_is_no_cut_one(tmp_path: Path, size: int) -> None:
    """ffmpeg and SoX can't go back in a pipe to write the true size."""
    path = made(tmp_path, "pcm.wav")
    data = bytearray(path.read_bytes())
    at = data.find(b"data") + 4
    data[4:8] = data[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(data)
    assert open_source(path).file_frames == RATE


def test_streamed_flac_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path, "a.flac")
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples: 0 is "unknown"
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert "does not tell its length: convert it" in sentence(path)


def headless_mp3(folder: Path, mode: str) -> Path:
    """Return an MP3 without its first frame, which counts the others."""
    path = folder / "a.mp3"
    soundfile.write(path, music(4 * RATE).T, RATE, bitrate_mode=mode, compression_level=0.6)
    data = path.read_bytes()
    path.write_bytes(data[data.index(data[:2], 4) :])
    return path


def test_mp3_without_a_length(tmp_path: Path) -> None:
    """libsndfile guesses the end from the first frame's bit rate, and stops there: right for a constant rate only."""
    whole = open_source(headless_mp3(tmp_path, "CONSTANT")).file_frames
    assert whole == pytest.approx(4 * RATE, abs=3000)
    path = headless_mp3(tmp_path, "VARIABLE")
    assert soundfile.info(path).frames < 3.5 * RATE  # the tail would be lost
    assert "MP3 without a length" in sentence(path)


@pytest.mark.parametrize(("value", "words"), [(1e30, "(1e+30)"), (-101.0, "(101)"), (32767.0, "(3.28e+04)")])
def test_samples_out_of_all_scale_are_refused(tmp_path: Path, value: float, words: str) -> None:
    samples = music(2 * RATE).T
    samples[70000, 1] = value  # in the second chunk
    soundfile.write(tmp_path / "huge.wav", samples, RATE, "FLOAT")
    assert f"over 100 times full scale, the first at 1.587 s {words}" in sentence(tmp_path / "huge.wav")


def test_samples_somewhat_over_full_scale_are_music(tmp_path: Path) -> None:
    samples = music()
    samples[1, 500] = 100.0
    soundfile.write(tmp_path / "hot.wav", samples.T, RATE, "FLOAT")
    assert read(tmp_path / "hot.wav").samples.max() == 100.0


def test_rates_from_8_to_384_khz(tmp_path: Path) -> None:
    for rate in (8000, 384000):
        soundfile.write(tmp_path / "a.wav", music().T, rate)
        assert open_source(tmp_path / "a.wav").file_rate == rate
    for rate in (7999, 384001):
        soundfile.write(tmp_path / "a.wav", music().T, rate)
        assert sentence(tmp_path / "a.wav").endswith(f"is sampled at {rate} Hz: hearsim takes 8000 to 384000")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone.wav", "there is no such file: check its name"),
        ("a" * 300, "there is no such file"),
        (".", "is a folder: give a music file"),
        ("/dev/null", "is a device: give a music file"),
        ("x.raw", "has no header to tell rate and channels: convert it to WAV or FLAC"),
    ],
)
def test_what_is_no_music_file(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "x.raw").write_bytes(bytes(1000))
    assert words in sentence(tmp_path / name)


def test_a_file_that_changes_after_the_check_is_not_filled_up_with_silence(tmp_path: Path) -> None:
    path = made(tmp_path, "pcm.wav")
    source = open_source(path)
    soundfile.write(path, music()[:, :20000].T, RATE)
    with pytest.raises(HearsimError, match=r"pcm\.wav has changed while it was read"):
        list(source.blocks(512))
    path.write_text("no audio any more")
    with pytest.raises(HearsimError, match=r"pcm\.wav can't be read as audio"):
        list(source.blocks(512))
    path.unlink()
    with pytest.raises(HearsimError, match=r"pcm\.wav can't be read as audio"):
        list(source.blocks(512))


@pytest.mark.parametrize(("where", "why"), [("gone/a.wav", "No such file"), ("a.wav/a.wav", "Not a directory")])
def test_a_place_that_cannot_be_written(tmp_path: Path, where: str, why: str) -> None:
    made(tmp_path, "pcm.wav").rename(tmp_path / "a.wav")
    audio = read(tmp_path / "a.wav")
    with pytest.raises(WriteError, match=rf"{where} can't be written \({why}"):
        write(tmp_path / where, audio)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
