"""Personal data of Korea: registration numbers, licences, telephone and account numbers, plates, addresses."""

from __future__ import annotations

from guard.pii import checksums
from guard.pii.checksums import compact
from guard.pii.pattern import DASH, GAP, LEFT, WORD_LEFT, Lane, PatternSpec
from guard.pii.regions_kr import DISTRICTS, PROVINCES

_CHECKSUM_ENDED = (2020, 10)  # numbers issued since then carry no check digit
_BIRTH = r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_JOIN = f"(?: ?{DASH} ?| )?"


def _registration(value: str, checked: bool) -> float:
    digits = compact(value)
    year, month, day = checksums.kr_birth(digits)
    if not checksums.is_date(year, month, day):
        return 0.0
    if checked:
        return 0.98
    joined = len(digits) != len(value)
    if (year, month) >= _CHECKSUM_ENDED:
        return 0.85 if joined else 0.6
    return 0.45 if joined else 0.2


def resident(value: str) -> float:
    """Resident registration number: date, then check digit; without it only what was issued since October 2020."""
    return _registration(value, checksums.kr_resident(compact(value)))


def foreigner(value: str) -> float:
    """Foreigner registration number: people of any age get numbers without a check digit since October 2020."""
    score = _registration(value, checksums.kr_foreigner(compact(value)))
    return max(score, 0.6) if score and len(compact(value)) != len(value) else score


def business(value: str) -> float:
    """Business registration number: check digit."""
    digits = compact(value)
    if digits[:3] < "101" or not checksums.kr_business(digits):
        return 0.0
    return 0.9 if len(value) > len(digits) else 0.4


def corporate(value: str) -> float:
    """Corporate registration number: check digit, which ended in January 2025."""
    digits = compact(value)
    if not checksums.kr_corporate(digits):
        return 0.1
    if digits[6] in "12345678" and checksums.is_date(*checksums.kr_birth(digits)):
        return 0.4  # it may be somebody's registration number with a slip
    return 0.65 if len(value) > len(digits) else 0.3


def mobile(value: str) -> float:
    """Mobile number: written in groups, or eleven digits that begin with 010."""
    digits = compact(value)
    if value[0] in "+(" or len(digits) < len(value):
        return 0.9
    return 0.85 if digits.startswith("010") and len(digits) == 11 else 0.4


def plate(value: str) -> float:
    """Vehicle plate: a space inside is rarer, and a counter (호) before it is more likely a room."""
    if " " not in value:
        return 0.8
    return 0.3 if "호" in value or "하" in value or "로" in value or "도" in value else 0.6


_RRN_WORDS = (
    "주민등록번호", "주민번호", "주민등록", "주민 번호", "생년월일", "resident registration", "rrn", "居民登记", "身份证",
)  # fmt: skip
_FRN_WORDS = ("외국인등록번호", "외국인 등록", "alien registration", "foreigner registration", "外国人登录")
_BANKS = (
    "계좌", "입금", "송금", "예금주", "이체", "통장", "국민은행", "신한", "우리은행", "하나은행", "농협", "기업은행", "카카오뱅크", "토스뱅크",
    "케이뱅크", "새마을금고", "우체국", "신협", "수협", "대구은행", "부산은행", "경남은행", "광주은행", "전북은행", "제주은행", "씨티은행", "제일은행",
    "산업은행", "은행", "account", "bank", "kb", "nh", "ibk", "账户", "账号", "汇款",
)  # fmt: skip
_LICENCE_AREAS = (
    "서울", "부산", "경기", "강원", "충북", "충남", "전북", "전남", "경북", "경남", "제주", "대구", "인천", "광주", "대전", "울산",
)  # fmt: skip
_PLATE_LETTERS = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주아바사자하허호배"

