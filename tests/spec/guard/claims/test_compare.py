"""A claim and a passage are held against each other explicitly, and every disagreement is shown on both sides."""

from __future__ import annotations

import pytest

from guard.claims.compare import FEATURES, compare
from guard.claims.ports import Conflict
from guard.language import language_of

DISAGREE = [
    (Conflict.NUMBER, "The tower is 324 metres tall.", "The Eiffel Tower is 330 metres tall.", "324", "330"),
    (Conflict.NUMBER, "Five people died.", "Seven people died.", "Five", "Seven"),
    (Conflict.NUMBER, "水在90摄氏度沸腾。", "水在100摄氏度沸腾。", "90", "100"),
    (Conflict.NUMBER, "이 회사의 직원은 3만 5천 명이다.", "이 회사의 직원은 3만 명이다.", "3만 5천", "3만"),
    (Conflict.NUMBER, "长城全长约两万公里。", "长城全长约两万一千公里。", "两万", "两万一千"),
    (Conflict.UNIT, "The tower is 330 feet tall.", "The Eiffel Tower is 330 metres tall.", "330 feet", "330 metres"),
    (Conflict.UNIT, "이 상자는 5킬로그램이다.", "이 상자는 5그램이다.", "5킬로그램", "5그램"),
    (Conflict.UNIT, "药品共12箱。", "药品共12件。", "12箱", "12件"),
    (Conflict.UNIT, "共有300户参加了培训。", "共有300人参加了培训。", "300户", "300人"),
    (Conflict.UNIT, "지원을 받은 것은 34가구이다.", "지원을 받은 것은 34명이다.", "34가구", "34명"),
    (Conflict.UNIT, "Aid went to 34 families.", "Aid went to 34 people.", "34 families", "34 people"),
    (Conflict.UNIT, "该项目从2020个月起实施。", "该项目从2020年起实施。", "2020", "2020年"),
    (Conflict.NUMBER, "耕地有3000多亿亩。", "耕地有3000多万亩。", "3000多亿", "3000多万"),
    (Conflict.DATE, "Marie Curie was born in 1868.", "Marie Curie was born in 1867 in Warsaw.", "1868", "1867"),
    (Conflict.DATE, "It opened on 3 May 2019.", "It opened on May 4, 2019.", "3 May 2019", "May 4, 2019"),
    (Conflict.DATE, "훈민정음은 1443년에 창제되었다.", "훈민정음은 1446년에 창제되었다.", "1443년", "1446년"),
    (Conflict.DATE, "会议于2023年5月3日举行。", "会议于2023年5月4日举行。", "2023年5月3日", "2023年5月4日"),
    (Conflict.PLACE, "Marie Curie was born in Paris.", "Marie Curie was born in Warsaw.", "Paris", "Warsaw"),
    (Conflict.PLACE, "부산은 대한민국의 수도이다.", "서울은 대한민국의 수도이다.", "부산", "서울"),
    (Conflict.PLACE, "上海是中国的首都。", "北京是中国的首都。", "上海", "北京"),
    (
        Conflict.NAME,
        "Hamlet was written by Ben Jonson.",
        "Hamlet was written by Shakespeare.",
        "Ben Jonson",
        "Shakespeare",
    ),
    (Conflict.NAME, "김철수 교수는 물리학을 가르친다.", "박영희 교수는 물리학을 가르친다.", "김철수", "박영희"),
    (Conflict.NAME, "张伟教授在北京大学工作。", "李明教授在北京大学工作。", "张伟", "李明"),
    (Conflict.NEGATION, "The drug does not reduce mortality.", "The drug reduces mortality.", "not", ""),
    (Conflict.NEGATION, "Vaccines cause autism.", "It is a myth that vaccines cause autism.", "", "myth"),
    (Conflict.NEGATION, "이 약은 통증을 줄이지 않는다.", "이 약은 통증을 줄인다.", "않", ""),
    (Conflict.NEGATION, "他没有参加会议。", "他参加了会议。", "没有", ""),
    (Conflict.QUANTIFIER, "All patients recovered.", "Some patients recovered.", "All", "Some"),
    (Conflict.QUANTIFIER, "모든 학생이 시험에 합격했다.", "일부 학생이 시험에 합격했다.", "모든", "일부"),
    (Conflict.QUANTIFIER, "所有学生都通过了考试。", "部分学生通过了考试。", "所有", "部分"),
    (Conflict.COMPARATIVE, "Iron is heavier than gold.", "Iron is lighter than gold.", "heavier", "lighter"),
    (Conflict.COMPARATIVE, "정원은 50명 이상이다.", "정원은 50명 이하이다.", "이상", "이하"),
    (Conflict.COMPARATIVE, "今年的产量高于去年。", "今年的产量低于去年。", "高于", "低于"),
    (Conflict.ANTONYM, "Sales fell by 10% in 2020.", "Sales rose by 10% in 2020.", "fell", "rose"),
    (Conflict.ANTONYM, "매출이 20% 감소했다.", "매출이 20% 증가했다.", "감소", "증가"),
    (Conflict.ANTONYM, "该公司2019年盈利5亿元。", "该公司2019年亏损5亿元。", "盈利", "亏损"),
]
AGREE = [
    ("The tower is 330,000 mm tall.", "The Eiffel Tower is 330 metres tall."),
    ("The company has about 500 employees.", "The company has 498 employees in 3 cities."),
    ("It opened in May 2019.", "It opened on 4 May 2019."),
    ("It opened on 2019-05-04.", "It opened on May 4, 2019."),
    ("Twenty-five people came.", "25 people came."),
    ("The population is 1.2 million.", "The population is 1,200,000."),
    ("인구는 120만 명이다.", "인구는 1,200,000명이다."),
    ("학생 세 명이 왔다.", "학생 3명이 왔다."),
    ("人口为一百二十万人。", "人口为120万人。"),
    ("The WHO was founded in 1948.", "The World Health Organization was founded in 1948."),
    ("共有3项任务。", "共有3个任务。"),
    ("有5名学生获奖。", "有5个学生获奖。"),
    ("投资额为3000多万元。", "投资额约为3000万元。"),
    ("He is not dead.", "He is alive."),
    ("Not only Anna but also Ben came.", "Anna and Ben came."),
    ("Some patients recovered.", "All patients recovered."),
    ("Bananas are yellow.", "The treaty was signed in 1951 by 48 states."),
    ("서울에서 2002년에 월드컵이 열렸다.", "2002년 서울에서 월드컵이 열렸다."),
]  # fmt: skip


