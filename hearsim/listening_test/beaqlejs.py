"""A test for BeaqleJS (Kraft & Zoelzer 2014): one config for each participant, to be named in its index.html."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hearsim.core.errors import HearsimError
from hearsim.core.files import writes
from hearsim.listening_test.names import PRACTICE, REFERENCE
from hearsim.listening_test.sessions import rows
from hearsim.listening_test.spec import Participant, Plan
from hearsim.listening_test.trials import code, trials

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


# BeaqleJS saves nothing of the config but the TestIDs, and not even these for pairs. So its field for the user's name
# says whose config it was.
_SIGN = """document.addEventListener("DOMContentLoaded", function () {
 var name = document.getElementById("UserName");
 name.value = %s;
 name.readOnly = true;
});
"""


def audio_folder(plan: Plan) -> str:
    """Return where the stimuli lie in a BeaqleJS folder."""
    return f"audio/{plan.spec.name}"


def write_beaqlejs(plan: Plan, folder: Path) -> None:
    """Write the configs of all participants into a folder that holds the stimuli, and a note on how to run them."""
    configs = folder / "config"
    with writes(configs):
        configs.mkdir()
    for who in plan.spec.participants:
        path = configs / f"{plan.spec.name}-{who.id}.js"
        text = json.dumps(_config(plan, who), indent=1)
        with writes(path):
            path.write_text(f"var TestConfig = {text};\n{_SIGN % json.dumps(plan.test_id(who))}", encoding="utf-8")
    test = "MushraTest" if plan.spec.method == "mushra" else "AbxTest"
    with writes(folder):
        (folder / f"{plan.spec.name}.txt").write_text(
            "Copy this folder into BeaqleJS. In its index.html name the config of the participant, for example\n"
            f"config/{plan.spec.name}-{plan.spec.participants[0].id}.js, and start a {test}(TestConfig).\n"
            "At the end it saves the session as a .txt file, or posts it to a server that does (see BeaqleJS's\n"
            "README). Put the files of all participants into one folder, `results` beside manifest.json for one, and\n"
            "`hearsim export analyse FOLDER` reads them.\n",
            encoding="utf-8",
        )


def _config(plan: Plan, who: Participant) -> dict[str, Any]:
    fitting = plan.fitted[who.id]
    sets = []
    for trial in trials(plan, who):
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
