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
particles, titles before it). What consists of ordinary words is no name: 3,000 Korean, 250 Chinese and 500 English ones of our
own listing (`guard/pii/names/ordinary.py`, `lists.py`). A Korean organisation or long name that the tagger breaks off inside of a word is taken
to the word's end (`맥도날` of 맥도날드에서). What looks like any word needs more: one or two Korean syllables are a
person only with a title or a probability of 0.9, two Chinese characters from 0.75 on, small letters from 0.8 on. A
placeholder (`<PERSON_1_...>`) is never read as a name, nor is a country in the Korean name of its language, nor what begins inside
of one of 190 Chinese phrases. Code: `guard/pii/names`.

**Trained on** English: the generated rows of microsoft/presidio-research (MIT; names CC BY-SA 3.0 US) and WNUT-17
training rows (CC BY 4.0). Korean: half of the KLUE-NER development part (CC BY-SA 4.0). Chinese: Weibo NER, second
version (annotations CC BY-SA 3.0), names alone: what only mentions a person (`妈妈`) is left out. In four of ten labelled
rows persons were given made-up names. Three of ten texts are of our own making: sentence patterns in three languages
(`guard/training/phrases/names-*.yaml`) with names put together from parts, sentences with words that only look like
names, and 2,200 sentences written by hand (`guard/training/names/written`). Rows of ordinary text without a name teach that
there may be none (`guard/training/names/ordinary`); 5,000 rows of ordinary text, and 3,900 posts and sentences that an earlier
tagger drew because it saw a name there (`posts.txt`), all judged by hand, say where names are; 2,800 of them came with 2026.11-7. None
of this data is in the weights' files.

**How** The average, weight by weight, of the graph of weights 2026.11-6 (itself the average of three) and of
`python -m guard.training.names.fine_tune --earlier` that folder `--samples 30000` ({minutes} minutes of processor time in float32 on one
core; it began before the last 577 of the new rows were there); then `python -m guard.training.names.export --run FOLDER RUN`. On the rows
for choosing, without the posts, that average had a mean F2 of 0.726, 2026.11-6 with the same rules 0.718, and with a second run of
32,000 texts (seed 21) in it 0.721: the new rows brought little, and what is better comes from rules and limits as much as from them. The word
table and the two lowest layers stay as they came. Tried earlier and left out: a teacher of all twelve layers (26,000 texts), which
was worse than what it should have taught, and learning from its own answers on 67,000 texts that nobody has judged.

**Figures on held-out rows** Exact range and kind, through `Scrubber`, rules and tagger together. Held out: the development
parts; every seventh row of the Korean ones, without 18 labels such as 정부. Limits, rules and word lists come from other rows:
for limits the rows set aside, a quarter of those judged by hand among them, but not the posts; for words, what the tagger took for
names in all of the latter and in some 9,000 more that are measured nowhere.

**How often the rows here had been seen** Figures on them were read at every earlier version of the weights: six times for
2026.11-6. For {version} they were read four times: with the first limits, and after each of three rules (a part of an ordinary word is no
name; that is asked of the whole name; 在 is no part of a place, with which the limit for Chinese places was chosen anew). After the first
time the false findings were read one by one; the first rule was made then, on rows for choosing that show the same. Limits, word lists
and weights come from other rows. So the figures may flatter, but for the second sample below.
"""

FALSE: Final = """\
**False findings in ordinary text** Findings in 1,000 characters that touch no name, on rows in which every name was marked
by hand (`guard/training/names/ordinary/measured.txt`). Where a star stands, other rows of the same collection taught the tagger
or helped with limits and word lists; the others were never met. An authority of no name of its own (정부) is none.

Each of these findings was looked at. The eleven Korean ones: nine ordinary words, numbers and parts of words (`오그라드는`, `성명서를`), a
product and an abbreviation. Of the eleven English ones one is a name that the marking missed (Israel), four are products and companies that the marks leave
out, three a faith and its prophet; of the three Chinese ones one is the title of a work. None was mended: the figures are those of the
first marking.
"""

AGAIN: Final = """\
**A second sample** Korean rows of the same collections in the same mix (`measured2.txt`), drawn by chance from those that were
neither measured nor used, nor read for the word lists of 2026.11-6, and marked once weights and limits of 2026.11-7 were chosen, before a
tagger had read them. At the first reading it had 0.39 findings in 1,000 characters, and has so still: the rules made since change nothing there. Of the eight one is a title of a
film, two are authorities and a company of a story, one is another writing of a word beside it.
"""

NOT_FOR: Final = """\
**Weak at** Korean text from the web and old literature: one to two words in 1,000 characters are taken for names (tables above; the
bar of 0.5 is missed there, and in Korean speech, Chinese essays and English mail), and in the first sample few of the names there
are found. In Korean four of ten organisations and places are missed, the price of fewer false ones. Weibo posts: a third of
the persons is missed, user names run together and nicknames above all (0.67, no better than before: the bar of 0.75 is missed). Names in
small letters. Organisations that are ordinary words, and names of a single common word.

**Not for** Deciding that a text is free of names. Where recall matters, use a larger recognizer through Presidio
(`guard.pii.presidio.analyzer(spacy_models={"en": ...})`)."""
