"""`hearsim experiment run`: the same bytes serial, parallel, sharded, on Dask with a worker killed, after a kill."""

import contextlib
import csv
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from quick_model import quick_model

from hearsim.core.errors import HearsimError, WriteError
from hearsim.experiment import cell as cell_module
from hearsim.experiment.cell import Record, path_of, shared
from hearsim.experiment.plan import Cell, cells_of
from hearsim.experiment.run import Outcome, Where, _Parallel, estimate, run
from hearsim.experiment.spec import Study, read_study
from hearsim.experiment.store import Store, open_store
from hearsim.simulation import stems as models

SPEC = """
name = "small"
metrics = ["estoi_vocals", "remix_csdr_db", "mpo_events"]
[factors]
listeners = ["N2"]
songs = [{ style = "pop", seconds = 3 }]
mixes = ["flat", "vocals-up"]
models = [{ name = "leaky", leakage_db = -12 }, "oracle"]
seeds = [0, 1]
"""
ONE = Where(workers=1)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spec") / "experiment.toml"
    path.write_text(SPEC)
    return path


def run_study(study: Study, folder: Path, where: Where = ONE, **more: object) -> Outcome:
    return run(study, cells_of(study), folder, where, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def serial(spec: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "serial"
    assert run_study(read_study(spec), folder) == Outcome(8, 0, 0, 0, folder)
    return folder


def results(folder: Path) -> bytes:
    return (folder / "results.csv").read_bytes()


def test_results_are_long_sorted_and_true(serial: Path) -> None:
    rows = [line.split(",") for line in results(serial).decode().splitlines()]
    factors = ["listener", "song", "seed", "mix", "aid", "model"]
    assert rows[0] == [*factors, "cell", "metric", "value", "unit", "missing_reason"]
    assert {row[7]: row[9] for row in rows[1:]} == {"estoi_vocals": "0–1", "remix_csdr_db": "dB", "mpo_events": "times"}
    assert len(rows) == 1 + 8 * 3
    flat = {tuple(row[:6]): float(row[8]) for row in rows[1:] if row[7] == "remix_csdr_db"}
    assert {value for key, value in flat.items() if key[3] == "flat" or key[5] == "oracle"} == {100.0}
    assert all(5 < value < 30 for key, value in flat.items() if key[3] != "flat" and key[5] == "leaky")
    heard = {tuple(row[:6]): float(row[8]) for row in rows[1:] if row[7] == "estoi_vocals"}
    assert (
        heard["N2", "pop", "0", "vocals-up", "closed", "oracle"] > heard["N2", "pop", "0", "flat", "closed", "oracle"]
    )
    assert (serial / "timings.csv").read_text().count("\n") == 9


def test_parallel_is_the_same(spec: Path, serial: Path, tmp_path: Path) -> None:
    run_study(read_study(spec), tmp_path / "run", Where(workers=2))
    assert results(tmp_path / "run") == results(serial)


def test_shards_together_are_the_same(spec: Path, serial: Path, tmp_path: Path) -> None:
    study, folder = read_study(spec), tmp_path / "run"
    first = run_study(study, folder, shard=(1, 2))
    assert (first.computed, first.missing) == (4, 4) and not (folder / "results.csv").exists()
    second = run_study(study, folder, shard=(2, 2))
    assert (second.computed, second.missing) == (4, 0)
    assert results(folder) == results(serial)


def test_a_killed_run_goes_on_where_it_stood(spec: Path, serial: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "hearsim", "experiment", "run", spec, "--out", folder, "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while len(list(folder.glob("cells/*.json"))) < 2:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    held = len(list(folder.glob("cells/*.json")))
    assert held < 8 and not (folder / "results.csv").exists()
    assert run_study(read_study(spec), folder)[:2] == (8 - held, held)
    assert results(folder) == results(serial)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A Dask scheduler and two workers of one thread, as processes of their own."""
    pytest.importorskip("distributed")
    port, quiet = 20000 + os.getpid() % 20000, {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    address, place = f"tcp://127.0.0.1:{port}", ["--local-directory", str(tmp_path)]
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny",
              "--no-dashboard", *place]  # fmt: skip
    processes = [subprocess.Popen([*start, "--no-dashboard"], **quiet)]  # type: ignore[call-overload]
    processes += [subprocess.Popen(worker, **quiet) for _ in range(2)]  # type: ignore[call-overload]
    try:
        from distributed import Client

        with Client(address, timeout=120, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_dask_is_the_same_with_one_of_two_workers_killed_in_mid_run(
    spec: Path, serial: Path, tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, workers = cluster
    seen = []

    def progress(what: str, done: int, total: int) -> None:
        if (what, done) == ("cells", 2):
            os.kill(workers[0].pid, signal.SIGKILL)
        seen.append((what, done, total))

    outcome = run_study(read_study(spec), tmp_path / "run", Where(cluster=address), progress=progress)
    assert outcome[:3] == (8, 0, 0)
    assert seen[-1] == ("cells", 8, 8) and workers[0].wait(10) == -signal.SIGKILL and workers[1].poll() is None
    assert results(tmp_path / "run") == results(serial)


def test_a_cluster_that_is_not_there_is_said(spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("hearsim.experiment.run._CONNECT_S", 1)
    with pytest.raises(HearsimError, match=r"--cluster tcp://127.0.0.1:1: no Dask scheduler answers"):
        run_study(read_study(spec), tmp_path / "run", Where(cluster="tcp://127.0.0.1:1"))


def test_a_worker_that_is_killed_is_said(spec: Path, tmp_path: Path) -> None:
    def dies(cell: Cell, folder: Path) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with _Parallel(Where(workers=2)) as parallel, pytest.raises(HearsimError, match="a worker process was killed"):
        list(parallel(dies, cells_of(read_study(spec)), tmp_path))


def test_shards_that_end_at_once_write_the_tables_in_turn(
    spec: Path, serial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both would write to results.csv.part, and the later one would find it gone."""
    cells = cells_of(read_study(spec))
    held = Store(serial)
    records = [record for cell in cells if (record := held.record(cell))]
    writing, most = [], []

    def slow(path: Path, *table: object) -> None:
        writing.append(path)
        most.append(len(writing))
        time.sleep(0.1)
        writing.remove(path)

    monkeypatch.setattr("hearsim.experiment.store.write_csv", slow)
    ends = [threading.Thread(target=Store(tmp_path).write_tables, args=[records]) for _ in range(3)]
    for end in ends:
        end.start()
    for end in ends:
        end.join()
    assert most == [1] * 6


def test_results_as_parquet(serial: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="no pyarrow: pip install 'hearsim[parquet]'")
    with (serial / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for ours, theirs in zip(parquet.read_table(serial / "results.parquet").to_pylist(), rows, strict=True):
        assert ours == theirs | {"value": float(theirs["value"])}


def test_a_failed_cell_is_a_row_and_is_retried_when_asked(
    spec: Path, serial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, folder = read_study(spec), tmp_path / "run"
    values = cell_module._values

    def fails(cell: Cell, place: Path) -> object:
        if cell.names[3] == "flat" and cell.names[2] == "1":
            raise ZeroDivisionError("a fault,\nof two lines")
        return values(cell, place)

    with monkeypatch.context() as patch:
        patch.setattr(cell_module, "_values", fails)
        assert run_study(study, folder)[:3] == (8, 0, 2)
    rows = results(folder).decode().splitlines()
    assert sum(',,,,"ZeroDivisionError: a fault, of two lines"' in row for row in rows) == 2
    assert run_study(study, folder)[:3] == (0, 8, 2)  # not by itself
    assert [estimate(cells_of(study), folder, 1, retry_failed=retry).waiting for retry in (False, True)] == [0, 2]
    assert run_study(study, folder, retry_failed=True)[:3] == (2, 6, 0)
    assert results(folder) == results(serial)


def test_a_forecast_measures_excerpts_and_scales_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock of its own: a second of music costs 0.5 s to make and 0.25 s a cell; a first pass costs 100 s more."""
    path = tmp_path / "experiment.toml"
    songs = 'songs = [{ style = "pop", seconds = 40 }, { style = "rock", seconds = 120 }]'
    path.write_text(SPEC.replace('songs = [{ style = "pop", seconds = 3 }]', songs))
    lengths, seen = [], []

    def timed(cost_s: float) -> Callable[[Cell, Path], Record]:
        def record(cell: Cell, folder: Path) -> Record:
            lengths.append(cell.song.length_s)
            first = 100 if len(lengths) < 3 else 0
            return Record(key=cell.key, names=cell.names, seconds=cost_s * cell.song.length_s + first)

        return record

    monkeypatch.setattr("hearsim.experiment.run.share", timed(0.5))
    monkeypatch.setattr("hearsim.experiment.run.run_cell", timed(0.25))
    found = estimate(
        cells_of(read_study(path)), tmp_path / "run", 2, progress=lambda what, done, total: seen.append((done, total))
    )
    assert set(lengths) == {4.0} and seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert found == (4, pytest.approx(0.5 * 80), 16, pytest.approx(0.25 * 80), 2)
    assert found.seconds == pytest.approx((4 * 40 + 16 * 20) / 2)


def test_a_dry_run_keeps_the_random_numbers_of_its_caller(spec: Path, tmp_path: Path) -> None:
    import torch

    random.seed(1)
    np.random.seed(2)  # noqa: NPY002
    torch.manual_seed(3)
    wanted = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index]  # noqa: NPY002
    estimate(cells_of(read_study(spec)), tmp_path / "run", 1, timed=1)
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == wanted  # type: ignore[index]  # noqa: NPY002


def test_a_model_is_loaded_once_and_a_song_separated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "experiment.toml"
    model = f'model = "{quick_model()}"'
    half = f'{{ name = "whole", {model} }}, {{ name = "half", {model}, error_scale = 0.5 }}'
    path.write_text(SPEC.replace('{ name = "leaky", leakage_db = -12 }, "oracle"', half))
    calls = {"load_network": 0, "separate": 0}
    for module, name in (("hearsim.aid.separator", "load_network"), ("hearsim.experiment.cell", "separate")):
        original = getattr(sys.modules[module], name)

        def counted(*given: object, name: str = name, original: object = original) -> object:
            calls[name] += 1
            return original(*given)  # type: ignore[operator]

        monkeypatch.setattr(f"{module}.{name}", counted)
    models._separator.cache_clear()
    assert run_study(read_study(path), tmp_path / "run").computed == 8
    assert calls == {"load_network": 1, "separate": 2}  # two songs
    rows = [line.split(",") for line in results(tmp_path / "run").decode().splitlines()]
    csdr = {row[5]: float(row[8]) for row in rows if row[7] == "remix_csdr_db" and row[2:4] == ["0", "vocals-up"]}
    assert csdr["half"] - csdr["whole"] == pytest.approx(6.02, abs=0.02)


def test_a_run_of_before_the_new_names_goes_on(spec: Path, serial: Path, tmp_path: Path) -> None:
    """Its plan says counting for results_version; its table is written anew, its cells are not computed anew."""
    folder = shutil.copytree(serial, tmp_path / "run")
    plan = (folder / "plan.json").read_text()
    assert '"results_version": 1' in plan
    (folder / "plan.json").write_text(plan.replace("results_version", "counting"))
    (folder / "results.csv").write_text("listener,song,seed,mix,aid,model,cell,metric,value,error\n")
    assert run_study(read_study(spec), folder)[:2] == (0, 8)
    assert results(folder) == results(serial)


def test_a_folder_in_use_or_of_another_experiment_or_version_is_refused(
    spec: Path, serial: Path, tmp_path: Path
) -> None:
    study = read_study(spec)
    with open_store(study, serial):
        for shard in ((1, 1), (1, 2)):
            with pytest.raises(HearsimError, match="another run is at work in"):
                run_study(study, serial, shard=shard)
    other = tmp_path / "experiment.toml"
    other.write_text(SPEC.replace("small", "large"))
    with pytest.raises(HearsimError, match="name is 'small' there and 'large' here; choose another --out"):
        run_study(read_study(other), serial)
    before = (serial / "plan.json").read_text()
    (serial / "plan.json").write_text(before.replace('"hearsim": "', '"hearsim": "0.0.'))
    try:
        with pytest.raises(
            HearsimError, match=r"plan\.json is of another .* version: hearsim is '0\.0\..*; choose another --out"
        ):
            run_study(study, serial)
    finally:
        (serial / "plan.json").write_text(before)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(HearsimError, match=r"holds thesis\.txt and no plan\.json"):
        run_study(study, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").glob("[!.]*")] == ["thesis.txt"]


def test_a_run_killed_as_it_began_is_no_other_experiment(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is there whole or not at all, and what is left of half a plan is in nobody's way."""
    study, folder = read_study(spec), tmp_path / "run"

    def half(path: Path, text: str, **_: object) -> None:
        path.write_bytes(text[:20].encode())
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", half)
        with pytest.raises(WriteError, match="No space left on device"), open_store(study, folder):
            pass
    assert not (folder / "plan.json").exists()
    (folder / "plan.json.1.part").write_text('{"sche')  # as if killed there
    with open_store(study, folder):
        assert json.loads((folder / "plan.json").read_text())["name"] == "small"


def test_locks_that_cannot_be_made_are_said(spec: Path, tmp_path: Path) -> None:
    """As on a read-only disk: here a folder has the lock's name."""
    (tmp_path / "run" / ".run-1-of-1.lock").mkdir(parents=True)
    with pytest.raises(WriteError, match="run can't be written"), open_store(read_study(spec), tmp_path / "run"):
        pass
    path_of(tmp_path, "song").with_suffix(".lock").mkdir(parents=True)
    with pytest.raises(WriteError, match=r"song\.npy can't be written"):
        shared(tmp_path, "song", lambda: np.zeros(1, np.float32))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system, which needs root")
def test_a_full_disk_is_said_and_what_was_computed_is_kept(spec: Path, serial: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", small], check=False).returncode:
        pytest.skip("mounting is not allowed here")

    def fills_up(what: str, done: int, total: int) -> None:
        if (what, done) == ("cells", 2):
            with contextlib.suppress(OSError):
                (small / "ballast").write_bytes(b"x" * 20_000_000)

    try:
        with pytest.raises(HearsimError, match=r"can't be written \(No space left on device\)"):
            run_study(read_study(spec), small / "run", progress=fills_up)
        assert len(list((small / "run" / "cells").iterdir())) == 2 and not list((small / "run").rglob("*.part"))
        (small / "ballast").unlink()
        assert run_study(read_study(spec), small / "run")[:2] == (6, 2)
        assert results(small / "run") == results(serial)
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_full_disk_is_told_by_other_processes_too() -> None:
    error = pickle.loads(pickle.dumps(WriteError(Path("x.npy"), "No space left on device")))
    assert isinstance(error, WriteError) and str(error).startswith("x.npy can't be written (No space left on device)")
