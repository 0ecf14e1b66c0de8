"""The command line, as `hearsim` runs it: what it prints, and one sentence with exit code 2 for bad input."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from quick_model import with_quick_model

from hearsim.cli import main
from hearsim.core import audio_files
from hearsim.core.audio import Audio
from hearsim.core.audio_files import write
from hearsim.core.audio_formats import Decoder
from hearsim.core.files import find_model

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in a folder with half a second of a song, its vocals, and a profile."""
    noise = (0.1 * np.random.default_rng(0).standard_normal((2, 22050))).astype(np.float32)
    write(tmp_path / "song.wav", Audio(noise, 44100))
    (tmp_path / "stems").mkdir()
    write(tmp_path / "stems" / "vocals.wav", Audio(noise[::-1].copy(), 44100))
    parts = 'listener = "N3"\nmix = "flat"\naid = "closed"\nrig = "aid"\n'
    (tmp_path / "mine.toml").write_text(parts)
    (tmp_path / "model-gone.toml").write_text(f'{parts}model = "gone"\n')
    (tmp_path / "model-bent.toml").write_text(f'{parts}model = "bent"\n')
    (tmp_path / "loud.toml").write_text(parts.replace("N3", "loud-ears.toml"))
    (tmp_path / "loud-ears.toml").write_text(
        "".join(f"[{ear}]\nfrequencies_hz = [500]\nthresholds_db_hl = [200]\n" for ear in ("left", "right"))
    )
    shutil.copytree(find_model("hs-tasnet-lite"), tmp_path / "bent")
    (tmp_path / "bent" / "model.safetensors").unlink()
    (tmp_path / "bent" / "model.safetensors").mkdir()  # can't be read, not even by root
    (tmp_path / "noise.toml").write_bytes(bytes(range(128, 256)))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hearsim", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    return command


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("render gone.wav", "gone.wav: there is no such file: check its name"),
        ("render bent", "bent is a folder and holds no songs: give a music file, or a folder of them"),
        ("render stems", "stems is a folder and holds no songs, only stems: give a music file"),
        ("render song.wav gone.wav", "gone.wav: there is no such file: check its name"),
        ("render song.wav mine.toml --stems stems", "stems/song is not a folder: --stems needs one of stems for each"),
        ("render song.wav stems/../song.wav", "song.wav and stems/../song.wav would have one output folder: rename"),
        ("render mine.toml", "mine.toml can't be read as audio"),
        ("render huge.wav", "huge.wav holds samples over 100 times full scale, the first at 0.100 s"),
        ("render cut.wav", "cut.wav is cut off or damaged (40000 of 176400 bytes are there): copy or export it anew"),
        ("render song.wav --profile nope", "no profile is called 'nope'"),
        ("render song.wav --profile .", "no profile is called '.'"),
        ("render song.wav --profile noise.toml", "noise.toml is not a text in UTF-8"),
        ("render song.wav --profile loud.toml", "left.thresholds_db_hl[0] = 200 is too high: give 130 or less"),
        ("render song.wav --profile model-gone.toml", "model-gone.toml: model: no model is called 'gone'"),
        ("render song.wav --profile model-bent.toml", "bent/model.safetensors can't be read (Is a directory)"),
        ("render song.wav --stems gone", "no folder gone: give the folder of the true stems"),
        ("render song.wav --stems two", "two holds VOCALS.aiff and vocals.wav: leave one of them there"),
        ("render song.wav --stems short", "short/vocals.wav is 2205 samples long and song.wav 22050"),
        ("render song.wav --out song.wav", "song.wav is a file: choose another --out"),
        ("render song.wav --out song.wav/run", "song.wav is a file: choose another --out"),
        ("render song.wav --out /proc/run", "/proc/run can't be written (No such file or directory)"),
        (f"render song.wav --out {'a' * 300}", "can't be written (File name too long)"),
        ("show nope", "no profile is called 'nope'"),
        ("show loud.toml", "left.thresholds_db_hl[0] = 200"),
        ("latency model-gone.toml", "model-gone.toml: model: no model is called 'gone'"),
        ("latency model-bent.toml", "bent/model.safetensors can't be read"),
        ("bench blocks --seconds 0", "--seconds 0 can't be timed: give 1 to 3600"),
        ("bench blocks --seconds -1", "--seconds -1 can't be timed"),
        ("bench blocks --seconds nan", "--seconds nan can't be timed"),
        ("bench blocks --profile nope", "no profile is called 'nope'"),
        ("show listner", "no profile is called 'listner', no list and no entry of one: did you mean listeners"),
        ("export analyse gone", "gone does not exist: give a table of ratings, or its folder"),
        ("live replay gone.jsonl", "gone.jsonl can't be read (No such file or directory): give the log"),
        ("live replay noise.toml", "noise.toml is not a text in UTF-8"),
        (
            "bench networks --table gone/a.csv",
            "gone/a.csv can't be written, for gone is not a folder: choose another --table",
        ),
        ("train compare mine.toml --table stems", "stems is a folder: choose another --table"),
        ("evaluate nope .", "no model is called 'nope'"),
        ("evaluate bent .", "bent/model.safetensors can't be read"),
        ("evaluate hs-tasnet-lite gone", "gone is not a folder"),
        (
            "train run gone.toml",
            "gone.toml can't be read (No such file or directory): give the name of a file",
        ),
        ("train run noise.toml", "noise.toml is not a text in UTF-8"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, arguments: str, words: str) -> None:
    samples = np.full((22050, 2), 0.1, np.float32)
    soundfile.write("cut.wav", samples, 44100, "FLOAT")
    Path("cut.wav").write_bytes(Path("cut.wav").read_bytes()[: 40000 + Path("cut.wav").stat().st_size - 176400])
    for name in ("two/vocals.wav", "two/VOCALS.aiff", "short/vocals.wav"):
        Path(name).parent.mkdir(exist_ok=True)
        soundfile.write(name, samples[:2205], 44100, format="WAV")
    samples[4410] = 1e30
    soundfile.write("huge.wav", samples, 44100, "FLOAT")
    before = sorted(Path().rglob("*"))
    code, out, err = run(*arguments.split())
    assert code == 2
    assert words in err and err.startswith("hearsim: ") and err.count("\n") == 1
    assert out == ""
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("arguments", ["nope", "render --nope", "bench blocks --seconds x", "show a b"])
def test_wrong_usage_has_code_2(run: Run, arguments: str) -> None:
    code, out, err = run(*arguments.split())
    assert code == 2 and out == ""
    assert "Usage: hearsim" in err and "Traceback" not in err


