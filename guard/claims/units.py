"""Units of measure and counters in three languages: their dimension and size.

Rules of this file
1. Two units of one dimension are compared by size (1.5 km is 1,500 m); money of two currencies is never the same.
2. A counter (명, 个, people) has a dimension of its own and size 1. The general ones (个, 개) stand for any counter of
   single things, but for none of pairs, sets or boxes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit. dimension: what it measures. size: how many base units one of it is."""

    dimension: str
    size: float


# dimension: size of one in base units = the ways it is written. Longer ways are tried first.
_TABLE: Final = """
length 0.001 = mm millimeter millimeters millimetre millimetres 밀리미터 毫米
length 0.01 = cm centimeter centimeters centimetre centimetres 센티미터 센티 厘米 公分
length 1 = m meter meters metre metres 미터 米
length 1000 = km kilometer kilometers kilometre kilometres 킬로미터 公里 千米
length 0.0254 = inch inches 인치 英寸
length 0.3048 = ft foot feet 피트 英尺
length 0.9144 = yard yards 야드
length 1609.344 = mile miles mi 마일 英里
length 500 = 里
mass 0.000001 = mg milligram milligrams 밀리그램 毫克
mass 0.001 = g gram grams 그램 克
mass 1 = kg kilogram kilograms 킬로그램 公斤 千克
mass 1000 = ton tons tonne tonnes 톤 吨 噸
mass 0.45359237 = lb lbs pound-mass 파운드 磅
mass 0.0283495 = oz ounce ounces 온스 盎司
mass 0.5 = 斤
time 0.001 = ms millisecond milliseconds 밀리초 毫秒
time 1 = sec second seconds 초 秒 秒钟
time 60 = min minute minutes 분 分钟
time 3600 = hour hours hr hrs h 시간 小时 个小时 钟头
time 86400 = day days 일 일간 天 日
time 604800 = week weeks 주 주일 주간 周 星期 个星期
calendar 1 = month months 개월 달 个月
calendar 12 = year years yr yrs 년 년간 年 年间
calendar 120 = decade decades
calendar 1200 = century centuries
temperature 1 = °c ℃ celsius 摄氏度 도 度
fahrenheit 1 = °f ℉ fahrenheit 华氏度
share 0.1 = 成
share 0.01 = % percent 퍼센트 프로 ％ 个百分点 percentage-points 퍼센트포인트 %p
area 1 = ㎡ m² 제곱미터 平方米
area 1000000 = km² ㎢ 제곱킬로미터 平方公里 平方千米
area 10000 = hectare hectares ha 헥타르 公顷
area 4046.86 = acre acres 에이커 英亩
area 3.305785 = 평
area 666.67 = 亩
volume 1 = l liter liters litre litres 리터 升
volume 0.001 = ml milliliter milliliters millilitre millilitres 밀리리터 毫升
volume 3.785412 = gallon gallons 갤런 加仑
power 1 = w watt watts 와트 瓦
power 1000 = kw kilowatt kilowatts 킬로와트 千瓦
power 1000000 = mw megawatt megawatts 메가와트 兆瓦
energy 1 = kcal calorie calories 칼로리 千卡
data 1 = kb
data 1000 = mb megabyte megabytes 메가바이트
data 1000000 = gb gigabyte gigabytes 기가바이트
data 1000000000 = tb terabyte terabytes 테라바이트
frequency 1 = hz hertz 헤르츠 赫兹
usd 1 = dollar dollars usd 달러 美元 美金
krw 1 = won krw 원 韩元
cny 1 = yuan rmb cny 위안 元 人民币 块钱
hkd 1 = hkd 港元 港币 홍콩달러
rub 1 = ruble rubles rouble roubles 루블 卢布
eur 1 = euro euros eur 유로 欧元
jpy 1 = yen jpy 엔 日元
gbp 1 = pounds pound gbp 英镑
times 1 = times 배 倍
people 1 = people persons person 명 사람 인 名 人 位
households 1 = household households family families 가구 세대 户 戶
firms 1 = 家
buildings 1 = 채 座 所 间 栋 幢
things 1 = 개 个 個
animals 1 = 마리 头 匹 只
items 1 = 件 项 項 条 條 桩 宗 건
kinds 1 = kinds types 종류 가지 种 種 类
groups 1 = group groups team teams 팀 组 队 群
pairs 1 = pair pairs couple couples 쌍 켤레 对 對 双
sets 1 = set sets 세트 套
boxes 1 = box boxes 상자 박스 箱 盒
bottles 1 = bottle bottles 瓶
cups 1 = cup cups 杯
bags 1 = bag bags 봉지 袋
batches 1 = 批
sheets 1 = sheet sheets 张 張 页
copies 1 = copy copies 份 册
rounds 1 = round rounds 라운드 轮
matches 1 = games matches 경기 场
occasions 1 = 번 차례 회 次 回
age 1 = years-old 살 세 岁 歲
volumes 1 = 권 本
vehicles 1 = 辆 대 台 架
ships 1 = 척 艘
storeys 1 = 층 层 楼 storeys stories floors
degrees 1 = degrees degree
rank 1 = 위 등
editions 1 = 届 회째
points 1 = points point 점
"""


