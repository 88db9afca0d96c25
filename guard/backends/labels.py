"""What other systems call the categories: Detoxify, Qwen3Guard, OpenAI's moderation, MLCommons' hazards.

A name that maps to nothing is listed with an empty tuple, so that a name nobody knows is told from one nobody needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from guard.verdict import Category

DETOXIFY: Final[Mapping[str, tuple[Category, ...]]] = {
    "toxicity": (Category.TOXICITY,),
    "severe_toxicity": (Category.TOXICITY,),
    "obscene": (Category.TOXICITY,),
    "insult": (Category.TOXICITY, Category.HARASSMENT),
    "identity_attack": (Category.HATE,),
    "threat": (Category.VIOLENCE,),
    "sexual_explicit": (Category.SEXUAL,),
}
"""Detoxify 0.5 after its own renaming. What `unbiased` also predicts, who a text is about, is no category."""

DETOXIFY_RENAMED: Final[Mapping[str, str]] = {
    "toxic": "toxicity",
    "severe_toxic": "severe_toxicity",
    "identity_hate": "identity_attack",
}
"""Names in the checkpoint of `original`, and what Detoxify calls them."""

QWEN3GUARD: Final[Mapping[str, tuple[Category, ...]]] = {
    "Violent": (Category.VIOLENCE,),
    "Non-violent Illegal Acts": (Category.ILLEGAL,),
    "Sexual Content or Sexual Acts": (Category.SEXUAL,),
    "PII": (Category.PII,),
    "Suicide & Self-Harm": (Category.SELF_HARM,),
    "Unethical Acts": (Category.TOXICITY, Category.HATE, Category.HARASSMENT),
    "Politically Sensitive Topics": (Category.MISINFORMATION,),
    "Copyright Violation": (Category.ILLEGAL,),
    "Jailbreak": (Category.PROMPT_ATTACK,),
}
"""Its model card (arXiv 2510.14276, section 2): `Unethical Acts` holds insults, discrimination and harassment;
`Politically Sensitive Topics` is about spreading what is demonstrably false."""

MLCOMMONS: Final[Mapping[str, tuple[Category, ...]]] = {
    "S1 Violent Crimes": (Category.VIOLENCE,),
    "S2 Non-Violent Crimes": (Category.ILLEGAL,),
    "S3 Sex-Related Crimes": (Category.SEXUAL, Category.VIOLENCE),
    "S4 Child Sexual Exploitation": (Category.SEXUAL_MINORS,),
    "S5 Defamation": (Category.MISINFORMATION, Category.HARASSMENT),
    "S6 Specialized Advice": (),
    "S7 Privacy": (Category.PII,),
    "S8 Intellectual Property": (Category.ILLEGAL,),
    "S9 Indiscriminate Weapons": (Category.ILLEGAL, Category.VIOLENCE),
    "S10 Hate": (Category.HATE,),
    "S11 Suicide & Self-Harm": (Category.SELF_HARM,),
    "S12 Sexual Content": (Category.SEXUAL,),
    "S13 Elections": (Category.MISINFORMATION,),
}
"""The hazards of MLCommons' AILuminate, by which models such as Llama Guard name what they find."""
