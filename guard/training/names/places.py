"""Places, organisations and addresses, most of them invented, in three languages."""

from __future__ import annotations

from guard.training.names import people
from guard.training.names.people import Rng, one
from guard.training.names.words import words
from haechi.base.text import Language

_NATURE = words("nature")
COUNTRIES = words("countries")
_CITY = words("city")
_REGION = words("region")
_TOWN_STARTS = words("town-starts")
_TOWN_ENDS = words("town-ends")
_ABROAD = words("abroad")
_FIELDS = words("fields")
_LEGAL = words("legal")
_STEMS = words("stems")
_STEM_ENDS = words("stem-ends")
_KNOWN = words("known")
_PUBLIC = words("public")
_ROADS = words("roads")
_ROADS_ABROAD = words("roads-abroad")
_STATES = words("states")

_WORDS = words("words")
_THINGS = words("things")

_KO_REGION = words("ko-region")
_KO_TOWN_STARTS = words("ko-town-starts")
_KO_TOWN_ENDS = words("ko-town-ends")
_KO_ABROAD = words("ko-abroad")
_KO_NATURE = words("ko-nature")
_KO_STEMS = words("ko-stems")
_KO_FIELDS = words("ko-fields")
_KO_KNOWN = words("ko-known")
_ZH_REGION = words("zh-region")
_ZH_CITY = words("zh-city")
_ZH_ABROAD = words("zh-abroad")
_ZH_TOWN = words("zh-town")
_ZH_TOWN_ENDS = words("zh-town-ends")
_ZH_STEMS = words("zh-stems")
_ZH_FIELDS = words("zh-fields")
_ZH_KNOWN = words("zh-known")


def place(rng: Rng, language: Language) -> str:
    """A country, region, town or landmark."""
    if language is Language.KOREAN:
        return _korean_place(rng)
    return _chinese_place(rng) if language is Language.CHINESE else _latin_place(rng)


def organisation(rng: Rng, language: Language) -> str:
    """A company, authority, school, club or newspaper."""
    if language is Language.KOREAN:
        return _korean_organisation(rng)
    return _chinese_organisation(rng) if language is Language.CHINESE else _latin_organisation(rng)


def address(rng: Rng, language: Language) -> str:
    """A postal address."""
    if language is Language.KOREAN:
        return _korean_address(rng)
    return _chinese_address(rng) if language is Language.CHINESE else _latin_address(rng)


def _korean_address(rng: Rng) -> str:
    where = f"{one(rng, _KO_REGION[:18])} {one(rng, _KO_TOWN_STARTS)}{one(rng, _KO_TOWN_ENDS[:16])}"
    road = one(rng, _KO_STEMS) + one(rng, ("로", "대로", "길"))
    flat = one(rng, ("", "", f", {_number(rng, 20)}층", f" {_number(rng, 120)}동 {_number(rng, 30)}01호"))
    return f"{where} {road} {_number(rng, 300)}{flat}"


def _chinese_address(rng: Rng) -> str:
    where = one(rng, _ZH_REGION[:30]) + one(rng, ("省", "", "市")) + _chinese_town(rng) + one(rng, ("区", "县", "市"))
    road = _chinese_town(rng) + one(rng, ("路", "街", "大道"))
    flat = one(rng, ("", "", f"{_number(rng, 20)}栋{_number(rng, 30)}01室", f"{_number(rng, 9)}单元"))
    return f"{where}{road}{_number(rng, 900)}号{flat}"


def _number(rng: Rng, most: int) -> str:
    return str(int(rng.integers(1, most)))


def _town(rng: Rng) -> str:
    chance = rng.random()
    if chance < 0.15:
        return one(rng, _ABROAD)
    if chance < 0.25:
        return one(rng, words("family-starts")) + one(
            rng, ("ovo", "ice", "ów", "heim", "burg", "stadt", "dorf", "sund", "vik", "pur", "abad", "grad")
        )
    return one(rng, _TOWN_STARTS) + one(rng, _TOWN_ENDS)


