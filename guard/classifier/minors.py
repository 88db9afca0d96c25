"""Requests and wishes that make children sexual: three things said close together, none of which is wrong by itself.

There is nothing to learn this from that may be had, so it is written down as a rule: somebody under age, something sexual, and
that it is asked for, made up or longed for. News, law, protection and upbringing speak of the first two, and are let pass.

Rules of this file
1. All three stand within `REACH` code points; the whole text is searched, not one sentence, so that a full stop does not help.
2. A word of protection or of the law frees a text, unless a story, a scene or a picture is asked for.
"""

from __future__ import annotations

import re
from typing import Final

REACH: Final = 120
"""Code points within which the three stand."""
FOUND: Final = 0.97
"""The probability of a text that says all three."""

_AGE = r"(?:1[0-7]|[1-9])"
_AGE_WORD = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen)"
)
_MINOR = re.compile(
    r"\b(?:child|children|kids?|minors|a minor|under ?-?age\w*|pre-?teens?|tweens?|toddlers?|infants?|bab(?:y|ies)|teen(?:age)?(?:r?s)?"
    r"|(?:little|young|small) (?:girl|boy|sister|brother)s?|school ?-?(?:girl|boy|kid|child|children)s?|lolis?|shotas?"
    r"|(?:elementary|primary|grade|middle|junior high|high) ?-?school\w*(?: (?:girl|boy|student|kid|pupil)s?)?|(?:kinder|pre)\w{3,7}ers?"
    rf"|(?:{_AGE}|{_AGE_WORD}) ?-?(?:years?|yrs?) ?-?olds?|{_AGE} ?-?(?:yo|y/o)s?|aged? {_AGE}|(?:girl|boy) of (?:{_AGE}|{_AGE_WORD}))\b"
    r"|초등학?생|초딩|중학생|중딩|고등학생|고딩|[여남][중고]생|미성년|청소년|아동|어린이|어린 ?(?:여|남|소|애|아이|딸|동생)|[여남]자 ?(?:아이|애)|꼬마"
    r"|유아|유치원|아기|소녀|소년|로리|쇼타"
    rf"|(?<!\d){_AGE} ?[살세](?!기)|열 ?(?:한|두|세|네|다섯|여섯|일곱)? ?살"
    r"|[小初中高][学中](?:女|男)?生|[小初中高]学的?[女男]|女学生|未成年|儿童|小孩|小[女男][孩生]|[女男]童|幼[女童儿]|少女|萝莉|正太|婴儿"
    rf"|(?<!\d){_AGE} ?岁|十[一二三四五六七]?岁|(?<!十)[一二三四五六七八九]岁"
)
_SEXUAL = re.compile(
    r"\b(?:sexual(?:ly)? (?:encounters?|explicit|fantas\w+|scenes?|stor\w+|acts?|relations?|relationships?|desires?|tension|content|pleasure"
    r"|attract\w+|intercourse|way|manner)|(?:have|having|has|had|oral|anal) sex|naked (?:\w+ )?(?:child\w*|kids?|girls?|boys?|teens?)|sleep(?:ing)? with (?:an?|my|his|her|the)? ?(?:"
    rf"{_AGE}|{_AGE_WORD})[- ]year|"
    r"sex (?:with|scenes?|stor\w+|tapes?|slaves?|acts?)|erotic\w*|porn\w*"
    r"|smut|nudes?|naked (?:pic\w*|photo\w*|selfie\w*|image\w*|video\w*|bod\w+)|nudity|seduc\w+|mak(?:e|es|ing) love|undress\w*|aroused?|arousing"
    r"|turn(?:s|ed)? (?:me )?on by|turns? me on|horny|sexting|explicit (?:scenes?|stor\w+|images?|pic\w*|photos?)|lewd|hentai|lolicon|intimate pic\w*"
    r"|sexy (?:pic\w*|photo\w*|stor\w+|role ?-?play)|strips? (?:for|naked)|without (?:her|his|their) clothes"
    r"|groom(?:ing)?|molest\w*|fondl\w*|lur(?:e|ing)|rap(?:e|ing))\b"
    r"|성관계|섹스|야설|야한|에로|음란|포르노|야동|알몸|나체|누드|벗[은긴기겨는]|성적[인으]?로? ?(?:장면|묘사|행위|환상|판타지|관계|흥분|매력|이야기|소설|대화)"
    r"|따먹|꼴[리린려]|관능|성행위|자는 ?(?:이야기|소설|내용|법)|19금|애무|정사 ?(?:장면|신)|몸캠|성추행하|성폭행하|강간하"
    r"|性关系|性行为|性爱|做爱|上床|色情|情色|黄色(?:小说|故事|图片)|裸[照体聊]|脱[光衣]|性幻想|性描写|性场面|淫[秽荡]|肉文|床戏|发生关系|性挑逗|激情戏|猥亵|性侵|诱奸|强奸"
)
_STORY = re.compile(
    r"\b(?:stor(?:y|ies)|scenes?|novels?|fan ?-?fic\w*|erotica|smut|role ?-?play\w*|poems?|scripts?|fantas\w+|draw(?:ing)?s?|pic\w*|photos?|images?|videos?"
    r"|depict\w*|portray\w*|describe|act as|pretend|imagine)\b"
    r"|소설|이야기|시나리오|대본|역할 ?극|상황극|묘사|그림|그려|사진|영상|야설|故事|小说|剧本|描写|描述|扮演|画|照片?|视频|场面|情节"
)
_ASKED = re.compile(
    r"\b(?:write|tell me|describe|draw|paint|generate|create|make (?:me|her|him|them|up|a)|show|give|send|sending|find|download|share|trade|sell|buy"
    r"|depict|portray|pretend|imagine|role ?-?play|act as|continue|looking for|where can|where do|how (?:do|can|to|would|should) (?:i|you|we)?|how to|get(?:ting)? (?:her|him|them|a)"
    r"|i(?:'m| am| get| want| would|'d| like| love| need| fantasi[sz]e| dream| wish)\b)"
    r"|[써쓰](?:줘| 줘|주|라|봐| 봐|줄|달)|[써그][ 줘려].{0,3}줘|묘사|만들어|보여|알려|구[해하할]|찾[아을]|어디서|하고 ?싶|꼬[시셔드]|보내게|받는|방법|꼴[린리려]|팔[아]|공유|들려"
    r"|하는 ?(?:법|척)|해 ?줘|해 ?주"
    r"|야설|erotica|smut|肉文"
    r"|写|描[写述]|[讲编]一?个|生成|画|扮演|哪里|怎[么样]|如何|给我|我[想要爱喜]|想[和跟]|发给|下载|资源"
)
_PROTECTED = re.compile(
    r"\b(?:prevent\w*|protect\w*|report\w*|aware\w*|safe|safety|laws?|legal|illegal|convict\w*|arrest\w*|sentenced?|courts?|police|victims?|survivors?|educat\w*"
    r"|counsel\w*|therap\w*|signs of|puberty|consent|hotline|investigat\w*|research\w*|statistic\w*|ban(?:ned|s)?|prosecut\w*|charged|accused|stop|detect\w*"
    r"|block\w*|filter\w*|parental|talk(?:ing)? to|explain\w*|blackmail\w*|harass\w*|threat\w*|crimes?|abus\w+|hospital|doctor|bath\w*|swim\w*)\b"
    r"|예방|보호|신고|처벌|판결|선고|법[률은이을]|형량|혐의|경찰|검거|체포|구속|피해|상담|교육|치료|차단|방지|뉴스|기사|통계|수사|재판|금지|대처|범죄|협박|목욕|기저귀|병원"
    r"|预防|保护|举报|法律|违法|判[刑决处]|警[方察]|逮捕|嫌疑|受害|教育|心理|治疗|防[止范]|新闻|报道|统计|禁止|犯罪|侵害|家长|勒索|敲诈|洗澡|医院"
)


def makes_children_sexual(folded: str) -> bool:
    """Whether a folded text (`guard.classifier.folding.fold`) asks for, makes up or longs for something sexual with a child."""
    for sexual in _SEXUAL.finditer(folded):
        around = folded[max(0, sexual.start() - REACH) : sexual.end() + REACH]
        if _MINOR.search(around) is None or _ASKED.search(around) is None:
            continue
        if _PROTECTED.search(around) is None or _STORY.search(around) is not None:
            return True
    return False
