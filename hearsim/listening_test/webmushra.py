r"""A test for webMUSHRA (Schoeffler et al. 2018, JORS 6:8): one config for each participant, one line of JSON.

Its defects and their workarounds:
1. its YAML parser silently drops input that it can't parse, and reads \u escapes as UTF-8: so the .yaml is one
   line of JSON, every character as it is;
2. its own anchors come 95 samples early, and 3. never load at rates that it has no filter for: the anchors are
   rendered here, and its own are off;
4. a & in a comment cuts its POST in two under PHP: see `hearsim.listening_test.collector`;
5. it reports a failed save only if the finish page has showErrors, and can't send again: the finish page adds a
   script that can;
6. with randomize false the hidden reference is always last: it is true, and the pages are shuffled here;
7. mono files play on the left only: all files are stereo.
"""

import json
from pathlib import Path
from typing import Any

from hearsim.core.files import make_folder, write_text
from hearsim.listening_test.names import CALIBRATION, REFERENCE, SERVICE, config_name
from hearsim.listening_test.spec import INSTRUCTIONS, Participant, Plan
from hearsim.listening_test.trials import Trial, code, trials

Page = dict[str, Any]

# The popup after an error offers nothing but OK, and until they are sent the page holds the only copy of the ratings.
_SEND_AGAIN = """<script>$(document).off('click.again').on('click.again', '#send_results, #send_again', function () {
var page = pageManager.getCurrentPage(), again = this.id === 'send_again';
if (again) { page.errorDiv.empty(); page.sendResults(); }
if (page.errorDiv.text()) { page.errorDiv
.append('<p>Your ratings are not lost: leave this page open, tell the experimenter, and send them again.</p>')
.append('<button id=send_again>Send again</button>'); }
else if (again) { page.errorDiv.css('color', 'inherit').text('Your results are saved.'); }
});</script>""".replace("\n", " ")


def audio_folder(plan: Plan) -> str:
    """Return the folder of the stimuli inside a webMUSHRA folder."""
    return f"stimuli/{plan.spec.name}"


def write_webmushra(plan: Plan, folder: Path, tone: dict[str, Any]) -> None:
    """Write the configs of all participants and of the calibration into a folder that holds the stimuli."""
    configs = folder / "configs"
    make_folder(configs)
    for participant in plan.spec.participants:
        _write(
            configs / config_name(plan.spec.name, participant.id),
            _config(plan, plan.test_id(participant), _pages(plan, participant)),
        )
    calibration = _config(plan, f"{plan.spec.name}-{CALIBRATION}", _calibration(plan, tone))
    _write(configs / config_name(plan.spec.name, CALIBRATION), calibration)


def _config(plan: Plan, test_id: str, pages: list[Page]) -> Page:
    return {
        "testname": plan.spec.name,
        "testId": test_id,
        "bufferSize": 2048,
        "stopOnErrors": True,
        "showButtonPreviousPage": False,
        "remoteService": SERVICE,
        "pages": pages,
    }


def _write(path: Path, config: Page) -> None:
    write_text(path, json.dumps(config, ensure_ascii=False) + "\n")


def _pages(plan: Plan, participant: Participant) -> list[Page]:
    practice, *tested = trials(plan, participant)
    consent = {"type": "consent", "id": "consent", "name": "Consent", "mustConsent": True}
    pages: list[Page] = [consent | {"content": plan.spec.consent}]
    pages.append(_trial(plan, participant, practice, "Practice: these ratings do not count"))
    for number, trial in enumerate(tested, start=1):
        pages.append(_trial(plan, participant, trial, f"Trial {number} of {len(tested)}"))
    comment = {"type": "long_text", "name": "comment", "label": "Anything to tell us?", "optional": True}
    finish = {
        "type": "finish",
        "name": "Thank you",
        "content": f"<p>Please send your results.</p>{_SEND_AGAIN}",
        "popupContent": "<p>You may close this page, unless there is a message in red above.</p>",
        "showResults": False,
        "writeResults": True,
        "showErrors": True,
        "questionnaire": [comment],
    }
    return [*pages, finish]


def _trial(plan: Plan, participant: Participant, trial: Trial, name: str) -> Page:
    def blind(version: str) -> str:
        return code(plan, plan.fitted[participant.id], trial.song, version)

    codes = sorted(blind(version) for version in trial.versions)  # not in the order of the spec
    page: Page = {
        "type": "mushra" if plan.spec.method == "mushra" else "paired_comparison",
        "id": trial.id,
        "name": name,
        "content": plan.spec.instructions or INSTRUCTIONS[plan.spec.method],
        "showWaveform": False,
        "enableLooping": True,
        "reference": f"{audio_folder(plan)}/{blind(REFERENCE)}.wav",
        "stimuli": {one: f"{audio_folder(plan)}/{one}.wav" for one in codes},
    }
    if plan.spec.method == "mushra":
        page |= {
            "createAnchor35": False,
            "createAnchor70": False,
            "randomize": True,
            "showConditionNames": False,
            "strict": True,
            "switchBack": False,
        }
    return page


def _calibration(plan: Plan, tone: dict[str, Any]) -> list[Page]:
    """Return one page with the tones: they play in the test's browser, as another player may have its own volume."""
    players = "".join(
        f'<p>{ear} ear: <audio controls loop src="{audio_folder(plan)}/{one["path"]}"></audio></p>'
        for ear, one in tone["files"].items()
    )
    content = (
        f"<p>Play each tone at the full volume of this page and set the amplifier so that the coupler or ear simulator "
        f"of that ear reads <b>{tone['level_db_spl']:g} dB SPL</b> ({tone['frequency_hz']:g} Hz).</p>{players}"
    )
    return [{"type": "generic", "id": CALIBRATION, "name": "Calibration", "content": content}]
