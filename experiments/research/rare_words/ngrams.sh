#!/bin/sh
# Kneser-Ney on the tokens of some arms, one JSON file each.
# usage: sh experiments/research/rare_words/ngrams.sh [PYTHON]
python=${1:-python} folder=experiments/research/rare_words/results/ngrams
mkdir -p $folder
score() {
  name=$1; shift
  "$python" -m textgen baseline "$@" --set "cache.orders=[]" --json > $folder/"$name".json
}
for count in 1 2 3 5 10; do
  minimum="--set tokenizer.minimum_count=$count"
  score unk_$count experiments/word_rare_unk.toml --order 4 $minimum
  score unk_${count}_no_recall experiments/word_rare_unk.toml --order 4 $minimum \
    --set tokenizer.rare_words.recall=false
done
for order in 5 6 7 8; do score char_$order experiments/char.toml --order $order; done
score subword_bpe_6 experiments/subword_bpe.toml --order 6
for arm in full rare_unk rare_pos rare_noun rare_cluster rare_neighbour rare_drop; do
  score word_${arm}_4 experiments/word_$arm.toml --order 4
done
score word_spell_6 experiments/word_spell.toml --order 6
