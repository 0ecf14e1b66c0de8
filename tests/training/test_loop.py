"""The loop: resumed exactly, shared by processes, stopped in time, and plain about bad input."""

import csv
import os
import re
import resource
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from trees import RATE, TINY_MODEL, TONES_HZ, noise_song, tone, write, write_song
from typer.testing import CliRunner

from hearsim.bench import training as throughput
from hearsim.cli.app import app
from hearsim.core.errors import HearsimError
from hearsim.music.tracks import read_tracks
from hearsim.separation.hs_tasnet import HSTasNetConfig
from hearsim.separation.models import read_weights
from hearsim.separation.registry import build
from hearsim.training import checkpoint, loop
from hearsim.training.augmentation import Augmentation
from hearsim.training.data import read_data
from hearsim.training.distributed import Group
from hearsim.training.examples import Mixer, StatefulBatches
from hearsim.training.loop import train
from hearsim.training.losses import loss_of
from hearsim.training.optimizers import Progress, learning_rate
from hearsim.training.spec import OptimizerSpec, TrainSpec, ValidationSpec, read_spec
from hearsim.training.validation import Validation

SPEC = (
    TINY_MODEL
    + """
[data]
root = "songs"
cache = "CACHE"
validation = ["song2"]

[optimizer]
steps = 30
batch = 2
seconds = 0.1
pieces = 3
warm_up = 3
learning_rate = 0.01

[validation]
every = 10
excerpts = 1
seconds = 1.0
"""
)


def spec_in(folder: Path) -> Path:
    for number in range(3):
        noise_song(folder / "songs" / f"song{number}", number)
    path = folder / "spec.toml"
    path.write_text(SPEC.replace("CACHE", str(folder / "cache")))
    return path


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    return spec_in(tmp_path)


def change(path: Path, old: str, new: str) -> TrainSpec:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return read_spec(path)


def curve(run: Path) -> list[tuple[str, ...]]:
    with (run / "log.csv").open(newline="") as file:
        return [(row["step"], row["loss"], row["learning_rate"], row["validation_db"]) for row in csv.DictReader(file)]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "averaged.safetensors")


class BreakOffError(Exception):
    pass


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Make training save after every step, and break off at one."""
    original = loop.loss_of

    def loss_of(*arguments: object) -> object:
        loss_of.calls += 1
        if loss_of.calls > step:
            raise BreakOffError
        return original(*arguments)

    loss_of.calls = 0
    monkeypatch.setattr(loop, "loss_of", loss_of)


def test_a_spec_has_sources_each_with_a_weight_and_a_limit(spec_file: Path, tmp_path: Path) -> None:
    for name in ("song0", "sung"):
        write(tmp_path / "real" / name / "accompaniment.wav", tone(700.0, 2.0))
    write(tmp_path / "real" / "sung" / "vocals.wav", tone(440.0, 2.0))
    table = '[data.sources.web]\nroot = "real"\nweight = 2.0\nup_to_hz = 3000.0\n\n[optimizer]'
    spec = change(spec_file, "[optimizer]", table)
    assert spec.data.all_weights == {"web/*": 2.0} and spec.data.limits_hz == {"web/*": 3000.0}
    tracks = [track.name for track in read_data(spec.data, RATE)]
    assert tracks == ["song0", "song1", "song2", "web/song0", "web/sung"]
    assert "web/sung (training): vocals: sung/vocals.wav; accompaniment: sung/accompaniment.wav" in spec.data.listing()
    train(spec, tmp_path / "run")
    assert all(np.isfinite(float(loss)) for _, loss, *_ in curve(tmp_path / "run"))
    off = change(spec_file, "weight = 2.0", "weight = 0.0")
    assert [track.name for track in read_data(off.data, RATE)] == tracks[:3]
    assert off.data.all_weights == {"web/*": 0.0}  # where a comparison has read them for other variants


def test_a_run_leaves_torch_as_it_was(spec_file: Path, tmp_path: Path) -> None:
    """Threads, denormal numbers and random numbers belong to the program that hearsim runs in."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(3)
    try:
        train(read_spec(spec_file), tmp_path / "left")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.float32(2e-38) / np.float32(4) > 0


