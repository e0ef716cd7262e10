#!/bin/sh
# Every experiment of this folder; a run cut short goes on, a finished one is left alone.
# usage: sh experiments/research/article/all.sh [PYTHON] [RUNS] [AT_ONCE]
python=${1:-python} runs=${2:-runs}
for reading in block next; do
  for setting in 100_units_50 125_units_30 150_units_50 100_units_10; do
    echo ${setting}_$reading
  done
done > "${TMPDIR:-/tmp}/textgen-article.$$"
for name in 100_units_50_next_categorical shift_1 shift_2 shift_3 shift_5 shift_10 shift_50 \
  decoder_feedback_50 decoder_one_shot_50 decoder_one_shot_30; do
  echo $name
done >> "${TMPDIR:-/tmp}/textgen-article.$$"
xargs -P "${3:-1}" -I NAME sh -c \
  "[ -e '$runs/NAME/metrics.json' ] || '$python' -m textgen.run experiments/research/article/NAME.toml --runs '$runs'" \
  < "${TMPDIR:-/tmp}/textgen-article.$$"
rm "${TMPDIR:-/tmp}/textgen-article.$$"
