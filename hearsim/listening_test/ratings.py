"""Ratings as they come back, checked row by row.

From our collector's table, webMUSHRA's own, or a filled-in trials.csv; or from the sessions that BeaqleJS has saved.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hearsim.core.errors import HearsimError
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
    """What one participant said of one stimulus: 0 to 100, or for a pair 1 for "correct" and 0 for "incorrect"."""

    participant: str
    group: str
    session: str
    song: str
    condition: str
    score: float
    stimulus: Table  # its entry in the manifest


def read_ratings(path: Path, rows: Iterable[Row], manifest: Table) -> list[Rating]:
    """Return all ratings but those of the practice, of the rows that `read_rows` found in `path`.

    Raises `HearsimError` naming file and line for a table that is none, a score that is none, ratings of another
    test or export, and for a stimulus that a participant has rated twice.
    """
    found: dict[tuple[str, str, str], Rating] = {}
    for place, row in rows:
        if row["trial_id"] == PRACTICE:
            continue
        try:
            rating = _rating(row, manifest)
            key = rating.participant, rating.song, rating.condition
            if key in found:
                raise HearsimError(
                    f"{rating.participant} has rated {rating.condition} of song {rating.song} before, in session "
                    f"{found[key].session}, and again in {rating.session}: take one of the sessions out"
                )
        except HearsimError as error:
            raise HearsimError(f"{place}: {error}") from None
        found[key] = rating
    if not found:
        raise HearsimError(f"{path} holds no ratings: collect some first")
    return list(found.values())


def read_rows(path: Path, manifest: Table) -> Iterator[Row]:
    """Yield the rows of a table, or of one or a folder of BeaqleJS's sessions, and where each stands."""
    sessions = session_files(path)
    for session in sessions:
        for row in session_rows(session, manifest):
            yield str(session), row
    if not sessions:
        yield from _rows(path)


def _rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a table with the number of the line that each ends in."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            delimiter = _delimiter(file.readline(), path)
            file.seek(0)
            table = csv.DictReader(file, restval="", delimiter=delimiter)
            for row in table:
                yield f"{path}, line {table.line_num}", row
    except OSError as error:
        raise HearsimError(f"{path} can't be read ({error.strerror}): give a table of ratings") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise HearsimError(f"{path} is no CSV in UTF-8 ({error}): save it as one") from None


def _delimiter(header: str, path: Path) -> str:
    """Return what separates the columns of a table: a comma; in much of Europe spreadsheets write semicolons."""
    for delimiter in SEPARATORS:
        names = next(csv.reader([header], delimiter=delimiter), [])
        if {name.strip() for name in names} >= NEEDED:
            return delimiter
    separated = max(SEPARATORS, key=header.count)
    missing = sorted(NEEDED - set(next(csv.reader([header], delimiter=separated), [])))
    raise HearsimError(f"{path} has no column {' and no column '.join(missing)}: give a table of ratings")


def _rating(row: dict[str, str], manifest: Table) -> Rating:
    who = next((one for one in manifest["participants"] if one["test_id"] == row["session_test_id"]), None)
    if who is None:
        raise HearsimError(
            f"the test {row['session_test_id']!r} is not one of {manifest['name']}: give the manifest of its export"
        )
    trial = next((one for one in who["trials"] if one["id"] == row["trial_id"]), None)
    if trial is None:
        raise HearsimError(f"{who['id']} has no trial {row['trial_id']!r}: these are results of another export")
    name = row.get("rating_stimulus") or row.get("choice_non_reference") or ""
    stimulus = _stimulus(name, who["fitting"], trial["song"], manifest)
    paired = manifest["method"] == "paired"
    return Rating(
        who["id"],
        who["group"],
        row.get("session_uuid") or who["test_id"],
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
    raise HearsimError(f"the stimulus {name!r} is none of its trial: these are results of another export")


def _score(text: str) -> float:
    try:
        score = float(_DECIMAL_COMMA.sub(r"\1.\2", text))
    except ValueError:
        score = -1.0
    if not 0 <= score <= 100:
        raise HearsimError(f"rating_score = {text!r} is no score: give 0 to 100, or take the line out")
    return score


def _answer(text: str) -> float:
    if text not in ANSWERS:
        raise HearsimError(f"choice_answer = {text!r} is no answer: give correct or incorrect, or take the line out")
    return ANSWERS[text]