_PLACE = "[가-힣]"
_STREET = f"{_PLACE}(?:{_PLACE}|[0-9.·]){{0,9}}(?:로|길)(?: ?[0-9]{{1,4}}(?:번|가|나|다)?(?:안)?길)? ?(?:지하 ?)?[0-9]{{1,5}}(?:-[0-9]{{1,4}})?"
_LOT = f"{_PLACE}(?:{_PLACE}|[0-9]){{0,7}}(?:동|리|가) ?(?:산 ?)?[0-9]{{1,5}}(?:-[0-9]{{1,4}})?(?: ?번지)?"
_DETAIL = (
    "(?:,? ?\\([가-힣0-9, ]{1,20}\\))?"
    "(?:,? ?[가-힣A-Za-z0-9]{1,12}(?:아파트|빌라|오피스텔|타워|빌딩|맨션|센터|주택|파크|캐슬|자이|힐스테이트))?"
    "(?:,? ?[0-9A-Za-z가-하]{1,5}동)?(?:,? ?(?:지하 ?)?[0-9]{1,3}층)?(?:,? ?[0-9A-Z]{1,5}호)?"
)
_AREAS = "|".join(sorted({*PROVINCES, *DISTRICTS}, key=len, reverse=True))
_UNITS = f"(?:{_PLACE}{{1,5}}[시군구읍면동] ){{0,3}}"
_ADDRESS = f"(?:{_AREAS}) ?{_UNITS}(?:{_STREET}|{_LOT}){_DETAIL}"

