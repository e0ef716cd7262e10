#!/bin/sh
# Every arm with the same five minutes on one core; a run cut short goes on, a finished one is left
# alone. Run as many at once as there are idle cores.
# usage: sh experiments/arms.sh [PYTHON] [RUNS] [AT_ONCE]
python=${1:-python} runs=${2:-runs}
{
  for arm in char word_rare_unk word_full word_rare_pos word_rare_noun word_rare_cluster \
    word_rare_neighbour word_rare_drop word_spell subword_bpe word_word2vec word_fasttext; do
    echo "$arm $arm"
  done
  for count in 3 5 10; do
    echo "word_rare_unk word_rare_unk_$count --set tokenizer.minimum_count=$count"
  done
} | xargs -P "${3:-1}" -L 1 sh -c 'python=$0 runs=$1 arm=$2 name=$3; shift 3
  [ -e "$runs/$name/metrics.json" ] || "$python" -m textgen.run "experiments/$arm.toml" \
    --runs "$runs" --name "$name" --set training.threads=1 --quiet "$@"' "$python" "$runs"
