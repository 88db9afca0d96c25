"""Are the files that run the files that were installed?

Other distributions may bring packages named `guard`, `audit`, `alignment` or `gateway`; installing one silently
replaces our files, and with them the checker. So the gateway compares before it starts, and refuses (HAE-X010).
This finds accidents and clashes. Whoever may write to the installation can also rewrite its RECORD.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import json
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from importlib.util import find_spec
from pathlib import Path

from haechi.base.errors import AlteredInstallation

DISTRIBUTION = "haechi"
PACKAGES = ("haechi", "guard", "audit", "gateway", "alignment")


class Form(enum.StrEnum):
    """How Haechi came to be importable."""

    WHEEL = "wheel"
    CHECKOUT = "checkout"


@dataclass(frozen=True, slots=True)
class Installation:
    """Proof that the installation is whole.

    root: the folder the five packages are imported from.
    files: how many files were compared with their recorded hash; 0 for a checkout, which has none to compare with.
    """

    form: Form
    root: Path
    files: int


def verify_installation() -> Installation:
    """Compare our packages with what was installed.

    Steps: (1) all five packages are found in one folder, beside this file; (2) for a wheel, every file of ours
    has the hash that the wheel's RECORD gives it.

    Raises:
        AlteredInstallation: with the first files that differ.
    """
    root = Path(__file__).resolve().parent.parent
    _verify_places(root)
    try:
        installed = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return Installation(Form.CHECKOUT, root, 0)
    # A checkout that runs beside an installed wheel is judged as the checkout it is.
    if _is_editable(installed) or Path(str(installed.locate_file(""))).resolve() != root:
        return Installation(Form.CHECKOUT, root, 0)
    return Installation(Form.WHEEL, root, _verify_record(installed))


def _verify_places(root: Path) -> None:
    for package in PACKAGES:
        spec = find_spec(package)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin != root / package / "__init__.py":
            where = origin.parent if origin else "nowhere"
            raise AlteredInstallation(
                f"the package {package!r} is imported from {where}, not from {root / package}",
                hint="another distribution brings the same name, or a folder hides ours: use an environment of its own",
            )


def _is_editable(installed: Distribution) -> bool:
    text = installed.read_text("direct_url.json")
    return bool(text and json.loads(text).get("dir_info", {}).get("editable"))


def _verify_record(installed: Distribution) -> int:
    recorded = [file for file in installed.files or () if file.parts[0] in PACKAGES and file.suffix != ".pyc"]
    altered = [str(file) for file in recorded if not _is_as_recorded(file)]
    if altered or not recorded:
        shown = ", ".join(altered[:5]) + (f" and {len(altered) - 5} more" if len(altered) > 5 else "")
        raise AlteredInstallation(
            f"files differ from what was installed: {shown or 'none are recorded'}",
            hint="reinstall in an environment of its own: pip install --force-reinstall haechi",
        )
    return len(recorded)


def _is_as_recorded(file: PackagePath) -> bool:
    path = Path(str(file.locate()))
    if file.hash is None or not path.is_file():
        return False
    digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), file.hash.value)
