"""Personal data of English-speaking countries and the European Union."""

from __future__ import annotations

from guard.pii import checksums
from guard.pii.checksums import compact
from guard.pii.pattern import DASH, LEFT, NUMBER_LEFT, RIGHT, Lane, PatternSpec

_PHONE_WORDS = (
    "phone", "tel", "mobile", "cell", "fax", "call", "contact", "text me", "whatsapp", "reach me", "dial", "ring",
    "전화", "연락처", "휴대", "电话", "手机", "联系",
)  # fmt: skip
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21,
    "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27,
    "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
    "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23,
    "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip


def social_security(value: str) -> float:
    """US Social Security Number: areas, groups and serials that were never issued are rejected."""
    digits = compact(value)
    if digits[:3] in ("000", "666") or digits[0] == "9" or digits[3:5] == "00" or digits[5:] == "0000":
        return 0.0
    if digits in ("078051120", "219099999", "123456789") or len(set(digits)) == 1:
        return 0.0
    return 0.85 if len(value) == 11 and value[3] == value[6] else 0.1


def individual_taxpayer(value: str) -> float:
    """US Individual Taxpayer Identification Number: begins with 9, fourth and fifth digit in the ranges in use."""
    digits = compact(value)
    group = int(digits[3:5])
    in_use = 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99
    return (0.8 if len(value) == 11 else 0.2) if in_use else 0.0


def iban(value: str) -> float:
    """IBAN: length of its country and ISO 7064 mod 97-10."""
    code = compact(value).upper()
    return 0.99 if _IBAN_LENGTHS.get(code[:2]) == len(code) and checksums.mod97(code) else 0.0


def health_number(value: str) -> float:
    """NHS number: mod 11."""
    if not checksums.nhs(compact(value)):
        return 0.0
    return 0.7 if len(value) == 12 else 0.3


_CARD_RANGES = (
    (("4",), (13, 16, 19)),
    (tuple(str(n) for n in (*range(51, 56), *range(2221, 2721))), (16,)),
    (("34", "37"), (15,)),
    (("6011", "64", "65"), (16, 19)),
    (tuple(str(n) for n in range(3528, 3590)), (16,)),
    (("36", "38", "39", "300", "301", "302", "303", "304", "305"), (14,)),
    (("5018", "5020", "5038", "6304", "6759", "6761", "6763", "60", "67"), (16,)),
)


def card(value: str) -> float:
    """Payment card: range and length of a brand, and the Luhn check digit."""
    digits = compact(value)
    for prefixes, lengths in _CARD_RANGES:
        if len(digits) in lengths and digits.startswith(prefixes):
            return 0.97 if checksums.luhn(digits) and len(set(digits)) > 1 else 0.0
    return 0.0


def north_american(value: str) -> float:
    """Number of the North American plan: area and exchange begin with 2 to 9; in groups, or with a country code."""
    digits = compact(value.split("x")[0].split("e")[0])
    digits = digits.removeprefix("00").removeprefix("1")
    if len(digits) != 10 or digits[0] in "01":
        return 0.0
    if value.startswith(("+", "(")) or ")" in value[:6]:
        return 0.85
    return 0.75 if len(compact(value)) < len(value) else 0.2


def international(value: str) -> float:
    """Number with a plus sign: 8 to 15 digits (E.164)."""
    return 0.85 if 8 <= len(compact(value.split("x")[0])) <= 15 else 0.0


def grouped(value: str) -> float:
    """National number in groups: too common a shape without a word that announces it."""
    digits = compact(value)
    return 0.3 if 6 <= len(digits) <= 12 else 0.0


def labelled(value: str) -> float:
    """Number with a word after it that says what it is: six to twelve digits."""
    return 0.8 if 6 <= len(compact(value)) <= 12 else 0.0


_VAT_SHAPES = (
    "ATU[0-9]{8}|BE[01][0-9]{9}|BG[0-9]{9,10}|CY[0-9]{8}[A-Z]|CZ[0-9]{8,10}|DE[0-9]{9}|DK[0-9]{8}|EE[0-9]{9}|EL[0-9]{9}|"
    "ES[0-9A-Z][0-9]{7}[0-9A-Z]|FI[0-9]{8}|FR[0-9A-Z]{2}[0-9]{9}|HR[0-9]{11}|HU[0-9]{8}|IE[0-9]{7}[A-W][A-I]?|IT[0-9]{11}|"
    "LT(?:[0-9]{12}|[0-9]{9})|LU[0-9]{8}|LV[0-9]{11}|MT[0-9]{8}|NL[0-9]{9}B[0-9]{2}|PL[0-9]{10}|PT[0-9]{9}|RO[0-9]{6,10}|"
    "SE[0-9]{12}|SI[0-9]{8}|SK[0-9]{10}|GB(?:[0-9]{12}|[0-9]{9})"
)
# Most states' formats: up to fourteen digits (New Jersey) after two letters or fewer, perhaps a letter behind (Idaho).
_STATE_LICENCE = "[A-Za-z]{0,2}[0-9]{5,14}[A-Za-z]?"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)[a-z]{0,6}"

