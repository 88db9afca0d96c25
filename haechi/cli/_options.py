"""Settings as options of a command, and the one place where the environment is read."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection
from typing import TYPE_CHECKING

from gateway.settings import SETTINGS, GatewaySettings, load_settings
from haechi.base.settings import Kind, Setting

if TYPE_CHECKING:
    from guard.knowledge import Shelf

DATA_OPTIONS = ("data_dir", "settings")
"""What a command needs to find the data folder of a gateway."""
KNOWLEDGE_OPTIONS = (*DATA_OPTIONS, "database")
"""What a command needs to find its knowledge bases."""


def add_settings(parser: argparse.ArgumentParser, names: Collection[str] | None = None) -> None:
    """Add an option for each named setting (all of them without names), with the help text of the table.

    Values stay text here; `settings_of` checks them, so that an option, a variable and a file are judged alike.
    """
    group = parser.add_argument_group(
        "settings", "also as HAECHI_* variables and in a settings file; see docs/settings.md"
    )
    for setting in SETTINGS:
        if names is None or setting.name in names:
            _add(group, setting)


def positive(written: str) -> int:
    """A whole number of at least 1, for options that say how many."""
    if not written.isdecimal() or int(written) < 1:
        raise argparse.ArgumentTypeError(f"{written!r} is not a whole number of at least 1")
    return int(written)


def settings_of(args: argparse.Namespace) -> GatewaySettings:
    """The settings for this run.

    Raises:
        UnknownSetting, InvalidSetting, UnavailableDatabase: see gateway.settings.load_settings.
    """
    arguments = {setting.name: getattr(args, setting.name, None) for setting in SETTINGS}
    return load_settings(arguments, os.environ)


def shelf_of(settings: GatewaySettings) -> Shelf:
    """Where the gateway's knowledge bases lie."""
    from guard.knowledge import Shelf

    return Shelf(settings.knowledge_dir, settings.database)


def _add(group: argparse._ArgumentGroup, setting: Setting) -> None:
    default = str(setting.default).lower() if isinstance(setting.default, bool) else str(setting.default)
    text = setting.help + (f" [{default}{' ' + setting.unit if setting.unit else ''}]" if default else "")
    text = text.replace("%", "%%")
    if setting.kind is Kind.FLAG:
        group.add_argument(setting.option, dest=setting.name, nargs="?", const="true", metavar="true|false", help=text)
    else:
        metavar = setting.allowed.replace(" ", "") if setting.kind is Kind.CHOICE else setting.name.upper()
        group.add_argument(setting.option, dest=setting.name, metavar=metavar, help=text)