def _latin_place(rng: Rng) -> str:
    chance = rng.random()
    if chance < 0.3:
        return one(rng, COUNTRIES)
    if chance < 0.6:
        return one(rng, _CITY)
    if chance < 0.72:
        return one(rng, _REGION)
    if chance < 0.82:
        return one(rng, _NATURE).replace("{}", people.family(rng)).strip()
    return _town(rng)


def _latin_organisation(rng: Rng) -> str:
    chance = rng.random()
    if chance < 0.25:
        return one(rng, _KNOWN)
    if chance < 0.5:
        return one(rng, _PUBLIC).replace("{}", one(rng, (_town(rng), one(rng, _CITY), one(rng, _REGION))))
    if chance < 0.65:
        names = [people.family(rng) for _ in range(int(rng.integers(1, 4)))]
        joined = names[0] if len(names) == 1 else ", ".join(names[:-1]) + one(rng, (" and ", " & ")) + names[-1]
        return one(
            rng, (joined, f"{joined} {one(rng, _LEGAL)}", f"{names[0]}-{names[-1]}", f"{names[0]} {one(rng, _FIELDS)}")
        )
    if chance < 0.78:
        words = [one(rng, _WORDS) for _ in range(int(rng.integers(1, 3)))]
        return one(rng, ("", "", "", "The ", "Pan Pacific ")) + " ".join([*words, one(rng, _THINGS)])
    if chance < 0.87:
        joined = one(rng, (*_WORDS, *_THINGS)) + one(rng, (*_WORDS, *_THINGS)).lower()
        return joined if rng.random() < 0.8 else f"{one(rng, _WORDS)} 'n' {one(rng, _THINGS)}"
    stem = one(rng, _STEMS) + one(rng, _STEM_ENDS)
    return one(
        rng,
        (
            stem,
            f"{stem} {one(rng, _FIELDS)}",
            f"{stem} {one(rng, _LEGAL)}",
            f"{stem} {one(rng, _FIELDS)} {one(rng, _LEGAL)}",
        ),
    )


def _latin_address(rng: Rng) -> str:
    joint = one(rng, (", ", ", ", "\n", "\n ", " "))
    chance = rng.random()
    if chance < 0.07:
        return _military(rng)
    if chance < 0.11:
        return f"the corner of {_street(rng)} and {_street(rng)}"
    if chance < 0.19:
        return one(rng, (f"{_number(rng, 999)} {_street(rng)}", f"{_street(rng)} {_number(rng, 200)}"))
    if chance < 0.25:
        return joint.join([f"P.O. Box {_number(rng, 9999)}", _town(rng), _code(rng)])
    flat = one(
        rng,
        (
            "",
            "",
            f"Apt. {_number(rng, 999)}",
            f"Suite {_number(rng, 999)}",
            f"Flat {_number(rng, 99)}",
            f"#{_number(rng, 99)}",
            f"Unit {_number(rng, 99)}",
        ),
    )
    line = f"{_number(rng, 9999)} {_street(rng)}" if rng.random() < 0.7 else f"{_street(rng)} {_number(rng, 300)}"
    if rng.random() < 0.15:
        line = f"{_number(rng, 99)} {_street(rng)} {_number(rng, 300)}"
    if flat and rng.random() < 0.5:
        line, flat = f"{line}{one(rng, (' ', ', '))}{flat}", ""
    town, code = _town(rng), _code(rng)
    if rng.random() < 0.15:
        town = town.upper()
    last = one(
        rng,
        (
            f"{town} {code}",
            f"{code} {town}",
            f"{town}, {one(rng, _STATES)} {code}",
            f"{town}, {one(rng, _REGION)}",
            town,
        ),
    )
    parts = [line, flat, last]
    if rng.random() < 0.45:
        parts.append(one(rng, (one(rng, COUNTRIES), f"{one(rng, COUNTRIES)} {code}")))
    return joint.join(part for part in parts if part)


