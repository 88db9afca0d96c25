"""What a knowledge base refuses. Codes are explained in docs/errors/knowledge.md."""

from __future__ import annotations

import re
from typing import Final

from haechi.base.errors import ExitCode, HaechiError

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")


class KnowledgeMissing(HaechiError):
    """There is no knowledge base of that name."""

    code = "HAE-S601"
    exit_code = ExitCode.CANNOT_TELL

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is no knowledge base {name!r}", hint=f"make it with `haechi knowledge add --base {name} DIR`"
        )


class KnowledgeEmpty(HaechiError):
    """The knowledge base holds no passage, so that nothing can be held against it."""

    code = "HAE-S602"
    exit_code = ExitCode.CANNOT_TELL

    def __init__(self, name: str) -> None:
        super().__init__(
            f"knowledge base {name!r} is empty", hint=f"fill it with `haechi knowledge add --base {name} DIR`"
        )


class InvalidKnowledgeName(HaechiError):
    """The name of a knowledge base is not 1 to 63 of a-z, 0-9 and hyphen."""

    code = "HAE-S603"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} is no name of a knowledge base", hint="take 1 to 63 of a-z, 0-9 and hyphen, a letter first"
        )


class UnreadableDocument(HaechiError):
    """A document is missing, broken, too large, without text, or of a kind that is not read."""

    code = "HAE-S604"


class UnusableKnowledge(HaechiError):
    """The file of a knowledge base cannot be read or written, is in use, or is not one."""

    code = "HAE-S605"
    exit_code = ExitCode.CANNOT_TELL


class UnknownDocument(HaechiError):
    """No document of that name is in the knowledge base."""

    code = "HAE-S606"


class InvalidDate(HaechiError):
    """A date is not written as year-month-day."""

    code = "HAE-S607"


class InvalidEvidence(HaechiError):
    """What came as evidence is no list of texts or of objects with a text."""

    code = "HAE-S608"


def check_name(name: str) -> str:
    """The name of a knowledge base, if it is one.

    Raises:
        InvalidKnowledgeName
    """
    if _NAME.fullmatch(name) is None:
        raise InvalidKnowledgeName(name)
    return name
