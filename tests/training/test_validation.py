"""The score during training: on excerpts spread over the songs kept out, of the stems that play; the best is kept."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from trees import RATE, TINY_MODEL, noise_song

from hearsim.core.errors import HearsimWarning
from hearsim.music.tracks import Track
from hearsim.training import loop
from hearsim.training.loop import train
from hearsim.training.spec import DataSpec, TrainSpec, ValidationSpec, read_spec
from hearsim.training.validation import Validation


class Guess(torch.nn.Module):
    """Estimates each stem as half the mixture, and remembers what it heard."""

    def __init__(self) -> None:
        super().__init__()
        self.synthesis, self.heard = torch.zeros(1), list[Tensor]()

    def forward(self, mix: Tensor) -> Tensor:
        self.heard.append(mix[0])
        return torch.stack([0.5 * mix] * 4, 1)


def track(frames: int, faint: float = 1.0) -> Track:
    rng = np.random.default_rng(0)
    stems = {name: (0.1 * rng.standard_normal((frames, 2))).astype(np.float32) for name in ("vocals", "drums", "bass")}
    stems["other"] = (faint * rng.standard_normal((frames, 2))).astype(np.float32)
    return Track("one", frames, stems)


def test_excerpts_are_spread_over_the_song() -> None:
    """Three of a second in a song of nine: they begin after 2, 4 and 6 s."""
    song, net = track(9 * RATE), Guess()
    Validation([song], ValidationSpec(excerpts=3, seconds=1.0), RATE).score_db(net)  # type: ignore[arg-type]
    assert len(net.heard) == 3
    for start_s, heard in zip((2, 4, 6), net.heard, strict=True):
        np.testing.assert_allclose(heard, song.read_stems(start_s * RATE, RATE).sum(0), atol=1e-6)


def test_a_song_shorter_than_an_excerpt_is_said() -> None:
    with pytest.warns(HearsimWarning) as notes:
        Validation([track(RATE)], ValidationSpec(seconds=2.5), RATE)
    text = "validation.seconds = 2.5: the track one is only 1.0 s long and is taken whole"
    assert [str(note.message) for note in notes] == [text]


@pytest.mark.parametrize("faint", [1e-4, 0.1])
def test_a_stem_as_good_as_silent_does_not_count(faint: float) -> None:
    song = track(2 * RATE, faint)
    spec = ValidationSpec(excerpts=1, seconds=1.0)
    found = Validation([song], spec, RATE).score_db(Guess())  # type: ignore[arg-type]
    true = song.read_stems(RATE // 2, RATE).astype(np.float64)
    error = np.square(0.5 * true.sum(0) - true).sum((1, 2))
    scores = 10 * np.log10(np.square(true).sum((1, 2)) / error)
    assert found == pytest.approx(scores[: 3 if faint < 0.01 else 4].mean(), abs=1e-3)


def test_songs_kept_out_are_not_trained_on() -> None:
    data = DataSpec(root=Path("x"), held_out=("a*",), left_out=("b",), validation=("c", "d"))
    roles = data.roles(["a1", "a2", "b", "c", "d", "e", "f"])
    assert roles["training"] == {"e", "f"} and roles["validation"] == {"c", "d"}


SPEC = (
    TINY_MODEL
    + """
[data]
root = "songs"
cache = "cache"
validation = ["song1"]
[optimizer]
steps = 8
batch = 2
seconds = 0.05
pieces = 2
learning_rate = 0.01
average = 0.0
[validation]
every = 2
excerpts = 1
seconds = 0.5
"""
)


@pytest.fixture
def spec(tmp_path: Path) -> TrainSpec:
    for number in range(2):
        noise_song(tmp_path / "songs" / f"song{number}", number)
    (tmp_path / "spec.toml").write_text(SPEC.replace('"cache"', f'"{tmp_path / "cache"}"'))
    return read_spec(tmp_path / "spec.toml")


def test_the_best_weights_are_kept(spec: TrainSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores of 1, 3, 2 and 0 dB after steps 2, 4, 6 and 8: the weights of step 4 stay."""
    scores, seen = iter([1.0, 3.0, 2.0, 0.0]), []

    def score_db(self: Validation, net: torch.nn.Module) -> float:
        seen.append({key: tensor.clone() for key, tensor in net.state_dict().items()})
        return next(scores)

    monkeypatch.setattr(Validation, "score_db", score_db)
    last = load_file(train(spec, tmp_path / "run"))
    best = load_file(tmp_path / "run" / "best.safetensors")
    for key, tensor in best.items():
        torch.testing.assert_close(tensor, seen[1][key])
    assert any(not torch.equal(tensor, best[key]) for key, tensor in last.items())


def test_an_example_begins_in_silence(spec: TrainSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of an example carry the state on; the next example starts from zero."""
    original, silent = loop.loss_of, []

    def noting(net: torch.nn.Module, stems: Tensor, states: tuple[Tensor, ...], *rest: object) -> object:
        silent.append([not any(state[:, :, row].any() for state in states) for row in range(stems.shape[0])])
        return original(net, stems, states, *rest)

    monkeypatch.setattr(loop, "loss_of", noting)
    train(spec, tmp_path / "run")
    assert [rows[0] for rows in silent] == [True, False] * 4  # two pieces an example
