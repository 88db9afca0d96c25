"""A recipe file says everything about a run, and what it says is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignment.recipe import KINDS, load_recipe, recipe_of, shipped, table
from haechi.base.errors import InvalidSetting, UnknownSetting, UnreadableInput


@pytest.mark.parametrize("name", ["tiny-cpu", "qwen3-0.6b", "qwen2.5-1.5b", "moe"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_shipped_recipe_is_valid_for_every_kind(name: str, kind: str) -> None:
    """And is listed."""
    assert name in shipped()
    assert load_recipe(kind, name).kind == kind


def test_every_value_is_described() -> None:
    """Name, help and bounds: docs and checks come from one table."""
    settings = table()
    assert len(settings) > 60
    assert all(setting.help and setting.allowed for setting in settings)
    assert len({setting.name for setting in settings}) == len(settings)


def test_a_misspelt_name_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    """In the file, in a table for one kind, and on the command line."""
    (tmp_path / "a.toml").write_text("[optim]\nlerning_rate = 1")
    (tmp_path / "b.toml").write_text("[for.dpo.dpo]\nbetta = 1")
    (tmp_path / "c.toml").write_text("[for.ddpo.dpo]\nbeta = 1")
    for source, settings, hint in [
        (str(tmp_path / "a.toml"), [], "optim.learning_rate"),
        (str(tmp_path / "b.toml"), [], "dpo.beta"),
        (str(tmp_path / "c.toml"), [], "for.dpo"),
        ("tiny-cpu", ["optim.step=3"], "optim.steps"),
    ]:
        with pytest.raises(UnknownSetting) as caught:
            load_recipe("sft", source, settings)
        assert hint in caught.value.hint


@pytest.mark.parametrize(
    "text", ["optim.steps=0", "optim.steps=1.5", "dpo.loss=hinge", "dpo.beta=nan", "dpo.smoothing=0.5", "optim.steps"]
)
def test_a_value_out_of_bounds_is_refused(text: str) -> None:
    """Whatever its kind."""
    with pytest.raises(InvalidSetting):
        load_recipe("dpo", "tiny-cpu", [text])


def test_later_wins(tmp_path: Path) -> None:
    """Default, file, table for this kind, --set."""
    file = tmp_path / "r.toml"
    file.write_text("[optim]\nsteps = 5\nbatch = 6\nmicro_batch = 7\n[for.dpo.optim]\nbatch = 60\nmicro_batch = 70\n")
    recipe = load_recipe("dpo", str(file), ["optim.micro_batch=700"])
    assert (recipe.optim.steps, recipe.optim.batch, recipe.optim.micro_batch) == (5, 60, 700)
    assert load_recipe("sft", str(file)).optim.batch == 6
    assert recipe.name == "r"


def test_an_unknown_recipe_names_the_nearest() -> None:
    """Instead of a traceback."""
    with pytest.raises(UnreadableInput) as caught:
        load_recipe("sft", "tiny-cpuu")
    assert "tiny-cpu" in caught.value.hint


def test_the_digest_is_of_what_shapes_the_weights() -> None:
    """Not of where they are written, nor how often."""
    plain = recipe_of("dpo", "x", {})
    assert plain.digest() == recipe_of("dpo", "y", {"run.output": "elsewhere", "run.save_every": 1}).digest()
    assert plain.digest() != recipe_of("dpo", "x", {"dpo.beta": 0.2}).digest()
    assert plain.digest() != recipe_of("sft", "x", {}).digest()
