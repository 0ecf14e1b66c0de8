"""A test for BeaqleJS (Kraft & Zoelzer 2014): one config for each participant, to be named in its index.html."""

import json
from pathlib import Path
from typing import Any

from hearsim.export.names import PRACTICE, REFERENCE
from hearsim.export.order import code, trials
from hearsim.export.spec import Participant, Plan
from hearsim.paths import writes

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
