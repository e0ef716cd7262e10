#!/bin/sh
# Characters, subwords and words in six languages and in Japanese, two runs at a time with a core each.
# Usage: sh experiments/languages/languages.sh TESTAMENTS JAPANESE
# TESTAMENTS holds a folder of books for each of the six; JAPANESE is what japanese.py writes.
# What is finished is kept: the command can be repeated after an interruption.
set -eu
if [ $# -eq 2 ]; then
    for level in word subword char; do
        for language in basque:eu cherokee:chr estonian:et gujarati:gu swahili:sw ukrainian:uk; do
            echo "$level ${language%:*} ${language#*:} $1/${language%:*}"
        done
        echo "$level japanese ja $2"
    done | xargs -n 4 -P 2 sh "$0"
    exit
fi
level="$1" language="$2" code="$3" folder="$4"
name="${language}_$level"
[ ! -e "runs/languages/$name/metrics.json" ] || exit 0
set -- --set corpus.kind=folder --set "corpus.path=$folder" --set "language=$code"
[ "$language" = japanese ] || set -- "$@" --set 'split.validation=["rom.txt","1pe.txt"]' \
    --set 'split.test=["2co.txt","heb.txt","jam.txt","1jo.txt","rev.txt","phm.txt"]'
[ "$language/$level" != japanese/word ] || set -- "$@" --set 'tokenizer.segmenter={kind="budoux",model="ja"}'
python -m textgen.run "experiments/languages/$level.toml" --name "$name" --runs runs/languages "$@"
