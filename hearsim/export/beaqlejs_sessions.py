"""Sessions that BeaqleJS has saved or posted, a text file of JSON each, as rows of the long table of ratings.

A file holds a list: for each trial of the config, in its order, and then the user, once for each press of a button. Of
a MUSHRA trial there is {"TestID", "Runtime" in ms, "rating": {name: 0 to 100}, "filename"}; of ABX only true or false
(AbxTest.formatResults writes that over the TestID). The user is {"UserName", "UserEmail", "UserComment"}, and our
configs fill in the name: which participant's test it is.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hearsim.errors import HearsimError
from hearsim.export.names import REFERENCE
from hearsim.export.sessions import rows

HIDDEN_REFERENCE = "Reference"
"""BeaqleJS's name of what it plays both as the reference and hidden among the others."""

NO_COMMENT = "Your comment..."
"""What stands in its field before anybody writes there."""

Table = dict[str, Any]


def session_files(place: Path) -> list[Path]:
    """Return the saved sessions of a folder, or the one that a file is; none for a table."""
    if place.is_dir():
        return sorted(place.glob("*.txt"))
    return [place] if place.suffix == ".txt" else []


def session_rows(path: Path, manifest: Table) -> Iterator[dict[str, str]]:
    """Yield the ratings of a session as rows of the table of ratings; its file name is the session's.

    Raises `HearsimError` for a file that is no session of BeaqleJS, or not one of this test.
    """
    try:
        session = _session(json.loads(path.read_text(encoding="utf-8-sig")), manifest)
        for row in rows(session | {"uuid": path.name}, manifest):
            yield {name: str(value) for name, value in row.items()}
    except OSError as error:
        raise HearsimError(f"{path} can't be read ({error.strerror}): give a session that BeaqleJS has saved") from None
    except HearsimError as error:
        raise HearsimError(f"{path}: {error}") from None
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise HearsimError(f"{path} is no session of BeaqleJS ({error!r}): take it out of there") from None


def _session(saved: list[Any], manifest: Table) -> Table:
    """Return what was saved in the form that webMUSHRA has for it."""
    users = [one for one in saved if isinstance(one, dict) and "UserName" in one]
    results = saved[: len(saved) - len(users)]
    user = users[-1]
    people = {one["test_id"]: one for one in manifest["participants"]}
    who = people.get(user["UserName"])
    if who is None:
        raise HearsimError(
            f"UserName = {user['UserName']!r} is no participant of {manifest['name']}: give the manifest of its "
            f"export, or write in who it was, {next(iter(people))} for one"
        )
    if len(results) != len(who["trials"]):
        raise HearsimError(
            f"it holds {len(results)} trials and {who['id']} has {len(who['trials'])}: these are results of another "
            "export"
        )
    if manifest["method"] == "paired":
        codes = {(one["fitting"], one["song"], one["condition"]): one["code"] for one in manifest["stimuli"]}
        told = [codes[who["fitting"], trial["song"], trial["conditions"][0]] for trial in who["trials"]]
        trials = [_pair(*one) for one in zip(results, who["trials"], told, strict=True)]
    else:
        trials = [_mushra(one) for one in results]
    comment = "" if user["UserComment"] == NO_COMMENT else user["UserComment"]
    return {"testId": who["test_id"], "participant": {"name": ["comment"], "response": [comment]}, "trials": trials}


def _mushra(result: Table) -> Table:
    scores = {REFERENCE if name == HIDDEN_REFERENCE else name: score for name, score in result["rating"].items()}
    responses = [{"stimulus": name, "score": score, "time": result["Runtime"]} for name, score in scores.items()]
    return {"type": "mushra", "id": result["TestID"], "responses": responses}


def _pair(right: Any, trial: Table, stimulus: str) -> Table:
    if not isinstance(right, bool):
        raise TypeError(f"{trial['id']} is neither true nor false")
    response = {"nonReference": stimulus, "answer": "correct" if right else "incorrect"}
    return {"type": "paired_comparison", "id": trial["id"], "responses": [response]}
