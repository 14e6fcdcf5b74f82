"""No password in what is stored or shown, however its URL is written."""

import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from studies.execution import secrets
from studies.execution.secrets import masked, remember, scrubbed, secrets_of, without_password

URLS = {
    "postgresql://anna:secret@db/studies": "postgresql://anna:***@db/studies",
    "postgres://anna:secret@db:5432/studies": "postgres://anna:***@db:5432/studies",
    "postgresql+psycopg://anna:secret@db/studies": "postgresql+psycopg://anna:***@db/studies",
    "postgresql://anna:sec%40ret@db/studies": "postgresql://anna:***@db/studies",
    "postgresql://anna:se@cret@db/studies": "postgresql://anna:***@db/studies",
    "postgresql://anna:se/cret@db/studies": "postgresql://anna:***@db/studies",
    "postgresql://anna:se?cret@db/studies": "postgresql://anna:***@db/studies",
    "postgresql://anna:se#cret@db/studies": "postgresql://anna:***@db/studies",
    "postgresql://anna:se:cret@db/studies": "postgresql://anna:***@db/studies",
    "postgresql://anna:se cret@db/studies": "postgresql://anna:***@db/studies",
    "postgresql://anna:se'cr\"et@db/studies": "postgresql://anna:***@db/studies",
    "postgresql://anna:a://secret@db/studies": "postgresql://anna:***@db/studies",
    "postgresql://:secret@db/studies": "postgresql://:***@db/studies",
    "postgresql://anna:secret@[::1]:5432/studies": "postgresql://anna:***@[::1]:5432/studies",
    "postgresql://anna:secret@/studies?host=/run": "postgresql://anna:***@/studies?host=/run",
    "postgresql://anna@db/studies?password=secret": "postgresql://anna@db/studies?password=***",
    "postgresql://db/studies?user=anna&password=secret&sslmode=require": (
        "postgresql://db/studies?user=anna&password=***&sslmode=require"
    ),
    "postgresql://db:5432/studies?password=se@cret": "postgresql://db:5432/studies?password=***",
    "postgresql://db/studies?password=se cret&sslmode=require": "postgresql://db/studies?password=***&sslmode=require",
    "postgresql://db/studies?password=se&cret#&sslmode=require": "postgresql://db/studies?password=***&sslmode=require",
    "postgresql://db/studies?pass%77ord=secret": "postgresql://db/studies?pass%77ord=***",
    "postgresql://db/studies?PASSWORD=secret": "postgresql://db/studies?PASSWORD=***",
    "postgresql://db/studies?sslpassword=secret&sslkey=/k": "postgresql://db/studies?sslpassword=***&sslkey=/k",
    "postgresql://db/studies?passfile=/srv/anna/.pgpass": "postgresql://db/studies?passfile=/srv/anna/.pgpass",
    "postgresql://a:secret@db/s?client_token=secret": "postgresql://a:***@db/s?client_token=***",
    "https://db/studies?access_token=secret&page=1": "https://db/studies?access_token=***&page=1",
    "grpc://anna:secret@head:13000": "grpc://anna:***@head:13000",
    "grpc://head:13000": "grpc://head:13000",
    "grpc://[::1]:13000": "grpc://[::1]:13000",
    "grpc://head:secret": "grpc://head:***",
    "postgresql://anna:secret": "postgresql://anna:***",
    "postgresql://anna:se/cret": "postgresql://anna:***",
    "postgresql://anna@db:5432/studies": "postgresql://anna@db:5432/studies",
    "postgresql://anna:@db/studies": "postgresql://anna:@db/studies",
    "postgresql://anna:***@db/studies?password=***": "postgresql://anna:***@db/studies?password=***",
    "mysql://anna:secret@db/studies": "mysql://anna:***@db/studies",
    "host=db user=anna password=secret dbname=s": "host=db user=anna password=*** dbname=s",
    "password='se cr\\'et' host=db": "password='***' host=db",
    "password = secret host=db": "password = *** host=db",
    "password=se cret host=db": "password=*** host=db",
    "PGPASSWORD=secret": "PGPASSWORD=***",
    "runs/kjv-lstm-small": "runs/kjv-lstm-small",
    "/shared/tokens/passes=3": "/shared/tokens/passes=3",
    "": "",
}


@pytest.mark.parametrize("url", URLS)
def test_one_url(url: str) -> None:
    assert masked(url) == URLS[url]
    assert masked(masked(url)) == masked(url)


