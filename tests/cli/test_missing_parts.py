"""A command whose packages are not installed, or whose files are gone, says which and answers 3: never "clean", never "found"."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from guard import lexicon
from guard.errors import InvalidLexicon
from haechi.base.resources import policies_dir

WITHOUT = """
import sys
hidden = sys.argv.pop(1)


class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] == hidden else self.finder.find_spec(name, path, target)


sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
from haechi.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("ahocorasick", "check"),
        ("regex", "scrub"),
        ("tokenizers", "check"),
        ("numpy", "eval guard"),
        ("msgspec", "policy list"),
    ],
)
def test_a_missing_package_is_named_with_what_brings_it(tmp_path: Path, module: str, command: str) -> None:
    """As after `pip install haechi` alone; a traceback would end with 1, which means that something was found."""
    text = tmp_path / "hello.jsonl"
    text.write_text('{"text": "hello", "toxic": 0}\n', "utf-8")
    words = [*command.split(), *([] if command == "policy list" else [str(text)])]
    done = subprocess.run([sys.executable, "-c", WITHOUT, module, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert module in done.stderr or "needs a part" in done.stderr
    assert f'pip install "haechi[{"all" if module == "msgspec" else "guard"}]"' in done.stderr


@pytest.mark.parametrize("gone", lexicon.SHIPPED)
def test_a_language_without_its_list_of_words_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    """Its insults would pass as if nothing were listed, and no verdict would say so."""
    folder = tmp_path / "lexicons"
    folder.mkdir()
    for file in (policies_dir() / "lexicons").glob("*.tsv"):
        if file.stem != gone:
            (folder / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(lexicon, "policies_dir", lambda: tmp_path)
    with pytest.raises(InvalidLexicon) as refused:
        lexicon.scanners()
    assert f"{gone}.tsv" in refused.value.message
