#!/bin/sh
# Words, subwords and characters in Japanese, one after the other on one core; what is finished is kept.
# Usage: sh experiments/research/languages/japanese.sh FOLDER, one that japanese.py has written
set -eu
folder="$1"
for level in word subword char; do
    [ ! -e "runs/languages/japanese_$level/metrics.json" ] || continue
    set -- --set corpus.kind=folder --set "corpus.path=$folder" --set language=ja
    [ $level != word ] || set -- "$@" --set 'tokenizer.segmenter={kind="budoux",model="ja"}'
    python -m textgen.run "experiments/research/languages/$level.toml" --name "japanese_$level" --runs runs/languages "$@"
done