@pytest.mark.parametrize(("schedule", "method"), [("cosine", "muon"), ("plateau", "adamw")])
def test_resuming_is_exact(
    spec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schedule: str, method: str
) -> None:
    spec = change(spec_file, "steps = 30", f'steps = 30\nreset = 0.5\nschedule = "{schedule}"\nmethod = "{method}"')
    if method == "muon":
        spec = change(spec_file, "bases = 6", "bases = 6\nconv_channels = 4")
    if schedule == "plateau":  # scores that make it cut the rate before the interruption and after it
        spec = change(spec_file, "every = 10", "every = 5\nflat = 1")
        monkeypatch.setattr(Validation, "score_db", lambda *_: 1.0)
    train(spec, tmp_path / "whole")
    often = spec.model_copy(update={"optimizer": spec.optimizer.model_copy(update={"save_minutes": 1e-9})})
    with monkeypatch.context() as patch:
        interrupt_at(patch, 17)
        with pytest.raises(BreakOffError):
            train(often, tmp_path / "parts")
    logged = curve(tmp_path / "parts")
    assert [int(row[0]) for row in logged] == ([10] if schedule == "cosine" else [5, 10, 15])
    with (tmp_path / "parts" / "log.csv").open("a") as file:
        file.write("20,9.9,9.9,9.9,9.9,9.9\n")  # as if the run had gone on after its last checkpoint
    train(spec, tmp_path / "parts", resume=True)
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")
    assert int(curve(tmp_path / "whole")[-1][0]) == 30
    if schedule == "plateau":
        assert len({row[2] for row in logged}) == 2 and len({row[2] for row in curve(tmp_path / "parts")}) == 5
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    for key, tensor in whole.items():
        assert torch.equal(parts[key], tensor), key


def test_training_learns_and_ships(spec_file: Path, tmp_path: Path) -> None:
    spec = change(spec_file, "steps = 30", "steps = 120\naverage = 0.9")
    train(spec, tmp_path / "run")
    rows = curve(tmp_path / "run")
    assert float(rows[-1][1]) < 0.97 * float(rows[0][1])
    assert float(rows[-1][3]) > float(rows[0][3])
    net = read_weights(tmp_path / "run" / "averaged.safetensors")
    assert net.config == spec.model.config("here")
    assert (tmp_path / "run" / "best.safetensors").is_file()


def test_another_run_can_start_from_weights(spec_file: Path, tmp_path: Path) -> None:
    spec = read_spec(spec_file)
    first = train(spec, tmp_path / "first")
    slow = change(spec_file, "learning_rate = 0.01", "learning_rate = 1e-12")
    second = train(slow, tmp_path / "second", start_from=first)
    for key, tensor in load_file(first).items():
        torch.testing.assert_close(load_file(second)[key], tensor, rtol=0, atol=1e-6)


