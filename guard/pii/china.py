"""Personal data of China: resident and company codes, passports, telephone numbers, plates, accounts, addresses."""

from __future__ import annotations

from guard.pii import checksums
from guard.pii.checksums import compact
from guard.pii.pattern import GAP, LEFT, RIGHT, Lane, PatternSpec
from guard.pii.regions_cn import CITIES, PROVINCE_CODES, PROVINCES


def resident(value: str) -> float:
    """Resident ID of 18 characters: province, date and check character (GB 11643)."""
    code = compact(value)
    if code[:2] not in PROVINCE_CODES or not checksums.is_date(int(code[6:10]), int(code[10:12]), int(code[12:14])):
        return 0.0
    return 0.99 if checksums.cn_resident(code) else 0.0


def resident_old(value: str) -> float:
    """Resident ID of 15 digits, issued until 1999: province and date."""
    known = value[:2] in PROVINCE_CODES
    return 0.45 if known and checksums.is_date(1900 + int(value[6:8]), int(value[8:10]), int(value[10:12])) else 0.0


def credit_code(value: str) -> float:
    """Unified social credit code: authority, region and check character (GB 32100)."""
    if not value[2:8].isdigit() or value[2:4] not in {*PROVINCE_CODES, "10"}:
        return 0.0
    if value.isdigit() and checksums.is_date(int(value[6:10]), int(value[10:12]), int(value[12:14])):
        return 0.0  # a resident ID with a slip
    return 0.97 if checksums.cn_credit_code(value) else 0.0


def bank_card(value: str) -> float:
    """Card of a Chinese bank: 16 to 19 digits that begin with 62, Luhn check digit."""
    digits = compact(value)
    return 0.95 if 16 <= len(digits) <= 19 and checksums.luhn(digits) else 0.0


def mobile(value: str) -> float:
    """Mobile number: eleven digits, in one run or in groups of 3, 4 and 4."""
    return 0.9


_ID_WORDS = ("身份证", "身份號", "证件号", "公民身份", "id card", "resident id", "신분증", "identity")
_HAN = "[\u4e00-\u9fff]"
_AREAS = "|".join(sorted({*PROVINCES, *CITIES}, key=len, reverse=True))
_UNIT_ENDS = "省市区县州盟旗镇乡岛"
_STREET_ENDS = "路街道巷弄村里园"
_UNIT = f"(?:(?![{_UNIT_ENDS}{_STREET_ENDS}]){_HAN}){{1,7}}(?:街道|[{_UNIT_ENDS}])"
_STREET = f"(?:(?![{_UNIT_ENDS}{_STREET_ENDS}]){_HAN}){{1,8}}(?:大道|[{_STREET_ENDS}])(?:[东西南北中][路街段]|[一二三四五六七八九十]{{1,2}}[路街段巷])?"
_NUMBER = "[0-9]{1,5}(?:-[0-9]{1,4})?(?:号院|号楼|号|弄|栋|幢|座|组|巷)"
_DETAIL = (
    f"(?:{_HAN}{{1,10}}(?:小区|花园|大厦|公寓|广场|苑|府|城|楼|中心))?(?:[0-9A-Za-z]{{1,4}}(?:号楼|栋|幢|座|号))?"
    "(?:[0-9一二三四五六七八九十]{1,3}单元)?(?:[0-9]{1,3}[层楼])?(?:[0-9A-Za-z-]{1,7}[室户号])?"
)
_ADDRESS = f"(?:{_AREAS})(?:省|市|自治区|特别行政区)?(?:{_UNIT}){{0,4}}{_STREET} ?{_NUMBER}{_DETAIL}"
_PLATE_AREAS = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"

