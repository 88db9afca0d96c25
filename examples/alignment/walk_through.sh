#!/bin/sh
# From preference data to a served, gated model in about four minutes on two cores: judge the data, imitate, learn what
# is preferred, then DPO and PPO from the same start, measure, release, serve. Usage: sh examples/alignment/walk_through.sh [FOLDER]
set -eu
runs="${1:-runs/walk-through}"
mkdir -p "$runs"
here="$(dirname "$0")"
haechi="${HAECHI:-haechi}"

python "$here/make_pairs.py" "$runs"
# 1. Judge the data. Four bad rows were planted: the exit code is 1, and the good rows are written out.
$haechi data validate "$runs/pairs.jsonl" --output "$runs/fit.jsonl" || test $? -eq 1
# 2. Imitate friendly and rude answers alike: a model that talks, and is rude half of the time.
$haechi train sft tiny-cpu --set data.train="$runs/answers.jsonl" --set run.output="$runs/sft" --set optim.steps=150 \
  --set optim.learning_rate=3e-3
# 3. Learn what is preferred; every later run starts from the imitating model and reads the same tokens.
$haechi train reward tiny-cpu --set data.train="$runs/fit.jsonl" --set run.output="$runs/reward" --set model.path="$runs/sft"
# 4a. Without the reward model; the likelihood term keeps the model from forgetting how to talk ... 
$haechi train dpo tiny-cpu --set data.train="$runs/fit.jsonl" --set run.output="$runs/dpo" --set model.path="$runs/sft" \
  --set dpo.sft=1 --set optim.steps=30
# 4b. ... or with it: the score rises from around 0 towards the friendly end.
$haechi train ppo tiny-cpu --set data.train="$runs/fit.jsonl" --set run.output="$runs/ppo" --set model.path="$runs/sft" \
  --set ppo.reward="$runs/reward" --set optim.learning_rate=1e-4
# 5. Look at the curves.
$haechi train plot "$runs/ppo" --output "$runs/ppo.html"
# 6. How far did DPO move, and does the reward model prefer its answers to those it began with? An alarm says that the
#    pairs are those it was trained on: measure a model that matters on others.
$haechi eval "$runs/dpo" --data "$runs/fit.jsonl" --reference "$runs/sft" --judge "$runs/reward" --output "$runs/eval.html"
# 7. The gate: shown to be no worse than the start on safety, refusals, fairness, capability and language, then signed.
#    A model of 0.1 million weights answers questions by chance, so the shipped suite cannot show that it is no worse and
#    refuses (exit code 1); the example's suite has wider margins for capability and language.
$haechi release "$runs/dpo" --baseline "$runs/sft" --key "$runs/release.key" || test $? -eq 1
$haechi release "$runs/dpo" --baseline "$runs/sft" --suite "$here/suite.toml" --key "$runs/release.key"
# 8. Serve it to the stock client; with one bit changed it is refused.
python "$here/ask.py" "$runs/dpo" "$runs/release.key.pub"