RANGES_DISAGREE = [
    ("The vaccine is stored at 2-10°C.", "The vaccine is stored at 2-8°C."),
    ("The vaccine is stored at 12°C.", "The vaccine is stored at 2-8°C."),
    ("Delivery takes between 3 and 7 days.", "Delivery takes 3 to 5 days."),
    ("Delivery takes 8 days.", "Delivery takes between 3 and 5 days."),
    ("Delivery takes up to 7 days.", "Delivery takes at most 5 days."),
    ("Delivery takes at least 5 days.", "Delivery takes at most 5 days."),
    ("Delivery takes more than 5 days.", "Delivery takes less than 5 days."),
    ("The fee is $10-25.", "The fee is between $10 and $20."),
    ("Children aged 6 to 14 may take part.", "Children between 6 and 12 years of age may take part."),
    ("The war lasted from 1914 to 1919.", "The war lasted 1914–1918."),
    ("Take it 3-4 times a day.", "Take it two to three times a day."),
    ("백신은 2도에서 10도 사이에 보관한다.", "백신은 2~8도에서 보관한다."),
    ("백신은 15도에 보관한다.", "백신은 2도에서 8도 사이에 보관한다."),
    ("배송에는 3~7일이 걸린다.", "배송에는 3일에서 5일이 걸린다."),
    ("배송에는 최대 7일이 걸린다.", "배송에는 최대 5일이 걸린다."),
    ("요금은 1만~3만 원이다.", "요금은 1만원에서 2만원이다."),
    ("6세부터 14세까지 참가할 수 있다.", "6~12세가 참가할 수 있다."),
    ("전쟁은 1914년부터 1919년까지 이어졌다.", "전쟁은 1914~1918년에 이어졌다."),
    ("하루 서너 번 복용한다.", "하루 2~3번 복용한다."),
    ("疫苗应在2至10度保存。", "疫苗应在2~8度保存。"),
    ("疫苗在15℃保存。", "疫苗在2℃到8℃之间保存。"),
    ("配送需要三到七天。", "配送需要3至5天。"),
    ("配送最多需要7天。", "配送最多需要5天。"),
    ("费用为1万至3万元。", "费用为1万元到2万元。"),
    ("6岁至14岁的儿童可以参加。", "6~12岁儿童可以参加。"),
    ("战争从1914年持续到1919年。", "战争持续于1914—1918年。"),
    ("每天服用三四次。", "每天服用2~3次。"),
    ("Two thirds of the members voted yes.", "A third of the members voted yes."),
    ("회원의 3분의 1이 찬성했다.", "회원의 3분의 2가 찬성했다."),
    ("三分之一的会员投了赞成票。", "三分之二的会员投了赞成票。"),
    ("The limit is ±5 mm.", "The limit is ±3 mm."),
    ("The temperature is -5 °C.", "The temperature is 5 °C."),
    ("温度为零下5度。", "温度为5度。"),
    ("가격이 두 배로 올랐다.", "가격이 세 배로 올랐다."),
    ("The meeting starts at 4:30 pm.", "The meeting starts at 15:30."),
    ("회의는 오후 4시에 시작한다.", "회의는 15시에 시작한다."),
    ("会议下午4点开始。", "会议15点开始。"),
]
RANGES_AGREE = [
    ("Store the vaccine at 2-8°C.", "The vaccine is stored at 2 to 8 °C."),
    ("Store the vaccine at 2–8°C.", "The vaccine is stored between 2°C and 8°C."),
    ("The vaccine is stored at 5°C.", "The vaccine is stored at 2-8°C."),
    ("Delivery takes between 3 and 5 days.", "Delivery takes 3 to 5 days."),
    ("Delivery takes 4 days.", "Delivery takes 3 to 5 days."),
    ("Delivery takes from three to five days.", "Delivery takes 3-5 days."),
    ("Delivery takes up to 5 days.", "Delivery takes at most 5 days."),
    ("The fee is $10-20.", "The fee is between $10 and $20."),
    ("Children aged 6 to 12 may take part.", "Children between 6 and 12 years of age may take part."),
    ("The war lasted from 1914 to 1918.", "The war lasted 1914–1918."),
    ("Take it 2-3 times a day.", "Take it two or three times a day."),
    ("백신은 2도에서 8도 사이에 보관한다.", "백신은 2~8도에서 보관한다."),
    ("백신은 2~8℃에 보관한다.", "백신은 2℃에서 8℃ 사이에서 보관한다."),
    ("백신은 5도에 보관한다.", "백신은 2도에서 8도 사이에 보관한다."),
    ("배송에는 3일에서 5일이 걸린다.", "배송에는 3~5일이 걸린다."),
    ("배송에는 4일이 걸린다.", "배송에는 3~5일이 걸린다."),
    ("요금은 1만~2만 원이다.", "요금은 1만원에서 2만원이다."),
    ("6세부터 12세까지 참가할 수 있다.", "6~12세가 참가할 수 있다."),
    ("전쟁은 1914년부터 1918년까지 이어졌다.", "전쟁은 1914~1918년에 이어졌다."),
    ("하루 두세 번 복용한다.", "하루 2~3번 복용한다."),
    ("疫苗应在2至8度保存。", "疫苗应在2~8度保存。"),
    ("疫苗在2℃到8℃之间保存。", "疫苗在2-8℃保存。"),
    ("疫苗在5℃保存。", "疫苗在2℃到8℃之间保存。"),
    ("配送需要三到五天。", "配送需要3至5天。"),
    ("配送需要4天。", "配送需要3至5天。"),
    ("费用为1万至2万元。", "费用为1万元到2万元。"),
    ("6岁至12岁的儿童可以参加。", "6~12岁儿童可以参加。"),
    ("战争从1914年持续到1918年。", "战争持续于1914—1918年。"),
    ("每天服用两三次。", "每天服用2~3次。"),
    ("The bridge is 1.2 km long.", "The bridge is 1,200 m long."),
    ("The bridge is one and a half kilometres long.", "The bridge is 1.5 km long."),
    ("Half of the members voted yes.", "50% of the members voted yes."),
    ("회원의 절반이 찬성했다.", "회원의 50%가 찬성했다."),
    ("一半的会员投了赞成票。", "50%的会员投了赞成票。"),
    ("It lasts a year and a half.", "It lasts 18 months."),
    ("Prices rose twofold.", "Prices doubled."),
    ("The meeting starts at 3:30 pm.", "The meeting starts at 15:30."),
    ("회의는 오후 3시에 시작한다.", "회의는 15시에 시작한다."),
    ("会议下午3点开始。", "会议15点开始。"),
]


