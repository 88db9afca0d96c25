"""The auditor console: who sees what, what is recorded first, and what a hostile text or page can do."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from html import unescape

import pytest
from starlette.testclient import TestClient

from audit import AuditLog, EventType
from audit import header as leaf_header
from audit.console import texts
from audit.console.accounts import FREE_FAILURES, Accounts, Role
from audit.console.app import SIGNED_IN, create_console
from audit.console.errors import ConsoleAccounts, SignInRefused
from audit.console.parts import ConsoleParts
from audit.console.screens.requests import STEPS
from audit.console.sessions import IDLE_S, LONGEST_S, MOST, Sessions
from audit.note import VerifierKey
from audit.packs import RightKind
from audit.proof import InclusionProof
from audit.reports.kinds import Kind
from audit.rights.breach import BreachStep
from audit.rights.requests import State, Step
from audit.sample import Filter, population
from tests.console_visitors import PASSWORD, Browser, Hand


def system_records(log: AuditLog, kind: EventType) -> list[dict[str, object]]:
    """Records of the log's own affairs of one type."""
    with ConsoleParts(log.folder, log.folder, None, None).store() as store:  # type: ignore[arg-type]
        return [header for _, header in population(store, log.log_name("_system"), Filter(type=kind))]


def test_every_screen_sends_strangers_to_the_sign_in(browser: Browser) -> None:
    """No address but the sign-in shows or does anything without a session."""
    for method, path, _ in SIGNED_IN:
        where = path.replace("{tenant}", "default").replace("{seq:int}", "0").replace("{kind}", "leaf")
        answer = browser.client.request(method, where, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), path


def test_every_screen_shows_in_every_language(browser: Browser) -> None:
    """Each page of each language is whole, names its language, and leaves no text unfilled."""
    browser.sign_in("reader")
    for language in texts.LANGUAGES:
        for method, path, _ in SIGNED_IN:
            if method == "GET" and "{kind}" not in path and "{id}" not in path:
                where = path.replace("{tenant}", "default").replace("{seq:int}", "0")
                answer = browser.get(f"{where}?lang={language}")
                assert answer.status_code == 200, (path, answer.text)
                assert f'<html lang="{language}">' in answer.text
    assert [sorted(texts.words(code)) for code in texts.LANGUAGES] == [sorted(texts.words("en"))] * 3


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_what_the_log_calls_things_has_a_name_that_people_use(browser: Browser, language: str) -> None:
    """Every field of a header, and every role, right, state, step and report; no page says what only a program means."""
    t = texts.words(language)
    assert isinstance(t["fields"], dict)
    assert isinstance(t["words"], dict)
    assert t["fields"].keys() == leaf_header.REQUIRED.keys() | leaf_header.OPTIONAL.keys()
    kinds: tuple[type[StrEnum], ...] = (Role, RightKind, State, Step, BreachStep, Kind)
    for words in kinds:
        assert {word.value for word in words} <= t["words"].keys(), words
    assert {*STEPS, "verify-identity", "reveal", "open", "overdue"} <= t["words"].keys()
    browser.sign_in("reader")
    for method, path, _ in SIGNED_IN:
        if method == "GET" and "{" not in path:
            page = browser.get(f"{path}?lang={language}").text
            assert "built-in" not in page, path
            assert "object at 0x" not in page, path
            assert ">—<" not in page, path


def test_no_page_needs_or_allows_a_script_or_another_site(browser: Browser) -> None:
    """The policy forbids scripts, frames and foreign content, and the pages hold none."""
    browser.sign_in("reader")
    for path in ("/", "/search", "/about", "/nowhere"):
        answer = browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script|style=|\son[a-z]+=|https?://", answer.text), path
        assert (answer.headers["cache-control"], answer.headers["x-frame-options"]) == ("no-store", "DENY")


def test_verification_says_what_was_found(browser: Browser, log: AuditLog) -> None:
    """`Verify now` reads the log as it is: intact before a byte is changed, tampered after."""
    import sqlite3

    browser.sign_in("reader")
    assert ">intact<" in browser.send("/verify").text
    log.close()
    with sqlite3.connect(log.folder / "log.db") as db:
        db.execute("update leaf set header = replace(cast(header as text), 'qwen3', 'qwen4') where seq = 1")
    browser.get("/")
    assert "TAMPERED" in browser.send("/verify").text


