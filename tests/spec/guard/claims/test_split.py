"""What of an answer is a claim, and what it means where it leaves a word out."""

from __future__ import annotations

from functools import partial

import pytest

from guard.claims.split import LONGEST, ClaimSplitter, claims_of
from haechi.base.text import Language
from tests.cost import least_cpu

CLAIMS = (
    "The Eiffel Tower is 330 metres tall.",
    "Water boils at 100 degrees Celsius.",
    "Aspirin reduces fever.",
    "The minister said “I think we will win”.",
    "Yes, it was released on September 17, 1991.",
    "No one lives on the island.",
    "네, 서울은 대한민국의 수도입니다.",
    "是的，北京是中国的首都。",
    "서울은 대한민국의 수도이다.",
    "이 약은 하루에 두 번 복용하는 진통제입니다.",
    "백두산의 높이는 2,744미터다.",
    "北京是中国的首都。",
    "该公司2019年盈利5亿元。",
    "水在100摄氏度沸腾。",
)
NO_CLAIMS = (
    "Hello there!",
    "Yes.",
    "Sure, happy to help!",
    "Of course, I think so too.",
    "네, 알겠습니다.",
    "물론입니다.",
    "好的。",
    "How tall is the Eiffel Tower?",
    "I think the tower is the best one in Europe.",
    "It might rain in Paris tomorrow.",
    "Press the button and wait for 5 seconds.",
    "You should see a doctor.",
    "I am a language model trained by people.",
    "Your name is Kim.",
    "# The history of the tower is long",
    "x = tower.height(5)",
    "Paris is a beautiful city.",
    "안녕하세요, 반갑습니다!",
    "에펠탑의 높이는 얼마인가요?",
    "제 생각에는 이 영화가 최고인 것 같습니다.",
    "내일은 비가 올 수도 있습니다.",
    "먼저 버튼을 눌러 주세요.",
    "저는 인공지능 모델입니다.",
    "고객님의 이름은 김철수입니다.",
    "你好，很高兴见到你！",
    "埃菲尔铁塔有多高？",
    "我觉得这部电影很好看。",
    "明天可能会下雨。",
    "请打开窗户并等待五分钟。",
    "我是一个人工智能助手。",
    "你的名字是张伟。",
)
RESOLVED = [
    ("Marie Curie was born in Warsaw. She won the prize in 1903.", "Marie Curie won the prize in 1903."),
    ("Seoul is a city in Korea. Its population is 9.4 million.", "Seoul's population is 9.4 million."),
    ("Apple was founded in 1976. In 1984, it released the Macintosh.", "In 1984, Apple released the Macintosh."),
    ("Paris is in France. It is known that cats sleep a lot.", "It is known that cats sleep a lot."),
    ("세종대왕은 조선의 왕이다. 그는 1397년에 태어났다.", "세종대왕은 1397년에 태어났다."),
    ("세종대왕은 조선의 왕이다. 1443년에 훈민정음을 창제했다.", "세종대왕은 1443년에 훈민정음을 창제했다."),
    ("서울은 수도이다. 인구는 940만 명이다.", "인구는 940만 명이다."),
    ("北京是中国的首都。它有两千万人口。", "北京有两千万人口。"),
    ("张伟教授在北京大学工作。他出生于1970年。", "张伟教授出生于1970年。"),
    ("华为公司成立于1987年。该公司总部在深圳。", "华为公司总部在深圳。"),
]


@pytest.mark.parametrize("text", CLAIMS)
def test_a_statement_of_fact_is_a_claim(text: str) -> None:
    """It is taken whole, at its place."""
    (claim,) = claims_of(f"\n- {text}\n")
    assert (claim.text, claim.start, claim.end) == (text, 3, 3 + len(text))


@pytest.mark.parametrize("text", NO_CLAIMS)
def test_what_evidence_cannot_decide_is_no_claim(text: str) -> None:
    """Questions, greetings, opinions, hedges, instructions, code, and what is said of user or assistant."""
    assert claims_of(text) == []


@pytest.mark.parametrize(("text", "meaning"), RESOLVED)
def test_a_pronoun_or_a_dropped_subject_is_written_out(text: str, meaning: str) -> None:
    """The last named subject stands in the meaning, and only there."""
    last = claims_of(text)[-1]
    assert last.meaning == meaning
    assert text[last.start : last.end] == last.text


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When was Marie Curie born?", "In 1867."),
        ("北京有多少人口？", "2189万。"),
        ("그는 언제 태어났나요?", "1397년."),
    ],
)
def test_a_short_answer_means_its_question(question: str, answer: str) -> None:
    """What only fills in what was asked is a claim together with the question."""
    (claim,) = claims_of(answer, question=question)
    assert claim.text == answer
    assert claim.meaning.startswith(question[:-1])


def test_code_is_no_claim_however_long() -> None:
    """A block that never closes is passed over."""
    assert claims_of("The tower is 330 m tall.\n```\nThe code is long. It is here.\n" + "The x is 5.\n" * 50)[1:] == []


def test_a_sentence_of_two_thousand_characters_is_one_claim() -> None:
    """What is longer is cut there."""
    text = "The tower is " + "very " * 396 + "tall."
    assert len(text) <= LONGEST
    (claim,) = claims_of(text)
    assert claim.text == text
    assert all(len(claim.text) <= LONGEST for claim in claims_of("The tower is " + "very " * 3_000 + "tall."))


def test_time_grows_with_the_length_only() -> None:
    """Four times a text that is longer than the longest sentence, in small pieces, takes about four times as long."""
    for piece in ("word ", "```\nx\n", "长"):
        short, long = (least_cpu(partial(split_in_pieces, piece, times), tries=2) for times in (2_500, 10_000))
        assert long < 10 * max(short, 0.002)


def split_in_pieces(piece: str, times: int) -> None:
    splitter = ClaimSplitter()
    for _ in range(times):
        splitter.feed(piece)
    splitter.finish()


def test_each_claim_knows_its_own_language() -> None:
    """An answer in three languages has claims in three languages."""
    claims = claims_of("Paris is in France. 서울은 대한민국의 수도이다. 北京是中国的首都。")
    assert [claim.language for claim in claims] == [Language.ENGLISH, Language.KOREAN, Language.CHINESE]