@pytest.mark.parametrize(("claim", "evidence"), RANGES_DISAGREE)
def test_ranges_fractions_and_times_of_day_that_differ_are_told_apart(claim: str, evidence: str) -> None:
    """However each side writes them."""
    found = {reason.conflict for reason in compare(claim, evidence, language_of(claim)).reasons}
    assert found & {Conflict.NUMBER, Conflict.DATE, Conflict.COMPARATIVE}


@pytest.mark.parametrize(("claim", "evidence"), RANGES_AGREE)
def test_a_range_agrees_with_its_other_spellings_and_with_what_lies_in_it(claim: str, evidence: str) -> None:
    """2-8 °C is 2 to 8 °C, and 5 °C is no other thing; 15:30 is half past three in the afternoon."""
    assert compare(claim, evidence, language_of(claim)).reasons == ()


@pytest.mark.parametrize(("conflict", "claim", "evidence", "mine", "theirs"), DISAGREE)
def test_a_disagreement_is_named_and_shown_on_both_sides(
    conflict: Conflict, claim: str, evidence: str, mine: str, theirs: str
) -> None:
    """One thing differs: the reasons say what, and where it stands in the claim and in the passage."""
    reasons = compare(claim, evidence, language_of(claim)).reasons
    shown = [
        (r.conflict, claim[r.claim_start : r.claim_end], evidence[r.evidence_start : r.evidence_end]) for r in reasons
    ]
    assert (conflict, mine, theirs) in shown


