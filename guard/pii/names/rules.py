"""Names that their surroundings give away: titles, and words that announce a name.

Only what is nearly certain; everything else is the tagger's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never

from guard.pii.names import lists
from guard.pii.names.decode import Name
from guard.pii.names.ordinary import is_ordinary
from haechi.base.text import Language

_KOREAN_TITLES = "씨|님|군|양|선생|교수|박사|대표|사장|회장|부장|과장|차장|대리|팀장|실장|이사|상무|전무|원장|의원|장관|총리|대통령|시장|지사|감독|선수|기자|변호사|판사|검사"
_TITLE_WORDS = frozenset(
    [
        *_KOREAN_TITLES.split("|"),
        "선생님",
        "고객",
        "고객님",
        "여러분",
        "주인",
        "신부",
        "변호",
        "조교",
        "조장",
        "반장",
        "소장",
        "국장",
        # Whose mayor it is, or what team.
        *[
            "서울",
            "인천",
            "안양",
            "안산",
            "고양",
            "성남",
            "전주",
            "진주",
            "제주",
            "원주",
            "여주",
            "양주",
            "공주",
            "나주",
            "경주",
            "강릉",
            "강남",
            "구리",
            "오산",
            "이천",
            "김포",
            "김해",
            "문경",
            "정읍",
            "천안",
            "양산",
            "한국",
            "국민",
        ],
    ]
)
_FAMILY_KO = "".join(sorted(lists.KOREAN_FAMILY))
_TWO = "남궁|황보|제갈|사공|선우|독고"
_KOREAN_TITLED = re.compile(
    f"(?<![가-힣])(?P<n>(?:{_TWO}|[{_FAMILY_KO}])[가-힣]{{1,2}}) ?(?:{_KOREAN_TITLES})(?=[은는이가을를의에께도와과,.\\s]|님|$)"
)
_KOREAN_ANNOUNCED = re.compile(
    f"(?:이름|성명|성함|예금주|담당자|신청인|수취인|받는 ?사람|보내는 ?사람|고객명|환자명|대표자)(?:은|는|이|[:：]| ?[:：])? ?"
    f"(?P<n>(?:{_TWO}|[{_FAMILY_KO}])[가-힣]{{1,2}})(?=[이은는을를의에,.\\s)]|입니다|이고|이며|씨|님|$)"
)
# A family name or a letter alone, as news give them: 박씨, 김모(33)씨, A 씨.
_KOREAN_SHORT = re.compile(
    f"(?<![가-힣A-Za-z0-9])(?P<n>(?!모)[{_FAMILY_KO}](?= ?모?(?:\\([0-9]{{1,2}}(?:[·,] ?[가-힣]{{1,3}})?\\))? ?씨(?:[은는이가을를의에와도]|에게|한테|와의)?(?![가-힣])|모\\([0-9])|"
    f"[A-Z](?= ?(?:\\([0-9]{{1,2}}\\))? ?(?:씨|양|군)(?:[은는이가을를의에와도,.\\s]|$)))"
)
_FAMILY_ZH = "".join(sorted(lists.CHINESE_FAMILY))
_TWO_ZH = "欧阳|司马|上官|诸葛|东方|皇甫|尉迟|公孙|慕容|司徒|令狐"
_HAN = "[\u4e00-\u9fff]"
_TITLES_ZH = "先生|女士|小姐|教授|博士|医生|老师|经理|总裁|董事长|律师|主任|局长|市长"
# A family name alone and its title stand for the name together.
_CHINESE_TITLED = re.compile(
    f"(?P<n>(?:{_TWO_ZH}|[{_FAMILY_ZH}])(?:{_HAN}{{1,2}}?(?=(?:{_TITLES_ZH})(?!们))|(?:{_TITLES_ZH})))(?!们)"
)
_CHINESE_ANNOUNCED = re.compile(
    f"(?:我叫|名叫|姓名[:：是为]?|名字[是叫:：]|联系人[:：是]?|收件人[:：是]?|户名[:：是]?) ?(?P<n>(?:{_TWO_ZH}|[{_FAMILY_ZH}]){_HAN}{{1,2}})"
    f"(?!{_HAN}{{0,1}}(?:什么|啥))"
)
# A user of that name: a whole user name of two or three characters, of which the first is a family name.
_CHINESE_USER = re.compile(f"@(?P<n>(?:{_TWO_ZH}|[{_FAMILY_ZH}]){_HAN}{{1,2}})(?!{_HAN}|[A-Za-z0-9_-])")
_WORD = "[A-Z\u00c0-\u00de][A-Za-z\u00c0-\u024f'’-]{1,20}"
_ENGLISH_TITLED = re.compile(
    f"(?<![A-Za-z])(?:Mr|Mrs|Ms|Dr|Prof|Professor|Sir|Miss)\\.? (?P<n>{_WORD}(?: (?:[A-Z]\\. )?{_WORD}){{0,2}})"
)
_ENGLISH_ANNOUNCED = re.compile(
    f"(?i:my name is|i am called|name:|signed by|sincerely,|regards,)\\s{{1,3}}(?P<n>{_WORD}(?: (?:[A-Z]\\. )?{_WORD}){{0,2}})"
)
_SCORE = 0.85


def by_rule(text: str, language: Language) -> Iterator[Name]:
    """Persons that the rules of a language find."""
    for expression in _expressions(language):
        for found in expression.finditer(text):
            start, end = found.span("n")
            if text[start:end] in _TITLE_WORDS or is_ordinary(text, start, end):
                continue
            yield Name("PERSON", _SCORE, start, end, "rule")


def _expressions(language: Language) -> tuple[re.Pattern[str], ...]:
    match language:
        case Language.KOREAN:
            return (_KOREAN_TITLED, _KOREAN_ANNOUNCED, _KOREAN_SHORT)
        case Language.CHINESE:
            return (_CHINESE_TITLED, _CHINESE_ANNOUNCED, _CHINESE_USER)
        case Language.ENGLISH:
            return (_ENGLISH_TITLED, _ENGLISH_ANNOUNCED)
        case Language.OTHER:
            return ()
        case _ as unreachable:
            assert_never(unreachable)
