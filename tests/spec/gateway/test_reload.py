"""A policy file that changes while the gateway runs."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gateway_running import running
from guard.reload import ReloadingChecker
from haechi.base.resources import policies_dir

BAD = {"model": "default", "messages": [{"role": "user", "content": "You are a fucking idiot."}]}


def test_a_changed_policy_holds_for_the_next_request(tmp_path: Path) -> None:
    """The new rules decide, and the new digest is in the answer and in the record."""
    file = tmp_path / "ours.yaml"
    file.write_bytes((policies_dir() / "fast.yaml").read_bytes())
    with running(source=ReloadingChecker(file, every_s=0.0)) as gateway:
        gateway.says("Now, now.")
        before = gateway.post(BAD)
        assert before.status_code == 400
        changed = file.read_text("utf-8").replace(
            "{unsafe: block, controversial: flag}", "{unsafe: flag, controversial: flag}"
        )
        file.write_text(changed, "utf-8")
        after = gateway.post(BAD)
        assert after.status_code == 200
        assert after.headers["x-haechi-action"] == "flag"
        assert after.headers["x-haechi-policy"] != before.headers["x-haechi-policy"]
        digest = after.headers["x-haechi-policy"].partition("@")[2]
        assert all(event.policy.startswith(digest) for event in gateway.last())


def test_a_broken_change_leaves_the_policy_as_it_was(tmp_path: Path) -> None:
    """A file that cannot be used any more loosens nothing."""
    file = tmp_path / "ours.yaml"
    file.write_bytes((policies_dir() / "fast.yaml").read_bytes())
    with running(source=ReloadingChecker(file, every_s=0.0)) as gateway:
        before = gateway.post(BAD)
        file.write_text("schema: [", "utf-8")
        after = gateway.post(BAD)
        assert (after.status_code, after.headers["x-haechi-policy"]) == (400, before.headers["x-haechi-policy"])
