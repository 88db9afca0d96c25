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
particles, titles before it). What consists of ordinary words is no name: 3,000 Korean, 200 Chinese and 400 English ones of our
own listing (`guard/pii/names/ordinary.py`, `lists.py`). A Korean organisation or long name that the tagger breaks off inside of a word is taken
to the word's end (`맥도날` of 맥도날드에서). What looks like any word needs more: one or two Korean syllables are a
person only with a title or a probability of 0.9, two Chinese characters from 0.75 on, small letters from 0.8 on. A
placeholder (`<PERSON_1_...>`) is never read as a name. Code: `guard/pii/names`.

**Trained on** English: the generated rows of microsoft/presidio-research (MIT; names CC BY-SA 3.0 US) and WNUT-17
training rows (CC BY 4.0). Korean: half of the KLUE-NER development part (CC BY-SA 4.0). Chinese: Weibo NER, second
version (annotations CC BY-SA 3.0), names alone: what only mentions a person (`妈妈`) is left out. In four of ten labelled
rows persons were given made-up names. Three of ten texts are of our own making: sentence patterns in three languages
(`guard/training/phrases/names-*.yaml`) with names put together from parts, sentences with words that only look like
names, and 2,200 sentences written by hand (`guard/training/names/written`). Rows of ordinary text without a name teach that
there may be none (`guard/training/names/ordinary`); 4,500 rows of ordinary text, and 1,650 posts and sentences that an earlier
tagger drew because it saw a person there (`posts.txt`), all judged by hand, say where names are. After training 60 of these
rows were mended: what had counted as false there was in truth a name. None of this data is in the weights' files.

**How** The average, weight by weight, of three taggers: the graph of weights 2026.11-5 (itself the average of two),
`python -m guard.training.names.fine_tune --earlier` that folder (48,000 texts), and a run that began afresh (44,000 texts), together {minutes}
minutes of processor time in float32 on one core; then `python -m guard.training.names.export --run FOLDER RUN RUN`. On the rows for
choosing as they were then the three together had a mean F2 of 0.729, each two of them 0.706 to 0.725, the run that goes on by itself
0.721, and 2026.11-5 with the same rules 0.716. The word table and the two lowest layers stay as they came. Tried earlier and left out: a teacher of all twelve
layers (26,000 texts), which was worse than what it should have taught, and learning from its own answers on 67,000 texts that
nobody has judged.

**Figures on held-out rows** Exact range and kind, through `Scrubber`, rules and tagger together. Held out: the development
parts; every seventh row of the Korean ones, without 18 labels such as 정부. Limits, rules and word lists come from other rows:
for limits the rows set aside, a quarter of those judged by hand among them; for words, what the tagger took for names in all of
the latter and in some 9,000 more that are measured nowhere.

**How often the rows here had been seen** Figures on them were read at every earlier version of the weights, and five times for
the rules and limits of 2026.11-4. For {version} they were read six
times: with the limits first chosen, and then under three settings of how much may be false on the rows for choosing (0.3, 0.2, by
language), with and without one rule (Latin words in Korean text); in between, the false findings were read one by one. The settings
were tried because figures here asked for them; limits under a setting, rules, word lists and weights come from other rows. So the
figures may flatter.
"""

FALSE: Final = """\
**False findings in ordinary text** Findings in 1,000 characters that touch no name, on rows in which every name was marked
by hand (`guard/training/names/ordinary/measured.txt`). Where a star stands, other rows of the same collection taught the tagger
or helped with limits and word lists; the others were never met. An authority of no name of its own (정부) is none.

Each of these findings was looked at. The eleven Korean ones: eight ordinary words or parts of them (`오그라드는`, `성명서를`), the place in
`슬로바키아어`, which the marks leave out as they do in 한국어, a product and an abbreviation. Of the ten English ones one is a name that the
marking missed (Israel), two are products and two a faith and its prophet; of the three Chinese ones one is the title of a work. None was mended: the
figures are those of the first marking.
"""

NOT_FOR: Final = """\
**Weak at** Korean text from the web and old literature: two words in 1,000 characters are taken for names, and few of the names
there are found (table above; the bar of 0.5 is missed there, and in Korean speech, Chinese essays and English mail). In Korean half
of the organisations and four of ten places are missed, the price of fewer false ones. Chinese and English posts without sentences:
user names run together, nicknames, names in small letters. Organisations that are ordinary words, and names of a single common word.

**Not for** Deciding that a text is free of names. Where recall matters, use a larger recognizer through Presidio
(`guard.pii.presidio.analyzer(spacy_models={"en": ...})`)."""
