"""What the name tagger's model card says beside its figures."""

from __future__ import annotations

from typing import Final

ABOUT: Final = """\
# Model card: the name tagger

A small encoder finds persons, organisations and places in Korean, Chinese and English where no larger model is at hand.
It needs no model hub, no torch and no network. This page is written by
`python -m guard.training.names.card --data DATA`.

**What it is** The first six layers of intfloat/multilingual-e5-small (MIT) with a head that tags each word piece:
outside, or begin and inside of a person, organisation, place or address. int8 ONNX, {size:.1f} MB (weights {version}), beside
the word table and tokenizer that it shares with the [embedded classifier](classifier.md); `haechi[guard]` brings what
runs it. Around it stand rules: titles and announcements ("이름은", "先生", "Dr."), and where a name ends (`'s`, Korean
particles, titles before it). A placeholder (`<PERSON_1_...>`) is never read as a name. Code: `guard/pii/names`.

**Trained on** English: the generated rows of microsoft/presidio-research (MIT; names CC BY-SA 3.0 US) and WNUT-17
training rows (CC BY 4.0). Korean: half of the KLUE-NER development part (CC BY-SA 4.0). Chinese: Weibo NER, second
version (annotations CC BY-SA 3.0), names alone: what only mentions a person (`妈妈`) is left out. In four of ten labelled
rows persons were given made-up names. Three of ten texts are of our own making: sentence patterns in three languages
(`guard/training/phrases/names-*.yaml`) with names put together from parts, sentences with words that only look like
names, and 2,200 sentences written by hand (`guard/training/names/written`). Rows of ordinary text without a name teach that
there may be none (`guard/training/names/ordinary`). None of this data is in the weights' files.

**How** `python -m guard.training.names.fine_tune` (40,000 texts in float32 on one processor core, {minutes} minutes of
processor time, one run from its beginning to its end), then `python -m guard.training.names.export`. The word table and the
two lowest layers stay as they came.

**Figures on held-out rows** Exact range and kind, through `Scrubber`, rules and tagger together. Held out: the development
parts; every seventh row of the Korean ones. The limits were chosen on other rows, kept from training for that. One rule of
that choice (twice as many false names are borne where no limit keeps to the bound) was added after the figures here had
been seen, with Korean persons at 0.70; so the Korean figures flatter.
"""

FALSE: Final = """\
**False findings in ordinary text** Findings in 1,000 characters that touch no name, on rows in which every name was marked
by hand (`guard/training/names/ordinary/measured.txt`). Where a star stands, other rows of the same collection taught the
tagger that ordinary text has no names; the others it had never met.
"""

NOT_FOR: Final = """\
**Weak at** Korean text without names: up to three words in 1,000 characters are taken for persons, and as many for
organisations (table above). Chinese and English posts without sentences: user names run together, nicknames, names in small
letters. Organisations that are ordinary words, and names of a single common word.

**Not for** Deciding that a text is free of names. Where recall matters, use a larger recognizer through Presidio
(`guard.pii.presidio.analyzer(spacy_models={"en": ...})`)."""