def test_the_command_itself(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("x")
    code = "from hearsim.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "show", "mine.toml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"hearsim: {tmp_path / 'mine.toml'} is not TOML")


def test_commands_print_what_they_should(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "moderate-vocals-up" in run("show")[1]
    parts, _ = run("show", "moderate-vocals-up")[1].split("\n", 1)
    assert "listener N3; mix vocals-up (vocals +6.0 dB, drums -2.0 dB); aid closed (closed dome, rule nal-r" in parts
    assert "mix instrumental (vocals muted)" in run("show", "asymmetric-instrumental")[1]
    ledger = run("latency", "moderate-vocals-up")[1]
    for source in ("declared", "measured"):
        assert re.search(rf"^live delay +{source} +1068 +24\.22$", ledger, re.MULTILINE)
    assert "\nclosed dome (this aid): too slow: 24.2 ms is over the limit of 10 ms\n" in ledger
    p50, p99, longest = map(float, re.findall(r"p50 ([\d.]+), p99 ([\d.]+), max ([\d.]+) of 11\.61 ms", ledger)[0])
    assert 0 < p50 <= p99 <= longest + 0.005  # the longest with two places
    monkeypatch.setattr("hearsim.profile.load.load_profile", with_quick_model)
    assert "notches every" in run("latency", "mild-open")[1]
    assert "hs-tasnet-lite" in run("models", "list")[1]


def test_every_sound_is_decoded_as_often_as_needed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once to check it to its end and once to render it; a true stem once more, for its level."""
    decoded: Counter[str] = Counter()
    open_decoder = audio_files.open_decoder

    def counted(path: Path) -> Decoder:
        decoded[path.name] += 1
        return open_decoder(path)

    monkeypatch.setattr(audio_files, "open_decoder", counted)
    monkeypatch.setattr("hearsim.profile.load.load_profile", with_quick_model)
    monkeypatch.setattr("hearsim.report.run.write_page", lambda report, sounds, path: Path(path).touch())
    assert run("render", "song.wav", "--out", "a")[0] == 0
    assert decoded == {"song.wav": 2}
    decoded.clear()
    assert run("render", "song.wav", "--out", "b", "--stems", "stems")[0] == 0
    assert decoded == {"song.wav": 2, "vocals.wav": 3}
