"""Ordinary words that hold, or look like, a word of the lists; and the listed words in sentences close by."""

from __future__ import annotations

import pytest

from guard.checker import SafetyChecker
from guard.verdict import Action

ORDINARY = """
妈妈的味道 | 我妈的生日是几号 | 我妈的安眠药放哪了 | 大妈的广场舞 | 她妈妈的手机 | 他妈妈是老师 | 你妈的身体好些了吗 | 我操作失误了
我操心太多了 | 面部麻痹的症状有哪些 | 锅里是滚开的汤 | 去你妹妹家 | 我想去你的公司看看 | 你妹的婚礼是哪天 | 智障儿童的特殊教育
弱智儿童康复中心 | 穿破鞋子 | 家畜生长 | 牲畜生病了 | 早上喂狗 | 杂种水稻 | 煮饭桶 | 狗屎运 | 宝宝放屁多 | 减轻生活压力
年轻生物学家 | 割腕表 | 困得想死 | 尴尬得想死 | 我想死记硬背 | 遗书和遗嘱的区别 | 尼玛县在哪里 | 尼玛次仁是我的同学
泥马渡康王 | 反对荡妇羞辱
병신년은 2016년이었죠? | 병신년이었다 | 2016년 병신년 | 이 기차의 시발은 서울역입니다 | 개새우 튀김 | 개소리 때문에 잠을 못 자요
불 꺼져라 | 화면이 꺼져버려요 | 컴퓨터가 자꾸 꺼져요 | 서랍을 뒤져라 | 위기가 닥쳐야 안다 | 눈깔사탕 | 발암 가능성
한강 가라앉은 배 | 야동초등학교 | 호박엿 먹어 보셨어요 | 미친개에 물렸을 때 | 육갑을 짚는 법
👍 | 🙏🏽🙏🏽 | 오늘 고마워 👍 | 明天见😊 | ok 🫶 see you | ☝️ this
I cut myself shaving | a bastard sword | William the Bastard | a chink of light | the dykes held | a coon cat | honky tonk piano
a faggot of sticks | faggots and peas | the whore of Babylon | the slutwalk
"""
LISTED = """
他妈的 | 你他妈在干嘛 | 你妈的 | 妈的，又输了 | 我操 | 滚开 | 去你的 | 去你妹的 | 你这个智障 | 你个饭桶 | 杂种 | 你放屁 | 我想死 | 尼玛的
병신년 | 야 이 병신년아 | 저 병신년은 뭐야 | 개새끼 | 개소리 하지 마 | 꺼져라 | 당장 꺼져 | 뒤져라 | 입 닥쳐 | 한강 가라 | 미친놈
🖕 | 🖕🖕🖕 | 늦지 마 🖕 | 你自己看🖕
I cut myself every night | you bastard | those chinks | you dyke | that faggot | you whore
"""


@pytest.fixture(scope="module")
def checker() -> SafetyChecker:
    return SafetyChecker.load("fast")


def each(sentences: str) -> list[str]:
    return [one.strip() for line in sentences.strip().splitlines() for one in line.split(" | ")]


@pytest.mark.parametrize("text", each(ORDINARY))
def test_an_ordinary_word_is_not_taken_for_a_listed_one(checker: SafetyChecker, text: str) -> None:
    """A mother is no curse, Nyima is a name, and a screen that goes off tells nobody to."""
    verdict = checker.check(text)
    assert (verdict.action, verdict.findings) == (Action.ALLOW, ())


@pytest.mark.parametrize("text", each(LISTED))
def test_what_is_listed_is_still_found(checker: SafetyChecker, text: str) -> None:
    """The carriers around it are exact: nothing more passes than they say."""
    assert checker.check(text).action is not Action.ALLOW
