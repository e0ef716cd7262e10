#!/bin/sh
# Six arms and nanoGPT's recipe for a CPU on the same text, five minutes each on two cores, one after another.
# Usage: sh experiments/benchmarks/tiny_shakespeare.sh tiny_shakespeare/input.txt
# What is finished is kept: the command can be repeated after an interruption.
set -eu
text="$1"
for arm in char transformer subword word char_tuned word_tuned; do
    name="tiny_shakespeare_$arm"
    [ -e "runs/$name/metrics.json" ] || python -m textgen.run "experiments/benchmarks/$name.toml" \
        --set "corpus.path=$text" --set training.threads=2
done
for share in 0.9 0.85; do
    python experiments/benchmarks/nanogpt_cpu.py "$text" --seconds 300 --threads 2 --train "$share"
done