SPECS = [
    PatternSpec(
        "CN_RESIDENT_ID", "cn-resident-id",
        f"[1-8][0-9]{{5}}{GAP}?(?:18|19|20)[0-9]{{2}}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]){GAP}?[0-9]{{3}}[0-9Xx]",
        Lane.DIGITS, 20, check=resident, context=_ID_WORDS, in_context=0.99, digits=17,
    ),
    PatternSpec(
        "CN_RESIDENT_ID", "cn-resident-id-15", "[1-8][0-9]{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}",
        Lane.DIGITS, 15, check=resident_old, context=_ID_WORDS, in_context=0.9, digits=15,
    ),
    PatternSpec(
        "CN_USCC", "cn-uscc", "[159NYA][1239][0-9]{6}[0-9A-HJ-NP-RT-UW-Y]{10}", Lane.DIGITS, 18, check=credit_code, token=18,
        context=("信用代码", "credit code", "uscc", "营业执照", "통일사회신용"), in_context=0.98, left=LEFT,
    ),
    PatternSpec(
        "CN_PASSPORT", "cn-passport", "(?:[EGPSDegpsd][0-9]{8}|[Ee][A-Ha-hJ-Nj-nP-Zp-z][0-9]{7})", Lane.DIGITS, 9, score=0.3,
        context=("护照", "護照", "passport", "여권"), in_context=0.95, left=LEFT,
    ),
    PatternSpec(
        "PHONE_NUMBER", "cn-mobile", f"(?:(?:\\+|00)?86{GAP}?|\\(\\+?86\\) ?)?1[3-9][0-9]{GAP}?[0-9]{{4}}{GAP}?[0-9]{{4}}",
        Lane.DIGITS, 22, check=mobile, context=("电话", "手机", "联系", "phone", "mobile", "tel", "전화", "휴대"),
        in_context=0.97, digits=11,
    ),
    PatternSpec(
        "PHONE_NUMBER", "cn-landline", "(?:(?:\\+|00)86[- ]?\\(?0?|\\(?0)(?:10|2[0-9]|[3-9][0-9]{2})(?:\\) ?|[- ])[2-8][0-9]{6,7}(?:-[0-9]{1,5})?",
        Lane.DIGITS, 30, score=0.75, context=("电话", "座机", "传真", "tel", "fax", "phone", "전화"), in_context=0.95, digits=9,
    ),
    PatternSpec(
        "CREDIT_CARD", "cn-bank-card", "62[0-9]{2}(?: ?[0-9]{4}){3}(?: ?[0-9]{1,3})?", Lane.DIGITS, 23, check=bank_card,
        context=("银行卡", "卡号", "账户", "bank", "card", "카드"), in_context=0.98, digits=16,
    ),
    PatternSpec(
        "CN_VEHICLE_PLATE", "cn-plate", f"[{_PLATE_AREAS}][A-HJ-NP-Z][ ·•.]?(?:[0-9A-HJ-NP-Z]{{5}}[挂学警港澳]?|[0-9A-HJ-NP-Z]{{6}})",
        Lane.LITERAL, 10, score=0.85, literals=tuple(a + c for a in _PLATE_AREAS for c in "abcdefghjklmnpqrstuvwxyz"), left="",
    ),
    PatternSpec(
        "CN_QQ_ID", "cn-qq", "qq(?:号码|号|群)?(?:是|为|:| )? ?:? ?(?P<v>[1-9][0-9]{4,10})".replace("qq", "[Qq][Qq]"),
        Lane.LITERAL, 24, score=0.85, literals=("qq",), left=LEFT, right=RIGHT,
    ),
    PatternSpec(
        "CN_WECHAT_ID", "cn-wechat",
        "(?:微信|微訊|[Ww][Ee][Cc][Hh][Aa][Tt]|[Vv]信|[Vv][Xx])(?:号码|号| ?[Ii][Dd])?(?: ?(?::|是|为) ?| ?(?=[A-Za-z_-]{1,19}[0-9_]))"
        "(?P<v>[A-Za-z][A-Za-z0-9_-]{5,19}|1[3-9][0-9]{9})",
        Lane.LITERAL, 42, score=0.0, check=lambda value: 0.8 if any(c in "0123456789_-" for c in value) else 0.55,
        literals=("微信", "wechat", "v信", "vx"), left=LEFT, right="(?![0-9A-Za-z_-])",
    ),
    PatternSpec(
        "ADDRESS", "cn-address", _ADDRESS, Lane.LITERAL, 110, score=0.85, literals=(*PROVINCES, *CITIES), left="", right="",
    ),
]  # fmt: skip
