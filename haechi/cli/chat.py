"""`haechi chat`: talk to a running gateway from the terminal, and see what the guard did."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode, HaechiError, InvalidSetting
from haechi.cli._options import add_settings, settings_of

if TYPE_CHECKING:
    from haechi.cli._client import Answer, GatewayClient, Message

_HELP = "Type a message and press Enter. /new starts over, /quit or Ctrl-D leaves, Ctrl-C stops an answer."
_CONTROL = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi chat`."""
    parser = commands.add_parser("chat", help="talk to a running gateway", description=__doc__)
    parser.add_argument(
        "message", nargs="?", help="ask this once and leave; `-` reads standard input; without it, a conversation"
    )
    parser.add_argument("--url", help="address of the gateway [http://HOST:PORT of the settings]")
    parser.add_argument(
        "--key", help="API key; prefer HAECHI_API_KEY, a command line is visible [asked for in a terminal]"
    )
    parser.add_argument("--name", default="default", metavar="MODEL", help="model to ask for [default]")
    parser.add_argument("--system", default="", help="system message to begin with")
    parser.add_argument("--json", action="store_true", help="with MESSAGE: one JSON object on standard output")
    add_settings(parser, ("settings", "data_dir", "host", "port"))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask once, or hold a conversation."""
    from haechi.cli._client import GatewayClient, Message

    if args.json and args.message is None:
        raise InvalidSetting("--json needs a MESSAGE", hint='haechi chat --json "your question"')
    settings = settings_of(args)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    client = GatewayClient(args.url or f"http://{host}:{settings.port}", args.key or settings.api_key or _ask_for_key())
    history = [Message("system", args.system)] if args.system else []
    if args.message is None:
        return _converse(client, args.name, history)
    text = sys.stdin.read() if args.message == "-" else args.message
    return _ask_once(client, args.name, [*history, Message("user", text)], as_json=args.json)


def _ask_for_key() -> str:
    if not sys.stdin.isatty():
        raise InvalidSetting("no API key given", hint="set HAECHI_API_KEY, or give --key; haechi key create makes one")
    from getpass import getpass

    return getpass("API key (not shown): ").strip()


def _ask_once(client: GatewayClient, model: str, messages: list[Message], *, as_json: bool) -> int:
    from haechi.cli._client import Answer

    answer = Answer()
    for piece in client.stream(model, messages, answer):
        if not as_json:
            print(_printable(piece), end="", flush=True)
    if as_json:
        entry = {
            "content": answer.content,
            "refusal": answer.refusal or None,
            "finish_reason": answer.finish_reason,
            "action": answer.action or None,
            "request_id": answer.request_id or None,
            "usage": answer.usage or None,
        }
        print(json.dumps(entry, ensure_ascii=False))
    else:
        print()
        _tell(answer)
    return ExitCode.FOUND if answer.blocked else ExitCode.OK


def _converse(client: GatewayClient, model: str, history: list[Message]) -> int:
    from haechi.cli._client import Answer, Message

    print(_HELP, file=sys.stderr)
    begin = len(history)
    for text in _turns():
        if text == "/new":
            del history[begin:]
            continue
        answer = Answer()
        try:
            with closing(client.stream(model, [*history, Message("user", text)], answer)) as pieces:
                for piece in pieces:
                    print(_printable(piece), end="", flush=True)
            print()
        except KeyboardInterrupt:
            print("\n  (stopped)", file=sys.stderr)
        except HaechiError as error:
            print(f"\nhaechi: error: {error}\nhaechi: hint: {error.hint}", file=sys.stderr)
            continue
        _tell(answer)
        # A turn that the guard stopped is left out: kept, it would be judged again with every later message.
        if answer.content and not answer.blocked:
            history += [Message("user", text), Message("assistant", answer.content)]
    return ExitCode.OK


def _turns() -> Iterator[str]:
    """What the person types, until they leave."""
    while True:
        try:
            text = input("\nyou> ").strip()
        except (EOFError, KeyboardInterrupt):
            print(file=sys.stderr)
            return
        if text in {"/quit", "/exit"}:
            return
        if text:
            yield text


def _tell(answer: Answer) -> None:
    """One line on what the guard did, when it did something."""
    if answer.refusal:
        print(_printable(answer.refusal))
    if answer.blocked:
        print(
            f"  (the guard stopped this; request {answer.request_id}; it is left out of the conversation)",
            file=sys.stderr,
        )
    elif answer.action not in {"", "allow"}:
        print(f"  (guard: {answer.action}; request {answer.request_id})", file=sys.stderr)


def _printable(text: str) -> str:
    """Without control characters: what a model says must not steer the terminal."""
    return text.translate(_CONTROL)
