"""Texts that come from elsewhere, made harmless for where they are shown."""

import re

_MARKS = re.compile(
    r"[\\|*_<`~&$]"
    r"|\[(?![+-]\d)"  # an interval like [-0.02, +0.01] begins no link,
    r"|\](?=[(\[:])"  # and this keeps it from becoming one
    r"|:(?=//)|\.(?<=\bwww\.)",
    re.IGNORECASE,
)


def plain(text: object) -> str:
    r"""Return the text on one line, with escapes like ``\x1b`` for all that does not print.

    >>> plain("a\nb")
    'a\\nb'
    """
    told = str(text)
    if told.isprintable():
        return told
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in told)


def in_markdown(text: object) -> str:
    """Return the text for a place inside a line of Markdown, with a backslash before what would be a mark there."""
    return _MARKS.sub(r"\\\g<0>", plain(text))