def test_search_counts_and_filters(browser: Browser) -> None:
    """The count is of everything the filter takes; a filter that cannot be read is said so."""
    browser.sign_in("reader")
    assert "<strong>3</strong>" in browser.get("/search?decision=block").text
    assert "<strong>2</strong>" in browser.get("/search?request=req-1").text
    assert "<strong>0</strong>" in browser.get("/search?since=2999-01-01").text
    assert "Invalid isoformat" in browser.get("/search?since=tomorrow").text


def test_search_is_within_the_log_that_was_chosen(browser: Browser) -> None:
    """A tenant's own records, or everybody's; a log that is not there has none."""
    browser.sign_in("reader")
    assert "<strong>14</strong>" in browser.get("/search?tenant=default").text
    assert "<strong>0</strong>" in browser.get("/search?tenant=nobody").text


def test_a_record_of_no_request_stands_alone_and_one_that_is_not_there_is_said_so(browser: Browser) -> None:
    """The log's own affairs belong to no request; a number behind the end is no blank page."""
    browser.sign_in("reader")
    page = browser.get("/record/_system/0")
    assert "log.opened" in page.text
    assert "log.closed" not in page.text
    for path in ("/record/default/999", "/record/nobody/0", "/sampling?number=1&tenant=nobody"):
        answer = browser.get(path)
        assert answer.status_code == 404, path
        assert "there is no" in answer.text


def test_a_log_that_cannot_be_read_is_said_so_and_the_console_lives_on(
    browser: Browser, log: AuditLog, caplog: pytest.LogCaptureFixture
) -> None:
    """A page with the reason and no stack trace; the operator finds it in the console's own output too."""
    browser.sign_in("reader")
    (log.folder / "log.db").rename(log.folder / "elsewhere")
    (log.folder / "log.db").mkdir()
    answer = browser.get("/search")
    assert answer.status_code == 503
    assert "HAE-A102" in answer.text
    assert "the console cannot answer /search" in caplog.text
    (log.folder / "log.db").rmdir()
    (log.folder / "elsewhere").rename(log.folder / "log.db")
    assert browser.get("/search").status_code == 200


def test_a_downloaded_proof_holds_without_the_console(browser: Browser, log: AuditLog) -> None:
    """The two files prove the record under the public key alone."""
    browser.sign_in("reader")
    leaf = browser.get("/record/default/3.leaf").content
    proof = InclusionProof.parse(browser.get("/record/default/3.tlog-proof").content)
    family = VerifierKey.parse((log.folder / "public.key").read_text())
    assert proof.verify(leaf, VerifierKey(log.log_name("default"), family.public)).size == 14
    assert browser.get("/record/default/3.exe").status_code == 404