SPECS = [
    PatternSpec(
        "KR_RRN", "kr-rrn", f"{_BIRTH}{_JOIN}[12349][0-9]{{6}}", Lane.DIGITS, 18,
        check=resident, context=_RRN_WORDS, in_context=0.9, digits=13,
    ),
    PatternSpec(
        "KR_FRN", "kr-frn", f"{_BIRTH}{_JOIN}[5-8][0-9]{{6}}", Lane.DIGITS, 18,
        check=foreigner, context=(*_FRN_WORDS, *_RRN_WORDS), in_context=0.9, digits=13,
    ),
    PatternSpec(
        "KR_DRIVER_LICENSE", "kr-driver-licence", f"(?:1[1-9]|2[0-8]){GAP}[0-9]{{2}}{GAP}[0-9]{{6}}{GAP}[0-9]{{2}}",
        Lane.DIGITS, 15, score=0.75, context=("면허", "driver", "licence", "license", "驾照", "驾驶证"), in_context=0.95, digits=12,
    ),
    PatternSpec(
        "KR_DRIVER_LICENSE", "kr-driver-licence-plain", "(?:1[1-9]|2[0-8])[0-9]{10}", Lane.DIGITS, 12, score=0.1,
        context=("면허", "driver's licen", "driver licen", "驾照", "驾驶证"), in_context=0.75, digits=12,
    ),
    PatternSpec(
        "KR_DRIVER_LICENSE", "kr-driver-licence-area",
        f"(?:{'|'.join(_LICENCE_AREAS)})[- ]?[0-9]{{2}}{DASH}[0-9]{{6}}{DASH}[0-9]{{2}}",
        Lane.LITERAL, 16, score=0.9, literals=_LICENCE_AREAS, left=WORD_LEFT,
    ),
    PatternSpec(
        "KR_PASSPORT", "kr-passport", "[MSRODGmsrodg][0-9]{3}[A-Za-z][0-9]{4}", Lane.DIGITS, 9, score=0.6, left=LEFT,
        context=("여권", "passport", "护照"), in_context=0.95,
    ),
    PatternSpec(
        "KR_PASSPORT", "kr-passport-old", "(?:[MSRODGmsrodg]|[A-Z]{2})[0-9]{7,8}", Lane.DIGITS, 10, score=0.2, left=LEFT,
        context=("여권",), in_context=0.9,
    ),
    PatternSpec(
        "KR_BRN", "kr-brn", f"[0-9]{{3}}{DASH}?[0-9]{{2}}{DASH}?[0-9]{{5}}", Lane.DIGITS, 12, check=business,
        context=("사업자", "brn", "business registration", "营业执照", "事业者"), in_context=0.95, digits=10,
    ),
    PatternSpec(
        "KR_CORP_NUMBER", "kr-corp", f"[0-9]{{6}}{DASH}?[0-9]{{7}}", Lane.DIGITS, 14, check=corporate,
        context=("법인", "corporate registration", "法人"), in_context=0.95, digits=13,
    ),
    PatternSpec(
        "PHONE_NUMBER", "kr-mobile",
        f"(?:(?:\\+|00)?82{GAP}?\\(?0?\\)?{GAP}?|\\(?0)1[016789]\\)?(?:{GAP}|{GAP} )?[0-9]{{3,4}}(?:{GAP}|{GAP} )?[0-9]{{4}}",
        Lane.DIGITS, 26, check=mobile, context=("전화", "휴대", "연락처", "핸드폰", "폰", "phone", "mobile", "call", "电话", "手机"),
        in_context=0.95, digits=9,
    ),
    PatternSpec(
        "PHONE_NUMBER", "kr-landline",
        f"(?:(?:\\+|00)82{GAP}?\\(?0?|\\(?0)(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50[2-8]?|80)(?:\\) ?|{GAP})[0-9]{{3,4}}{GAP}[0-9]{{4}}",
        Lane.DIGITS, 24, score=0.8, context=("전화", "팩스", "연락처", "tel", "fax", "phone", "电话"), in_context=0.95, digits=9,
    ),
    PatternSpec(
        "PHONE_NUMBER", "kr-landline-plain", "0(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50[2-8]?)[0-9]{7,8}",
        Lane.DIGITS, 13, score=0.2, context=("전화", "팩스", "연락처", "tel", "fax", "phone", "电话"), in_context=0.85, digits=9,
    ),
    PatternSpec(
        "PHONE_NUMBER", "kr-service-line", "1[568][0-9]{2}[- ][0-9]{4}", Lane.DIGITS, 9, score=0.3,
        context=("전화", "고객센터", "대표번호", "연락처", "콜센터"), in_context=0.7, digits=8,
    ),
    PatternSpec(
        "KR_BANK_ACCOUNT", "kr-bank-account", f"[0-9]{{2,6}}{DASH}[0-9]{{2,6}}{DASH}[0-9]{{2,7}}(?:{DASH}[0-9]{{1,3}})?",
        Lane.DIGITS, 25, score=0.2, context=_BANKS, in_context=0.75, digits=10,
    ),
    PatternSpec(
        "KR_BANK_ACCOUNT", "kr-bank-account-plain", "[0-9]{10,16}", Lane.DIGITS, 16, score=0.1,
        context=("계좌", "예금주", "입금", "송금", "은행", "뱅크", "농협", "통장"), in_context=0.7, digits=10,
    ),
    PatternSpec(
        "KR_VEHICLE_PLATE", "kr-plate", f"[0-9]{{2,3}} ?[{_PLATE_LETTERS}] ?[0-9]{{4}}", Lane.DIGITS, 10, check=plate,
        context=("차량", "번호판", "차번호", "자동차", "plate", "车牌"), in_context=0.95, digits=2,
        left=LEFT, right="(?![0-9A-Za-z년월원명개번호])",
    ),
    PatternSpec(
        "KR_HEALTH_INSURANCE", "kr-health-insurance", "[1-9][0-9]{0,3}-?[0-9]{7,10}", Lane.DIGITS, 15, score=0.1,
        context=("건강보험", "보험증", "의료보험", "health insurance", "健康保险"), in_context=0.8, digits=10,
    ),
    PatternSpec(
        "ADDRESS", "kr-address", _ADDRESS, Lane.LITERAL, 110, score=0.85, literals=(*PROVINCES, *DISTRICTS),
        left=WORD_LEFT, right="(?![0-9A-Za-z년월일원명개억만천위세시분초회차차점])",
    ),
]  # fmt: skip
