"""Counts the runs of the studies in this folder and the hours of one core that they train.

python experiments/research/unit_worth/count_runs.py
"""

from pathlib import Path

from textgen.studies.study import load_study

runs = 0
seconds = 0.0
for path in sorted(Path(__file__).parent.glob("*.toml")):
    study = load_study(path)
    runs_of_study = 0
    seconds_of_study = 0.0
    for cell in study.cells:
        number = sum(len(cell.study.runs(arm)) for arm in cell.study.arms)
        _, amount = cell.budget
        runs_of_study += number
        seconds_of_study += number * amount
    print(f"{path.stem}: {runs_of_study} runs, {seconds_of_study / 3600:.1f} hours")
    runs += runs_of_study
    seconds += seconds_of_study
print(f"all: {runs} runs, {seconds / 3600:.1f} hours of training")
