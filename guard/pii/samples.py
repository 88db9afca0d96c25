"""Made-up values of every kind that is looked for, with valid check digits, and near-misses that must not be found.

For tests, for `haechi eval pii` and for demonstrations. No value belongs to a person: each comes from a seeded
generator that the caller passes in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from guard.pii import checksums
from guard.pii.regions_cn import PROVINCE_CODES

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Sample:
    """A value. lead: what announces it, where the value alone says too little."""

    entity: str
    value: str
    lead: str = ""


def pick(rng: Rng, options: tuple[str, ...] | list[str]) -> str:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def digits(rng: Rng, count: int, first: str = "0123456789") -> str:
    """A run of random digits; `first` says which the first may be."""
    return pick(rng, tuple(first)) + "".join(str(d) for d in rng.integers(0, 10, count - 1))


def letters(rng: Rng, count: int, alphabet: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ") -> str:
    """Random characters of an alphabet."""
    return "".join(pick(rng, tuple(alphabet)) for _ in range(count))


def _day(rng: Rng, first: int = 1940, last: int = 2019) -> tuple[int, int, int]:
    return int(rng.integers(first, last + 1)), int(rng.integers(1, 13)), int(rng.integers(1, 29))


def _with_check(body: str, holds: Callable[[str], bool], alphabet: str = "0123456789") -> str:
    """The body and the one final character with which the check holds; empty when there is none."""
    return next((body + c for c in alphabet if holds(body + c)), "")


def _resident(rng: Rng, centuries: str, holds: Callable[[str], bool]) -> str:
    year, month, day = _day(rng, 1940, 1999)
    body = f"{year % 100:02}{month:02}{day:02}{pick(rng, tuple(centuries))}{digits(rng, 5)}"
    full = _with_check(body, holds)
    return f"{full[:6]}-{full[6:]}"


def _resident_new(rng: Rng) -> str:
    year, month, day = _day(rng, 2021, 2025)
    return f"{year % 100:02}{month:02}{day:02}-{pick(rng, ('3', '4'))}{digits(rng, 6)}"


def _business(rng: Rng) -> str:
    full = _with_check(digits(rng, 9, "123456789"), checksums.kr_business)
    return f"{full[:3]}-{full[3:5]}-{full[5:]}" if full[:3] >= "101" else _business(rng)


def _corporate(rng: Rng) -> str:
    full = _with_check(f"1{digits(rng, 3)}{pick(rng, ('11', '21', '31'))}{digits(rng, 6)}", checksums.kr_corporate)
    return f"{full[:6]}-{full[6:]}"


def _cn_resident(rng: Rng) -> str:
    year, month, day = _day(rng)
    region = pick(rng, sorted(PROVINCE_CODES - {"71", "81", "82", "83"})) + digits(rng, 4)
    body = f"{region}{year}{month:02}{day:02}{digits(rng, 3)}"
    return _with_check(body, checksums.cn_resident, "0123456789X")


def _credit_code(rng: Rng) -> str:
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    body = "91" + pick(rng, ("11", "31", "44", "33")) + digits(rng, 4) + letters(rng, 9, alphabet)
    return _with_check(body, checksums.cn_credit_code, alphabet)


def _card(rng: Rng) -> str:
    full = _with_check(pick(rng, ("4", "51", "55", "2221", "62")).ljust(4, "1") + digits(rng, 11), checksums.luhn)
    join = pick(rng, ("", " ", "-"))
    return join.join(full[i : i + 4] for i in range(0, 16, 4)) if join != "-" or full[:2] != "62" else full


def _iban(rng: Rng) -> str:
    country, length = ("GB", 22) if rng.random() < 0.5 else ("DE", 22)
    body = (letters(rng, 4) + digits(rng, 14)) if country == "GB" else digits(rng, length - 4)
    number = int("".join(str(int(c, 36)) for c in body + country + "00"))
    full = f"{country}{98 - number % 97:02}{body}"
    return " ".join(full[i : i + 4] for i in range(0, length, 4)) if rng.random() < 0.5 else full


def _nhs(rng: Rng) -> str:
    full = _with_check(digits(rng, 9, "4679"), checksums.nhs)
    return f"{full[:3]} {full[3:6]} {full[6:]}" if full else _nhs(rng)


def _bitcoin(rng: Rng) -> str:
    raw = b"\0" + bytes(rng.integers(0, 256, 20, dtype=np.uint8))
    return checksums.to_base58check(raw)


def _email(rng: Rng) -> str:
    low = "abcdefghijklmnopqrstuvwxyz"
    name = letters(rng, int(rng.integers(3, 10)), low) + pick(rng, ("", ".", "_", "-", "+")) + letters(rng, 3, low)
    return f"{name}@{letters(rng, 6, low)}{pick(rng, ('.com', '.co.kr', '.cn', '.org', '.de'))}"


def _octets(rng: Rng) -> str:
    return ".".join(str(int(n)) for n in rng.integers(1, 255, 4))


def _hex(rng: Rng, count: int) -> str:
    return letters(rng, count, "0123456789abcdef")


MAKERS: dict[str, Callable[[Rng], Sample]] = {
    "kr-rrn": lambda r: Sample("KR_RRN", _resident(r, "12", checksums.kr_resident)),
    "kr-rrn-new": lambda r: Sample("KR_RRN", _resident_new(r)),
    "kr-frn": lambda r: Sample("KR_FRN", _resident(r, "56", checksums.kr_foreigner)),
    "kr-driver-licence": lambda r: Sample(
        "KR_DRIVER_LICENSE", f"{pick(r, ('11', '13', '26'))}-{digits(r, 2)}-{digits(r, 6)}-{digits(r, 2)}"
    ),
    "kr-driver-licence-area": lambda r: Sample(
        "KR_DRIVER_LICENSE", f"{pick(r, ('서울', '경기'))} {digits(r, 2)}-{digits(r, 6)}-{digits(r, 2)}"
    ),
    "kr-passport": lambda r: Sample("KR_PASSPORT", f"M{digits(r, 3)}{letters(r, 1)}{digits(r, 4)}"),
    "kr-passport-old": lambda r: Sample("KR_PASSPORT", f"M{digits(r, 8)}", "여권번호 "),
    "kr-brn": lambda r: Sample("KR_BRN", _business(r)),
    "kr-corp": lambda r: Sample("KR_CORP_NUMBER", _corporate(r), "법인등록번호 "),
    "kr-mobile": lambda r: Sample("PHONE_NUMBER", f"010{pick(r, ('-', ' ', '.', ''))}{digits(r, 4, '23456789')}-{digits(r, 4)}"),
    "kr-mobile-abroad": lambda r: Sample("PHONE_NUMBER", f"+82-10-{digits(r, 4)}-{digits(r, 4)}"),
    "kr-landline": lambda r: Sample("PHONE_NUMBER", f"{pick(r, ('02', '031', '(051)'))}-{digits(r, 3, '2345')}-{digits(r, 4)}".replace(")-", ") ")),
    "kr-bank-account": lambda r: Sample("KR_BANK_ACCOUNT", f"{digits(r, 3)}-{digits(r, 3)}-{digits(r, 6)}", "신한은행 계좌 "),
    "kr-plate": lambda r: Sample("KR_VEHICLE_PLATE", f"{digits(r, 3, '123456789')}{pick(r, ('가', '너', '무'))}{digits(r, 4, '123456789')}"),
    "kr-health-insurance": lambda r: Sample("KR_HEALTH_INSURANCE", f"1-{digits(r, 10)}", "건강보험증 번호 "),
    "kr-address": lambda r: Sample(
        "ADDRESS", f"{pick(r, ('서울특별시 강남구', '경기도 성남시 분당구', '부산 해운대구'))} {pick(r, ('테헤란로', '판교역로', '센텀중앙로'))} {digits(r, 3, '123456789')}"
    ),
    "kr-address-lot": lambda r: Sample("ADDRESS", f"서울시 마포구 {pick(r, ('서교동', '합정동'))} {digits(r, 3, '123456789')}-{digits(r, 2, '123456789')}"),
    "cn-resident-id": lambda r: Sample("CN_RESIDENT_ID", _cn_resident(r)),
    "cn-resident-id-15": lambda r: Sample("CN_RESIDENT_ID", f"110105{int(r.integers(40, 99))}1231{digits(r, 3)}", "身份证号 "),
    "cn-uscc": lambda r: Sample("CN_USCC", _credit_code(r)),
    "cn-passport": lambda r: Sample("CN_PASSPORT", f"E{digits(r, 8)}", "护照号码 "),
    "cn-mobile": lambda r: Sample("PHONE_NUMBER", f"1{pick(r, ('38', '59', '86'))}{digits(r, 8)}"),
    "cn-mobile-abroad": lambda r: Sample("PHONE_NUMBER", f"+86 138 {digits(r, 4)} {digits(r, 4)}"),
    "cn-landline": lambda r: Sample("PHONE_NUMBER", f"010-{digits(r, 8, '5678')}", "电话 "),
    "cn-plate": lambda r: Sample("CN_VEHICLE_PLATE", f"{pick(r, ('京', '沪', '粤'))}{pick(r, ('A', 'B'))}{digits(r, 5)}"),
    "cn-qq": lambda r: Sample("CN_QQ_ID", digits(r, 9, "123456789"), "QQ号："),
    "cn-wechat": lambda r: Sample("CN_WECHAT_ID", f"wx_{letters(r, 5, 'abcdef')}{digits(r, 3)}", "微信号："),
    "cn-address": lambda r: Sample("ADDRESS", f"{pick(r, ('北京市朝阳区', '上海市浦东新区', '广东省深圳市南山区'))}{pick(r, ('建国路', '科技大道'))}{digits(r, 2, '123456789')}号"),
    "us-ssn": lambda r: Sample("US_SSN", f"{digits(r, 3, '12345')}-{digits(r, 2, '123456789')}-{digits(r, 4, '123456789')}"),
    "us-itin": lambda r: Sample("US_ITIN", f"9{digits(r, 2)}-7{digits(r, 1)[0].replace('9', '8')}-{digits(r, 4)}"),
    "iban": lambda r: Sample("IBAN_CODE", _iban(r)),
    "eu-vat": lambda r: Sample("EU_VAT", f"DE{digits(r, 9)}", "VAT ID "),
    "uk-nhs": lambda r: Sample("UK_NHS", _nhs(r), "NHS number "),
    "uk-nino": lambda r: Sample("UK_NINO", f"AB{digits(r, 6)}C"),
    "card": lambda r: Sample("CREDIT_CARD", _card(r)),
    "nanp-phone": lambda r: Sample("PHONE_NUMBER", f"({digits(r, 3, '23456789')}) {digits(r, 3, '23456789')}-{digits(r, 4)}"),
    "uk-phone": lambda r: Sample("PHONE_NUMBER", f"+44 7{digits(r, 3)} {digits(r, 6)}"),
    "us-driver-licence": lambda r: Sample("US_DRIVER_LICENSE", f"D{digits(r, 7)}", "driver's license "),
    "us-driver-licence-idaho": lambda r: Sample("US_DRIVER_LICENSE", f"{letters(r, 2)}{digits(r, 6)}{letters(r, 1)}", "driver's license "),
    "postal-code": lambda r: Sample("ADDRESS", digits(r, 5), pick(r, ("zip code ", "우편번호 "))),
    "postal-code-cn": lambda r: Sample("ADDRESS", digits(r, 6, "123456789"), "邮编"),
    "postal-code-uk": lambda r: Sample("ADDRESS", f"{letters(r, 2)}{digits(r, 1)} {digits(r, 1)}{letters(r, 2)}", "postcode "),
    "us-passport": lambda r: Sample("US_PASSPORT", f"C{digits(r, 8)}", "US passport "),
    "us-bank-account": lambda r: Sample("US_BANK_NUMBER", digits(r, 12, "123456789"), "bank account "),
    "email": lambda r: Sample("EMAIL_ADDRESS", _email(r)),
    "ipv4": lambda r: Sample("IP_ADDRESS", _octets(r)),
    "ipv6": lambda r: Sample("IP_ADDRESS", ":".join(_hex(r, 4) for _ in range(8))),
    "ipv6-short": lambda r: Sample("IP_ADDRESS", f"fe80::{_hex(r, 3)}1"),
    "mac": lambda r: Sample("MAC_ADDRESS", pick(r, (":", "-")).join(_hex(r, 2) for _ in range(6))),
    "bitcoin": lambda r: Sample("CRYPTO", _bitcoin(r)),
    "ethereum": lambda r: Sample("CRYPTO", f"0x{_hex(r, 40)}"),
    "coordinates": lambda r: Sample("COORDINATES", f"37.{digits(r, 5)}, 127.{digits(r, 5)}"),
    "birth-date": lambda r: Sample("DATE_OF_BIRTH", "{:04}-{:02}-{:02}".format(*_day(r)), pick(r, ("생년월일 ", "出生日期：", "born on "))),
    "birth-date-written": lambda r: Sample("DATE_OF_BIRTH", "{}년 {}월 {}일".format(*_day(r)), "생일: "),
    "birth-date-words": lambda r: Sample("DATE_OF_BIRTH", "March {1}, {0}".format(*_day(r)), "born "),
}  # fmt: skip
"""By pattern: how a value is made."""


def near_miss(sample: Sample) -> Sample:
    """The value with its last digit changed: the check digit no longer holds."""
    last = max(at for at, char in enumerate(sample.value) if char.isdigit())
    wrong = str((int(sample.value[last]) + 1) % 10)
    return Sample(sample.entity, sample.value[:last] + wrong + sample.value[last + 1 :], sample.lead)


CHECKED = ("kr-rrn", "kr-brn", "cn-resident-id", "iban", "card", "uk-nhs", "bitcoin")
"""Patterns whose near-misses must not be found."""
