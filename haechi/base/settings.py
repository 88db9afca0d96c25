"""Settings as data: one table, from which the loader, the `--help` text and the reference page come.

Rules of this file
1. Precedence: command line, then `HAECHI_*`, then the settings file, then the default. The source is remembered.
2. A name that is not in the table is an error wherever it stands, and the error names the nearest known one.
3. Every value is parsed and checked here, whoever gave it. The value of a secret is in no message.
4. Nothing else in Haechi reads the environment; the command line loads once and hands frozen values on.
"""

from __future__ import annotations

import enum
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from haechi.base.errors import InvalidSetting, UnknownSetting

PREFIX = "HAECHI_"
FILE_NAME = "haechi.toml"
DEFAULT_SOURCE = "default"

Value = str | int | float | bool


class Kind(enum.StrEnum):
    """What a value is, and so how it is parsed."""

    TEXT = "text"
    PATH = "path"
    SECRET = "secret"  # noqa: S105  # the name of a kind, not a secret
    INTEGER = "whole number"
    NUMBER = "number"
    FLAG = "yes or no"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of a settings table.

    name: lower case with underscores; `--data-dir` and `HAECHI_DATA_DIR` follow from it.
    default: the value when nobody gives one; an empty text means "none".
    unit: of a number ("seconds", "bytes"); empty for the rest.
    help: one sentence, shown by `--help` and in docs/settings.md.
    lowest, highest: inclusive bounds of a number.
    choices: the words a CHOICE takes.
    """

    name: str
    default: Value
    unit: str
    help: str
    kind: Kind = Kind.TEXT
    lowest: float = -math.inf
    highest: float = math.inf
    choices: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        """Its name on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.upper()

    @property
    def allowed(self) -> str:
        """The values it takes, in words."""
        match self.kind:
            case Kind.CHOICE:
                return " | ".join(self.choices)
            case Kind.FLAG:
                return "true | false"
            case Kind.INTEGER | Kind.NUMBER:
                return self._range()
            case Kind.TEXT | Kind.PATH | Kind.SECRET:
                return str(self.kind)
            case _ as unreachable:
                assert_never(unreachable)

    def _range(self) -> str:
        low = "" if self.lowest == -math.inf else f" from {self.lowest:,.10g}"
        high = "" if self.highest == math.inf else f" to {self.highest:,.10g}"
        return f"{self.kind}{low}{high}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Checked values of a whole table.

    sources: for each name, who gave the value: an option, a variable, a file or "default".
    in_file: the names that the settings file gives, overridden or not.
    notices: what the operator should hear, one sentence each.
    """

    values: Mapping[str, Value]
    sources: Mapping[str, str]
    in_file: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()


def load(
    table: Iterable[Setting],
    *,
    arguments: Mapping[str, str | None],
    environment: Mapping[str, str],
    file: Path | None,
) -> Loaded:
    """Merge the four sources.

    arguments: name to text, None where the option was not given.
    environment: usually the whole process environment; only `HAECHI_*` is looked at.
    file: a TOML file of `name = value` lines; None when there is none.

    Raises:
        UnknownSetting: a `HAECHI_*` variable or a key of the file that is not in the table.
        InvalidSetting: a value that does not parse or is out of range, or an unreadable file.
    """
    known = {setting.name: setting for setting in table}
    values: dict[str, Value] = {name: setting.default for name, setting in known.items()}
    sources = dict.fromkeys(known, DEFAULT_SOURCE)
    entries = _read_file(file, known) if file is not None else {}
    for name, entry in entries.items():
        values[name], sources[name] = _typed(known[name], entry, where=str(file)), str(file)
    for name, text in from_environment(known.values(), environment).items():
        values[name], sources[name] = parse(known[name], text, where=known[name].variable), known[name].variable
    for name, given in arguments.items():
        if given is not None:
            values[name], sources[name] = parse(known[name], given, where=known[name].option), known[name].option
    notices = _exposed_secrets(file, [known[name] for name in entries]) if file is not None else ()
    return Loaded(values, sources, frozenset(entries), notices)


def from_environment(table: Iterable[Setting], environment: Mapping[str, str]) -> dict[str, str]:
    """The settings that `HAECHI_*` variables give, still as text.

    Raises:
        UnknownSetting: a variable with the prefix that names no setting.
    """
    by_variable = {setting.variable: setting.name for setting in table}
    found = {}
    for variable, text in environment.items():
        if variable.startswith(PREFIX):
            if variable not in by_variable:
                raise UnknownSetting(variable, by_variable, where="environment")
            found[by_variable[variable]] = text
    return found


def parse(setting: Setting, text: str, *, where: str) -> Value:
    """Turn the text of an option or a variable into a checked value.

    Raises:
        InvalidSetting: when the text is not of the setting's kind or out of its range.
    """
    match setting.kind:
        case Kind.INTEGER | Kind.NUMBER:
            try:
                number = int(text) if setting.kind is Kind.INTEGER else float(text)
            except ValueError:
                raise _invalid(setting, text, where) from None
            return _in_range(setting, number, where)
        case Kind.FLAG:
            word = text.strip().lower()
            if word not in _FLAG_WORDS:
                raise _invalid(setting, text, where)
            return _FLAG_WORDS[word]
        case Kind.CHOICE:
            if text not in setting.choices:
                raise _invalid(setting, text, where)
            return text
        case Kind.TEXT | Kind.PATH | Kind.SECRET:
            if "\0" in text:
                raise _invalid(setting, text, where)
            return text
        case _ as unreachable:
            assert_never(unreachable)


_FLAG_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _typed(setting: Setting, entry: object, *, where: str) -> Value:
    """Check a value that TOML has already typed."""
    if isinstance(entry, bool):
        if setting.kind is not Kind.FLAG:
            raise _invalid(setting, entry, where)
        return entry
    if not isinstance(entry, _toml_types(setting.kind)):
        raise _invalid(setting, entry, where)
    return parse(setting, str(entry), where=where)


def _toml_types(kind: Kind) -> tuple[type, ...]:
    match kind:
        case Kind.INTEGER:
            return (int,)
        case Kind.NUMBER:
            return (int, float)
        case Kind.FLAG:
            return (bool,)
        case Kind.TEXT | Kind.PATH | Kind.SECRET | Kind.CHOICE:
            return (str,)
        case _ as unreachable:
            assert_never(unreachable)


def _in_range(setting: Setting, number: float, where: str) -> int | float:
    if not setting.lowest <= number <= setting.highest:  # also refuses NaN
        raise _invalid(setting, number, where)
    return number


def _invalid(setting: Setting, value: object, where: str) -> InvalidSetting:
    shown = "the value given" if setting.kind is Kind.SECRET else repr(value)
    unit = f" ({setting.unit})" if setting.unit else ""
    return InvalidSetting(
        f"{where}: {shown} is not a value for {setting.name}", hint=f"{setting.name} takes: {setting.allowed}{unit}"
    )


def _read_file(file: Path, known: Mapping[str, Setting]) -> dict[str, object]:
    try:
        entries = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise InvalidSetting(
            f"cannot read the settings file {file}: {error.strerror}", hint="check the path, or leave --settings out"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSetting(
            f"{file} is not a settings file: {error}", hint='lines of the form  name = "value"  (TOML, UTF-8)'
        ) from error
    for name in entries:
        if name not in known:
            raise UnknownSetting(name, known, where=str(file))
    return entries


def _exposed_secrets(file: Path, given: Iterable[Setting]) -> tuple[str, ...]:
    names = ", ".join(setting.name for setting in given if setting.kind is Kind.SECRET)
    if names and file.stat().st_mode & 0o077:
        return (f"{file} holds {names} and other users of this machine may read it: chmod 600 {file}",)
    return ()
