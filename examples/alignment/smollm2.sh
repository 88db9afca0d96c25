#!/bin/sh
# A small pretrained model on real preference pairs, before and after; an hour and a half on one core with bfloat16 units.
# Usage: sh examples/alignment/smollm2.sh PAIRS.jsonl.gz [FOLDER]      (pairs in the conversational format, English)
# On a processor without such units: PRECISION=fp32 sh examples/alignment/smollm2.sh ... (bfloat16 is emulated there).
# docs/alignment.md has the figures of one run on HH harmless.
set -eu
pairs="$1"
runs="${2:-runs/smollm2}"
mkdir -p "$runs"
here="$(dirname "$0")"
haechi="${HAECHI:-haechi}"
precision="${PRECISION:-bf16}"

python "$here/prepare_smollm2.py" "$runs" "$pairs"
# A word count is the floor that a reward model has to beat.
python "$here/word_count.py" "$runs"
# Heads on the frozen lower layers: a quarter of an hour for all folds, which share what the layers made of the rows.
for fold in 0 1 2; do
  $haechi train reward "$here/smollm2.toml" --set run.precision=fp32 --set run.output="$runs/heads$fold" \
    --set data.max_tokens=256 --set reward.body=frozen --set reward.layers=12 --set reward.read=both --set reward.states="$runs/states" \
    --set model.path="$runs/base" --set data.train="$runs/train$fold.jsonl" --set data.held_out="$runs/held$fold.jsonl"
done
for fold in 0 1 2; do
  $haechi train reward "$here/smollm2.toml" --set run.precision="$precision" --set run.output="$runs/reward$fold" \
    --set model.path="$runs/base" --set data.train="$runs/train$fold.jsonl" --set data.held_out="$runs/held$fold.jsonl"
  $haechi eval "$runs/reward$fold" --data "$runs/held$fold.jsonl"
done
$haechi train dpo "$here/smollm2.toml" --set run.precision="$precision" --set run.output="$runs/dpo" \
  --set model.path="$runs/base" --set data.train="$runs/train0.jsonl" --set data.held_out="$runs/held0.jsonl"
# Before and after, on pairs and prompts that neither run has seen.
$haechi eval "$runs/base" --data "$runs/held0.jsonl" --suite
$haechi eval "$runs/dpo" --data "$runs/held0.jsonl" --suite --reference "$runs/base" --judge "$runs/reward0" --most 60 \
  --output "$runs/eval.html"
