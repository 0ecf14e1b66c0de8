"""Audio files: every format is read whole or refused; what is cut, out of scale or no music gets one sentence."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal

from hearsim.core.audio import Audio
from hearsim.core.audio_files import open_source, read, write
from hearsim.core.errors import HearsimError, HearsimWarning, WriteError

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
    with pytest.warns(HearsimWarning, match="was streamed"):
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
    """libsndfile guesses the end from the first frame's bit rate, and stops there; its frames are counted instead."""
    for mode in ("CONSTANT", "VARIABLE"):
        path = headless_mp3(tmp_path, mode)
        sound = read(path, None).samples
        assert sound.shape[1] == pytest.approx(4 * RATE, abs=3000)
        low = signal.sosfilt(signal.butter(8, 8000, fs=RATE, output="sos"), music(4 * RATE))  # what every encoder keeps
        kept = signal.sosfilt(signal.butter(8, 8000, fs=RATE, output="sos"), sound)
        assert rms(kept[:, -RATE:]) == pytest.approx(rms(low[:, -RATE:]), rel=0.1)
    assert soundfile.info(path).frames < 3.5 * RATE  # the tail would be lost
    path.write_bytes(path.read_bytes()[:-1])
    assert "bytes of its last frame" in sentence(path)


def steps(path: Path, **how: object) -> tuple[np.ndarray, np.ndarray]:
    """Write three seconds of noise and return them, and the same at a tenth."""
    sound = np.random.default_rng(5).uniform(-0.4, 0.4, (3 * RATE, 2)).astype(np.float32)
    soundfile.write(path, sound, RATE, **how)
    return sound, sound / 10


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.square(samples).mean()))


def test_ogg_streams_one_after_the_other_are_all_read(tmp_path: Path) -> None:
    """Recordings of radio: RFC 3533 chains them; libsndfile reads the first alone."""
    loud, soft = steps(tmp_path / "loud.ogg")
    soundfile.write(tmp_path / "soft.ogg", soft, RATE)
    path = tmp_path / "both.ogg"
    path.write_bytes((tmp_path / "loud.ogg").read_bytes() + (tmp_path / "soft.ogg").read_bytes())
    with pytest.warns(HearsimWarning, match=r"both\.ogg holds 2 Ogg streams one after the other; all are read"):
        sound = read(path).samples
    assert sound.shape == (2, 6 * RATE)
    assert rms(sound[:, : 3 * RATE]) == pytest.approx(10 * rms(sound[:, 3 * RATE :]), rel=0.1)
    assert rms(sound[:, : 3 * RATE]) == pytest.approx(rms(loud), rel=0.1)
    path.write_bytes(path.read_bytes()[:-1])
    assert "its last page is not whole" in sentence(path)
    soundfile.write(tmp_path / "soft.ogg", soft, 48000)
    path.write_bytes((tmp_path / "loud.ogg").read_bytes() + (tmp_path / "soft.ogg").read_bytes())
    assert "2 streams one after the other that differ in rate or channels: cut it apart" in sentence(path)


@pytest.mark.parametrize(("suffix", "name"), [("flac", "FLAC"), ("wav", "WAV"), ("aiff", "AIFF")])
def test_joined_files_are_all_read(tmp_path: Path, suffix: str, name: str) -> None:
    loud, soft = steps(tmp_path / f"loud.{suffix}")
    soundfile.write(tmp_path / f"soft.{suffix}", soft, RATE)
    path = tmp_path / f"both.{suffix}"
    path.write_bytes((tmp_path / f"loud.{suffix}").read_bytes() + (tmp_path / f"soft.{suffix}").read_bytes())
    with pytest.warns(HearsimWarning, match=f"both.{suffix} holds 2 {name} files one after the other; all are read"):
        sound = read(path).samples
    assert sound.shape == (2, 6 * RATE)
    assert rms(sound[:, 3 * RATE :]) == pytest.approx(rms(sound[:, : 3 * RATE]) / 10, rel=0.01)
    assert rms(sound[:, : 3 * RATE]) == pytest.approx(rms(loud), rel=0.01)


def test_sound_that_the_header_does_not_count_is_missed(tmp_path: Path) -> None:
    path = made(tmp_path, "pcm.wav")
    data = bytearray(path.read_bytes())
    at = data.find(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 800)
    path.write_bytes(data)
    assert "its header tells 800 bytes of sound" in sentence(path)
    assert "bytes follow that it does not name" in sentence(path)
    whole = made(tmp_path, "pcm.wav").read_bytes()
    for tail in (b"LIST" + struct.pack("<I", 6000) + bytes([7] * 6000), b"TAG" + b"x" * 125, bytes(9000)):
        path.write_bytes(whole + tail)  # as players leave them
        assert open_source(path).file_frames == RATE


