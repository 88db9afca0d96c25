"""The gateway's settings: the one table, and the frozen object that is made from it.

`python -m gateway.settings` prints docs/settings.md; a test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from audit.postgres import SCHEMES
from haechi.base.errors import InvalidSetting, UnavailableDatabase
from haechi.base.settings import FILE_NAME, Kind, Loaded, Setting, from_environment, load

AUDIT_MODES = ("strict", "spill", "best_effort")

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "settings", "", "", f"Settings file (TOML); without it {FILE_NAME} in the data folder, if there.", Kind.PATH
    ),
    Setting(
        "data_dir",
        "data",
        "",
        "Folder for the audit log, API keys, knowledge bases and converted models; made if missing.",
        Kind.PATH,
    ),
    Setting(
        "database",
        "sqlite",
        "",
        "Where API keys, audit records and knowledge bases live: sqlite, in files of the data folder, or a postgresql:// URL.",
        Kind.SECRET,
    ),
    Setting("host", "127.0.0.1", "", "Address to listen on; 0.0.0.0 opens the gateway to the network."),
    Setting("port", 8080, "", "Port to listen on; 0 takes a free one.", Kind.INTEGER, 0, 65_535),
    Setting("workers", 1, "processes", "Server processes; each loads the local model again.", Kind.INTEGER, 1, 256),
    Setting(
        "model",
        "",
        "",
        "Model to serve: hub name, folder or GGUF file; empty for the embedded demo model. With upstream: what `default` means.",
    ),
    Setting(
        "upstream",
        "",
        "",
        "OpenAI-compatible server to proxy instead of a local model, for example http://host:8000/v1.",
    ),
    Setting(
        "upstream_key", "", "", "API key for the upstream; prefer the variable, a command line is visible.", Kind.SECRET
    ),
    Setting(
        "upstream_timeout_s", 300.0, "seconds", "Longest wait for one answer of the upstream.", Kind.NUMBER, 0.1, 86_400
    ),
    Setting(
        "precision",
        "auto",
        "",
        "Number format of the local model's weights.",
        Kind.CHOICE,
        choices=("auto", "fp32", "bf16", "fp16", "int8"),
    ),
    Setting(
        "require_release",
        False,
        "",
        "Serve only a model folder that a key of release_key released and nobody has altered since.",
        Kind.FLAG,
    ),
    Setting("release_key", "", "", "Whose releases are trusted: a public key file of haechi release, or its line."),
    Setting("policy", "default", "", "Policy to enforce: a shipped name or a YAML file."),
    Setting(
        "blocked_prompt",
        "error",
        "",
        "Answer to a blocked prompt: HTTP 400 content_filter, or a completion with a refusal.",
        Kind.CHOICE,
        choices=("error", "completion"),
    ),
    Setting("max_body_bytes", 16_777_216, "bytes", "Longest request body.", Kind.INTEGER, 1_024, 1_073_741_824),
    Setting("max_messages", 4_096, "messages", "Most messages of one conversation.", Kind.INTEGER, 1, 1_000_000),
    Setting(
        "max_in_flight", 1_024, "requests", "Requests under way at once in one worker.", Kind.INTEGER, 1, 1_000_000
    ),
    Setting("request_timeout_s", 600.0, "seconds", "Longest time one answer may take.", Kind.NUMBER, 0.1, 86_400),
    Setting(
        "audit_timeout_s",
        0.25,
        "seconds",
        "Longest wait for a durable record; past it the request is refused.",
        Kind.NUMBER,
        0.01,
        60,
    ),
    Setting(
        "audit_mode",
        "spill",
        "",
        "A record that the log does not take in time: refuse the request, spill it, or give it up when that fails too.",
        Kind.CHOICE,
        choices=AUDIT_MODES,
    ),
    Setting("audit_modes", "", "", "Modes of single tenants: acme=strict,lab=best_effort."),
    Setting(
        "audit_spill_dir", "", "", "Folder of spill files, best on another disk; empty for `spill` in the audit folder."
    ),
    Setting(
        "placeholder_hours",
        24.0,
        "hours",
        "How long what placeholders of a conversation stand for is kept after it last grew.",
        Kind.NUMBER,
        0.01,
        8_760,
    ),
    Setting("guard_threads", 2, "threads", "Threads that check long texts, in each worker.", Kind.INTEGER, 1, 256),
    Setting("api_key", "", "", "First API key, 20 characters or more, instead of a generated one.", Kind.SECRET),
    Setting("audit_passphrase", "", "", "Passphrase that locks the audit log's key file.", Kind.SECRET),
    Setting(
        "audit_kms",
        "file",
        "",
        "Who keeps the log's root keys: file, or OpenBao or Vault at vault+https://HOST:8200/transit/NAME.",
    ),
    Setting("audit_kms_token", "", "", "Token for that key service.", Kind.SECRET),
    Setting(
        "audit_reader_key",
        "",
        "",
        "File of a reader's key: with its public half the gateway writes content that it cannot read.",
    ),
    Setting(
        "drain_s", 30, "seconds", "On shutdown, how long running answers may take to finish.", Kind.INTEGER, 0, 3_600
    ),
    Setting(
        "log_level",
        "warning",
        "",
        "Least severe log line shown.",
        Kind.CHOICE,
        choices=("debug", "info", "warning", "error"),
    ),
    Setting("log_json", False, "", "Log lines as JSON objects.", Kind.FLAG),
)

_PAGE_HEAD = """\
# Settings

Made by `python -m gateway.settings > docs/settings.md`; a test fails when the two differ.

Each setting can be given in four places. The first that names it wins:

