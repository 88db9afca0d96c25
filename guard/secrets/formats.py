"""Secrets with a format of their provider, and values that are called a secret.

Prefixes and lengths as the providers publish them for secret scanning; lengths are bounded, so that a stream never
waits for more than the longest of them.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

from guard.pii.pattern import LEFT, Lane, PatternSpec
from guard.verdict import Category

_EDGE = "(?![0-9A-Za-z_-])"
_BREAK = r"(?:\s|\\n|\\r){0,4}+"
_NEAR = r"(?=(?:\s|\\n|\\r){0,4}"
"""Opens a look ahead over a break. Python before 3.11.5 keeps what a possessive group has taken when what follows fails
(github.com/python/cpython/issues/106052), so that none may be entered in vain."""


def entropy(value: str) -> float:
    """Shannon entropy in bits for each character; 0.0 for an empty value."""
    counts = Counter(value)
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())


_PLACEHOLDERS = (
    "example", "your", "xxxx", "****", "....", "placeholder", "changeme", "<", "${", "{{", "dummy", "redacted", "none", "null",
    "true", "false", "process.env", "os.environ", "getenv", "undefined", "string", "required", "optional",
)  # fmt: skip


def assigned(value: str) -> float:
    """A value after `password =` and the like: not a placeholder, and not a plain word."""
    low = value.lower()
    if any(word in low for word in _PLACEHOLDERS) or len(set(value)) < 4:
        return 0.0
    kinds = sum((any(c.isdigit() for c in value), any(c.islower() for c in value), any(c.isupper() for c in value)))
    special = any(not c.isalnum() for c in value)
    if kinds + special >= 3 and len(value) >= 8:
        return 0.9
    if any(c.isdigit() for c in value) and kinds >= 2 and entropy(value) >= 2.5:
        return 0.85
    return 0.7 if special and len(value) >= 8 and any(c.isdigit() for c in value) else 0.0


def quoted(value: str) -> float:
    """As `assigned`; in quotes a plain word is a password too."""
    low = value.lower()
    if any(word in low for word in _PLACEHOLDERS) or " " in value.strip():
        return 0.0
    return max(0.6, assigned(value))


_PREFIX = 6  # most prefixes are shorter; what is left over of longer ones changes little


def random_token(value: str) -> float:
    """Whatever follows a provider's prefix has to look random: several kinds of characters, few repeated pairs."""
    body = value[_PREFIX:]
    runs = sum(a == b for a, b in pairwise(body))
    return 0.0 if entropy(body) < 2.5 or runs > len(body) // 3 else 0.97


def _token(entity: str, rule: str, literals: tuple[str, ...], body: str, longest: int) -> PatternSpec:
    return PatternSpec(
        entity, rule, body, Lane.LITERAL, longest, check=random_token, literals=literals, left=LEFT, right=_EDGE,
        category=Category.SECRETS,
    )  # fmt: skip


_WORD = "[0-9A-Za-z]"
_PROVIDERS = [
    _token("AWS_ACCESS_KEY", "aws-access-key", ("akia", "asia", "abia", "acca"), "(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}", 20),
    _token("GITHUB_TOKEN", "github", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), f"gh[pousr]_{_WORD}{{36,251}}", 255),
    _token("GITHUB_TOKEN", "github-fine-grained", ("github_pat_",), "github_pat_[0-9A-Za-z_]{36,244}", 255),
    _token("GITLAB_TOKEN", "gitlab", ("glpat-",), "glpat-[0-9A-Za-z_-]{20,64}", 70),
    _token("SLACK_TOKEN", "slack", ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xapp-"),
           "(?:xox[abeprs]|xapp)-[0-9A-Za-z-]{10,250}", 255),
    _token("GOOGLE_API_KEY", "google-api-key", ("aiza",), "AIza[0-9A-Za-z_-]{35}", 39),
    _token("GOOGLE_OAUTH_TOKEN", "google-oauth", ("ya29.",), "ya29\\.[0-9A-Za-z_-]{20,400}", 405),
    _token("ANTHROPIC_API_KEY", "anthropic", ("sk-ant-",), "sk-ant-[0-9A-Za-z]{3,10}-[0-9A-Za-z_-]{20,120}", 140),
    _token("OPENAI_API_KEY", "openai", ("sk-",), "sk-(?!ant-)(?:proj-|svcacct-|admin-|None-|or-v1-)?[0-9A-Za-z_-]{20,200}", 212),
    _token("STRIPE_KEY", "stripe", ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "whsec_"),
           f"(?:(?:sk|rk)_(?:live|test)|pk_live|whsec)_{_WORD}{{16,128}}", 140),
    _token("HUGGINGFACE_TOKEN", "hugging-face", ("hf_", "api_org_"), f"(?:hf|api_org)_{_WORD}{{30,40}}", 48),
    _token("NPM_TOKEN", "npm", ("npm_",), f"npm_{_WORD}{{36}}", 40),
    _token("PYPI_TOKEN", "pypi", ("pypi-ageichlwas",), "pypi-AgEIcHlwaS[0-9A-Za-z_-]{50,240}", 256),
    _token("SENDGRID_KEY", "sendgrid", ("sg.",), "SG\\.[0-9A-Za-z_-]{16,32}\\.[0-9A-Za-z_-]{32,64}", 100),
    _token("TWILIO_KEY", "twilio", ("sk0", "sk1", "sk2", "sk3", "sk4", "sk5", "sk6", "sk7", "sk8", "sk9", "ska", "skb", "skc", "skd",
                                    "ske", "skf"), "SK[0-9a-f]{32}", 34),
    _token("DIGITALOCEAN_TOKEN", "digitalocean", ("dop_v1_", "doo_v1_"), "do[op]_v1_[0-9a-f]{64}", 71),
    _token("TELEGRAM_TOKEN", "telegram", ("bot",), "bot[0-9]{8,10}:[0-9A-Za-z_-]{35}", 49),
    _token("ALIBABA_ACCESS_KEY", "alibaba-access-key", ("ltai",), "LTAI[0-9A-Za-z]{12,20}", 24),
]  # fmt: skip

