"""Curses at nobody and at things, deaths of nobody: words that are toxic wherever they stand and, where nobody is meant, hurt no one.

Rules of this file
1. A text is aimless only if it curses in a form of its own (`what the fuck`, `holy shit`, `아 씨발`, `他妈的`) or at a thing
   (`this stupid printer`, `빌어먹을 프린터`, `这破电脑`), and names no person and no group; in doubt it is aimed at somebody.
2. A text exaggerates only if it says of a feeling that it kills who has it (`배고파 죽겠다`, `饿死我了`) and, that taken out, is
   aimed at nobody.
3. The answer lowers how severe a text may be called, never its score.
"""

from __future__ import annotations

import re

from guard.classifier.folding import fold

_CURSES = re.compile(
    r"\b(?:what|where|why|how|when) the (?:actual )?(?:fuck|hell|heck)\b|\bholy (?:shit|fuck|crap)\b|\bfor fuck'?s sake\b"
    r"|(?:^|[,.!?] ?|\b(?:oh|ah|aw|well|crap|damn|omg) )(?:shit|fuck|fucking hell|damn|dammit|crap|bloody hell)(?: it)?(?=[,.!?]|$)"
    r"|\bfuck (?:yeah|yes|yea|no|my life|this|that|it)\b|\bno fucking way\b|\b(?:so|too|pretty|is|was|are|were|am|'s|'m|'re) "
    r"(?:fuck ?ing|fuckin|bloody|goddamn|damn|fucked|shitty)\b|\b(?:give|gave|giving) a (?:fuck|shit|damn)\b|\bwtf\b|\bsuch a shitty\b"
    r"|(?:^|[ ,.!~])(?:아+ ?|와+ ?|에이 ?|하+ ?)?(?:씨+발|시+발|씨바|씨팔|ㅅㅂ|젠장|제기랄|염병)(?=[ ,.!~ㅋㅠㅜ]|$)|존나|졸라|개꿀"
    r"|他妈的|妈的|我靠|卧槽|我擦|特么的|牛逼|尼玛"
)
_SCORNED = re.compile(
    r"\b(?:stupid|dumb|damn|damned|silly|useless|ugly|crappy|lousy|idiotic|bloody|goddamn|rotten|annoying)(?:,? (?:stupid|dumb|damn|silly"
    r"|useless|ugly|old|little|slow))* (?:code|bug|bugs|script|test|tests|build|compiler|error|error message|message|function|loop|regex|server"
    r"|laptop|computer|pc|phone|printer|screen|keyboard|mouse|router|wifi|wi-fi|app|update|website|site|browser|password|captcha|form|game"
    r"|level|boss fight|machine|car|bike|bus|train|lift|elevator|door|key|lock|alarm|alarm clock|clock|zip|zipper|shoe|shoes|umbrella|remote"
    r"|charger|cable|battery|mistake|typo|question|rule|weather|rain|traffic|homework|meeting|spreadsheet|thing|stuff|line|joke|song|film|movie)\b"
    r"|(?:빌어먹을|망할|멍청한|거지 ?같은|쓰레기 ?같은|엿같은|짜증나는) (?:놈의 )?(?:코드|버그|테스트|빌드|에러|오류|서버|노트북|컴퓨터|핸드폰|휴대폰|폰|프린터|화면"
    r"|키보드|마우스|공유기|와이파이|앱|업데이트|사이트|비밀번호|게임|기계|차|버스|지하철|엘리베이터|문|열쇠|알람|충전기|배터리|날씨|비|숙제|회의|엑셀|영화|노래)(?=[이가은는을를도만에의]?(?:[ ,.!?~ㅋㅠㅜ]|$))"
    r"|[这那](?:台|个|部|条|把|什么)?(?:破|烂|该死的|鬼)(?:代码|程序|测试|报错|服务器|电脑|笔记本|手机|打印机|屏幕|键盘|鼠标|路由器|网络|网|软件|更新|网站|密码|游戏|机器|车|公交"
    r"|地铁|电梯|门|钥匙|锁|闹钟|充电器|电池|天气|雨|作业|会议|表格|电影|歌)(?![夫卫友手民红主师迷人者童])"
)
_SOMEBODY = re.compile(
    r"\b(?:you|u|ur|your|yours|yourself|youre|he|him|his|she|her|hers|they|them|their|who|whose|someone|somebody|everyone|everybody"
    r"|people|man|men|woman|women|boy|boys|girl|girls|guy|guys|kid|kids|bitch|bitches|idiots?|morons?|bastards?|cunts?|whores?"
    r"|sluts?|retards?|asshole|assholes|losers?|pigs?|animals?|vermin|scum|die|kill|rape)\b|\b\w{3,}(?:s are|ers|ists|ians|ese|ims|ews)\b"
    r"|(?:^| )(?:[너니네](?=[ ,.!?]|$)|너[는를가의희도]|니[가네들]|네가)|당신|새끼|[가-힣]?[년놈](?:[ 이은아들!?,.]|$)|병신|것들|[가-힣]들[은이도 ]|걔|쟤|애미|에미|한남|김치녀|죽어|꺼져|닥쳐"
    r"|你(?!好|也太)|您|他(?!妈)|她|它们|他们|的人|女人|男人|东西|傻|贱|滚|死(?!机)|畜生|废物|垃圾"
)

_DEADLY_FEELING = re.compile(
    r"(?:배고파|배불러|목말라|더워|추워|졸려|피곤해|힘들어|아파|웃겨|심심해|지루해|답답해|궁금해|귀찮아|무서워|무거워|부러워|떨려|바빠"
    r"|쪽팔려|창피해|보고 ?싶어|좋아|예뻐|귀여워|짜증 ?나)서? ?(?:진짜 ?)?(?:죽겠|죽는 줄|죽을 ?(?:뻔|것|거|맛)|미치겠|돌아가시겠|뒤지겠)[가-힣]{0,3}"
    r"|[饿渴累困冷冻热疼痛痒酸气笑急吓烦闷撑馋美香忙穷胖苦吵]死(?:我|人|个人|本宝宝|宝宝|老娘|老子)?(?=了|啦|[,。!~?]|$)"
    r"|\b(?:is|are|was|were|'s|'re) (?:absolutely |really )?killing me\b|\b(?:starving|dying|bored|scared|worried) to death\b"
)


def is_exaggeration(text: str) -> bool:
    """Whether a text says of a feeling that it kills, and speaks of nobody besides."""
    rest, feelings = _DEADLY_FEELING.subn(" ", fold(text))
    return feelings > 0 and _SOMEBODY.search(rest) is None


def is_aimless(text: str) -> bool:
    """Whether a text curses, or scorns a thing, and speaks of nobody."""
    folded = fold(text)
    curses = _CURSES.search(folded) is not None or _SCORNED.search(folded) is not None
    return curses and _SOMEBODY.search(folded) is None
