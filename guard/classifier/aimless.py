"""Curses at nobody: words that are toxic wherever they stand, and hurt no one where nobody is spoken of.

Rules of this file
1. A text is aimless only if it curses in a form of its own (`what the fuck`, `holy shit`, `아 씨발`, `他妈的`) and names no person
   and no group; in doubt it is aimed at somebody.
2. The answer lowers how severe a text may be called, never its score.
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
_SOMEBODY = re.compile(
    r"\b(?:you|u|ur|your|yours|yourself|youre|he|him|his|she|her|hers|they|them|their|who|whose|someone|somebody|everyone|everybody"
    r"|people|man|men|woman|women|boy|boys|girl|girls|guy|guys|kid|kids|bitch|bitches|idiots?|morons?|bastards?|cunts?|whores?"
    r"|sluts?|retards?|asshole|assholes|losers?|pigs?|animals?|vermin|scum|die|kill|rape)\b|\b\w{3,}(?:s are|ers|ists|ians|ese|ims|ews)\b"
    r"|(?:^| )(?:[너니네](?=[ ,.!?]|$)|너[는를가의희도]|니[가네들]|네가)|당신|새끼|[가-힣]?[년놈](?:[ 이은아들!?,.]|$)|병신|것들|[가-힣]들[은이도 ]|걔|쟤|애미|에미|한남|김치녀|죽어|꺼져|닥쳐"
    r"|你(?!好|也太)|您|他(?!妈)|她|它们|他们|的人|女人|男人|东西|傻|贱|滚|死|畜生|废物|垃圾"
)


def is_aimless(text: str) -> bool:
    """Whether a text curses and speaks of nobody."""
    folded = fold(text)
    return _CURSES.search(folded) is not None and _SOMEBODY.search(folded) is None
