"""The console as people use it: the command, a real browser, the keyboard alone, a hostile prompt, paper."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audit import AuditLog
from haechi.cli.main import main
from tests.console_visitors import PASSWORD


@contextmanager
def console(folder: Path, *options: str) -> Iterator[tuple[str, str]]:
    """The running command; its address, and the password it showed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "haechi", "audit", "console", str(folder), "--port", str(port), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        try:
            head = "".join(running.stderr.readline() for _ in range(3))
            password = re.search(r"once\): (\S+)", head)
            address = f"http://127.0.0.1:{port}"
            for _ in range(200):
                try:
                    urllib.request.urlopen(f"{address}/sign-in")
                    break
                except urllib.error.URLError:
                    time.sleep(0.1)
            yield address, password.group(1) if password else ""
        finally:
            running.terminate()


@contextmanager
def chromium() -> Iterator[Any]:
    """A page in a real Chromium that reports what scripts and dialogs do."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as browsers:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = browsers.chromium.launch(executable_path="/usr/bin/chromium", args=options)
        yield browser.new_page(viewport={"width": 1200, "height": 900})
        browser.close()


@pytest.mark.slow
def test_an_auditor_works_with_the_keyboard_alone(log: AuditLog) -> None:
    """Sign in, verify, and find the way to the content by Tab and Enter; nothing of a hostile prompt is obeyed."""
    done: list[str] = []
    with console(log.folder) as (address, password), chromium() as page:
        page.on("dialog", lambda dialog: (done.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        page.keyboard.type("auditor")
        page.keyboard.press("Tab")
        page.keyboard.type(password)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Verify now").wait_for()
        page.get_by_role("button", name="Verify now").focus()
        page.keyboard.press("Enter")
        assert page.get_by_role("status").inner_text() == "intact"
        page.goto(f"{address}/record/default/0?lang=ko")
        page.select_option("[name=purpose]", "incident")
        page.fill("[name=ticket]", "T-1")
        page.keyboard.press("Enter")
        page.get_by_text("<script>alert(1)</script>").wait_for()
        with page.expect_download() as download:
            page.get_by_text(".tlog-proof").first.click()
        assert Path(download.value.path()).read_text().startswith("c2sp.org/tlog-proof@v1")
    assert done == []


@pytest.mark.slow
def test_a_page_prints_without_its_controls(log: AuditLog) -> None:
    """On paper there are no buttons and no navigation; the footer says when and by whom."""
    with console(log.folder) as (address, password), chromium() as page:
        page.goto(address)
        page.fill("[name=name]", "auditor")
        page.fill("[name=password]", password)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Verify now").wait_for()
        page.emulate_media(media="print")
        assert not page.get_by_role("button", name="Verify now").is_visible()
        assert not page.locator("nav.screens").is_visible()
        assert "auditor" in page.locator("footer").inner_text()


def test_accounts_are_made_and_taken_away_by_the_command(
    log: AuditLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A random password is shown once; a given one is not; an unknown account cannot be removed."""
    file, given = str(tmp_path / "accounts.json"), tmp_path / "password"
    command = ["audit", "console", str(log.folder), "--accounts", file]
    assert main([*command, "--add", "kim", "--role", "auditor", "--role", "officer"]) == 0
    assert re.search(r"password \(shown once\): \S{20}", capsys.readouterr().out)
    given.write_text(f"{PASSWORD}\n")
    assert main([*command, "--add", "lee", "--role", "auditor", "--password-file", str(given)]) == 0
    assert PASSWORD not in capsys.readouterr().out
    assert main([*command, "--remove", "kim"]) == 0
    assert main([*command, "--remove", "kim"]) == 2
    assert "HAE-A601" in capsys.readouterr().err


def test_passwords_do_not_travel_in_clear_beyond_this_machine(
    log: AuditLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another address than loopback needs a certificate and its key."""
    assert main(["audit", "console", str(log.folder), "--host", "0.0.0.0"]) == 2
    assert "--certificate" in capsys.readouterr().err