def test_a_finished_run_can_be_extended(spec_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(read_spec(spec_file), run)
    before = curve(run)
    longer = change(spec_file, "steps = 30", "steps = 40")
    train(longer, run, resume=True)
    steps = [row[0] for row in curve(run)]
    assert curve(run)[: len(before)] == before and steps[len(before) :] == ["40"]
    expected = learning_rate(39, longer.optimizer, longer.validation, Progress())
    assert float(curve(run)[-1][2]) == pytest.approx(expected, rel=1e-2)
    change(spec_file, "steps = 40", "steps = 39")
    said = sentence(str(spec_file), "--run", str(run), "--resume")
    assert "checkpoint.pt has made 40 steps: give optimizer.steps = 40 or more" in said


def test_the_data_found_are_listed_by_role(spec_file: Path, tmp_path: Path) -> None:
    (tmp_path / "songs" / "song1" / "drums.wav").unlink()
    write(tmp_path / "songs" / "song1" / "click.wav", np.zeros((RATE, 2)))
    text = spec_file.read_text()
    assert "song1 holds click.wav, which fits no stem" in sentence(str(spec_file), "--list")
    spec_file.write_text(text.replace("[data]", '[data]\nignore = ["click.*"]\nheld_out = ["song0"]'))
    done = CliRunner().invoke(app, ["train", "run", str(spec_file), "--list"])
    assert done.output.splitlines() == [
        "song0 (held out): vocals: song0/vocals.wav; drums: song0/drums.wav; bass: song0/bass.wav; "
        "other: song0/other.wav",
        "song1 (training): vocals: song1/vocals.wav; bass: song1/bass.wav; other: song1/other.wav; without drums",
        "song2 (validation): vocals: song2/vocals.wav; drums: song2/drums.wav; bass: song2/bass.wav; "
        "other: song2/other.wav",
    ]
    assert not (tmp_path / "cache").exists()


def test_training_stops_early(spec_file: Path, tmp_path: Path) -> None:
    spec = change(spec_file, "learning_rate = 0.01", 'learning_rate = 1e-12\nschedule = "plateau"')
    spec = change(spec_file, "every = 10", "every = 2\nstop = 3")
    train(spec, tmp_path / "run")
    rows, steps = curve(tmp_path / "run"), []
    for _ in range(2):
        steps.append(torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["state"]["step"])
        train(spec, tmp_path / "run", resume=True)  # it is over, and stays as it is
    assert steps[0] == steps[1] == int(rows[-1][0]) < 30
    assert curve(tmp_path / "run") == rows


@pytest.mark.parametrize(("what", "said"), [("loss", "the loss is nan"), ("gradient", "its gradient nan long")])
def test_what_is_no_number_stops_training_before_it_is_saved(
    spec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, said: str
) -> None:
    spec = change(spec_file, "steps = 30", "steps = 3\nsave_minutes = 1e-9")

    def broken(net: torch.nn.Module, *arguments: object) -> object:
        loss, recurrent_states = loss_of(net, *arguments)
        if broken.calls == 1:
            nothing = 0 * next(net.parameters()).sum()
            loss = loss + (nothing / 0 if what == "loss" else nothing.sqrt())
        broken.calls += 1
        return loss, recurrent_states

    broken.calls = 0
    monkeypatch.setattr(loop, "loss_of", broken)
    with pytest.raises(HearsimError, match=f"{said}.* at step 1: lower the learning rate"):
        train(spec, tmp_path / "run")
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert saved["state"]["step"] == 1 and all(tensor.isfinite().all() for tensor in saved["net"].values())


@pytest.mark.parametrize("file", ["checkpoint.pt", "averaged.safetensors"])
def test_a_full_disk_is_a_sentence(spec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """What has been saved before stays whole."""
    spec = change(spec_file, "steps = 30", "steps = 2")
    train(spec, tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    if file != "checkpoint.pt":
        monkeypatch.setattr(checkpoint, "save", lambda *_: None)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))
    try:
        with pytest.raises(HearsimError, match=rf"{file} can't be written.*: make room, and go on with --resume"):
            train(spec, tmp_path / "run", resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def run_processes(count: int, *command: str) -> list[subprocess.CompletedProcess[str]]:
    port = str(free_port())
    started = []
    for rank in range(count):
        env = {**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
        env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([sys.executable, *command], env=env, **pipes))  # type: ignore[call-overload]
    done = []
    for process in started:
        out, err = process.communicate(timeout=300)
        done.append(subprocess.CompletedProcess(command, process.returncode, out, err))
    return done


def gradients(spec: TrainSpec) -> dict[str, object]:
    """Return loss, gradients and states of a first step, averaged over and gathered from all processes."""
    group = Group("cpu")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = build(spec.model.config("")).train()
    rows = group.rows(4)
    tracks = read_tracks(spec.data.root, spec.data.cache, net.rate, say=print)
    mixer = Mixer(tracks, 30 * net.hop, Augmentation(), {}, net.rate)
    stems, *_ = StatefulBatches(mixer, rows, 4, 1, net.window - net.hop, 0).batch(0)
    loss, recurrent_states = loss_of(
        net, torch.from_numpy(stems), net.initial_recurrent_states(len(rows)), torch.float32
    )
    loss.backward()
    grads = [parameter.grad for parameter in net.parameters()]
    group.average(grads)
    statistics = [buffer for name, buffer in net.named_buffers() if "running" in name]
    return {"loss": group.mean(loss.item()), "tensors": [*grads, *group.gather(recurrent_states), *statistics]}


SHARED = """
import os, sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_loop import gradients, tiny_throughput
from hearsim.training.loop import train
from hearsim.training.spec import read_spec
folder, port = Path(sys.argv[2]), sys.argv[3]
for name in ("spec", "norms"):
    found = gradients(read_spec(folder / f"{name}.toml"))
    torch.save(found, folder / f"{name}{torch.distributed.get_rank()}.pt")
train(read_spec(folder / "spec.toml"), folder / "two")
threads = [(thread / "comm").read_text() for thread in Path("/proc/self/task").iterdir()]
assert not [name for name in threads if "gloo" in name], threads
os.environ["MASTER_PORT"] = port
print(*tiny_throughput(), sep="\\n")
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """What two processes compute in turn: their folder, and what each has printed."""
    folder = tmp_path_factory.mktemp("two")
    spec_in(folder)
    change(folder / "spec.toml", "steps = 30", "steps = 10")
    text = (folder / "spec.toml").read_text()
    sizes = "rate = 8000\nwindow = 64\nhop = 16\nunits = 8\nbases = 6\nbands = 16"
    assert sizes in text
    norms = 'system = "x-umx-23ms"\nrate = 8000\nwindow = 64\nhop = 32\nunits = 8\nlayers = 1'
    (folder / "norms.toml").write_text(text.replace(sizes, norms))
    done = run_processes(2, "-c", SHARED, str(Path(__file__).parent), str(folder), str(free_port()))
    assert [process.returncode for process in done] == [0, 0], done
    return folder, [process.stdout for process in done]


def test_two_processes_give_the_gradient_of_one_and_train_as_one(two: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, _ = two
    spec = read_spec(folder / "spec.toml")
    one, shared_one = gradients(spec), torch.load(folder / "spec0.pt", weights_only=True)
    train(spec, tmp_path / "one")
    assert one["loss"] == pytest.approx(shared_one["loss"], rel=1e-6)
    for single, shared in zip(one["tensors"], shared_one["tensors"], strict=True):
        assert single.abs().max() > 0
        torch.testing.assert_close(shared, single, rtol=0, atol=1e-6)
    shared_weights = weights(folder / "two")
    for key, tensor in weights(tmp_path / "one").items():
        torch.testing.assert_close(shared_weights[key], tensor, rtol=0, atol=1e-5)
    runs = (tmp_path / "one", folder / "two")
    states = [torch.load(run / "checkpoint.pt", weights_only=True)["state"] for run in runs]
    for single, shared in zip(*(state["recurrent_states"] for state in states), strict=True):
        torch.testing.assert_close(shared, single, rtol=0, atol=1e-4)
    train(spec, folder / "two", resume=True)  # nothing left to do, but it fits one process too


def test_batch_norms_have_the_statistics_of_all_processes(two: tuple[Path, list[str]]) -> None:
    folder, _ = two
    one = gradients(read_spec(folder / "norms.toml"))
    for rank in (0, 1):
        shared_one = torch.load(folder / f"norms{rank}.pt", weights_only=True)
        assert one["loss"] == pytest.approx(shared_one["loss"], rel=1e-6)
        for single, shared in zip(one["tensors"], shared_one["tensors"], strict=True):
            torch.testing.assert_close(shared, single, rtol=1e-4, atol=1e-6)


def test_a_run_can_be_resumed_from_its_first_step_on(
    spec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = read_spec(spec_file)
    train(spec, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        with pytest.raises(BreakOffError):
            train(spec, tmp_path / "parts")
    train(spec, tmp_path / "parts", resume=True)
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")
    for key, tensor in weights(tmp_path / "whole").items():
        assert torch.equal(weights(tmp_path / "parts")[key], tensor), key


def test_a_batch_that_can_not_be_shared_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    assert Group("cpu").rows(4) == range(2)
    with pytest.raises(HearsimError, match=r"optimizer.batch = 3 can't be shared by 2 processes"):
        Group("cpu").rows(3)


def test_a_cosine_ends_at_a_hundredth_and_a_plateau_is_cut() -> None:
    optim, validation = OptimizerSpec(steps=100, warm_up=10, learning_rate=1.0), ValidationSpec(flat=2, cut=0.5, stop=5)
    rates = [learning_rate(step, optim, validation, Progress()) for step in (0, 9, 10, 55, 100)]
    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.505, 0.01])
    optim, progress = optim.model_copy(update={"schedule": "plateau"}), Progress()
    seen = []
    for score in (1.0, 2.0, 1.5, 1.9, 1.9, 1.9, 1.9):
        progress.add(score, validation, cutting=True)
        seen.append((learning_rate(50, optim, validation, progress), progress.is_over(validation)))
    assert seen == [(1.0, False), (1.0, False), (1.0, False), (0.5, False), (0.5, False), (0.25, False), (0.25, True)]


def test_tensorboard_gets_the_curve(spec_file: Path, tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(read_spec(spec_file), tmp_path / "run", tensorboard=True)
    seen = events.EventAccumulator(str(tmp_path / "run"))
    seen.Reload()
    rows = curve(tmp_path / "run")
    assert [event.step for event in seen.Scalars("loss")] == [int(row[0]) for row in rows]
    assert [event.value for event in seen.Scalars("validation_db")] == pytest.approx(
        [float(r[3]) for r in rows], abs=1e-3
    )


def test_tensorboard_without_its_package_is_a_sentence(
    spec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(HearsimError, match=r"hearsim\[tensorboard\]"):
        train(read_spec(spec_file), tmp_path / "run", tensorboard=True)


def sentence(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["train", "run", *arguments])
    assert isinstance(result.exception, HearsimError), result.output
    return str(result.exception)


def test_bad_specs_are_sentences(spec_file: Path, tmp_path: Path) -> None:
    run = ("--run", str(tmp_path / "run"))
    assert "can't be read (No such file" in sentence(str(tmp_path / "none.toml"), *run)
    assert "can't be read (Is a directory)" in sentence(str(tmp_path), *run)
    (tmp_path / "binary.toml").write_bytes(bytes(range(256)))
    assert "binary.toml is not a text in UTF-8" in sentence(str(tmp_path / "binary.toml"), *run)
    text = spec_file.read_text()
    for old, new, said in (
        ("units = 8", "unit = 8", "model the key unit is not known: did you mean units?"),
        ("units = 8", "units = 0", "model units = 0 is too low: give 1 or more"),
        ("batch = 2", "batches = 2", "key optimizer.batches is not known"),
        ("batch = 2", "batch = 0", "optimizer.batch = 0 is too low: give more than 0"),
        ("batch = 2", 'loss = "l2"', "optimizer.loss = 'l2' is not known: give 'l1', 'l1_wave'"),
        ('name = "tiny"', 'name = "tiny"\nsystem = "huge"', "no system is called 'huge'"),
        ('name = "tiny"', 'name = "tiny"\nchannels = 1', "model: examples are stereo and have the stems vocals, drums"),
        ("units = 8", 'units = 8\nstems = ["drums", "vocals", "bass", "other"]', "in this order: leave channels"),
        ("[validation]", "[augmentation]\nmute = 10\n[validation]", "augmentation.mute = 10 is too high: give"),
        ("[validation]", "[augmentation]\nspeed_range = [0, 1]\n[validation]", "augmentation.speed_range[0] = 0"),
        (
            "[validation]",
            "[augmentation]\ngain_db = [4, -8]\n[validation]",
            "gain_db = [4, -8]: give the lower limit first",
        ),
        (
            "[validation]",
            "[augmentation]\nequalize_db = -1\n[validation]",
            "augmentation.equalize_db = -1 is too low: give 0",
        ),
        ("seconds = 0.1", "seconds = inf", "optimizer.seconds = inf is not a finite number"),
        (
            "[data]",
            '[data]\nweights = { "song*" = -1 }',
            "data.weights.song* = -1 is too low: give 0 or more",
        ),
        ('validation = ["song2"]', "", ""),
    ):
        spec_file.write_text(text.replace(old, new))
        if said:
            assert said in sentence(str(spec_file), *run)
    spec_file.write_text(spec_file.read_text().replace("steps = 30", 'steps = 30\nschedule = "plateau"'))
    assert "name tracks in data.validation" in sentence(str(spec_file), *run)
    assert not (tmp_path / "run").exists()


def test_bad_data_and_folders_are_sentences(spec_file: Path, tmp_path: Path) -> None:
    run, text = tmp_path / "run", spec_file.read_text()
    assert "/proc/x can't be written" in sentence(str(spec_file), "--run", "/proc/x")
    assert "no checkpoint.pt" in sentence(str(spec_file), "--run", str(run), "--resume")
    assert "none.safetensors does not exist" in sentence(
        str(spec_file), "--run", str(run), "--start-from", str(tmp_path / "none.safetensors")
    )
    assert "can't be read as weights" in sentence(str(spec_file), "--run", str(run), "--start-from", str(spec_file))
    spec_file.write_text(text.replace('root = "songs"', 'root = "nowhere"'))
    assert "nowhere is not a folder" in sentence(str(spec_file), "--run", str(run))
    for number in range(3):
        write_song(tmp_path / "poor" / f"song{number}", stems=("vocals", "bass", "other"))
    spec_file.write_text(text.replace('root = "songs"', 'root = "poor"'))
    assert "no track to train on has drums" in sentence(str(spec_file), "--run", str(run))
    for old, new, said in (
        (
            '["song2"]',
            '["song2", "opera*"]',
            "songs holds no track that fits 'opera*' of data.validation: it has song0, song1, song2",
        ),
        ("[data]", '[data]\nheld_out = ["song"]', "no track that fits 'song' of data.held_out"),
        ("[data]", '[data]\nleft_out = ["Song1"]', "no track that fits 'Song1' of data.left_out"),
        (
            "[data]",
            '[data]\nweights = {"sonk1" = 0}',
            "fits 'sonk1' of data.weights: it has song0, song1, song2; did you mean song1",
        ),
    ):
        spec_file.write_text(text.replace(old, new))
        assert said in sentence(str(spec_file), "--run", str(run))
    spec_file.write_text(text)
    beats = np.zeros((2 * RATE, 2))
    beats[0] = beats[-1] = 0.5
    for stem in TONES_HZ:
        write(tmp_path / "songs" / "song2" / f"{stem}.wav", beats)
    spec_file.write_text(text.replace("seconds = 1.0", "seconds = 0.5"))
    assert "the validation's excerpts are silent" in sentence(str(spec_file), "--run", str(run))


def test_checkpoints_of_other_specs_and_broken_ones_are_sentences(spec_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = train(change(spec_file, "steps = 30", "steps = 2"), run)
    assert "already holds a run" in sentence(str(spec_file), "--run", str(run))
    text = spec_file.read_text()
    spec_file.write_text(text.replace("learning_rate = 0.01", "learning_rate = 0.02"))
    said = sentence(str(spec_file), "--run", str(run), "--resume")
    assert "optimizer.learning_rate is 0.01 there and 0.02 here" in said
    spec_file.write_text(text.replace("units = 8", "units = 9"))
    said = sentence(str(spec_file), "--run", str(tmp_path / "other"), "--start-from", str(first))
    assert "holds weights of another network" in said
    spec_file.write_text(text)
    (run / "checkpoint.pt").write_bytes(b"PK, or so it says")
    assert "is not a checkpoint of this version" in sentence(str(spec_file), "--run", str(run), "--resume")


def tiny_throughput() -> list[throughput.Throughput]:
    """Return what the benchmark finds for a small network."""
    sizes = HSTasNetConfig(window=128, hop=64, units=16, layers=1, bases=12)
    runs = (("hs-tasnet-lite", 2, 0.1, torch.float32),)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(throughput, "system", lambda _: sizes)
        patch.setattr(throughput, "RUNS", runs)
        patch.setattr(throughput, "ROUNDS", 1)
        return throughput.throughput()


def is_told(line: str, clock: str) -> bool:
    said = rf"training hs-tasnet-lite, 2 x 0.1 s, float32: [\d.]+ x real time \(best .*\) in {clock}"
    return re.fullmatch(said, line) is not None


def test_throughput_is_told_once_by_however_many_processes(two: tuple[Path, list[str]]) -> None:
    (line,) = map(str, tiny_throughput())
    assert is_told(line, "one core's time")
    first, second = (text.strip().splitlines() for text in two[1])
    assert [is_told(line, "wall time, 2 processes") for line in first if line.startswith("training hs")] == [True]
    assert not [line for line in second if line.startswith("training hs")]
