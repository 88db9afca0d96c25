"""What `haechi serve` demands of a model when `require_release` is set: a release that a trusted key vouches for."""

from __future__ import annotations

from pathlib import Path

from gateway.settings import GatewaySettings
from haechi.base.errors import InvalidSetting


def check_release(settings: GatewaySettings) -> None:
    """The model's folder is byte for byte what was released. Hashes every file; about a second for a gigabyte.

    Done before the start and again by each process just before it loads the weights.

    Raises:
        NotReleased: it is not; the message names the file or what is missing.
        UnusableReleaseKey: the trusted keys cannot be read.
        InvalidSetting: `require_release` asks for what cannot be checked here.
    """
    if not settings.require_release:
        return
    from alignment.manifest import trusted_keys, verify_release

    if settings.upstream:
        raise InvalidSetting(
            "require_release: the weights behind an upstream cannot be checked from here",
            hint="serve the released folder with --model, or leave require_release out and check it where the model runs",
        )
    if not settings.release_key:
        raise InvalidSetting(
            "require_release needs release_key", hint="the KEY.pub that haechi release wrote, or the line in it"
        )
    folder = Path(settings.model).expanduser()
    inside = folder / "model"
    verify_release(inside if (folder / "run.json").is_file() else folder, trusted_keys(settings.release_key))
