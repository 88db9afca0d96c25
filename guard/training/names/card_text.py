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
particles, titles before it). What consists of ordinary words is no name: 2,800 Korean, 200 Chinese and 400 English ones of our
own listing (`guard/pii/names/ordinary.py`, `lists.py`); one or two Korean syllables are a person only with a title or a
probability of 0.9. A placeholder (`<PERSON_1_...>`) is never read as a name. Code: `guard/pii/names`.

**Trained on** English: the generated rows of microsoft/presidio-research (MIT; names CC BY-SA 3.0 US) and WNUT-17
training rows (CC BY 4.0). Korean: half of the KLUE-NER development part (CC BY-SA 4.0). Chinese: Weibo NER, second
version (annotations CC BY-SA 3.0), names alone: what only mentions a person (`妈妈`) is left out. In four of ten labelled
rows persons were given made-up names. Three of ten texts are of our own making: sentence patterns in three languages
(`guard/training/phrases/names-*.yaml`) with names put together from parts, sentences with words that only look like
names, and 2,200 sentences written by hand (`guard/training/names/written`). Rows of ordinary text without a name teach that
there may be none (`guard/training/names/ordinary`). None of this data is in the weights' files.

**How** `python -m guard.training.names.fine_tune` (40,000 texts in float32 on one processor core, {minutes} minutes of
processor time, one run from its beginning to its end), then `python -m guard.training.names.export`. The word table and the
two lowest layers stay as they came. The graph is that of weights 2026.11-3; what is new in {version} are its limits and the rules
around it. The recipe has grown since that run: 3,100 rows of ordinary text judged by hand (`taught.txt`), 349 more Korean
sentences, and no label for authorities of no name of their own (정부, 경찰). This graph has read none of it; a new run would.

**Figures on held-out rows** Exact range and kind, through `Scrubber`, rules and tagger together. Held out: the development
parts; every seventh row of the Korean ones, without 18 labels such as 정부. Limits, rules and word lists come from other rows:
for limits the rows set aside, a quarter of those judged by hand among them; for words, what the tagger took for names in all of
the latter and in some 9,000 more that are measured nowhere.

**How often the rows here had been seen** Figures on them were read at every earlier version of the weights; after those of
2026.11-3 one rule of choosing limits was changed, with Korean persons at 0.70. For {version} they were read five times: with new
limits and word lists, and each time after rules and lists had been mended by what other rows showed. Nothing was chosen by the
figures, but who chose had read them, so they may flatter. The film reviews are new; they were marked before the tagger read them.
"""

FALSE: Final = """\
**False findings in ordinary text** Findings in 1,000 characters that touch no name, on rows in which every name was marked
by hand (`guard/training/names/ordinary/measured.txt`). Where a star stands, other rows of the same collection taught the tagger
or helped with limits and word lists; the others were never met. An authority of no name of its own (정부) is none.
"""

NOT_FOR: Final = """\
**Weak at** Korean text from the web and old literature: one to four words in 1,000 characters are taken for names (table above;
the bar of 0.5 is missed there, and in Korean speech, chat and reviews, Chinese essays and English mail). Places and
organisations in Korean: half of them are missed, the price of fewer false ones. Chinese and English posts without sentences: user names run
together, nicknames, names in small letters. Organisations that are ordinary words, and names of a single common word.

**Not for** Deciding that a text is free of names. Where recall matters, use a larger recognizer through Presidio
(`guard.pii.presidio.analyzer(spacy_models={"en": ...})`)."""
