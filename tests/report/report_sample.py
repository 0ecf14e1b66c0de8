"""A made-up report in which every value occurs once, and a reader for the page that is made of it."""

from html.parser import HTMLParser
from typing import Any

import numpy as np

from hearsim.core.calibration import Calibration
from hearsim.simulation.clips import Excerpts

VOID = {"meta", "br", "hr", "img", "input", "link", "source"}
SOUNDS = ("input", "unaided", "aided", "heard")
_NOISE = 0.02 * np.random.default_rng(1).standard_normal((2, 48000)).astype(np.float32)
EXCERPTS = Excerpts(
    sounds=dict(zip(SOUNDS, (_NOISE, 0 * _NOISE, _NOISE * np.float32([[2], [4]]), _NOISE / 2), strict=True)),
    rate=48000,
    start_s=7.0,
    gain_db=12.04,
    full_scale=Calibration(100.0),
)
BANDS_HZ = [1000 * 2 ** (n / 3) for n in range(-12, 13)]
FITTED_HZ = [250.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 6000.0]


def ear(losses: list[float]) -> dict[str, Any]:
    return {"frequencies_hz": [250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0], "thresholds_db_hl": losses}


def gains(base: float) -> dict[str, Any]:
    table = {str(level): [base + n - level / 10 for n in range(9)] for level in (50, 65, 80)}
    return {"rule": "nal-r", "frequencies_hz": FITTED_HZ, "insertion_gain_db": table}


def part(name: str, samples: int, kind: str, source: str = "declared") -> dict[str, Any]:
    return {"name": name, "samples": samples, "ms": samples / 48, "kind": kind, "source": source}


def sample() -> dict[str, Any]:
    """Return a report with all four kinds of delay, unlike ears and a muted stem; every value occurs once."""
    return {
        "schema": "hearsim.report/1",
        "profile": "asymmetric-karaoke",
        "made": {"hearsim": "0.9.1", "command": "hearsim render 'my song.flac'", "cpu": "Example CPU 3000", "cores": 6,
                 "date": "2026-01-02T03:04:05+00:00"},
        "input": {"path": "/music/song.flac", "sha256": "1a" * 32, "rate_hz": 44100, "channels": 2,
                  "frames": 882441, "seconds": 20.01, "lufs": -14.94},
        "listener": {"name": "two ears", "left": ear([10.0, 15.0, 20.0, 35.0, 55.0, 70.0]),
                     "right": ear([40.0, 45.0, 50.0, 60.0, 75.0, 85.0])},
        "mix": {"vocals": None, "drums": -2.25, "bass": 0.0, "other": 3.5},
        "model": {"name": "hs-tasnet-lite", "sha256": "2b" * 32, "backend": "torch, 1 thread",
                  "parameters": 3508992, "non_finite_blocks": 7},
        "rig": {"name": "aid", "microphone_full_scale_db_spl": 94.0, "headphones_full_scale_db_spl": 112.0},
        "latency": {
            "rate_hz": 48000,
            "parts": [part("input block of 480", 480, "buffering"), part("look-back", 528, "algorithm"),
                      part("remix", 0, "algorithm"), part("sound card", 192, "device", "device-reported"),
                      part("tube", 48, "acoustics", "measured")],
            "total_samples": 1248, "total_ms": 26.0, "file_shift_samples": 768, "file_shift_ms": 16.0,
            "measured_samples": 1248, "deadline_ms": 10.0,
            "compute_ms": {"p50": 3.66, "p99": 6.27, "max": 9.61}, "load_p99": 0.627, "scenario": "closed dome",
            "verdicts": [
                {"scenario": "streamed music", "limit_ms": None, "ok": True, "sentence": "no direct sound"},
                {"scenario": "closed dome", "limit_ms": 10.0, "ok": False, "sentence": "over the 10 ms"},
                {"scenario": "open dome", "limit_ms": 1.0, "ok": False, "sentence": "over the 1 ms"},
            ],
        },
        "aid": {"vent": None},
        "fitting": {"left": gains(12.0), "right": gains(21.5)},
        "levels": {
            "bands_hz": BANDS_HZ,
            "input_db_spl": {"left": [50.0 + n for n in range(25)], "right": [51.5 + n for n in range(25)]},
            "aided_db_spl": {"left": [90.0 - n for n in range(25)], "right": [95.25 - n for n in range(25)]},
            "mpo_db_spl": {"left": 105.0, "right": 109.0}, "peak_db_spl": {"left": 102.91, "right": 104.76},
            "mpo_events": {"left": 31, "right": 11}, "non_finite_samples": 5,
        },
        "metrics": {
            "stoi_vocals": {"mixture": 0.2931, "unaided": 0.2712, "aided": 0.3059, "heard": 0.3001},
            "estoi_vocals": {"unaided": 0.2408, "aided": 0.2379, "heard": 0.2421},
            "si_sdr_db": {"vocals": -1.79, "drums": -0.81}, "sdr_db": {"vocals": 1.14, "drums": 2.65},
            "sdr_mixture_db": {"vocals": -3.26, "drums": -5.97},
            "sii": {"quiet_unaided": {"left": 0.2834, "right": 0.1122},
                    "quiet_aided": {"left": 0.6845, "right": 0.5533}},
            "lufs": {"input": -14.94, "aided": -25.56, "heard": -41.31, "unaided": -50.33},
            "peak_dbfs": {"input": -1.04, "aided": -4.23, "heard": -25.14, "unaided": -36.13},
            "later": 0.0,
            "unavailable": {"csdr_db": "no true stems were given", "sii music": "no true vocals were given"},
        },
        "outputs": [{"path": "aided.wav", "sha256": "3c" * 32, "lufs": -25.61,
                     "peak_dbfs": -4.29, "true_peak_dbtp": -3.81},
                    {"path": "heard.wav", "sha256": "4d" * 32, "lufs": None, "peak_dbfs": -25.19}],
    }  # fmt: skip


class Reader(HTMLParser):
    """Reads a page: elements with attributes, rows of cells, all text outside <style> and <script>, tags balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def attributes(self, *names: str) -> list[str]:
        return [attrs[name] for _, attrs in self.elements for name in names if name in attrs]