def _read() -> dict[str, Unit]:
    units = {}
    for line in _TABLE.strip().splitlines():
        head, _, ways = line.partition(" = ")
        dimension, size = head.split()
        for way in ways.split():
            units[way.replace("-", " ")] = Unit(dimension, float(size))
    return units


UNITS: Final = _read()
MEASURES: Final = frozenset({
    "length", "mass", "time", "calendar", "temperature", "fahrenheit", "share", "area", "volume", "power", "energy", "data",
    "frequency", "usd", "krw", "cny", "hkd", "rub", "eur", "jpy", "gbp",
})  # fmt: skip
"""Dimensions of which a number says nothing without them; the rest are counters."""
_GENERAL: Final = "things"
_SINGLE: Final = frozenset({
    "people", "firms", "buildings", "animals", "items", "kinds", "sheets", "copies", "volumes", "vehicles", "ships", "occasions",
    "matches", "rounds", "points",
})  # fmt: skip
"""Counters of single things, for which a general one may stand."""
_SIGNS: Final = {
    "$": "usd",
    "US$": "usd",
    "＄": "usd",
    "₩": "krw",
    "￦": "krw",
    "€": "eur",
    "£": "gbp",
    "¥": "cny",
    "￥": "cny",
}


def _alternatives() -> str:
    ways = sorted(UNITS, key=len, reverse=True)
    latin = [re.escape(way) for way in ways if way[0].isascii() and way[0].isalpha()]
    other = [re.escape(way) for way in ways if not (way[0].isascii() and way[0].isalpha())]
    return rf"[ -]?(?:(?:{'|'.join(latin)})(?![A-Za-z])|(?:{'|'.join(other)}))"


AFTER: Final = re.compile(_alternatives(), re.I)
"""The unit that stands behind a number."""
BEFORE: Final = re.compile(r"(US\$|[$＄₩￦€£¥￥])[ ]?$")
"""The sign of a currency that stands before a number."""


def alike(one: str, other: str) -> bool:
    """Whether two dimensions may count the same: one dimension, or a general counter and one of single things."""
    return one == other or (_GENERAL in (one, other) and bool({one, other} & _SINGLE))


def unit_after(text: str, at: int) -> tuple[Unit, int] | None:
    """The unit that begins at `at`, and where it ends."""
    found = AFTER.match(text, at)
    if found is None:
        return None
    return UNITS[found[0].lstrip(" -").lower()], found.end()


def unit_before(text: str, at: int) -> tuple[Unit, int] | None:
    """The currency whose sign ends at `at`, and where it begins."""
    found = BEFORE.search(text, max(0, at - 4), at)
    return None if found is None else (Unit(_SIGNS[found[1]], 1.0), found.start())
