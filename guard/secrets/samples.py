"""Made-up secrets of every format, for tests and demonstrations. None was ever issued."""

from __future__ import annotations

from collections.abc import Callable

from guard.pii.samples import Rng, Sample, letters

_ALNUM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_BASE64URL = _ALNUM + "-_"
_HEX = "0123456789abcdef"


def _token(entity: str, prefix: str, length: int, alphabet: str = _ALNUM) -> Callable[[Rng], Sample]:
    return lambda rng: Sample(entity, prefix + letters(rng, length - 1, alphabet) + letters(rng, 1))


def _pem(rng: Rng) -> str:
    lines = "\n".join(letters(rng, 64, _ALNUM + "+/") for _ in range(6))
    return f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n{letters(rng, 20)}==\n-----END RSA PRIVATE KEY-----"


def _jwt(rng: Rng) -> str:
    return f"eyJ{letters(rng, 20, _BASE64URL)}.eyJ{letters(rng, 40, _BASE64URL)}.{letters(rng, 43, _ALNUM)}"


MAKERS: dict[str, Callable[[Rng], Sample]] = {
    "aws-access-key": lambda r: Sample("AWS_ACCESS_KEY", "AKIA" + letters(r, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
    "github": _token("GITHUB_TOKEN", "ghp_", 36),
    "github-fine-grained": _token("GITHUB_TOKEN", "github_pat_", 82),
    "gitlab": _token("GITLAB_TOKEN", "glpat-", 20),
    "slack": lambda r: Sample("SLACK_TOKEN", f"xoxb-{letters(r, 12, '0123456789')}-{letters(r, 24, _ALNUM)}"),
    "google-api-key": _token("GOOGLE_API_KEY", "AIza", 35, _BASE64URL),
    "google-oauth": _token("GOOGLE_OAUTH_TOKEN", "ya29.", 60, _BASE64URL),
    "anthropic": _token("ANTHROPIC_API_KEY", "sk-ant-api03-", 60, _BASE64URL),
    "openai": _token("OPENAI_API_KEY", "sk-proj-", 48),
    "stripe": _token("STRIPE_KEY", "sk_live_", 24),
    "hugging-face": _token("HUGGINGFACE_TOKEN", "hf_", 34),
    "npm": _token("NPM_TOKEN", "npm_", 36),
    "pypi": _token("PYPI_TOKEN", "pypi-AgEIcHlwaS", 80, _BASE64URL),
    "sendgrid": lambda r: Sample("SENDGRID_KEY", f"SG.{letters(r, 22, _ALNUM)}.{letters(r, 43, _ALNUM)}"),
    "twilio": lambda r: Sample("TWILIO_KEY", "SK" + letters(r, 32, _HEX)),
    "digitalocean": lambda r: Sample("DIGITALOCEAN_TOKEN", "dop_v1_" + letters(r, 64, _HEX)),
    "telegram": lambda r: Sample("TELEGRAM_TOKEN", f"bot{letters(r, 9, '123456789')}:{letters(r, 35, _ALNUM)}"),
    "alibaba-access-key": _token("ALIBABA_ACCESS_KEY", "LTAI", 20),
    "jwt": lambda r: Sample("JWT", _jwt(r)),
    "pem": lambda r: Sample("PRIVATE_KEY", _pem(r)),
    "url-credentials": lambda r: Sample(
        "URL_CREDENTIALS", f"postgresql://app:{letters(r, 12, _ALNUM)}@db{letters(r, 3)}.example.com:5432"
    ),
    "assigned-secret": lambda r: Sample("PASSWORD", f"Zk7{letters(r, 10, _ALNUM)}9q", "api_key="),
    "assigned-secret-korean": lambda r: Sample("PASSWORD", f"Zk7{letters(r, 10, _ALNUM)}9q", "비밀번호: "),
    "assigned-secret-quoted": lambda r: Sample("PASSWORD", f"Qw3{letters(r, 9, _ALNUM)}", 'password = "'),
}
"""By pattern: how a value is made."""