1. the command line (`haechi serve --port 9000`),
2. the environment (`HAECHI_PORT=9000`),
3. the settings file (`port = 9000`), TOML, given by `--settings` or found as `haechi.toml` in the data folder,
4. the default.

An unknown name, in the file or in a `HAECHI_` variable, is an error. So is a value outside its range.
A settings file that is found in the data folder cannot set `data_dir`; no settings file can set `settings`.

| setting | option | variable | default | takes | meaning |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Checked values of SETTINGS, one field per row, under the same names."""

    settings: str
    data_dir: Path
    database: str = field(repr=False)
    host: str
    port: int
    workers: int
    model: str
    upstream: str
    upstream_key: str = field(repr=False)
    upstream_timeout_s: float
    precision: str
    require_release: bool
    release_key: str
    policy: str
    blocked_prompt: str
    max_body_bytes: int
    max_messages: int
    max_in_flight: int
    request_timeout_s: float
    audit_timeout_s: float
    audit_mode: str
    audit_modes: str
    audit_spill_dir: str
    placeholder_hours: float
    guard_threads: int
    api_key: str = field(repr=False)
    audit_passphrase: str = field(repr=False)
    audit_kms: str
    audit_kms_token: str = field(repr=False)
    audit_reader_key: str
    drain_s: int
    log_level: str
    log_json: bool
    sources: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @property
    def audit_dir(self) -> Path:
        """Where the audit log lies."""
        return self.data_dir / "audit"

    @property
    def knowledge_dir(self) -> Path:
        """Where knowledge bases lie, unless a database server keeps them."""
        return self.data_dir / "knowledge"

    @property
    def key_file(self) -> Path:
        """Where API keys are kept, hashed, unless a database server keeps them."""
        return self.data_dir / "keys.db"

    @property
    def key_place(self) -> Path | str:
        """Where API keys are kept, hashed: a file, or the URL of a PostgreSQL database."""
        return self.key_file if self.database == "sqlite" else self.database


def load_settings(arguments: Mapping[str, str | None], environment: Mapping[str, str]) -> GatewaySettings:
    """Merge command line, environment, settings file and defaults.

    arguments: setting name to text; None, or no entry, where the option was not given.

    Raises:
        UnknownSetting, InvalidSetting: see haechi.base.settings.load.
        UnavailableDatabase: a database this release cannot use.
    """
    given = {**from_environment(SETTINGS, environment), **{k: v for k, v in arguments.items() if v is not None}}
    named = given.get("settings", "")
    folder = Path(given.get("data_dir", "") or "data")
    found = folder / FILE_NAME
    file = Path(named) if named else found if found.is_file() else None
    loaded = load(SETTINGS, arguments=arguments, environment=environment, file=file)
    _refuse_moving_files(loaded, file, named=bool(named))
    values = dict(loaded.values)
    data_dir = Path(str(values.pop("data_dir"))).expanduser()
    _check_database(str(values["database"]))
    tenant_modes(str(values["audit_modes"]))
    _check_upstream(str(values["upstream"]))
    return GatewaySettings(data_dir=data_dir, sources=loaded.sources, notices=loaded.notices, **values)  # type: ignore[arg-type]  # load() has checked each value against its row, and a test compares rows and fields


def _refuse_moving_files(loaded: Loaded, file: Path | None, *, named: bool) -> None:
    """A file that was found in a place must not change where to look."""
    if "settings" in loaded.in_file:
        raise InvalidSetting(f"{file}: a settings file cannot name another", hint="remove the line  settings = ...")
    if not named and "data_dir" in loaded.in_file:
        raise InvalidSetting(
            f"{file}: a settings file in the data folder cannot move the data folder",
            hint="give --data-dir, HAECHI_DATA_DIR, or name the file with --settings",
        )


def tenant_modes(text: str) -> dict[str, str]:
    """The modes of single tenants: `acme=strict,lab=best_effort`.

    Raises:
        InvalidSetting: another form, an unknown mode, or a tenant twice.
    """
    pairs = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    found = {tenant: mode for tenant, _, mode in pairs}
    if len(found) != len(pairs) or not all(tenant and mode in AUDIT_MODES for tenant, mode in found.items()):
        raise InvalidSetting(
            "audit_modes: not a list of tenants and modes",
            hint=f"acme=strict,lab=spill; one of {', '.join(AUDIT_MODES)}",
        )
    return found


def _check_database(database: str) -> None:
    if database == "sqlite":
        return
    if not database.startswith(SCHEMES):
        raise InvalidSetting(
            "database: not a database this release knows", hint="sqlite, or postgresql://USER:PASSWORD@HOST/DATABASE"
        )
    if find_spec("psycopg") is None:
        raise UnavailableDatabase(
            "a PostgreSQL database needs the driver psycopg", hint="pip install 'haechi[postgres]'"
        )


def _check_upstream(upstream: str) -> None:
    if upstream and not upstream.startswith(("http://", "https://")):
        raise InvalidSetting(
            "upstream: the value is not an http:// or https:// address",
            hint="for example --upstream http://127.0.0.1:8000/v1",
        )


def settings_page() -> str:
    """docs/settings.md."""
    return _PAGE_HEAD + "".join(_row(setting) + "\n" for setting in SETTINGS)


def _row(setting: Setting) -> str:
    default = str(setting.default).lower() if isinstance(setting.default, bool) else str(setting.default)
    takes = setting.allowed.replace("|", "\\|") + (f", {setting.unit}" if setting.unit else "")
    cells = (
        f"`{setting.name}`",
        f"`{setting.option}`",
        f"`{setting.variable}`",
        f"`{default}`" if default else "none",
        takes,
        setting.help,
    )
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(settings_page())
