"""A test for any other tool: a folder of files and trials.csv, whose last columns the test fills in."""

import csv
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from hearsim.core.files import writes
from hearsim.listening_test.names import HIDDEN, REFERENCE
from hearsim.listening_test.spec import Participant, Plan
from hearsim.listening_test.trials import code, trials

COLUMNS = (
    *("session_test_id", "session_uuid", "trial_id", "trial", "position", "reference_file", "stimulus_file"),
    *("rating_stimulus", "rating_score", "rating_time", "rating_comment", "choice_answer"),
)


def write_plain(plan: Plan, folder: Path) -> None:
    """Write trials.csv beside the folder of stimuli, which gets a separate file for each hidden reference.

    One row per stimulus, in playing order. `hearsim export analyse` reads the completed table: rating_score for
    MUSHRA, "correct" or "incorrect" in choice_answer for pairs.
    """
    audio = folder / "stimuli"
    with writes(folder):
        for fitting in plan.fittings:
            for song in plan.spec.songs:
                names = [f"{code(plan, fitting, song.name, one)}.wav" for one in (REFERENCE, HIDDEN)]
                shutil.copyfile(audio / names[0], audio / names[1])
        with (folder / "trials.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COLUMNS, restval="")
            table.writeheader()
            for participant in plan.spec.participants:
                table.writerows(_rows(plan, participant))


def _rows(plan: Plan, participant: Participant) -> Iterator[dict[str, str]]:
    fitting = plan.fitted[participant.id]
    draw = random.Random(f"{plan.spec.seed}/{plan.spec.name}/{participant.id}/positions")
    for number, (trial_id, song, versions) in enumerate(trials(plan, participant)):
        presented = [*versions, HIDDEN]
        draw.shuffle(presented)
        for position, version in enumerate(presented, start=1):
            name = code(plan, fitting, song, version)
            yield {
                "session_test_id": plan.test_id(participant),
                "session_uuid": plan.test_id(participant),
                "trial_id": trial_id,
                "trial": str(number),
                "position": str(position),
                "reference_file": f"stimuli/{code(plan, fitting, song, REFERENCE)}.wav",
                "stimulus_file": f"stimuli/{name}.wav",
                "rating_stimulus": name,
            }
