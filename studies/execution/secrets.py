"""Passwords stay out of all that is stored or shown: they are found by taking URLs apart, and hidden."""

import re
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"

_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*://", re.IGNORECASE)
# Only where a known scheme begins, after a blank or the like, does a text go on with another URL: a password may hold
# "://" too.
_NEXT_URL = re.compile(
    r"(?<=[\s'\"(<\[,;=])(?:postgres|postgresql|grpc|mysql|mariadb|sqlite|oracle|mssql|redis|https?)(?:\+\w+)?://",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(r"(?P<key>[\w%.\-]+)[ \t]*=[ \t]*")
_NEXT_ASSIGNED = re.compile(r"(?:[\s&;]+[\w%.\-]+[ \t]*=)|[\r\n]|$")
_SECRET_KEY = re.compile(
    r".*(?:password|passwd|passphrase|secret|token|credentials?|api_?key)|(?:.*[_.\-])?(?:pass|pwd)|scram_\w+_key",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'(?=[\s&;'\"]|$)")
_ALREADY_HIDDEN = re.compile(r"\*\*\*(?=[\s&;,.:()'\"]|$)")
_HOST = re.compile(r"\[[^\]\s]*\]|[^:/?#\s]*")
_PORT = re.compile(r":\d*(?=$|[/?#\s]|[.,;:)'\"\]}>]+(?:\s|$))")
_WORD = re.compile(r"\S*")

_known: set[str] = set()


def masked(url: str) -> str:
    """Return one URL, or one connection string of the kind ``key=value``, with ``***`` for its passwords.

    What cannot be told from a password is hidden with it.

    >>> masked("postgresql://anna:se cr@t@db/studies?sslpassword=other&sslmode=require")
    'postgresql://anna:***@db/studies?sslpassword=***&sslmode=require'
    """
    return _hide(url, list(_secret_places(url)))


def without_password(text: str) -> str:
    """Return a text with ``***`` for the passwords of its URLs, which may be a command as `shlex.join` makes it.

    >>> without_password("--storage postgresql://anna:secret@db/studies")
    '--storage postgresql://anna:***@db/studies'
    """
    words = _words(text)
    if words is None:
        return masked(text)
    hidden = [masked(word) for word in words]
    return " ".join(
        new if shlex.quote(old) == old else shlex.quote(new) for old, new in zip(words, hidden, strict=True)
    )


def secrets_of(url: str) -> set[str]:
    """Return the passwords of a URL, as they are written and as they are meant."""
    raw = {url[start:end] for start, end in _secret_places(url)}
    meant = {decode(secret) for secret in raw for decode in (unquote, unquote_plus)}
    return raw | meant | {encode(secret) for secret in meant for encode in (quote, quote_plus, repr)}


def remember(url: str) -> None:
    """Let `scrubbed` hide the passwords of this URL from now on."""
    _known.update(secrets_of(url) - {"", HIDDEN})


def scrubbed(text: str) -> str:
    """Return what another program said without passwords: those of its URLs, and the remembered ones anywhere."""
    text = without_password(text)
    for secret in sorted(_known, key=len, reverse=True):
        # A short one is hidden where it stands alone: within words it would be nobody's password.
        within = re.escape(secret) if len(secret) > 3 else rf"(?<!\w){re.escape(secret)}(?!\w)"
        text = re.sub(within, HIDDEN, text)
    return text


def _words(text: str) -> list[str] | None:
    """Return the words of a command, or ``None`` for a text which is none, or may be one by accident."""
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    if shlex.join(words) != text:
        return None
    in_url = False
    for word in words:
        bare = shlex.quote(word) == word
        if _SCHEME.search(word):
            in_url = bare
        elif bare and (("@" in word and in_url) or "=" in (word[0], word[-1]) or any(_assigned_places(word))):
            return None  # blanks in a password that nobody quoted
    return words


def _hide(text: str, places: list[tuple[int, int]]) -> str:
    pieces, done = [], 0
    for start, end in sorted(places):
        if end <= done:
            continue
        if start >= done:
            pieces += [text[done:start], HIDDEN]
        done = end
    return "".join([*pieces, text[done:]])


def _secret_places(text: str) -> Iterator[tuple[int, int]]:
    """Yield where secrets begin and end; the places may overlap."""
    assigned = list(_assigned_places(text))
    yield from assigned
    url = _SCHEME.search(text)
    while url is not None:
        following = _NEXT_URL.search(text, url.end())
        end = len(text) if following is None else following.start()
        yield from _user_places(text, url.end(), end, assigned)
        url = following


def _assigned_places(text: str) -> Iterator[tuple[int, int]]:
    """Yield the values of ``password=...`` and the like, in queries and elsewhere."""
    for match in _ASSIGNED.finditer(text):
        start = match.end()
        if not _SECRET_KEY.fullmatch(unquote(match["key"])) or _ALREADY_HIDDEN.match(text, start):
            continue
        if quoted := _QUOTED.match(text, start):
            yield quoted.span(1)
            continue
        ends = [found.start() for found in (_NEXT_ASSIGNED.search(text, start), _NEXT_URL.search(text, start)) if found]
        end = len(text[: min(ends)].rstrip())
        if end > start:
            yield start, end


def _user_places(text: str, start: int, end: int, assigned: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the password of ``user:password@host``, or what stands in the place of a port and is none."""
    # The last @, since a password may hold one; but not one that is part of a password in the query.
    at = text.rfind("@", start, end)
    while any(first <= at < last for first, last in assigned):
        at = text.rfind("@", start, at)
    if at >= 0:
        colon = text.find(":", start, at)
        if 0 <= colon < at - 1:
            yield colon + 1, at
        return
    host = _HOST.match(text, start, end)
    colon = start if host is None else host.end()
    if colon < end and text[colon] == ":" and not _PORT.match(text, colon, end):
        word = _WORD.match(text, colon, end)
        last = end if word is None else word.end()
        if last > colon + 1 and not _ALREADY_HIDDEN.match(text, colon + 1):
            yield colon + 1, last
