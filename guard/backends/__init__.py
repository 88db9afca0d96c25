"""Large models behind the classifiers' contract: Detoxify, Qwen3Guard, any sequence classifier, and ensembles of them.

Everything here is loaded because a policy names it under `models`, from files on this machine whose digests the policy
holds. docs/backends.md tells how.
"""