def _code(rng: Rng) -> str:
    if rng.random() < 0.15:
        letters = "ABCDEGHJKLMNPRSTW"
        return f"{one(rng, letters)}{one(rng, letters)}{_number(rng, 10)} {_number(rng, 10)}{one(rng, letters)}{one(rng, letters)}"
    return "".join(str(int(d)) for d in rng.integers(0, 10, int(rng.integers(4, 6))))


def _street(rng: Rng) -> str:
    name = one(
        rng, (people.family(rng), one(rng, _TOWN_STARTS) + one(rng, _TOWN_ENDS), people.given(rng), one(rng, _WORDS))
    )
    if rng.random() < 0.6:
        return f"{name} {one(rng, _ROADS)}"
    return one(rng, _ROADS_ABROAD).replace("{}", name)


def _military(rng: Rng) -> str:
    """Of United States forces abroad."""
    first = one(
        rng,
        (
            f"PSC {_number(rng, 9999)}, Box {_number(rng, 9999)}",
            f"Unit {_number(rng, 9999)} Box {_number(rng, 9999)}",
            f"USS {people.family(rng)}",
            f"USNS {people.family(rng)}",
        ),
    )
    return f"{first}{one(rng, (', ', chr(10), ' '))}{one(rng, ('APO', 'FPO', 'DPO'))} {one(rng, ('AA', 'AE', 'AP'))} {_code(rng)}"


def _korean_place(rng: Rng) -> str:
    chance = rng.random()
    if chance < 0.3:
        return one(rng, _KO_REGION)
    if chance < 0.6:
        return one(rng, _KO_ABROAD)
    if chance < 0.7:
        return one(rng, _KO_NATURE)
    town = one(rng, _KO_TOWN_STARTS) + one(rng, _KO_TOWN_ENDS)
    return f"{one(rng, _KO_REGION[:18])} {town}" if chance < 0.8 else town


def _korean_organisation(rng: Rng) -> str:
    chance = rng.random()
    if chance < 0.35:
        return one(rng, _KO_KNOWN)
    if chance < 0.6:
        where = one(rng, (*_KO_REGION[:10], one(rng, _KO_TOWN_STARTS) + one(rng, ("산", "주", "천", "남", "원"))))
        return where + one(
            rng,
            (
                "대학교",
                "대",
                "고등학교",
                "시청",
                "구청",
                "경찰서",
                "병원",
                "지방법원",
                "지검",
                "도서관",
                " 경찰서",
                "교육청",
                "일보",
                "FC",
                "시의회",
            ),
        )
    return one(rng, ("", "", "(주)", "㈜", "주식회사 ")) + one(rng, _KO_STEMS) + one(rng, _KO_FIELDS)


def _chinese_town(rng: Rng) -> str:
    return one(rng, _ZH_TOWN) + one(rng, _ZH_TOWN)


def _chinese_place(rng: Rng) -> str:
    chance = rng.random()
    if chance < 0.3:
        return one(rng, _ZH_REGION)
    if chance < 0.55:
        return one(rng, _ZH_CITY)
    if chance < 0.7:
        return one(rng, _ZH_ABROAD)
    return _chinese_town(rng) + one(rng, _ZH_TOWN_ENDS)


def _chinese_organisation(rng: Rng) -> str:
    chance = rng.random()
    if chance < 0.35:
        return one(rng, _ZH_KNOWN)
    if chance < 0.6:
        where = one(rng, (one(rng, _ZH_REGION), one(rng, _ZH_CITY), _chinese_town(rng)))
        return where + one(
            rng,
            (
                "大学",
                "中学",
                "第一小学",
                "市政府",
                "公安局",
                "医院",
                "人民法院",
                "交警",
                "地铁",
                "图书馆",
                "师范大学",
                "理工学院",
                "晚报",
                "电视台",
                "足球俱乐部",
            ),
        )
    return one(rng, ("", "", one(rng, _ZH_CITY))) + one(rng, _ZH_STEMS) + one(rng, _ZH_STEMS) + one(rng, _ZH_FIELDS)
