"""A test for BeaqleJS (Kraft & Zoelzer 2014): one config for each participant, named in BeaqleJS's index.html."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hearsim.core.errors import HearsimError
from hearsim.core.files import make_folder, parse_json, read_text, write_text
from hearsim.listening_test.names import PRACTICE, REFERENCE
from hearsim.listening_test.sessions import rows
from hearsim.listening_test.spec import Participant, Plan
from hearsim.listening_test.trials import code, trials

HIDDEN_REFERENCE = "Reference"
"""BeaqleJS's name of the file that it plays both as the reference and as the hidden reference."""

NO_COMMENT = "Your comment..."
"""Placeholder text of its comment field."""

Table = dict[str, Any]


def session_files(place: Path) -> list[Path]:
    """Return the sessions saved in a folder, or the session file itself; an empty list for a table."""
    if place.is_dir():
        return sorted(place.glob("*.txt"))
    return [place] if place.suffix == ".txt" else []


def session_rows(path: Path, manifest: Table) -> Iterator[dict[str, str]]:
    """Yield the ratings of a session as rows of the table of ratings; its file name is the session's.

    Raises `HearsimError` for any file but a BeaqleJS session of this test.
    """
    cure = "give a session that BeaqleJS has saved"
    saved = parse_json(read_text(path, cure), str(path), cure, list)
    try:
        session = _session(saved, manifest)
        for row in rows(session | {"uuid": path.name}, manifest):
            yield {name: str(value) for name, value in row.items()}
    except HearsimError as error:
        raise HearsimError(f"{path}: {error}") from None
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise HearsimError(f"{path} is not a session of BeaqleJS ({error!r}): move it elsewhere") from None


def _session(saved: list[Any], manifest: Table) -> Table:
    """Return a saved session in webMUSHRA's form."""
    users = [one for one in saved if isinstance(one, dict) and "UserName" in one]
    results = saved[: len(saved) - len(users)]
    user = users[-1]
    participants = {one["test_id"]: one for one in manifest["participants"]}
    participant = participants.get(user["UserName"])
    if participant is None:
        raise HearsimError(
            f"UserName = {user['UserName']!r} is not a participant of {manifest['name']}: give the manifest of its "
            f"export, or correct the name, to {next(iter(participants))} for example"
        )
    if len(results) != len(participant["trials"]):
        raise HearsimError(
            f"it holds {len(results)} trials and {participant['id']} has {len(participant['trials'])}: these are "
            "results of another export"
        )
    if manifest["method"] == "paired":
        codes = {(one["fitting"], one["song"], one["condition"]): one["code"] for one in manifest["stimuli"]}
        stimuli = [
            codes[participant["fitting"], trial["song"], trial["conditions"][0]] for trial in participant["trials"]
        ]
        trials = [_pair(*one) for one in zip(results, participant["trials"], stimuli, strict=True)]
    else:
        trials = [_mushra(one) for one in results]
    comment = "" if user["UserComment"] == NO_COMMENT else user["UserComment"]
    return {
        "testId": participant["test_id"],
        "participant": {"name": ["comment"], "response": [comment]},
        "trials": trials,
    }


def _mushra(result: Table) -> Table:
    scores = {REFERENCE if name == HIDDEN_REFERENCE else name: score for name, score in result["rating"].items()}
    responses = [{"stimulus": name, "score": score, "time": result["Runtime"]} for name, score in scores.items()]
    return {"type": "mushra", "id": result["TestID"], "responses": responses}


def _pair(correct: Any, trial: Table, stimulus: str) -> Table:
    if not isinstance(correct, bool):
        raise TypeError(f"{trial['id']} is neither true nor false")
    response = {"nonReference": stimulus, "answer": "correct" if correct else "incorrect"}
    return {"type": "paired_comparison", "id": trial["id"], "responses": [response]}


# Of the config BeaqleJS saves only the TestIDs, and for pairs not even these. So its field for the user's name
# identifies the config.
_SIGN = """document.addEventListener("DOMContentLoaded", function () {
 var name = document.getElementById("UserName");
 name.value = %s;
 name.readOnly = true;
});
"""


def audio_folder(plan: Plan) -> str:
    """Return the folder of the stimuli inside a BeaqleJS folder."""
    return f"audio/{plan.spec.name}"


def write_beaqlejs(plan: Plan, folder: Path) -> None:
    """Write the configs of all participants into a folder that holds the stimuli, and a note on how to run them."""
    configs = folder / "config"
    make_folder(configs)
    for participant in plan.spec.participants:
        path = configs / f"{plan.spec.name}-{participant.id}.js"
        text = json.dumps(_config(plan, participant), indent=1)
        write_text(path, f"var TestConfig = {text};\n{_SIGN % json.dumps(plan.test_id(participant))}")
    test = "MushraTest" if plan.spec.method == "mushra" else "AbxTest"
    write_text(
        folder / f"{plan.spec.name}.txt",
        "Copy this folder into BeaqleJS. In its index.html name the config of the participant, for example\n"
        f"config/{plan.spec.name}-{plan.spec.participants[0].id}.js, and start a {test}(TestConfig).\n"
        "At the end it saves the session as a .txt file, or posts it to a server that does (see BeaqleJS's\n"
        "README). Put the files of all participants into one folder, `results` beside manifest.json for one, and\n"
        "`hearsim export analyse FOLDER` reads them.\n",
    )


def _config(plan: Plan, participant: Participant) -> dict[str, Any]:
    fitting = plan.fitted[participant.id]
    sets = []
    for trial in trials(plan, participant):
        reference, *codes = (code(plan, fitting, trial.song, one) for one in (REFERENCE, *trial.versions))
        keys = ("Reference", *sorted(codes)) if plan.spec.method == "mushra" else ("A", "B")
        files = dict(zip(keys, (reference, *sorted(codes)), strict=True))
        paths = {key: f"{audio_folder(plan)}/{one}.wav" for key, one in files.items()}
        name = "Practice" if trial.id == PRACTICE else "Trial"
        sets.append({"Name": name, "TestID": trial.id, "Files": paths})
    return {
        "TestName": plan.spec.name,
        "RateScalePng": "img/scale_abs.png",
        "RateScaleBgPng": "img/scale_abs_background.png",
        "RateMinValue": 0,
        "RateMaxValue": 100,
        "RateDefaultValue": 0,
        "ShowFileIDs": False,
        "ShowResults": False,
        "LoopByDefault": True,
        "EnableABLoop": True,
        "EnableOnlineSubmission": False,
        "BeaqleServiceURL": "",
        "SupervisorContact": "",
        "RandomizeTestOrder": False,
        "MaxTestsPerRun": -1,
        "RequireMaxRating": False,
        "AudioRoot": "",
        "Testsets": sets,
    }