def test_a_sample_is_the_one_that_the_command_draws(
    browser: Browser, log: AuditLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever repeats the printed command finds the same records."""
    from haechi.cli.main import main

    browser.sign_in("reader")
    page = browser.get("/sampling?number=42&size=4").text
    shown = [int(number) for number in re.findall(r'/record/default/(\d+)"', page)]
    assert main(["audit", "sample", str(log.folder), "--number", "42", "--size", "4"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["drawn"] == shown


def test_content_is_shown_to_investigators_only_and_recorded_first(browser: Browser, log: AuditLog) -> None:
    """The role reads, with purpose and ticket, and every reading is a record before it is a page."""
    browser.sign_in("reader")
    browser.get("/record/default/0")
    assert browser.send("/record/default/0", purpose="incident", ticket="T-1").status_code == 403
    browser.sign_in("searcher")
    browser.get("/record/default/0")
    assert browser.send("/record/default/0", purpose="incident", ticket="").status_code == 400
    assert system_records(log, EventType.ACCESS_READ) == []
    browser.get("/record/default/0")
    page = browser.send("/record/default/0", purpose="incident", ticket="T-1").text
    assert [record["req"] for record in system_records(log, EventType.ACCESS_READ)] == ["req-0"]
    assert "<script>alert" not in page
    assert r"<script>alert(1)</script> \u202e{{ 7*7 }} 0" in unescape(page)


def test_a_persons_records_are_found_by_their_name_and_the_search_is_recorded(browser: Browser, log: AuditLog) -> None:
    """Nothing in clear names a person; who has the keys and the role can look."""
    browser.sign_in("searcher")
    browser.get("/search")
    page = browser.send("/search/person", tenant="default", subject="user1", purpose="subject-request", ticket="D-1")
    assert set(re.findall(r"req-\d", page.text)) == {"req-1", "req-4"}
    assert [record["act"] for record in system_records(log, EventType.ACCESS_READ)] == ["access.search"]
    for missing in ("subject", "purpose", "ticket"):
        whole = {"tenant": "default", "subject": "user1", "purpose": "incident", "ticket": "D-1"}
        browser.get("/search")
        assert browser.send("/search/person", **{**whole, missing: ""}).status_code in {400, 403}, missing
    assert len(system_records(log, EventType.ACCESS_READ)) == 1
    browser.sign_in("officer")
    browser.get("/retention")
    assert browser.send("/search/person", subject="user1", purpose="incident", ticket="x").status_code == 403


def test_holds_are_placed_and_lifted_by_officers_only(browser: Browser, log: AuditLog) -> None:
    """A hold shows, counts against the keys of the person, and goes again."""
    browser.sign_in("reader")
    browser.get("/settings")
    assert browser.send("/retention/hold", subject="user1", ticket="L-1").status_code == 403
    browser.sign_in("officer")
    browser.get("/retention")
    page = browser.send("/retention/hold", tenant="default", subject="user1", ticket="L-1").text
    (hold,) = log.keys.holds()
    assert hold.id in page
    assert hold.id not in browser.send("/retention/lift", id=hold.id, ticket="L-2").text
    assert log.keys.holds() == []


def test_a_request_of_a_person_runs_from_receipt_to_its_end(browser: Browser, log: AuditLog) -> None:
    """Its clock comes from the pack, each step is a record, who asks is revealed on the record only, and order is kept."""
    browser.sign_in("reader")
    browser.get("/requests")
    assert browser.send("/requests", kind="erasure", pack="gdpr", subject="user1", ticket="D-1").status_code == 403
    browser.sign_in("officer")
    browser.get("/requests")
    page = browser.send("/requests", kind="erasure", pack="gdpr", tenant="default", subject="user1", ticket="D-1")
    where = page.url.path
    assert ">received<" in page.text
    assert "user1" not in page.text
    assert browser.send(where, step="done", ticket="D-1").status_code == 403  # nobody checked who asks
    browser.get(where)
    browser.send(where, step="ask-identity", ticket="D-1")
    assert 'class="in-progress"' in browser.send(where, step="verify-identity", level="3", ticket="D-1").text
    assert "user1" in browser.send(where, step="reveal", ticket="D-1").text
    assert [record["pur"] for record in system_records(log, EventType.ACCESS_READ)] == ["rights"]
    assert browser.send(where, step="refuse", ticket="D-1").status_code == 400  # no ground
    for wrong in ({"step": "forget-it"}, {"step": "verify-identity", "level": "9"}, {}):
        browser.get(where)
        assert browser.send(where, ticket="D-1", **wrong).status_code == 400, wrong
    for wrong in ({"kind": "erasure"}, {"kind": "everything", "subject": "user1"}):
        browser.get("/requests")
        assert browser.send("/requests", pack="gdpr", ticket="D-1", **wrong).status_code == 400, wrong
    browser.get(where)
    assert ">refused<" in browser.send(where, step="refuse", ground="gdpr-12-5-b", ticket="D-1").text
    assert "–" in browser.get("/requests").text
    assert browser.get("/requests/default/nobody").status_code == 404


def test_a_form_of_another_site_or_session_changes_nothing(browser: Browser, log: AuditLog) -> None:
    """A wrong token, a foreign origin and a browser's own word are each enough to refuse."""
    browser.sign_in("officer")
    fields = {"tenant": "default", "ticket": "L-1"}
    assert browser.client.post("/retention/hold", data={**fields, "token": "guessed"}).status_code == 403
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        browser.get("/retention")
        token = re.findall(r'name="token" value="([^"]+)"', browser.page.text)[0]
        answer = browser.client.post("/retention/hold", data={**fields, "token": token}, headers=headers)
        assert answer.status_code == 403, headers
    assert log.keys.holds() == []
    assert browser.client.post("/retention/hold", content=b"a" * 70_000).status_code == 403


def test_a_rebound_name_gets_nothing(browser: Browser) -> None:
    """The console answers to its own names only."""
    assert browser.client.get("/sign-in", headers={"host": "evil.example:8090"}).status_code == 421
    for host in ("localhost:8090", "127.0.0.1", "[::1]:8090", "[::1]", "LOCALHOST"):
        assert browser.client.get("/sign-in", headers={"host": host}).status_code == 200, host
    for host in ("[::2]:8090", "[::1].evil.example", "localhost.evil.example", ""):
        assert browser.client.get("/sign-in", headers={"host": host}).status_code == 421, host


def test_a_session_ends_by_itself(browser: Browser, hand: Hand) -> None:
    """After a quarter of an hour of silence, after a working day in any case, and with its account."""
    browser.sign_in("reader")
    hand.at += IDLE_S + 1
    assert browser.get("/").url.path == "/sign-in"
    browser.sign_in("reader")
    for _ in range(int(LONGEST_S // 600)):
        hand.at += 600
        browser.get("/about")
    hand.at += 600
    assert browser.get("/").url.path == "/sign-in"


def test_so_many_sessions_are_open_and_no_more(hand: Hand) -> None:
    """The one that was silent longest ends first: nobody fills the memory by signing in again and again."""
    sessions = Sessions(hand)
    first, second = sessions.begin("a"), sessions.begin("b")
    hand.at += 1
    assert sessions.find(first) is not None
    for _ in range(MOST - 1):
        sessions.begin("c")
    assert sessions.find(second) is None
    assert sessions.find(first) is not None


def test_a_removed_account_is_out_at_once(browser: Browser, parts: ConsoleParts) -> None:
    """Removing somebody does not wait for the session's end."""
    browser.sign_in("reader")
    parts.accounts.remove("reader")
    assert browser.get("/").url.path == "/sign-in"


def test_guessing_becomes_slow(parts: ConsoleParts, browser: Browser, hand: Hand) -> None:
    """After five failures even the right password must wait; the wait doubles, ends, and is not for others."""
    for _ in range(FREE_FAILURES):
        assert browser.sign_in("reader", "wrong").status_code == 401
    answer = browser.sign_in("reader")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert browser.sign_in("officer").url.path == "/"
    hand.at += 2
    assert browser.sign_in("reader").url.path == "/"


def test_a_changed_password_ends_every_session(browser: Browser, parts: ConsoleParts) -> None:
    """Who changes a password because somebody else knows it is rid of them."""
    browser.sign_in("reader")
    assert browser.send("/settings", old="wrong", new="another good sentence").status_code == 400
    assert browser.send("/settings", old=PASSWORD, new="short").status_code == 400
    assert browser.send("/settings", old=PASSWORD, new="another good sentence").url.path == "/sign-in"
    assert parts.accounts.sign_in("reader", "another good sentence").name == "reader"
    with pytest.raises(SignInRefused):
        parts.accounts.sign_in("reader", PASSWORD)


def test_the_cookie_cannot_be_read_by_scripts_or_sent_by_others(parts: ConsoleParts) -> None:
    """HttpOnly and SameSite=Strict always; Secure where the console is reached over TLS."""
    for base, secure in (("http://127.0.0.1", False), ("https://127.0.0.1", True)):
        with TestClient(create_console(parts, over_tls=secure), base_url=base) as client:
            form = {"name": "reader", "password": PASSWORD}
            cookie = client.post("/sign-in", data=form, follow_redirects=False).headers["set-cookie"].lower()
            assert "httponly" in cookie
            assert "samesite=strict" in cookie
            assert ("secure" in cookie) == secure


def test_a_copy_without_keys_shows_what_is_in_clear(log: AuditLog, hand: Hand, parts: ConsoleParts) -> None:
    """An auditor with a copy verifies, searches and samples; content and keys are out of reach, and it says so."""
    bare = ConsoleParts(parts.folder, parts.pins, parts.accounts, parts.sessions)
    parts.accounts.add("all", frozenset(Role), PASSWORD)
    with TestClient(create_console(bare), base_url="http://127.0.0.1") as client:
        visitor = Browser(client)
        visitor.sign_in("all")
        assert visitor.get("/search").status_code == 200
        visitor.get("/record/default/0")
        answer = visitor.send("/record/default/0", purpose="incident", ticket="T-1")
        assert answer.status_code == 403
        assert "without keys" in answer.text


def test_accounts_refuse_what_would_let_others_in(parts: ConsoleParts) -> None:
    """Weak passwords, odd names, no role: each is refused; the file is its owner's and holds no password."""
    accounts: Accounts = parts.accounts
    for name, roles, password in (
        ("Bad Name", {Role.AUDITOR}, PASSWORD),
        ("ok", set(), PASSWORD),
        ("ok", {Role.AUDITOR}, "aaaaaaaaaaaaaaaa"),
        ("ok", {Role.AUDITOR}, "short"),
    ):
        with pytest.raises(ConsoleAccounts):
            accounts.add(name, frozenset(roles), password)
    made = accounts.add("ok", frozenset({Role.AUDITOR}))
    assert len(made) >= 20
    assert made not in accounts.path.read_text()
    assert accounts.path.stat().st_mode & 0o077 == 0
    accounts.path.write_text("{")
    with pytest.raises(ConsoleAccounts):
        accounts.sign_in("ok", made)
