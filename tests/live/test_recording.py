"""Log and recordings beside the audio: exact, and no trouble of theirs is the sound's."""

import json
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hearsim.live.events import Kind
from hearsim.live.log import header
from hearsim.live.player import Rings
from hearsim.live.recording import SessionRecorder
from hearsim.profile.load import load_profile

RATE = 44100


@pytest.fixture
def rings() -> Iterator[Rings]:
    made = Rings.create()
    yield made
    made.close()


def noise(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).standard_normal((2, frames)).astype(np.float32)


def test_a_recording_holds_what_went_through_from_then_on(rings: Rings, tmp_path: Path) -> None:
    said: list[str] = []
    papers, sound = SessionRecorder(rings, None, RATE, said.append), noise(50000)
    rings.played.write(sound[:, :1000])
    papers.record(tmp_path / "out.wav")
    papers.record(tmp_path / "in.wav", "source")
    for start in range(1000, 50000, 700):
        rings.played.write(sound[:, start : start + 700])
        rings.source.write(-sound[:, start : start + 700])
        papers._turn()
    assert papers.records("played") and not (tmp_path / "out.wav").exists()
    papers.stop_recording()
    assert not papers.records("played") and papers.records("source")
    papers.close()
    for name, expected in (("out", sound[:, 1000:]), ("in", -sound[:, 1000:])):
        np.testing.assert_array_equal(soundfile.read(tmp_path / f"{name}.wav", dtype="float32")[0].T, expected)
    assert said == [
        f"{tmp_path}/out.wav holds 1.1 s of what was played",
        f"{tmp_path}/in.wav holds 1.1 s of what came in",
    ]


def test_a_full_disk_ends_the_recording_with_a_sentence_and_the_feed_goes_on(rings: Rings, tmp_path: Path) -> None:
    said: list[str] = []
    papers = SessionRecorder(rings, iter([noise(4096)] * 3), RATE, said.append)
    papers.log(tmp_path / "log.jsonl", header(load_profile("flat"), False, RATE, {}))
    papers.record(tmp_path / "out.wav")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        for _ in range(20):
            rings.played.write(noise(1000))
            rings.changes.post(Kind.LEVEL, rings.played.head, 0.5, 100)
            papers._turn()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(said) == 1 and "out.wav" in said[0] and "is the disk full?" in said[0]
    assert not papers.records("played")
    assert rings.feed.head == 3 * 4096
    papers.close()
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["at"] for line in lines[1:]] == list(range(1000, 20001, 1000))


def test_what_a_slow_disk_loses_is_said(rings: Rings, tmp_path: Path) -> None:
    said: list[str] = []
    papers = SessionRecorder(rings, None, RATE, said.append)
    papers.log(tmp_path / "log.jsonl", header(load_profile("flat"), False, RATE, {}))
    papers.record(tmp_path / "out.wav")
    rings.played.write(noise(5000))
    papers._turn()
    for _ in range(3):
        rings.played.write(noise(rings.played.capacity // 2))
    for _ in range(1100):
        rings.changes.post(Kind.LEVEL, 0, 0.5, 100)
    papers._turn()
    papers.close()
    assert any("ends: 76 events came faster than they were written" in line for line in said)
    assert any("holds 0.1 s of what was played; then the disk was too slow" in line for line in said)
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]
    np.testing.assert_array_equal(soundfile.read(tmp_path / "out.wav", dtype="float32")[0].T, noise(5000))
