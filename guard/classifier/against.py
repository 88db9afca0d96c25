"""Speech against discrimination: the words of hate in a sentence that turns against it.

Rules of this file
1. A text is against discrimination only if all of it has a form of its own: somebody is told not to discriminate or hate, or such
   treatment is said to be wrong or due to end. A sentence more, and the text is judged as any other.
2. What belittles or threatens takes the form away, whoever it is said of.
3. The answer lifts the thresholds of a text, never lowers its score.
"""

from __future__ import annotations

import re

from guard.classifier.folding import fold

_KO_WRONG = "(?:차별|혐오|편견|비하|괴롭힘|괴롭히|따돌림|따돌리|멸시|조롱|인종주의|성차별|학대)"
_ZH_WRONG = "(?:歧视|仇视|霸凌|欺负|侮辱|仇恨|偏见|排斥|辱骂|嘲笑|霸凌)"
_EN_WRONG = (
    r"(?:discriminat(?:e|ing|ion)|racism|sexism|ageism|ableism|hatred|hate|hating|bully(?:ing)?|harass(?:ing|ment)?|bigotry"
    r"|prejudices?|homophobia|transphobia|islamophobia|antisemitism|xenophobia|mock(?:ing)?|stereotyp(?:es|ing))"
)
_EN_SLOT = r"(?: [a-z'-]+){0,6}"
_FORMS = (
    re.compile(
        rf"[가-힣 ]{{0,24}}{_KO_WRONG}[가-힣]{{0,3}} ?(?:절대|더 이상|이제|당장|모두|반드시|함께)? ?"
        r"(?:사라져야|없어져야|없애야|멈춰야|멈추|그만|반대|안 ?된다|안 ?돼|안 ?됩니다|지 ?말|지 ?마|말아야|나쁘|나쁜|잘못|옳지 않|금지|근절|맞서|맞서야|철폐)[가-힣 ]{0,10}"
    ),
    re.compile(
        r"[\u4e00-\u9fff]{0,6}?(?:不要|请勿|别|不应|不应该|不该|不能|不可以|不许|反对|停止|禁止|杜绝|拒绝|抵制|消除|谴责)"
        rf"(?:再|去|任何|对|因为|针对)?[\u4e00-\u9fff]{{0,8}}{_ZH_WRONG}[\u4e00-\u9fff]{{0,8}}"
    ),
    re.compile(
        rf"[\u4e00-\u9fff]{{0,10}}{_ZH_WRONG}[\u4e00-\u9fff]{{0,8}}"
        r"(?:是错误的|是错的|是不对的|不可接受|不对|要不得|应该消失|应该停止|应该被?禁止|必须停止|必须消失|必须消除|必须禁止)"
    ),
    re.compile(
        r"(?:please |we |you |they |everyone |people |must |should |need to |have to |let'?s |never |all )*"
        rf"(?:stop|end|fight|oppose|condemn|reject|resist|don'?t|do not|against|no to)(?: the| to| all| any)? {_EN_WRONG}{_EN_SLOT}"
    ),
    re.compile(
        rf"(?:the |all |any )?(?:[a-z'-]+ ){{0,3}}{_EN_WRONG}{_EN_SLOT} (?:must|should|has to|have to|needs? to|is|are) "
        r"(?:end|stop|go|disappear|be (?:stopped|ended|banned|condemned|fought|opposed)|wrong|unacceptable|never ok|not ok)"
    ),
)
_BELITTLES = re.compile(
    r"벌레|쓰레기|짐승|바퀴|기생충|열등|미개|더럽|더러|죽|죽여|역겨|해충|원숭이|새끼|충들|놈|년들|추방|당연|필요"
    r"|猴子|垃圾|畜生|废物|贱|狗|猪|蟑螂|寄生虫|低等|劣等|死|杀|黑鬼|滚|活该|应得"
    r"|\b(?:vermin|subhumans?|animals?|parasites?|scum|apes?|monkeys?|die|dead|kill|gas|deport|trash|filth|disgusting|inferior|deserve[sd]?"
    r"|but|because|except|unless|pigs?|rats?|idiots?|whites only)\b"
)
_END = re.compile(r"[\s.!?~。]+$")
LONGEST = 80
"""Code points of the longest text that can have such a form."""


def is_against_discrimination(text: str) -> bool:
    """Whether all that a text does is to speak against discrimination, hatred or bullying."""
    if len(text) > LONGEST:
        return False
    folded = _END.sub("", fold(text))
    return any(form.fullmatch(folded) for form in _FORMS) and _BELITTLES.search(folded) is None
