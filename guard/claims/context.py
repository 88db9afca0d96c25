"""What a pronoun or a dropped subject stands for: the last subject that was named. Simple, and careful.

Rules of this file
1. Only the begin of a sentence is resolved, and only by a subject that an earlier sentence or the question named.
2. In doubt nothing is written in: a wrong subject makes a true claim false.
"""

from __future__ import annotations

import re
from typing import Final

from guard.claims.facts import facts_of
from haechi.base.text import Language

_LEAD: Final = r"(?:(?:However|Moreover|Furthermore|Also|Later|Then|Today|Therefore|In addition|For example|In fact|Additionally|Meanwhile|(?:In|On|At|By|Since|During|After|Before) [^,.]{1,30}),? )?"
_PRONOUN_EN: Final = re.compile(
    rf"^{_LEAD}(?P<word>He|She|It|They|he|she|it|they|His|Her|Its|Their|his|her|its|their)\b(?!['’])"
)
_EXPLETIVE: Final = re.compile(
    r"[Ii]t (?:is|was|has been|seems|takes|took|may|can|will|would)(?: not| also| often| now| widely| commonly| generally)? (?:\w+(?:ed|ing|able|ible|ant|ent|ial|ful|ary|ear|rue|ell|wn|ely|ard|asy|ible)|true|clear|possible|important|known|said|to|that)\b[^.]{0,40}\b(?:that|to)\b|"
    r"[Ii]t (?:rains|rained|snows|snowed|is raining|is snowing)"
)
_POSSESSIVE: Final = frozenset(["his", "her", "its", "their"])
_OBJECT_HER: Final = re.compile(r"^[Hh]er\b")
_VERB: Final = (
    r"(?:is|are|was|were|has|have|had|did|does|can|could|will|would|became|won|wrote|made|took|led|began|built|grew|fell|rose|died|lies|"
    r"[a-z]{2,}(?:ed|es|s))"
)
_SUBJECT_EN: Final = re.compile(
    rf"^{_LEAD}(?P<subject>(?:The |the )?[A-Z][\w'’.-]*(?:,? (?:of|the|and|de|von|van|der|la|for|[A-Z][\w'’.-]*))*) {_VERB}\b"
)
_NOT_SUBJECT_WORDS: Final = (
    "it he she they this that these those there we i you here what who how why when where which if as although while many some all "
    "most no one another both such each in on at by the however"
)
_NOT_SUBJECT: Final = frozenset(_NOT_SUBJECT_WORDS.split())
_PRONOUN_KO: Final = re.compile(
    r"^(?P<word>그는|그녀는|그가|그녀가|그것은|이것은|이는|그들은|그의|그녀의|이곳은|그곳은|이 회사는|이 도시는|이 나라는)(?=\s)"
)
_SUBJECT_KO: Final = re.compile(
    r"^(?P<subject>(?:[가-힣A-Za-z0-9()]+ ){0,3}?[가-힣A-Za-z0-9()]+?)(?:은|는|이|가|께서는|께서)(?=\s)"
)
_MARKED_KO: Final = re.compile(r"[가-힣A-Za-z0-9)](?:은|는|이|가|께서|에는|에서는)(?=[\s,])")
_NOT_SUBJECT_KO: Final = re.compile(
    r"^(?:그|이|저|그녀|이것|그것|이곳|그곳|그들|하지만.*|그러나.*|그리고.*|또한.*|때문|것|우리|저희|당신|여기|오늘|내일|어제|때|나|너)$|[ ](?:때|것|수|경우|등)$"
)
_CHINESE_NOUN: Final = r"[\u4e00-\u9fffA-Za-z0-9·《》]"
_PRONOUN_ZH: Final = re.compile(
    r"^(?:此外，|另外，|同时，|随后，|后来，|但|而|后来)?(?P<word>他们的|她们的|它们的|他们|她们|它们|他的|她的|它的|他|她|它|其|该公司|该国|该市|该校|该机构|该组织|该书|该片|该山|该河)"
)
_DROPPED_ZH: Final = re.compile(
    r"^(?:曾|曾经|也|还|并|后|于是|随后)?(?:位于|出生于|生于|成立于|毕业于|创建于|始建于|建于|拥有|曾任|担任|获得|总部|面积|人口|于\d|是(?!的|的？|否|不是)|全长|海拔|首都)"
)
_SUBJECT_ZH: Final = re.compile(
    rf"^(?P<subject>{_CHINESE_NOUN}{{2,12}}?)(?=(?:是|为|于|位于|拥有|有|成立|出生|创立|创建|获得|将|曾|在|的(?:首都|面积|人口|总部|作者))|，(?:是|位于|又称|又名|出生|生于))"
)
_NOT_SUBJECT_ZH: Final = re.compile(
    r"^(?:这|那|他|她|它|我|你|您|如果|因为|所以|虽然|但是|在|由于|此|该|其|目前|现在|今天|首先|其次|最后|从|对|有|是|不|没)"
)


