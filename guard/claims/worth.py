"""Whether a sentence says something that evidence could support or refute.

Rules of this file
1. What is no claim: questions, greetings, opinions, hedges, wishes, instructions, code, headings, what is said about the
   user or about the one who answers. Anything else that is a whole statement is a claim.
2. What stands in quotation marks is somebody else's word: it does not make the sentence an opinion.
"""

from __future__ import annotations

import enum
import re
from typing import Final

from haechi.base.text import Language


class Kind(enum.StrEnum):
    """What a sentence is."""

    CLAIM = "claim"
    QUESTION = "question"
    GREETING = "greeting"
    OPINION = "opinion"
    HEDGE = "hedge"
    INSTRUCTION = "instruction"
    PERSONAL = "personal"
    CODE = "code"
    FRAGMENT = "fragment"


_QUOTED: Final = re.compile(r"“[^”]{0,300}”|\"[^\"\n]{0,300}\"|「[^」]{0,300}」|『[^』]{0,300}』|‘[^’]{0,300}’")
_CODE: Final = re.compile(
    r"^(?:\s*(?:[$>#]\s|>>>|\||//|/\*|<[a-zA-Z/!]|import |from \w+ import|def |class |return |const |let |var |function |public |SELECT |INSERT |UPDATE |pip |npm |sudo |git ))|"
    r"[{};]\s*$|^\s*[\w.]+\s*(?:=|\+=|:=)\s*\S|^\s*`[^`]*`\s*[.。]?$|^\s*[\w.]+\([^)]*\)\s*;?$|^https?://\S+$"
)
_QUESTION: Final = re.compile(
    r"[?？][\"'”’」』）)]*\s*$|(?:까요|나요|가요|은가|는가|던가|습니까|입니까|ㅂ니까|할까|인가)[.\s]*$|(?:吗|呢|么)[。\s]*$"
)
_GREETING: Final = re.compile(
    r"^(?:hi|hello|hey|dear|greetings|good (?:morning|afternoon|evening|day|night)|welcome|thanks?|thank you|you'?re welcome|sorry|i apologi[sz]e|"
    r"goodbye|bye|see you|great question|good question|no problem|happy to|glad to|congratulations)\b[^.]{0,40}[.!~]*\s*$|"
    r"^(?:안녕|반갑|감사|고맙|고마워|죄송|미안|환영|축하|수고|잘 가|알겠|그럼요|좋은 질문)[^.]{0,30}[.!~]*\s*$|"
    r"^(?:你好|您好|大家好|早上好|晚上好|下午好|谢谢|感谢|多谢|不客气|对不起|抱歉|欢迎|再见|恭喜|祝贺|没问题|嗨)[^。]{0,20}[。！!~]*\s*$",
    re.I,
)
_LEAD_IN: Final = re.compile(
    r"^\W*(?:(?:yes|no|yeah|sure|certainly|of course|absolutely|okay|ok|well|oh|right|exactly)(?:[,.!~]+\s*|\s*$)|"
    r"(?:네|예|아니요|아니오|물론(?:입니다|이죠|이에요|이지요)?)(?:[,.!~]+\s*|\s*$)|(?:是的|不是|不|对|好的|好|当然(?:可以)?|没错)(?:[,，.。!！~]+\s*|\s*$))",
    re.I,
)
_OPINION: Final = re.compile(
    r"\b(?:i|we)(?:'d| would| do| really| also| personally| still)* (?:think|believe|feel|guess|hope|wish|suppose|imagine|prefer|love|like|recommend|suggest|say|argue)\b|"
    r"\b(?:in my (?:opinion|view|experience)|personally|imho|to my mind|arguably|it(?:'s| is) (?:worth|important|best|better|nice|great|wonderful|a good idea|fun|advisable)|if you ask me)\b|"
    r"(?:생각합니다|생각해요|생각한다|생각됩니다|생각이 들|느껴|느낌이|같아요|같습니다|같다|같네요|좋겠|바랍니다|바라요|기대합니다|추천합니다|추천해요|추천드|제 생각|내 생각|개인적으로|좋을 것)|"
    r"(?:我认为|我觉得|我想|我相信|我希望|我喜欢|我建议|我推荐|依我看|在我看来|个人认为|个人觉得|我个人|希望|令人惊叹|值得一)",
    re.I,
)
_TASTE: Final = re.compile(
    r"\b(?:beautiful|wonderful|amazing|awesome|lovely|delicious|boring|fantastic|terrible|gorgeous|stunning|fascinating|great fun|breathtaking|charming|cool|exciting|interesting)\b|"
    r"(?:아름다|멋지|멋진|훌륭|맛있|재미있|지루|환상적|놀라운|매력적|감동적)|(?:美丽|漂亮|精彩|好吃|美味|有趣|无聊|棒|迷人|惊艳|令人难忘)",
    re.I,
)
_HEDGE: Final = re.compile(
    r"\b(?:may|might|maybe|perhaps|possibly|probably|presumably|conceivably|it seems|seems to|appears? to|could be|could have|likely to|is likely|are likely|unlikely|it depends|depends on|not sure|unsure|i don'?t know|"
    r"as far as i know|i'?m not certain|reportedly|allegedly|rumou?red|supposedly)\b|"
    r"(?:아마|어쩌면|수도 있|수 도 있|일지도|을지도|ㄹ지도|할지도|는지도|모르겠|모릅니다|확실하지|불확실|것으로 보인|것으로 보입|것으로 추정|듯하|듯합|듯해|달라질 수|다를 수)|"
    r"(?:可能|也许|或许|大概是|恐怕|不确定|不知道|不清楚|说不定|似乎|好像|看来|看起来|据说|据传|取决于|未必)",
    re.I,
)
_INSTRUCTION: Final = re.compile(
    r"^(?:\W*(?:then|next|first|second|finally|now|also|so|and|lastly|step \d+:?),? )?(?:please|let'?s|let me|let us|do not|don'?t|never|always|make sure|be sure|remember|note that you|try|use|add|click|press|open|close|select|choose|"
    r"enter|type|run|install|download|upload|save|copy|paste|write|read|check|go to|go|visit|call|contact|ask|tell|take|put|place|pour|mix|stir|heat|cook|bake|boil|cut|chop|turn|set|keep|avoid|consider|follow|start by|begin by|"
    r"feel free|follow|wait|look|see|imagine|suppose|think|consult|apply|wash|clean|remove|create|update|replace|send|share|bring|wear|drink|eat|rest|stay|ensure|verify|confirm|sign|register|fill|submit|provide|include|combine|serve|"
    r"repeat|practice|compare|review|learn|focus|find|get|give|help|explain|describe|list|identify|define|here(?:'s| is| are)|this is how|below (?:is|are)|the following)\b(?! (?:is|are|was|were|has|have|had)\b)|"
    r"\b(?:you|one) (?:should|can|could|must|need|may|might|will|have to|ought|want)\b|"
    r"(?:세요|십시오|시오|하라|해라|하자|합시다|봅시다|해보자|주세요|마라|말라|하면 됩니다|하면 된다|해야 합니다|해야 한다|하는 것이 좋|할 수 있습니다만|드리겠습니다|해드릴|다음과 같습니다|알려드)[.!\s]*$|"
    r"^(?:请|您可以|你可以|你应该|您应该|让我们|不要|别|务必|记得|注意|首先，?请|以下是|下面是|建议您|建议你|接下来)",
    re.I,
)
_PERSONAL: Final = re.compile(
    r"^\W*(?:as an ai|as a language model|i|i'm|i've|i'll|i'd|my|we|we're|our|you|you're|you've|your|yours|me)\b|"
    r"\b(?:you are|you were|you have|you said|you told|your (?:name|email|account|order|age|phone|address|password|message|question|request))\b|"
    r"^\W*(?:저는|저도|제가|저의|제 |나는|내가|저희|우리는|당신|고객님|사용자|회원님|귀하|여러분|너는|네가|본인)|"
    r"^\W*(?:我|我们|咱们|你|您|你们|作为一个|作为(?:一名)?(?:AI|人工智能|语言模型)|用户)",
    re.I,
)
_USER: Final = re.compile(
    r"^\W*(?:you|you're|you've|your|yours)\b|\byour (?:name|email|account|order|age|phone|address|password|message|birthday|job|wife|husband)\b|\bthe user(?:'s)?\b|"
    r"^\W*(?:당신|고객님|사용자|회원님|귀하|너는|네가)|^\W*(?:你|您|用户)",
    re.I,
)
_WORD: Final = re.compile(r"[A-Za-z][\w'’-]*|\d[\d.,]*|[가-힣]+|[\u3400-\u9fff]")
_LEAST: Final = {Language.ENGLISH: 3, Language.KOREAN: 2, Language.CHINESE: 4, Language.OTHER: 1_000_000}
_KOREAN_END: Final = re.compile(r"(?:다|요|죠|음|임|함|됨|까|네|군|지|라)[.!。\"'”’)\s]*$")
_ENGLISH_VERB: Final = re.compile(
    r"\b(?:is|are|was|were|be|been|has|have|had|does|do|did|can|could|will|would|should|shall|must|isn't|aren't|wasn't|weren't|hasn't|doesn't|didn't|won't|can't|\w{2,}(?:ed|es|s)|"
    r"won|made|took|went|gave|got|came|saw|found|wrote|built|began|became|led|left|lost|met|held|ran|rose|fell|grew|sold|bought|kept|died|cost|cut|put|set|hit|let|beat|bore|brought|broke|chose|drew|drove|fought|flew|knew|lay|paid|said|sang|sat|sent|shot|sank|slept|spent|spoke|stood|stole|swam|taught|told|thought|threw|wore|contain|cause|include|produce|use|live|need|lie|make|take|give|show|grow|help|reduce|increase|prevent|eat|form|become)\b",
    re.I,
)