_LABEL = "(?:[Oo]ffice|[Ff]ax|[Hh]ome|[Mm]obile|[Cc]ell|[Ww]ork)"

SPECS = [
    PatternSpec(
        "US_SSN", "us-ssn", f"[0-9]{{3}}(?:{DASH}| )?[0-9]{{2}}(?:{DASH}| )?[0-9]{{4}}", Lane.DIGITS, 11, check=social_security,
        context=("ssn", "social security", "social sec", "사회보장번호", "社会安全"), in_context=0.95, digits=9,
    ),
    PatternSpec(
        "US_ITIN", "us-itin", f"9[0-9]{{2}}(?:{DASH}| )?[0-9]{{2}}(?:{DASH}| )?[0-9]{{4}}", Lane.DIGITS, 11,
        check=individual_taxpayer, context=("itin", "taxpayer", "tax id", "납세자", "纳税人"), in_context=0.95, digits=9,
    ),
    PatternSpec(
        "IBAN_CODE", "iban", "[A-Za-z]{2}[0-9]{2}(?: ?[0-9A-Za-z]{4}){2,7}(?: ?[0-9A-Za-z]{1,3})?", Lane.DIGITS, 42, check=iban, left=LEFT, right=RIGHT,
    ),
    PatternSpec(
        "EU_VAT", "eu-vat", _VAT_SHAPES, Lane.DIGITS, 14, score=0.3, left=LEFT, right=RIGHT,
        context=("vat", "ust-id", "tva", "iva", "btw", "tax", "부가세", "增值税"), in_context=0.9,
    ),
    PatternSpec(
        "UK_NHS", "uk-nhs", "[0-9]{3}[- ]?[0-9]{3}[- ]?[0-9]{4}", Lane.DIGITS, 12, check=health_number,
        context=("nhs", "national health", "patient"), in_context=0.97, digits=10,
    ),
    PatternSpec(
        "UK_NINO", "uk-nino", "[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]", Lane.DIGITS, 13,
        score=0.6, context=("national insurance", "nino", "ni number", "insurance"), in_context=0.95, left=LEFT,
    ),
    PatternSpec(
        "CREDIT_CARD", "card", "[2-6][0-9]{3}(?:[- ]?[0-9]{4}){2}[- ]?[0-9]{1,4}(?:[- ]?[0-9]{3})?", Lane.DIGITS, 23, check=card,
        context=("card", "visa", "카드", "卡"), in_context=0.99, digits=13, left=f"{NUMBER_LEFT}(?<![A-Z]{{2}}[0-9]{{2}} )",
    ),
    PatternSpec(
        "CREDIT_CARD", "card-amex-diners", "3[0-9]{3}[- ]?[0-9]{6}[- ]?[0-9]{4,5}", Lane.DIGITS, 17, check=card,
        context=("card", "amex", "카드", "卡"), in_context=0.99, digits=14,
    ),
    PatternSpec(
        "PHONE_NUMBER", "nanp-phone",
        "(?:(?:\\+|00)?1[-. ]?)?\\(?[2-9][0-9]{2}\\)?(?:[-. ]|[-.] | - |  )?[2-9][0-9]{2}[-. ]?[0-9]{4}(?: ?(?:x|ext\\.?) ?[0-9]{1,6})?",
        Lane.DIGITS, 34, check=north_american, context=_PHONE_WORDS, in_context=0.9, digits=10,
    ),
    PatternSpec(
        "PHONE_NUMBER", "nanp-phone-extension",
        "(?:(?:\\+|00)?1[-. ]?)?\\(?[0-9]{3}\\)?[-. ]?[0-9]{3}[-. ]?[0-9]{4} ?(?:x|ext\\.?) ?[0-9]{1,6}",
        Lane.DIGITS, 34, score=0.85, digits=10,
    ),
    PatternSpec(
        "PHONE_NUMBER", "nanp-code-phone", "(?:001|\\+1)[-. ]\\(?[0-9]{3}\\)?[-. ][0-9]{3}[-. ][0-9]{4}", Lane.DIGITS, 20,
        score=0.85, digits=10,
    ),
    PatternSpec(
        "PHONE_NUMBER", "international-phone",
        "\\+[1-9][0-9]{0,14}(?:[-. ]{1,2}(?:\\([0-9]{1,12}\\)|[0-9]{1,12})|\\([0-9]{1,5}\\)){0,6}(?: ?(?:x|ext\\.?) ?[0-9]{1,6})?",
        Lane.DIGITS, 52, check=international, context=_PHONE_WORDS, in_context=0.95, digits=7, right=RIGHT,
    ),
    PatternSpec(
        "PHONE_NUMBER", "uk-phone", "\\(?0(?:7[0-9]{3}|1[0-9]{2,4}|2[0-9]|20|3[0-9]{2}|8[0-9]{2})\\)?[- ][0-9]{3,4}[- ]?[0-9]{3,4}",
        Lane.DIGITS, 18, score=0.6, context=_PHONE_WORDS, in_context=0.9, digits=10, left=f"{NUMBER_LEFT}(?<![0-9]{{4}} )",
    ),
    PatternSpec(
        "PHONE_NUMBER", "grouped-phone", "\\(?[0-9]{2,5}\\)?(?:[-. /]{1,2}[0-9]{2,8}){1,4}", Lane.DIGITS, 48, check=grouped,
        context=_PHONE_WORDS, in_context=0.8, digits=6, left=f"{NUMBER_LEFT}(?<![0-9]{{4}} )",
    ),
    PatternSpec(
        "PHONE_NUMBER", "labelled-phone",
        # The look-ahead refuses a number without a label before its digits are split in every way.
        f"(?=[-0-9. ()]{{6,50}}+{_LABEL})(?P<v>\\(?[0-9]{{2,5}}\\)?(?:[-. ]{{0,2}}[0-9]{{2,8}}){{1,4}})[- ]\\(?{_LABEL}",
        Lane.DIGITS, 60, check=labelled, digits=6, left=LEFT, right="(?![A-Za-z])",
    ),
    PatternSpec(
        "PHONE_NUMBER", "plain-phone", "0?[1-9][0-9]{6,11}", Lane.DIGITS, 13, score=0.1,
        context=("phone", "tel", "mobile", "cell", "fax", "call", "whatsapp", "전화", "연락처", "电话", "手机"), in_context=0.75, digits=7,
    ),
    PatternSpec(
        "US_DRIVER_LICENSE", "us-driver-licence", _STATE_LICENCE, Lane.DIGITS, 17, score=0.1,
        context=("driver's licen", "driver licen", "drivers licen", "driving licen", "dl number", "dl no", "운전면허", "驾照", "驾驶证"),
        in_context=0.75, digits=5,
    ),
    PatternSpec(
        "ADDRESS", "postal-code", "[0-9]{5}(?:-[0-9]{4})?|[0-9]{6}|[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]",
        Lane.DIGITS, 10, score=0.1, context=("zip", "zipcode", "postal code", "postcode", "post code", "우편번호", "邮编", "邮政编码"),
        in_context=0.75, left=LEFT, right=RIGHT,
    ),
    PatternSpec(
        "UK_DRIVER_LICENSE", "uk-driver-licence", "[A-Z]{1,5}[9]{0,4}[0-9][0156][0-9][0-3][0-9][0-9][A-Z9]{2}[0-9][A-Z]{2}",
        Lane.DIGITS, 18, score=0.6, context=("driving licen", "dvla"), in_context=0.95, left=LEFT,
    ),
    PatternSpec(
        "US_PASSPORT", "us-passport", "[A-Za-z]?[0-9]{8,9}", Lane.DIGITS, 10, score=0.1,
        context=("passport", "여권", "护照"), in_context=0.8, left=LEFT, digits=8,
    ),
    PatternSpec(
        "US_BANK_NUMBER", "us-bank-account", "[0-9]{8,17}", Lane.DIGITS, 17, score=0.1,
        context=("account number", "account no", "acct", "bank account", "checking account", "savings account", "银行账号", "银行账户"),
        in_context=0.75, digits=8,
    ),
    PatternSpec(
        "DATE_OF_BIRTH", "birth-date-words", f"{_MONTH} [0-9]{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)[0-9]{{2}}", Lane.LITERAL, 24,
        score=0.2, context=("born", "birth", "dob", "birthday"), in_context=0.9, left=LEFT, right=RIGHT,
        literals=("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    ),
]  # fmt: skip