@pytest.mark.parametrize(("claim", "evidence"), AGREE)
def test_the_same_said_otherwise_is_no_disagreement(claim: str, evidence: str) -> None:
    """Other units, formats, number words, abbreviations and two negations that cancel do not count."""
    assert compare(claim, evidence, language_of(claim)).reasons == ()


@pytest.mark.parametrize(
    ("claim", "evidence", "shown"),
    [
        ("夜间西部南部有雷阵雨。", "白天南部有阵雨，夜间西部北部有雷阵雨。", ("南部", "北部")),
        ("이 병원의 남성 환자는 여성 환자보다 많다.", "이 병원의 여성 환자는 여성 환자보다 많다.", ("남성", "여성")),
        ("The men voted for the women.", "The men voted for the men.", ("women", "men")),
    ],
)
def test_an_opposite_in_place_of_a_word_counts_though_the_passage_has_it_elsewhere(
    claim: str, evidence: str, shown: tuple[str, str]
) -> None:
    """What stands somewhere else in the passage does not say it here."""
    found = [
        (claim[r.claim_start : r.claim_end], evidence[r.evidence_start : r.evidence_end])
        for r in compare(claim, evidence, language_of(claim)).reasons
        if r.conflict is Conflict.ANTONYM
    ]
    assert found == [shown]


@pytest.mark.parametrize(
    ("claim", "evidence", "only"),
    [
        ("The treaty was signed in Bergen in 1951.", "The treaty was signed in Bergen in 1961 after long talks.", 1),
        ("대한전자의 매출은 500조 원이다.", "대한전자의 매출은 300조 원이다.", 1),
        ("该工程全长30公里。", "该工程全长30米。", 1),
        ("The treaty was signed in Oslo in 1951.", "The treaty was signed in Bergen in 1961.", 0),
        ("이 다리는 너비가 31미터이다.", "이 다리는 길이가 1,160미터이다.", 0),
        ("该工程全长30公里。", "该工程全长30公里。", 0),
    ],
)
def test_a_claim_that_differs_in_an_amount_or_date_alone_is_marked(claim: str, evidence: str, only: int) -> None:
    """Nothing else is left that could make it another matter."""
    assert compare(claim, evidence, language_of(claim)).amount_only == only


def test_the_first_day_of_a_range_has_the_year_of_the_last() -> None:
    """ "2 September to 6 September 1666" is no day of 1676."""
    evidence = "The fire burnt from Sunday 2 September to Thursday 6 September 1666 in London."
    right, wrong = (f"The fire burnt from 2 September {year} in London." for year in (1666, 1676))
    assert compare(right, evidence, language_of(right)).reasons == ()
    (reason,) = compare(wrong, evidence, language_of(wrong)).reasons
    assert reason.conflict is Conflict.DATE


def test_a_day_without_its_year_is_that_of_the_same_day_with_one() -> None:
    """A claim with another year disagrees, though the day alone is named, too."""
    evidence = "The fire began on 2 September 1666, and on 2 September alone it burnt houses in London."
    claim = "On 2 September 1676 alone it burnt houses in London."
    assert Conflict.DATE in {reason.conflict for reason in compare(claim, evidence, language_of(claim)).reasons}


def test_positions_hold_in_the_whole_passage() -> None:
    """The sentence that disagrees stands behind others; its positions are those of the passage."""
    evidence = "Warsaw is in Poland. It rains there. Marie Curie was born in Warsaw in 1867. She died in 1934."
    (reason,) = compare("Marie Curie was born in 1868.", evidence, language_of(evidence)).reasons
    assert evidence[reason.evidence_start : reason.evidence_end] == "1867"


def test_the_vector_has_one_float_for_each_feature() -> None:
    """What a model reads has a fixed order and stays within 0 and 1."""
    vector = compare("Sales fell by 10% in 2020.", "Sales rose by 10% in 2020.", language_of("a")).vector()
    assert len(vector) == len(FEATURES)
    assert all(isinstance(value, float) and 0 <= value <= 1 for value in vector)


def test_evidence_in_another_language_gives_no_reasons() -> None:
    """Words of two languages cannot be aligned: the comparison says so instead of finding differences."""
    features = compare("The tower is 324 metres tall.", "에펠탑의 높이는 330미터이다.", language_of("The"))
    assert features.reasons == ()
    assert features.same_language == 0.0
