"""Ratings, checked row by row.

They are read from the collector's table, webMUSHRA's own, a completed trials.csv, or sessions saved by BeaqleJS.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hearsim.core.errors import HearsimError
from hearsim.core.files import read_text
from hearsim.listening_test.beaqlejs import session_files, session_rows
from hearsim.listening_test.names import PRACTICE, REFERENCE

ANSWERS = {"correct": 1.0, "incorrect": 0.0}
NEEDED = {"session_test_id", "trial_id"}
SEPARATORS = (",", ";", "\t")
_DECIMAL_COMMA = re.compile(r"^\s*(\d+),(\d+)\s*$")
Table = dict[str, Any]
Row = tuple[str, dict[str, str]]


@dataclass(frozen=True)
class Rating:
    """A participant's score of one stimulus: 0 to 100, or for a pair 1 for "correct" and 0 for "incorrect"."""

    participant: str
    group: str
    session: str
    song: str
    condition: str
    score: float
    stimulus: Table  # its entry in the manifest


def read_ratings(path: Path, rows: Iterable[Row], manifest: Table) -> list[Rating]:
    """Return the ratings in the rows that `read_rows` has read from `path`, without those of the practice.

    Raises `HearsimError` naming file and line for an invalid table or score, ratings of another test or export, and
    a stimulus that a participant has rated twice.
    """
    ratings: dict[tuple[str, str, str], Rating] = {}
    for place, row in rows:
        if row["trial_id"] == PRACTICE:
            continue
        try:
            rating = _rating(row, manifest)
            key = rating.participant, rating.song, rating.condition
            if key in ratings:
                raise HearsimError(
                    f"{rating.participant} has rated {rating.condition} of song {rating.song} twice, in session "
                    f"{ratings[key].session} and in {rating.session}: remove one of the sessions"
                )
        except HearsimError as error:
            raise HearsimError(f"{place}: {error}") from None
        ratings[key] = rating
    if not ratings:
        raise HearsimError(f"{path} holds no ratings: collect some first")
    return list(ratings.values())


def read_rows(path: Path, manifest: Table) -> Iterator[Row]:
    """Yield the rows of a table, of a BeaqleJS session or of a folder of them, each after its file and line."""
    sessions = session_files(path)
    for session in sessions:
        for row in session_rows(session, manifest):
            yield str(session), row
    if not sessions:
        yield from _rows(path)


def _rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a table, each after the file and the number of its last line."""
    file = io.StringIO(read_text(path, "give a table of ratings"))
    delimiter = _delimiter(file.readline(), path)
    file.seek(0)
    table = csv.DictReader(file, restval="", delimiter=delimiter)
    try:
        for row in table:
            yield f"{path}, line {table.line_num}", row
    except csv.Error as error:
        raise HearsimError(f"{path} is not a CSV in UTF-8 ({error}): save it as one") from None


def _delimiter(header: str, path: Path) -> str:
    """Return a table's column separator: a comma, or a semicolon as spreadsheets write in much of Europe."""
    for delimiter in SEPARATORS:
        names = next(csv.reader([header], delimiter=delimiter), [])
        if {name.strip() for name in names} >= NEEDED:
            return delimiter
    separated = max(SEPARATORS, key=header.count)
    missing = sorted(NEEDED - set(next(csv.reader([header], delimiter=separated), [])))
    raise HearsimError(f"{path} has no column {' and no column '.join(missing)}: give a table of ratings")


def _rating(row: dict[str, str], manifest: Table) -> Rating:
    participant = next((one for one in manifest["participants"] if one["test_id"] == row["session_test_id"]), None)
    if participant is None:
        raise HearsimError(
            f"the test {row['session_test_id']!r} is not one of {manifest['name']}: give the manifest of its export"
        )
    trial = next((one for one in participant["trials"] if one["id"] == row["trial_id"]), None)
    if trial is None:
        raise HearsimError(f"{participant['id']} has no trial {row['trial_id']!r}: these are results of another export")
    name = row.get("rating_stimulus") or row.get("choice_non_reference") or ""
    stimulus = _stimulus(name, participant["fitting"], trial["song"], manifest)
    paired = manifest["method"] == "paired"
    return Rating(
        participant["id"],
        participant["group"],
        row.get("session_uuid") or participant["test_id"],
        trial["song"],
        stimulus["condition"],
        _answer(row.get("choice_answer") or "") if paired else _score(row.get("rating_score") or ""),
        stimulus,
    )


def _stimulus(name: str, fitting: str, song: str, manifest: Table) -> Table:
    of_trial = [one for one in manifest["stimuli"] if (one["fitting"], one["song"]) == (fitting, song)]
    hidden = name == REFERENCE or manifest["hidden"].get(name) == {"fitting": fitting, "song": song}
    for one in of_trial:
        if one["condition"] == REFERENCE if hidden else one["code"] == name:
            return dict(one)
    raise HearsimError(f"the stimulus {name!r} does not belong to its trial: these are results of another export")


def _score(text: str) -> float:
    try:
        score = float(_DECIMAL_COMMA.sub(r"\1.\2", text))
    except ValueError:
        score = -1.0
    if not 0 <= score <= 100:
        raise HearsimError(f"rating_score = {text!r} is not a score: give 0 to 100, or delete the line")
    return score


def _answer(text: str) -> float:
    if text not in ANSWERS:
        raise HearsimError(f"choice_answer = {text!r} is not an answer: give correct or incorrect, or delete the line")
    return ANSWERS[text]