def test_mp3s_joined_are_all_read(tmp_path: Path) -> None:
    """Two of 116 frames of 1152 samples each, less the 1105 that LAME and the decoder put in front: ffmpeg's count."""
    loud, soft = steps(tmp_path / "loud.mp3")
    soundfile.write(tmp_path / "soft.mp3", soft, RATE)
    first, second = ((tmp_path / name).read_bytes() for name in ("loud.mp3", "soft.mp3"))
    path = tmp_path / "both.mp3"
    for tag in (b"", b"ID3\x04\0\0\0\0\x02\x01" + bytes(257)):
        path.write_bytes(first + tag + second)
        with pytest.warns(HearsimWarning, match=r"both\.mp3 holds 2 MP3s one after the other; all are read"):
            sound = read(path).samples
        assert sound.shape == (2, 266159)
        assert rms(sound[:, : 3 * RATE]) == pytest.approx(rms(loud), rel=0.1)
        assert rms(sound[:, 3 * RATE + 2000 :]) == pytest.approx(rms(soft), rel=0.1)
    path.write_bytes((first + second)[:-20000])
    assert "of 232 MPEG frames are there" in sentence(path) or "of its last frame" in sentence(path)
    soundfile.write(tmp_path / "soft.mp3", soft, 48000)
    path.write_bytes(first + (tmp_path / "soft.mp3").read_bytes())
    assert "differ in rate or channels" in sentence(path)


@pytest.mark.parametrize(("extra", "riff"), [(None, True), (None, False), (16, True), (44, False)])
def test_a_wav_that_counts_no_data_or_its_header_too_is_read_whole(
    tmp_path: Path, extra: int | None, riff: bool
) -> None:
    path = made(tmp_path, "pcm.wav")
    data, whole = bytearray(path.read_bytes()), read(path).samples
    at = data.find(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0 if extra is None else len(data) - at - 4 + extra)
    if riff:
        data[4:8] = bytes(4)
    path.write_bytes(data)
    with pytest.warns(HearsimWarning, match=r"pcm\.wav was streamed: .*all that is there is read"):
        sound = read(path).samples
    np.testing.assert_array_equal(sound, whole)


def test_a_chunk_of_odd_length_before_the_data_is_passed_over(tmp_path: Path) -> None:
    path = made(tmp_path, "pcm.wav")
    data, whole = bytearray(path.read_bytes()), read(path).samples
    at = data.find(b"data")
    data[at + 4 : at + 8] = bytes(4)
    data[at:at] = b"LIST" + struct.pack("<I", 5) + b"INFOx" + b"\0"
    path.write_bytes(data)
    with pytest.warns(HearsimWarning, match=r"pcm\.wav was streamed: .*all that is there is read"):
        sound = read(path).samples
    np.testing.assert_array_equal(sound, whole)


OTHERS = {"a.m4a": "aac", "alac.m4a": "alac", "a.aac": "aac", "a.wma": "wmav2", "a.webm": "libopus", "a.wv": "wavpack"}


def encoded(path: Path, codec: str) -> Path:
    """Write the second of music by FFmpeg."""
    av = pytest.importorskip("av")
    rate = 48000 if codec == "libopus" else RATE
    with av.open(str(path), "w", format="adts" if path.suffix == ".aac" else None) as container:
        stream = container.add_stream(codec, rate=rate, layout="stereo")
        stream.bit_rate = 160000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(music()), format="fltp", layout="stereo")
        frame.sample_rate = RATE
        convert = av.AudioResampler(format=stream.format.name, layout="stereo", rate=rate, frame_size=1024)
        for part in (*convert.resample(frame), *convert.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", OTHERS)
def test_other_formats_are_read_by_pyav(tmp_path: Path, name: str) -> None:
    """As long as ffmpeg says; WMA's encoder loses up to a frame at the end, AAC's adds up to two."""
    path = encoded(tmp_path / name, OTHERS[name])
    sound = read(path).samples
    assert -1100 <= sound.shape[1] - RATE <= (0 if name in ("alac.m4a", "a.wv") else 2048)
    lag = 1024 if name in ("a.aac",) else 0  # what AAC's encoder puts in front, which ADTS has no word for
    middle = sound[0, lag + 22050 : lag + 32050]
    assert rms(middle) == pytest.approx(rms(music()[0, 22050:32050]), rel=0.2)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.9])
