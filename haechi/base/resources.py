"""Find the data that ships with Haechi: beside a checkout, or inside an installed wheel."""

from __future__ import annotations

from pathlib import Path

from haechi.base.errors import AlteredInstallation

_HERE = Path(__file__).resolve().parent.parent


def policies_dir() -> Path:
    """The folder of shipped policy packs.

    Raises:
        AlteredInstallation: when neither the wheel's copy nor the checkout's folder exists.
    """
    for candidate in (_HERE / "_policies", _HERE.parent / "policies"):
        if (candidate / "default.yaml").is_file():
            return candidate
    raise AlteredInstallation(
        "the shipped policies are missing from the installation", hint="reinstall: pip install --force-reinstall haechi"
    )