class Context:
    """The subject that was named last. Feed every sentence in order; see `resolve` and `note`."""

    def __init__(self, question: str = "", language: Language = Language.OTHER) -> None:
        self._subject = _named_once(question)
        self._language = language

    def resolve(self, sentence: str, language: Language) -> str:
        """The sentence with its leading pronoun or dropped subject written out; as it is where nothing is known."""
        if not self._subject:
            return sentence
        if language is Language.ENGLISH:
            return _english(sentence, self._subject)
        if language is Language.KOREAN:
            return _korean(sentence, self._subject)
        return _chinese(sentence, self._subject) if language is Language.CHINESE else sentence

    def note(self, sentence: str, language: Language) -> None:
        """Remember the subject that a sentence names."""
        pattern = {
            Language.ENGLISH: _SUBJECT_EN, Language.KOREAN: _SUBJECT_KO, Language.CHINESE: _SUBJECT_ZH
        }.get(language)  # fmt: skip
        match = pattern.match(sentence) if pattern is not None else None
        if match is None:
            return
        subject = match["subject"].strip()
        if _is_name(subject, language):
            self._subject = subject


def _is_name(subject: str, language: Language) -> bool:
    """Whether a subject can stand for itself in a later sentence."""
    if language is Language.ENGLISH:
        words = subject.split()
        if words[0].lower() == "the":
            return any(word[0].isupper() for word in words[1:])
        return words[0].lower() not in _NOT_SUBJECT
    if language is Language.KOREAN:
        return len(subject) <= 30 and _NOT_SUBJECT_KO.search(subject) is None
    return _NOT_SUBJECT_ZH.match(subject) is None


def _named_once(question: str) -> str:
    """The name in a question, when it names just one."""
    facts = facts_of(question) if question else None
    if facts is None or len({name.key for name in facts.names}) != 1:
        return ""
    name = facts.names[0]
    return question[name.start : name.end]


def _english(sentence: str, subject: str) -> str:
    match = _PRONOUN_EN.match(sentence)
    if match is None or _EXPLETIVE.match(sentence, match.start("word")):
        return sentence
    owner = subject + ("'" if subject.endswith("s") else "'s")
    written = owner if match["word"].lower() in _POSSESSIVE else subject
    return sentence[: match.start("word")] + written + sentence[match.end("word") :]


def _korean(sentence: str, subject: str) -> str:
    match = _PRONOUN_KO.match(sentence)
    if match is not None:
        particle = "의" if match["word"].endswith("의") else topic(subject)
        return subject + particle + sentence[match.end() :]
    if _MARKED_KO.search(sentence) is None:
        return f"{subject}{topic(subject)} {sentence}"
    return sentence


def topic(word: str) -> str:
    """The topic particle that fits the end of a word: 은 after a consonant, 는 after a vowel."""
    last = word[-1:]
    return "은" if "가" <= last <= "힣" and (ord(last) - 0xAC00) % 28 else "는"


def _chinese(sentence: str, subject: str) -> str:
    match = _PRONOUN_ZH.match(sentence)
    if match is not None:
        written = subject + ("的" if match["word"].endswith("的") or match["word"] == "其" else "")
        return sentence[: match.start("word")] + written + sentence[match.end("word") :]
    return subject + sentence if _DROPPED_ZH.match(sentence) else sentence