_SCHEMES = (
    "http", "https", "ftp", "sftp", "ssh", "git", "postgres", "postgresql", "mysql", "mariadb", "mongodb", "redis", "rediss", "amqp",
    "amqps", "mssql", "sqlserver", "oracle", "clickhouse", "smtp", "smtps", "imap", "imaps", "ldap", "ldaps", "mqtt", "mqtts", "nats",
    "ws", "wss", "kafka", "socks5", "smb",
)  # fmt: skip
_KEYS = (
    "password", "passwd", "pwd", "passphrase", "secret", "secret_key", "secretkey", "client_secret", "api_key", "apikey", "api-key",
    "api key", "access_key", "accesskey", "access key", "private_key", "auth_token", "access_token", "refresh_token", "token", "accountkey",
    "sharedaccesskey", "credential", "비밀번호", "패스워드", "암호", "비번", "密码", "口令", "密钥", "秘钥", "令牌",
)  # fmt: skip
_KEY = "|".join(sorted((k.replace(" ", "[ ]") for k in _KEYS), key=len, reverse=True))
_ASSIGN = "[\"'`]?\\]? {0,3}(?:[:=]|:=|=>|->|is|은|는|이|가|是|为)[ ]{0,3}"
_VALUE = "[0-9A-Za-z!#$%&*+./:=?@^_~|-]"

SPECS = [
    *_PROVIDERS,
    PatternSpec(
        "JWT", "jwt", "eyJ[0-9A-Za-z_-]{8,1000}\\.eyJ[0-9A-Za-z_-]{8,2000}\\.[0-9A-Za-z_-]{16,700}", Lane.LITERAL, 3720,
        score=0.98, literals=("eyj",), left=LEFT, right="", category=Category.SECRETS,
    ),
    PatternSpec(
        "PRIVATE_KEY", "pem",
        f"-----BEGIN (?:[0-9A-Z]{{1,12}} ){{0,3}}PRIVATE KEY(?: BLOCK)?-----"
        f"(?:{_NEAR}(?:Proc|DEK|Vers|Comm)){_BREAK}(?:Proc-Type|DEK-Info|Version|Comment): ?[0-9A-Za-z,./() -]{{1,60}}){{0,3}}+"
        f"(?:{_NEAR}[0-9A-Za-z+/=]{{16}}){_BREAK}[0-9A-Za-z+/=]{{16,76}}+){{0,46}}+"
        f"(?:(?=(?:\\r?\\n|\\\\n)[0-9A-Za-z+/=])(?:\\r?\\n|\\\\n)[0-9A-Za-z+/=]{{1,76}}+)?"
        f"(?:{_NEAR}-----END ){_BREAK}-----END (?:[0-9A-Z]{{1,12}} ){{0,3}}PRIVATE KEY(?: BLOCK)?-----)?",
        Lane.LITERAL, 4000, score=0.99, literals=("-----begin ",), left="", right="", category=Category.SECRETS,
    ),
    PatternSpec(
        "URL_CREDENTIALS", "url-credentials",
        f"(?:{'|'.join(sorted(_SCHEMES, key=len, reverse=True))})(?:\\+[0-9a-z_]{{1,20}})?://[^\\s/:@?#\"'<>]{{0,64}}:[^\\s/@\"'<>]{{1,128}}@"
        "[0-9A-Za-z.-]{1,128}(?::[0-9]{1,5})?",
        Lane.LITERAL, 370, score=0.95, literals=tuple(s + end for s in _SCHEMES for end in ("://", "+")), left=LEFT, right="",
        category=Category.SECRETS,
    ),
    PatternSpec(
        "PASSWORD", "assigned-secret", f"(?i:{_KEY}){_ASSIGN}(?P<v>{_VALUE}{{6,128}})", Lane.LITERAL, 160, check=assigned,
        literals=_KEYS, left="", right="", category=Category.SECRETS,
    ),
    PatternSpec(
        "PASSWORD", "assigned-secret-quoted",
        f"(?i:{_KEY}){_ASSIGN}[\"'](?P<v>[^\"'\\s]{{6,128}})", Lane.LITERAL, 162, check=quoted,
        literals=_KEYS, left="", right="", category=Category.SECRETS,
    ),
]  # fmt: skip
