"""tests: credentials of a judge appear nowhere: not in outcomes, reprs, tracebacks or logs at any level."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Callable

import pytest
from mi_atlas.judges.asking import Limits, NoReply, Reply, ask
from mi_atlas.judges.endpoint import TALKATIVE, endpoint_of
from mi_atlas.judges.prompts import pointwise
from mi_atlas.specs.judge import Judge

from .server import Fake

KEY, PASSWORD, USER = "sk-planted/KEY+123456789", "pl4nted-p@ssword", "planted-user"
QUOTED = "pl4nted-p%40ssword"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
PLANTED = (KEY, PASSWORD, QUOTED, BASIC, USER, "sk-planted%2FKEY", "sk-planted\\/KEY")

QUICK = Limits(backoff_s=0.005, timeout_s=0.3, attempts=2)


def with_key(fake: Fake) -> dict[str, str]:
    return {"MI_ATLAS_JUDGE_URL": fake.address, "MI_ATLAS_JUDGE_KEY": KEY}


def with_user(fake: Fake) -> dict[str, str]:
    return {"MI_ATLAS_JUDGE_URL": fake.address.replace("://", f"://{USER}:{QUOTED}@")}


@pytest.mark.parametrize("env_of", [with_key, with_user])
@pytest.mark.parametrize(
    "way", ["well", "echo-well", "echo", "unauthorised", "500", "drop", "html", "redirect", "slowly", "429"]
)
def test_a_planted_credential_is_sent_and_found_nowhere(
    judge: Judge, server: Fake, caplog: pytest.LogCaptureFixture, way: str, env_of: Callable[[Fake], dict[str, str]]
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in TALKATIVE:
        caplog.set_level(logging.DEBUG, name)
    server.way_of = lambda number, body: way
    env = env_of(server)
    (outcome,) = ask(judge, [pointwise(judge, "Task.", "quality 3")], QUICK, env)
    sent = server.heard[0].headers["authorization"]
    assert sent == (f"Bearer {KEY}" if env_of is with_key else f"Basic {BASIC}")
    assert "httpcore" in {record.name.split(".")[0] for record in caplog.records}, "nothing was logged to look at"
    written = [
        repr(outcome),
        str(outcome),
        caplog.text,
        repr(endpoint_of(judge, env)),
        repr(endpoint_of(judge, env).secrets),
    ]
    written.append(outcome.raw.decode() if isinstance(outcome, Reply) else outcome.reason)
    if way.startswith("echo"):
        assert "[redacted]" in caplog.text + written[-1]
    for planted in PLANTED:
        assert not any(planted in text for text in written), planted
    assert isinstance(outcome, Reply) == way.endswith("well")


def test_a_refused_key_is_not_repeated_even_in_part(judge: Judge, server: Fake) -> None:
    server.way_of = lambda number, body: "unauthorised"
    (outcome,) = ask(judge, [pointwise(judge, "Task.", "quality 3")], QUICK, with_key(server))
    assert isinstance(outcome, NoReply)
    assert outcome.reason == "the server replied 401: it does not accept the key, or wants one (asked 1 time)"


@pytest.mark.parametrize("address", ["http://{}:{}@host:port", "http://host/v1?key={}{}", "ftp://{}:{}@host", "{}{}"])
def test_an_unusable_address_is_not_repeated(judge: Judge, address: str) -> None:
    env = {"MI_ATLAS_JUDGE_URL": address.format(USER, QUOTED), "MI_ATLAS_JUDGE_KEY": KEY + "\u00e9"}
    (outcome,) = ask(judge, [pointwise(judge, "Task.", "quality 3")], QUICK, env)
    assert isinstance(outcome, NoReply)
    assert outcome.code == "judge_not_configured"
    assert not any(planted in repr(outcome) for planted in PLANTED)


def test_an_error_of_our_own_shows_no_credential_in_its_traceback(
    judge: Judge, server: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault of the program")

    monkeypatch.setattr("mi_atlas.judges.calls.completion", broken)
    with pytest.raises(BaseExceptionGroup) as caught:
        list(ask(judge, [pointwise(judge, "Task.", "quality 3")], QUICK, with_key(server)))
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "a fault of the program" in shown
    assert not any(planted in shown for planted in PLANTED)


def test_placeholders_for_a_key_are_words_and_stay(judge: Judge) -> None:
    endpoint = endpoint_of(judge, {"MI_ATLAS_JUDGE_URL": "http://host", "MI_ATLAS_JUDGE_KEY": "none"})
    assert endpoint.secrets.clean("none of it is true") == "none of it is true"
    assert endpoint.headers["Authorization"] == "Bearer none"


def test_the_filter_of_logs_is_gone_afterwards(judge: Judge, server: Fake) -> None:
    list(ask(judge, [pointwise(judge, "Task.", "quality 3")], QUICK, with_key(server)))
    assert not any(logging.getLogger(name).filters for name in TALKATIVE)


@pytest.mark.parametrize(
    ("address", "call"),
    [
        ("http://host:8000", "http://host:8000/v1/chat/completions"),
        ("http://host:8000/", "http://host:8000/v1/chat/completions"),
        ("https://host/v1", "https://host/v1/chat/completions"),
        ("https://host/api/v1/", "https://host/api/v1/chat/completions"),
        ("https://host/v1beta/openai/", "https://host/v1beta/openai/chat/completions"),
        ("https://host/proxy", "https://host/proxy/v1/chat/completions"),
        ("https://host/v1/chat/completions", "https://host/v1/chat/completions"),
        (f"https://{USER}:{QUOTED}@host/v1", "https://host/v1/chat/completions"),
    ],
)
def test_an_address_may_end_before_or_after_its_version(judge: Judge, address: str, call: str) -> None:
    assert endpoint_of(judge, {"MI_ATLAS_JUDGE_URL": address}).url == call
