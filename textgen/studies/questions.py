"""The questions of a study and when they were asked, in ``reports/STUDY/questions.json``: a
question was declared for an arm if it was asked before a run of this arm had been finished. The
file stays with the report; whether runs are still there does not matter."""

import datetime
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from textgen.core.files import write_json
from textgen.report.contrast import Contrast
from textgen.runs.results import Content, read_content
from textgen.studies.planning import ArmPlan
from textgen.studies.study import Study

AGAIN = "restore the file, or delete it: all questions then count as asked today"


class Asked(Content):
    """A question, and the day on which the study first asked it; empty if that is not known."""

    contrast: Contrast
    asked: str


class ArmQuestions(Content):
    """The questions about an arm, and the day on which a finished run of it was first seen; None if
    there has been none, empty if that is not known."""

    finished: str | None
    questions: list[Asked]


def declare(
    study: Study, file: Path, plans: Mapping[str, ArmPlan], finished: Collection[str]
) -> dict[str, ArmPlan]:
    """Plans with the questions that were asked in time, which are recorded in a file.

    Args:
        study: asks the questions.
        file: see above.
        plans: arm → its plan, with the questions of earlier versions, which had no such file.
        finished: arms that have a finished run, or have had one that is on record.

    Raises:
        TextgenError: the file is damaged, or cannot be written.
    """
    today = datetime.date.today().isoformat()
    stored = read_content(file, dict[str, ArmQuestions], AGAIN) if file.exists() else {}
    before = dict(stored)
    declared = dict[str, ArmPlan]()
    for arm, plan in plans.items():
        if arm not in stored:
            known = [Asked(contrast=contrast, asked="") for contrast in plan.declared]
            had_a_run = "" if arm in finished else None
            stored[arm] = ArmQuestions(finished=had_a_run, questions=known)
        if stored[arm].finished is None and arm not in finished:
            days = {asked.contrast: asked.asked for asked in stored[arm].questions}
            questions = [Asked(contrast=c, asked=days.get(c, today)) for c in study.contrasts]
            stored[arm] = ArmQuestions(finished=None, questions=questions)
        elif stored[arm].finished is None:
            stored[arm] = stored[arm].model_copy(update={"finished": today})
        questions_in_time = tuple(asked.contrast for asked in stored[arm].questions)
        declared[arm] = replace(plan, declared=questions_in_time)
    if stored != before:
        write_json(file, {arm: _plain(questions) for arm, questions in stored.items()})
    return declared


def close(file: Path, arm: str) -> None:
    """A run of an arm is finished: no other question about it is asked in time.

    Raises:
        TextgenError: the file is damaged, or cannot be written.
    """
    stored = read_content(file, dict[str, ArmQuestions], AGAIN) if file.exists() else {}
    if arm in stored and stored[arm].finished is None:
        today = datetime.date.today().isoformat()
        stored[arm] = stored[arm].model_copy(update={"finished": today})
        write_json(file, {name: _plain(questions) for name, questions in stored.items()})


def _plain(questions: ArmQuestions) -> dict[str, object]:
    asked = [
        {"contrast": asdict(each.contrast), "asked": each.asked} for each in questions.questions
    ]
    return {"finished": questions.finished, "questions": asked}
