"""Messages told in pictures alone: emoji without a word, which no head has learnt to read.

Rules of this file
1. Faces, hearts, hands and what is sent at a celebration say how somebody feels, in any number and mixture.
2. One other picture says as little as one word (`scant.py`), however often it is repeated; all flags are one picture.
3. Two different ones are a sentence (a head scarf beside a bomb, a family beside a knife). The heads have seen such emoji in
   sentences of words only, and take a man with a turban by himself for hate: they cannot tell.
"""

from __future__ import annotations

_PICTURES = range(0x1F000, 0x1FB00)
_FLAGS = range(0x1F1E6, 0x1F200)
_TONES = range(0x1F3FB, 0x1F400)
"""Of skin: part of the picture before."""
_FEELINGS = frozenset(
    [
        *range(0x1F600, 0x1F648),  # faces and what people do with their arms
        *range(0x1F64B, 0x1F650),
        *range(0x1F910, 0x1F930),
        *range(0x1F970, 0x1F977),
        *range(0x1FAE0, 0x1FAE9),
        *range(0x1F493, 0x1F4A0),
        *range(0x1F446, 0x1F451),
        *map(
            ord,
            "💋💌💐💙💚💛💜💝💞💟💢💤💥💦💨💫💯💪🔥🌟🌸🌹🌷🌻🌈🌞🎀🎁🎂🎃🎄🎆🎇🎈🎉🎊🏆🥇🧡🖤🤍🤎🤲🤟🤘🤙🤚🤛🤜🤝🤞🫶🫰🥹🧐🫡",
        ),
    ]
)


def is_told_in_pictures(text: str) -> bool:
    """Whether a text without letters and digits shows two or more different things beside feelings."""
    shown = {_kind(code) for code in map(ord, text) if code in _PICTURES and code not in _TONES}
    return len(shown - _FEELINGS) > 1


def _kind(code: int) -> int:
    """The picture; the first letter of flags for all of them."""
    return _FLAGS.start if code in _FLAGS else code
