"""`haechi release RUN --baseline MODEL`: the gate between a finished run and the gateway."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode, InvalidSetting, MissingExtra

if TYPE_CHECKING:
    from alignment.release import GateReport

DEFAULT_KEY = Path("release.key")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi release`."""
    parser = commands.add_parser(
        "release",
        help="sign a run's model when it is no worse than the baseline; exit code 1 names the regression",
        description="Measure a finished run and the model that serves now on the same suite, item by item. When every "
        "metric is shown to be no worse than its margin allows, a signed release.json and a model card are written into "
        "RUN/model; else exit code 1. With --verify nothing is measured: the folder's release is checked.",
    )
    parser.add_argument(
        "run_folder", metavar="RUN", type=Path, help="a finished run; with --verify a model's folder too"
    )
    parser.add_argument(
        "--baseline", metavar="MODEL|RUN", help="the model that serves now, or the one the run began with"
    )
    parser.add_argument("--suite", default="default", metavar="NAME|FILE", help="what is measured [default]")
    add_data(parser)
    parser.add_argument(
        "--key", type=Path, default=DEFAULT_KEY, metavar="FILE",
        help="private key that signs; made on first use, with FILE.pub beside it [release.key]",
    )  # fmt: skip
    parser.add_argument("--name", default="", help="what the release is called [the run's folder]")
    parser.add_argument("--verify", action="store_true", help="only check an existing release")
    parser.add_argument("--trust", metavar="FILE|LINE", help="with --verify: public keys to trust [KEY.pub]")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run_release)


def add_data(parser: argparse.ArgumentParser) -> None:
    """The option that replaces a metric's items."""
    parser.add_argument(
        "--data", action="append", default=[], metavar="METRIC=FILE", help="items for a metric instead of the suite's"
    )


def data_of(entries: list[str]) -> dict[str, Path]:
    """The files that `--data` names.

    Raises:
        InvalidSetting: not of the form METRIC=FILE.
    """
    found: dict[str, Path] = {}
    for entry in entries:
        name, sign, file = entry.partition("=")
        if not sign or not file:
            raise InvalidSetting(
                f"--data {entry}: not of the form METRIC=FILE", hint="for example --data safety=my.jsonl"
            )
        found[name] = Path(file)
    return found


def run_release(args: argparse.Namespace) -> int:
    """Gate a run, or check a release."""
    from alignment.manifest import obtain_key

    if args.verify:
        return _verify(args)
    if not args.baseline:
        raise InvalidSetting(
            "--baseline names no model", hint="the model that serves now, or the one the run began with"
        )
    from alignment.offline import forbid_telemetry
    from alignment.suite import load_suite

    forbid_telemetry()
    suite = load_suite(args.suite, data_of(args.data))
    try:
        from alignment.release import release
    except ImportError as error:
        raise MissingExtra("the release gate", "train,guard") from error
    found = release(
        args.run_folder, args.baseline, suite, obtain_key(args.key), name=args.name,
        tell=lambda text: print(f"haechi: {text}", file=sys.stderr),
    )  # fmt: skip
    _print(args, found)
    return ExitCode.OK if found.passed else ExitCode.FOUND


def _print(args: argparse.Namespace, found: GateReport) -> None:
    if args.json:
        said = {
            "released": found.passed,
            "manifest": str(found.written) if found.written else None,
            "regressions": [line.candidate.metric.name for line in found.regressions],
            "metrics": [line.as_object() for line in found.lines],
        }
        print(json.dumps(said, ensure_ascii=False))
        return
    for line in found.lines:
        print(f"{'passed ' if line.passed else 'REFUSED'}  {line.words}")
    if found.written:
        print(f"released: {found.written}")
    else:
        names = ", ".join(line.candidate.metric.name for line in found.regressions)
        print(f"haechi: not released: {names}", file=sys.stderr)


def _verify(args: argparse.Namespace) -> int:
    from alignment.manifest import public_path, trusted_keys, verify_release

    inside = args.run_folder / "model"
    folder = inside if inside.is_dir() else args.run_folder
    proof = verify_release(folder, trusted_keys(args.trust or str(public_path(args.key))))
    said = {"released": proof.name, "created": proof.manifest["created"], "root": proof.manifest["root"]}
    if args.json:
        print(json.dumps({**said, "signer": proof.signer}, ensure_ascii=False))
    else:
        print(f"{said['released']}, released {said['created']}: every file is the one that was signed ({said['root']})")
    return ExitCode.OK