@pytest.mark.parametrize("url", [url for url in URLS if "secret" in url])
def test_in_any_text(url: str) -> None:
    beginning = f"The storage {url}"
    for text in (
        f"{beginning} failed.",
        f"'{url}'",
        f"{url}\nnext",
        f"grpc://h:1, {url}",
        f"{url} postgresql://b:other@c/d",
    ):
        told = without_password(text)
        assert "secret" not in told
        assert "other" not in told
    command = shlex.join(["python", "-m", "studies", "ablate", "--storage", url, f"--storage={url}", "--out", "a@b c"])
    told = without_password(command)
    assert "secret" not in told
    if "://" not in url and shlex.quote(url) == url:
        return  # what follows may be part of a password that nobody quoted
    words = shlex.split(told)
    assert words[5] == URLS[url]
    assert words[6] == f"--storage={URLS[url]}"
    assert words[7:] == ["--out", "a@b c"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "a postgresql+psycopg://u:p%40@h:5432/d b grpc://h:1 c postgresql://u@h/d",
            "a postgresql+psycopg://u:***@h:5432/d b grpc://h:1 c postgresql://u@h/d",
        ),
        ("--storage postgresql://anna:secret@db/studies", "--storage postgresql://anna:***@db/studies"),
        ("python -m studies ablate --steps 5 --mail a@b", "python -m studies ablate --steps 5 --mail a@b"),
        ("see grpc://h:1.", "see grpc://h:1."),
        ("it (grpc://h:1) is away", "it (grpc://h:1) is away"),
        ("echo 'it'\"'\"'s'", "echo 'it'\"'\"'s'"),
        ("an unclosed ' postgresql://u:secret@h/d", "an unclosed ' postgresql://u:***@h/d"),
        ("bash -c 'x --storage postgresql://u:se@h/d'", "bash -c 'x --storage postgresql://u:***@h/d'"),
    ],
)
def test_texts_are_left_as_they_are_otherwise(text: str, told: str) -> None:
    assert without_password(text) == told


def test_what_a_driver_repeats_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_known", set())
    remember("postgresql://anna:sec%20r%2Fet@db/studies?sslpassword=other+one")
    for said in (
        'password "sec r/et" is wrong',
        "in sec%20r%2Fet",
        "in sec+r%2Fet and sec%20r/et",
        "host='db' password='sec r/et'",
        "sslpassword other one, or other+one",
        "postgresql://anna:sec%20r%2Fet@db/studies?sslpassword=other+one is away",
    ):
        told = scrubbed(said)
        assert not any(secret in told for secret in ("sec r", "sec%20", "sec+", "other"))
    assert scrubbed("connection to db refused") == "connection to db refused"
    remember("postgresql://anna:s@db/studies")
    assert scrubbed("s is not set in studies") == "*** is not set in studies"


def test_the_secrets_of_a_url() -> None:
    assert {"a b", "a%20b", "a+b"} <= secrets_of("postgresql://u:a%20b@h/d")
    assert secrets_of("grpc://h:1") == secrets_of("runs/a") == set()


names = st.text("abcdefgh0123456789-.", min_size=1, max_size=12)
passwords = st.text("KLMNOPQRSTUVWXYZ@:/?# &=+%é'\"\\$", min_size=4, max_size=20)


@example(user="a", password="A://", host="b", database="c", how="raw", port=True)
@example(user="a", password="Z TOKEN=K", host="b", database="c", how="raw", port=False)
@settings(max_examples=300, deadline=None)
@given(
    user=names,
    password=passwords,
    host=names,
    database=names,
    how=st.sampled_from(["raw", "quote", "quote_plus", "query", "quoted query"]),
    port=st.booleans(),
)
def test_no_password_is_left(user: str, password: str, host: str, database: str, how: str, port: bool) -> None:
    raw = {"raw": password, "query": password, "quote_plus": quote_plus(password)}.get(how, quote(password, safe=""))
    place = f"{host}:5432" if port else host
    if "query" in how:
        url = f"postgresql://{user}@{place}/{database}?password={raw}&sslmode=require"
    else:
        url = f"postgresql://{user}:{raw}@{place}/{database}?sslmode=require"
    assume(password.strip() == password)
    assume(how != "query" or "&" not in password)  # there it ends the password, for the driver too
    assume(password not in url.replace(raw, "", 1))
    command = shlex.join(["python", "-m", "studies", "worker", "--storage", url, "--study", "s"])
    texts = [masked(url), without_password(url), without_password(command), without_password(f"{url} is away (why)")]
    texts += [without_password(f"Serving {url} at grpc://localhost:1"), scrubbed(f"at {url}, {url}")]
    for told in texts:
        assert password not in told
        assert raw not in told
    words = shlex.split(without_password(command))
    assert words[-2:] == ["--study", "s"]
    assert words[5] == masked(url)
    assert masked(url).startswith(f"postgresql://{user}")