def kind_of(sentence: str, language: Language) -> Kind:
    """What a sentence is; `language` is its own. A word like "yes," before it changes nothing."""
    own = _QUOTED.sub("“”", sentence)
    stated = _LEAD_IN.sub("", own)
    if not stated.strip():
        return Kind.GREETING
    own = stated
    tests = (
        (_CODE, Kind.CODE),
        (_QUESTION, Kind.QUESTION),
        (_GREETING, Kind.GREETING),
        (_OPINION, Kind.OPINION),
        (_HEDGE, Kind.HEDGE),
        (_INSTRUCTION, Kind.INSTRUCTION),
        (_PERSONAL, Kind.PERSONAL),
    )
    for pattern, kind in tests:
        if pattern.search(own):
            return kind
    if is_fragment(sentence, language):
        return Kind.FRAGMENT
    if _TASTE.search(own) and not re.search(r"\d", own):
        return Kind.OPINION
    return Kind.CLAIM


def is_fragment(sentence: str, language: Language) -> bool:
    """Whether it is too short for a statement, or has no verb: a heading, an item of a list."""
    words = _WORD.findall(sentence)
    if len(words) < _LEAST[language] or sentence.rstrip().endswith((":", "：")):
        return True
    if language is Language.ENGLISH:
        return _ENGLISH_VERB.search(sentence) is None
    if language is Language.KOREAN:
        return _KOREAN_END.search(sentence) is None and len(words) < 6
    return False


def about_user(sentence: str) -> bool:
    """Whether a sentence is about the one who asks: no document can know."""
    return _USER.search(_QUOTED.sub("“”", sentence)) is not None
