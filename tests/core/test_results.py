"""The output folder: whole or not at all, and nothing of the user's in it is lost."""

import json
import os
from pathlib import Path

import pytest

from hearsim.core.errors import HearsimError
from hearsim.core.results import files_of, output_folder

OUTPUTS = ("report.json", "stems")


def run(out: Path, force: bool = False, text: str = "new", stems: tuple[str, ...] = ("vocals",)) -> None:
    with output_folder(out, OUTPUTS, force) as part:
        (part / "stems").mkdir()
        for stem in stems:
            (part / "stems" / f"{stem}.wav").write_text(text)
        (part / "report.json").write_text(json.dumps({"text": text, "files": files_of(part, "report.json")}))


def content(folder: Path) -> dict[str, str]:
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    return {name: json.loads(text)["text"] if name.endswith(".json") else text for name, text in found.items()}


def test_an_earlier_run_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    out = tmp_path / "a" / "out"
    run(out, text="old", stems=("vocals", "bass"))
    (out / "notes.txt").write_text("mine")
    (out / "stems" / "my take.wav").write_text("mine")
    with pytest.raises(HearsimError, match=r"already holds report\.json, stems: choose another --out, or give --force"):
        run(out)
    run(out, force=True)
    theirs = {"notes.txt": "mine", "stems/my take.wav": "mine"}
    assert content(out) == {"report.json": "new", "stems/vocals.wav": "new", **theirs}
    assert not list(out.rglob("*.part"))


def test_a_folder_that_an_earlier_run_alone_had_made_goes_with_its_files(tmp_path: Path) -> None:
    run(tmp_path, text="old")
    with output_folder(tmp_path, OUTPUTS[:1], force=True) as part:
        (part / "report.json").write_text('{"text": "new"}')
    assert content(tmp_path) == {"report.json": "new"} and not (tmp_path / "stems").exists()


def test_a_users_file_of_the_name_of_an_output_stays(tmp_path: Path) -> None:
    run(tmp_path, text="old")
    (tmp_path / "stems" / "bass.wav").write_text("mine")
    with pytest.raises(HearsimError, match=r"bass\.wav was not written by an earlier run: move it, or choose another"):
        run(tmp_path, force=True, stems=("vocals", "bass", "drums"))
    assert content(tmp_path) == {"report.json": "old", "stems/vocals.wav": "old", "stems/bass.wav": "mine"}


@pytest.mark.parametrize("record", ['{"text": "old"}', '{"text": "", "files": ["report.json", "../stems/vocals.wav"]}'])
def test_a_folder_that_the_record_does_not_name_is_of_no_earlier_run(tmp_path: Path, record: str) -> None:
    (tmp_path / "stems").mkdir()
    (tmp_path / "stems" / "vocals.wav").write_text("the only copy")
    (tmp_path / "report.json").write_text(record)
    with pytest.raises(
        HearsimError, match=r"stems, which report\.json does not name among the files of its run: choose"
    ):
        run(tmp_path, force=True)
    assert content(tmp_path)["stems/vocals.wav"] == "the only copy"


def test_what_no_run_has_written_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "stems").mkdir()
    (tmp_path / "stems" / "vocals.wav").write_text("the only copy")
    with pytest.raises(HearsimError, match=r"holds stems and no report\.json, so they are of no earlier run: choose"):
        run(tmp_path, force=True)
    assert content(tmp_path) == {"stems/vocals.wav": "the only copy"}


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit, OSError])
def test_nothing_is_left_of_a_run_that_is_broken_off(tmp_path: Path, exception: type[BaseException]) -> None:
    run(tmp_path / "held", text="old")
    for out in (tmp_path / "held", tmp_path / "new" / "deep"):
        with pytest.raises(exception), output_folder(out, OUTPUTS, force=True) as part:
            (part / "report.json").write_text('{"text": "half"}')
            raise exception
    assert content(tmp_path) == {"held/report.json": "old", "held/stems/vocals.wav": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["held"]


def test_an_earlier_run_comes_back_where_the_new_one_can_not_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, text="old")
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target) == tmp_path / "stems" / "vocals.wav" and ".replaced" not in str(source):
            raise OSError(28, os.strerror(28))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(
        HearsimError, match=r"can't be written \(No space left on device\): choose another --out, or make"
    ):
        run(tmp_path, force=True)
    assert content(tmp_path) == {"report.json": "old", "stems/vocals.wav": "old"}


def test_the_working_folder_may_be_the_output_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(Path())
    assert content(tmp_path) == {"report.json": "new", "stems/vocals.wav": "new"}
