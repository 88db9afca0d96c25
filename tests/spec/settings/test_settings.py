"""Settings are one table; who gave a value, and what happens to a wrong one."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.limits import Limits
from gateway.settings import SETTINGS, GatewaySettings, load_settings, settings_page, tenant_modes
from haechi.base.errors import HaechiError, InvalidSetting, UnknownSetting
from haechi.base.settings import Kind, Setting, load
from haechi.cli._compose import limits_of
from haechi.cli._options import add_settings

ROOT = Path(__file__).resolve().parents[3]
TABLE = (
    Setting("port", 8080, "", "Port.", Kind.INTEGER, 0, 65_535),
    Setting("wait_s", 1.5, "seconds", "Wait.", Kind.NUMBER, 0, 10),
    Setting("loud", False, "", "Loud.", Kind.FLAG),
    Setting("precision", "auto", "", "Precision.", Kind.CHOICE, choices=("auto", "fp16")),
    Setting("token", "", "", "Token.", Kind.SECRET),
)


def values(
    arguments: Mapping[str, str | None] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> dict[str, object]:
    """The merged values of TABLE."""
    return dict(load(TABLE, arguments=arguments or {}, environment=environment or {}, file=file).values)


def toml(folder: Path, text: str) -> Path:
    """A settings file."""
    path = folder / "settings.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("given", list(itertools.product([False, True], repeat=3)), ids=str)
def test_the_command_line_beats_the_environment_beats_the_file_beats_the_default(
    given: tuple[bool, bool, bool], tmp_path: Path
) -> None:
    """Whichever places name a setting, the first of them in that order wins, and is remembered as the source."""
    in_file, in_environment, on_line = given
    file = toml(tmp_path, "port = 1" if in_file else "")

    loaded = load(
        TABLE,
        arguments={"port": "3" if on_line else None},
        environment={"HAECHI_PORT": "2"} if in_environment else {},
        file=file,
    )

    expected = (
        (3, "--port")
        if on_line
        else (2, "HAECHI_PORT")
        if in_environment
        else (1, str(file))
        if in_file
        else (8080, "default")
    )
    assert expected == (loaded.values["port"], loaded.sources["port"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "80a"),
        ("port", "65536"),
        ("port", "-1"),
        ("port", ""),
        ("port", "1.5"),
        ("wait_s", "nan"),
        ("wait_s", "11"),
        ("wait_s", "soon"),
        ("loud", "perhaps"),
        ("precision", "fp8"),
        ("token", "a\0b"),
    ],
)
def test_a_wrong_value_is_an_error_that_says_where_it_came_from(name: str, text: str) -> None:
    """A value outside the table's row is refused, naming the option or variable that brought it."""
    option = f"--{name.replace('_', '-')}"
    with pytest.raises(InvalidSetting, match=f"^HAE-C101 {option}: "):
        values(arguments={name: text})
    with pytest.raises(InvalidSetting, match=f"^HAE-C101 HAECHI_{name.upper()}: "):
        values(environment={f"HAECHI_{name.upper()}": text})


@pytest.mark.parametrize(
    "line",
    [
        'port = "80"',
        "port = true",
        "port = 1.0",
        "loud = 1",
        "precision = 1",
        "wait_s = nan",
        "[port]\na = 1",
        "port = [1]",
    ],
)
def test_a_file_gives_values_of_the_right_type(line: str, tmp_path: Path) -> None:
    """TOML has types; a value of another type is refused, naming the file."""
    file = toml(tmp_path, line)
    with pytest.raises(InvalidSetting, match=r"settings\.toml: "):
        values(file=file)


def test_a_secret_is_in_no_message() -> None:
    """The value of a secret setting is not repeated when it is refused."""
    with pytest.raises(InvalidSetting) as refused:
        values(environment={"HAECHI_TOKEN": "s3cr3t\0"})
    assert "s3cr3t" not in str(refused.value) + refused.value.hint


def test_an_unknown_name_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    """A misspelt key or variable is never ignored."""
    with pytest.raises(UnknownSetting) as in_file:
        values(file=toml(tmp_path, "prot = 1"))
    with pytest.raises(UnknownSetting) as in_environment:
        values(environment={"HAECHI_PROT": "1"})
    assert (in_file.value.hint, in_environment.value.hint) == ("did you mean 'port'?", "did you mean 'HAECHI_PORT'?")


def test_variables_of_others_are_left_alone() -> None:
    """Only names with our prefix are looked at."""
    assert values(environment={"PORT": "1", "haechi_port": "2", "XHAECHI_PORT": "3"})["port"] == 8080


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"port = 1\nport = 2"])
def test_a_file_that_is_not_toml_is_one_clear_error(content: bytes, tmp_path: Path) -> None:
    """A broken settings file is refused as a whole."""
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    with pytest.raises(InvalidSetting, match="is not a settings file"):
        values(file=file)


def test_a_missing_settings_file_that_was_named_is_an_error(tmp_path: Path) -> None:
    """`--settings` names a file that must be there."""
    with pytest.raises(InvalidSetting, match="cannot read the settings file"):
        load_settings({"settings": str(tmp_path / "none.toml")}, {})


def test_a_secret_in_a_file_that_others_may_read_is_noticed(tmp_path: Path) -> None:
    """The operator is told to close the file; a closed one is fine."""
    file = toml(tmp_path, 'token = "x"')
    file.chmod(0o644)
    assert len(load(TABLE, arguments={}, environment={}, file=file).notices) == 1
    file.chmod(0o600)
    assert load(TABLE, arguments={}, environment={}, file=file).notices == ()


