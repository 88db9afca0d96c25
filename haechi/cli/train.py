"""`haechi train sft|reward|dpo|ppo RECIPE`: alignment runs; `haechi train plot RUN`: their curves."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from haechi.base.errors import ExitCode, MissingExtra

_HELP = {
    "sft": "imitate given answers",
    "reward": "learn which of two answers people prefer",
    "dpo": "move a model towards preferred answers, without a reward model",
    "ppo": "let a model find answers that a reward model likes",
}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi train` and its verbs."""
    parser = commands.add_parser("train", help="reward models, DPO and PPO", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for kind, text in _HELP.items():
        verb = verbs.add_parser(kind, help=text, description=text.capitalize() + ". No network is used.")
        verb.add_argument(
            "recipe", metavar="RECIPE", help="a shipped recipe's name (see `haechi train recipes`) or a .toml file"
        )
        verb.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="override a value of the recipe; may be repeated",
        )
        verb.add_argument(
            "--resume", action="store_true", help="go on with the run in the output folder, exactly where it stopped"
        )
        verb.add_argument("--json", action="store_true", help="one JSON object on standard output at the end")
        verb.set_defaults(run=run_train, kind=kind)
    recipes = verbs.add_parser("recipes", help="shipped recipes and every value a recipe may hold")
    recipes.add_argument("--json", action="store_true", help="one JSON object on standard output")
    recipes.set_defaults(run=run_recipes)
    plot = verbs.add_parser("plot", help="draw the curves of a run")
    plot.add_argument("folder", type=Path, metavar="RUN", help="folder of a run")
    plot.add_argument("--output", type=Path, metavar="FILE", help="file to write: .svg, .png or .html [RUN/curves.svg]")
    plot.add_argument("--json", action="store_true", help="one JSON object on standard output")
    plot.set_defaults(run=run_plot)


def run_train(args: argparse.Namespace) -> int:
    """Train."""
    from alignment.offline import forbid_telemetry
    from alignment.recipe import load_recipe
    from haechi.cli._extras import missing_modules

    recipe = load_recipe(args.kind, args.recipe, args.set)
    missing = (*missing_modules("local"), *missing_modules("train"))
    if missing:
        raise MissingExtra(f"training ({', '.join(missing)})", "train")
    forbid_telemetry()
    from alignment.train import train

    outcome = train(recipe, resume=args.resume, show_progress=True)
    for alarm in outcome.alarms:
        print(f"haechi: alarm: {alarm}", file=sys.stderr)
    if args.json:
        said = {"run": str(outcome.run.path), "model": str(outcome.run.model), "held_out": dict(outcome.held_out)}
        print(json.dumps({**said, "alarms": list(outcome.alarms)}, ensure_ascii=False))
    else:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in outcome.held_out.items())
        print(f"model: {outcome.run.model}")
        if figures:
            print(f"held-out rows: {figures}")
    return ExitCode.OK


def run_recipes(args: argparse.Namespace) -> int:
    """List recipes and values."""
    from alignment.recipe import SHIPPED, as_written, shipped, table

    if args.json:
        values = [
            {"name": s.name, "default": s.default, "unit": s.unit, "takes": s.allowed, "help": s.help} for s in table()
        ]
        print(json.dumps({"recipes": list(shipped()), "values": values}, ensure_ascii=False))
        return ExitCode.OK
    for name in shipped():
        first = (SHIPPED / f"{name}.toml").read_text("utf-8").splitlines()[0].lstrip("# ")
        print(f"{name:<16} {first}")
    print()
    for s in table():
        unit = f" {s.unit}" if s.unit else ""
        print(f"{s.name:<30} {s.help} [{as_written(s.default)}{unit}; {s.allowed}]")
    return ExitCode.OK


def run_plot(args: argparse.Namespace) -> int:
    """Draw curves."""
    from alignment.runs.folder import RunFolder
    from alignment.runs.plot import draw

    run = RunFolder.open(args.folder)
    written = draw(run, args.output or args.folder / "curves.svg")
    print(json.dumps({"file": str(written)}) if args.json else written)
    return ExitCode.OK
