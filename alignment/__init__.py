"""Preference data, reward models, DPO and PPO on Qwen, evaluation and the release gate."""