def test_the_file_in_the_data_folder_is_found(tmp_path: Path) -> None:
    """haechi.toml in the data folder is read, wherever the folder was named."""
    (tmp_path / "haechi.toml").write_text("port = 9000", "utf-8")
    assert load_settings({"data_dir": str(tmp_path)}, {}).port == 9000
    assert load_settings({}, {"HAECHI_DATA_DIR": str(tmp_path)}).port == 9000


def test_a_file_found_in_the_data_folder_cannot_move_it(tmp_path: Path) -> None:
    """Otherwise the place of the file would depend on its content."""
    (tmp_path / "haechi.toml").write_text('data_dir = "/elsewhere"', "utf-8")
    with pytest.raises(InvalidSetting, match="cannot move the data folder"):
        load_settings({"data_dir": str(tmp_path / ".")}, {})


def test_a_named_file_may_set_the_data_folder_but_not_another_file(tmp_path: Path) -> None:
    """`--settings` may hold everything but `settings`."""
    file = toml(tmp_path, f'data_dir = "{tmp_path}/d"')
    assert tmp_path / "d" == load_settings({"settings": str(file)}, {}).data_dir
    with pytest.raises(InvalidSetting, match="cannot name another"):
        load_settings({"settings": str(toml(tmp_path, 'settings = "x"'))}, {"HAECHI_DATA_DIR": str(tmp_path)})


def test_an_empty_setting_named_settings_in_the_environment_does_not_hide_a_line_in_the_file(tmp_path: Path) -> None:
    """The file's own line is refused when nothing above it overrides it."""
    (tmp_path / "haechi.toml").write_text('settings = "x"', "utf-8")
    with pytest.raises(InvalidSetting, match="cannot name another"):
        load_settings({"data_dir": str(tmp_path)}, {})


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"database": "postgresql:db/haechi"}, InvalidSetting),
        ({"database": "mysql://u:p@db"}, InvalidSetting),
        ({"upstream": "127.0.0.1:8000"}, InvalidSetting),
        ({"precision": "fp8"}, InvalidSetting),
        ({"workers": "0"}, InvalidSetting),
    ],
)
def test_settings_the_gateway_cannot_use_are_refused(arguments: dict[str, str], error: type[HaechiError]) -> None:
    """What cannot work is refused before anything starts, and no credential in an address is repeated."""
    with pytest.raises(error) as refused:
        load_settings(arguments, {})
    assert refused.value.hint
    assert "u:p" not in str(refused.value)


@pytest.mark.parametrize("text", ["acme", "acme=lenient", "=strict", "acme=strict,acme=spill", "acme:strict"])
def test_modes_of_tenants_that_make_no_sense_are_refused(text: str) -> None:
    """A typing error must not make a strict tenant lenient."""
    with pytest.raises(InvalidSetting, match="audit_modes"):
        load_settings({"audit_modes": text}, {})
    assert tenant_modes(" acme=strict, lab=best_effort ,") == {"acme": "strict", "lab": "best_effort"}


def test_the_frozen_object_has_one_field_for_each_row() -> None:
    """GatewaySettings and SETTINGS name the same things."""
    fields = [field.name for field in dataclasses.fields(GatewaySettings)]
    assert [setting.name for setting in SETTINGS] == [name for name in fields if name not in {"sources", "notices"}]


def test_secrets_are_not_in_the_printed_form() -> None:
    """Printing the settings shows no secret."""
    secrets = {s.variable: "canary-of-twenty-chars" for s in SETTINGS if s.kind is Kind.SECRET}
    loaded = load_settings({}, {**secrets, "HAECHI_DATABASE": "postgresql://u:canary@db/x"})
    assert "canary" not in repr(loaded)


def test_defaults_are_within_their_own_rows() -> None:
    """Every default would be accepted if somebody typed it."""
    arguments = {s.name: str(s.default).lower() if isinstance(s.default, bool) else str(s.default) for s in SETTINGS}
    assert load_settings({}, {}).port == load_settings(arguments, {}).port


def test_the_reference_page_is_the_table() -> None:
    """docs/settings.md is what `python -m gateway.settings` prints."""
    assert settings_page() == (ROOT / "docs/settings.md").read_text("utf-8")


def test_only_the_command_line_reads_the_environment() -> None:
    """One place looks at variables, so that what a run depends on is known and checked."""
    reads = re.compile(r"(?<!\")os\.environ\b(?!\.setdefault|\.update\(|\[[^\]]+\] = )|\bgetenv\(")
    sources = [
        path for name in ("haechi", "guard", "audit", "gateway", "alignment") for path in (ROOT / name).rglob("*.py")
    ]
    found = [str(path.relative_to(ROOT)) for path in sources if reads.search(path.read_text("utf-8"))]
    assert found == ["haechi/cli/_options.py"]


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS])
def test_every_setting_is_an_option_of_serve_with_its_help(name: str) -> None:
    """`haechi serve --help` and the table say the same."""
    setting = next(s for s in SETTINGS if s.name == name)
    parser = argparse.ArgumentParser(formatter_class=lambda prog: argparse.HelpFormatter(prog, width=400))
    add_settings(parser)
    text = " ".join(parser.format_help().split())
    assert setting.option in text
    assert setting.help in text


def test_the_defaults_of_the_table_are_the_limits_of_the_gateway() -> None:
    """A number that stands in two places is the same in both."""
    assert limits_of(load_settings({}, {})) == Limits()