def test_other_formats_cut_are_refused(tmp_path: Path, name: str, share: float) -> None:
    path = encoded(tmp_path / name, OTHERS[name])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert "cut off" in sentence(path)


@pytest.mark.parametrize(("name", "kind"), [("a.m4a", "MP4"), ("a.aac", "AAC"), ("a.wma", "WMA"), ("a.wv", "WavPack")])
def test_without_pyav_the_sentence_names_format_and_package(
    tmp_path: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encoded(tmp_path / name, OTHERS[name])
    monkeypatch.setitem(sys.modules, "av", None)
    text = sentence(path)
    assert f"is {kind}" in text and "pip install 'hearsim[formats]', or convert it to WAV or FLAC" in text


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\n<!DOCTYPE html><html>", "it is an HTML page, not sound"),
        (b"<HTML><body>", "it is an HTML page, not sound"),
        (b"%PDF-1.7", "it is a PDF, not sound"),
        (b"PK\x03\x04....", "it is a ZIP archive, not sound"),
        (b"MThd\0\0\0\6", "it is a MIDI file (notes), not sound"),
        ("Größe = 3\n".encode(), "it is a text, not sound"),
        (b"", "it is empty (0 bytes)"),
    ],
)
def test_what_is_no_sound_is_named(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "song.mp3").write_bytes(content)
    assert sentence(tmp_path / "song.mp3").startswith(f"{tmp_path / 'song.mp3'} can't be read as audio: {kind}")


@pytest.mark.parametrize(
    ("name", "start"),
    [("x.wav", b"RIFF"), ("x.flac", b"fLaC"), ("X.FLAC", b"fLaC"), ("x.ogg", b"OggS"), ("x.aiff", b"FORM")],
)
def test_write_goes_by_the_suffix(tmp_path: Path, name: str, start: bytes) -> None:
    write(tmp_path / name, Audio(music(), RATE))
    assert (tmp_path / name).read_bytes()[:4] == start
    if start == b"OggS":
        assert rms(read(tmp_path / name).samples) == pytest.approx(rms(music()), rel=0.1)
    else:
        np.testing.assert_allclose(read(tmp_path / name).samples, music(), atol=2.0**-23)
    write(tmp_path / "x.mp3", Audio(music(), RATE))
    assert soundfile.info(tmp_path / "x.mp3").format == "MP3"


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "mp3"])
def test_equal_sounds_make_equal_files_at_any_time(tmp_path: Path, suffix: str) -> None:
    """libsndfile writes the second of its PEAK chunk into float files unless it is told not to."""
    path = tmp_path / f"x.{suffix}"
    write(path, Audio(music(), RATE))
    assert b"PEAK" not in path.read_bytes()[:4096]


def test_write_refuses_what_it_can_not_keep(tmp_path: Path) -> None:
    hot = Audio(4 * music(), RATE)
    assert np.abs(hot.samples).max() > 1
    for name, words in (
        ("x", "has no suffix of a format that can be written: give .wav, .flac"),
        ("x.m4a", "has no suffix of a format that can be written"),
        ("x.flac", r"would be clipped: the sound reaches [\d.]+, .flac holds 1: write .wav"),
        ("x.mp3", "would be clipped"),
    ):
        with pytest.raises(HearsimError, match=words):
            write(tmp_path / name, hot)
    with pytest.raises(HearsimError, match="write takes an Audio, not an array of float32"):
        write(tmp_path / "x.wav", music())
    with pytest.raises(HearsimError, match="these are 2 stems: write each"):
        write(tmp_path / "x.wav", Audio(np.stack([music()] * 2), RATE))
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "x.wav", hot)
    np.testing.assert_array_equal(read(tmp_path / "x.wav").samples, hot.samples)


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


def test_mono_is_heard_by_both_ears(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mono.wav", music()[0], RATE, subtype="FLOAT")
    samples = read(tmp_path / "mono.wav", rate=RATE).samples
    np.testing.assert_array_equal(samples[0], samples[1])
    assert np.abs(samples[1]).max() > 0


def test_a_part_of_a_file_is_that_of_the_whole(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (150001, 2))
    soundfile.write(tmp_path / "a.wav", samples, 48000, "FLOAT")
    source = open_source(tmp_path / "a.wav")
    whole = source.read().samples
    assert whole.shape == (2, source.frames)
    for first, last in ((0, 10), (65536, 131072), (70000, 137000), (65535, 65537), (5, 10**9)):
        np.testing.assert_array_equal(source.read(first, last).samples, whole[:, first:last])
