"""Sessions posted by webMUSHRA: saved unchanged, and read into one table of ratings."""

import csv
import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hearsim.core.errors import HearsimError
from hearsim.core.files import read_json, write_atomically
from hearsim.listening_test.names import PRACTICE, REFERENCE, SCHEMA

PREFIX = b"sessionJSON="
COLUMNS = (
    *("session_test_id", "session_uuid", "participant", "group", "trial_id", "practice", "type"),
    *("rating_stimulus", "condition", "rating_score", "choice_answer", "rating_time", "rating_comment", "comment"),
)
UNREADABLE = (HearsimError, KeyError, TypeError, AttributeError)
"""Errors that `parse` and `rows` raise for anything but a session of this test."""

Table = dict[str, Any]


def read_manifest(path: Path) -> Table:
    """Read a manifest; raises `HearsimError` for a file that is no manifest, or has another version of the schema."""
    table = read_json(path, "give the folder of an export, or export the test anew")
    if (schema := table.get("schema")) != SCHEMA:
        raise HearsimError(f"{path} has the schema {schema!r}, and this version reads {SCHEMA!r}: export the test anew")
    return table


def save(folder: Path, body: bytes) -> Path:
    """Write the body of a POST to a new file and flush it to the disk (fsync); return the file.

    A repeated body gives the same file. Raises `OSError` where it can't be written; then no file is left.
    """
    name = hashlib.sha256(body).hexdigest()[:16]
    path = next(folder.glob(f"*-{name}.session"), folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{name}.session")
    if not path.exists():
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    _sync_folder(folder)
    return path


def _sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, and so the name of a new file (POSIX; Windows can't open folders)."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def parse(body: bytes) -> Table:
    """Return the session in a POST's body: all bytes after `sessionJSON=`.

    webMUSHRA does not encode its form, so & and % are plain characters. Raises `HearsimError` for any other body.
    """
    if not body.startswith(PREFIX):
        raise HearsimError("it does not begin with sessionJSON=: is the page webMUSHRA?")
    try:
        session = json.loads(body.removeprefix(PREFIX).decode())
    except (ValueError, RecursionError) as error:  # of UTF-8 or of JSON
        raise HearsimError(f"it holds no whole session ({error})") from None
    if not isinstance(session, dict) or not isinstance(session.get("trials"), list) or "testId" not in session:
        raise HearsimError("it holds no session: testId or trials are missing")
    return session


def rows(session: Table, manifest: Table) -> Iterator[Table]:
    """Yield the ratings of a session, one row each, with their names in the manifest.

    Raises `HearsimError` for a session of another test, and for a stimulus that is not in the manifest.
    """
    participant = next((one for one in manifest["participants"] if one["test_id"] == session["testId"]), None)
    if participant is None:
        raise HearsimError(f"its test {session['testId']!r} is not one of {manifest['name']}")
    questionnaire = session.get("participant") or {}
    answers = dict(zip(questionnaire.get("name") or (), questionnaire.get("response") or (), strict=False))
    conditions = {one["code"]: one["condition"] for one in manifest["stimuli"]} | {REFERENCE: REFERENCE}
    for trial in session["trials"]:
        for one in trial["responses"]:
            paired = trial["type"] == "paired_comparison"
            stimulus = one["nonReference" if paired else "stimulus"]
            if stimulus not in conditions:
                raise HearsimError(
                    f"its stimulus {stimulus!r} is not in the manifest: the session belongs to another export"
                )
            yield {
                "session_test_id": session["testId"],
                "session_uuid": session.get("uuid", ""),
                "participant": participant["id"],
                "group": participant["group"],
                "trial_id": trial["id"],
                "practice": int(trial["id"] == PRACTICE),
                "type": trial["type"],
                "rating_stimulus": stimulus,
                "condition": conditions[stimulus],
                "rating_score": one.get("score", ""),
                "choice_answer": one.get("answer", ""),
                "rating_time": one.get("time", ""),
                "rating_comment": one.get("comment") or "",
                "comment": answers.get("comment") or "",
            }


def write_table(folder: Path, manifest: Table, path: Path) -> list[str]:
    """Write the ratings of all saved sessions to a CSV; return a sentence for each file that is skipped.

    Of a session that was sent twice, for example with another comment, the later version counts.
    """
    latest: dict[str, list[Table]] = {}
    skipped = []
    for file in sorted(folder.glob("*.session")):
        try:
            session = parse(file.read_bytes())
            latest[str(session.get("uuid") or file.name)] = list(rows(session, manifest))
        except UNREADABLE as error:
            why = error if isinstance(error, HearsimError) else f"it is not a session of webMUSHRA ({error!r})"
            skipped.append(f"{file} is not in {path.name}: {why}")
    with write_atomically(path) as part, part.open("w", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, COLUMNS)
        table.writeheader()
        for session_rows in latest.values():
            table.writerows(session_rows)
    return skipped
