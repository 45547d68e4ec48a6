"""Requests that fail: how often and when they are made again, and whose fault it is in the end."""

import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from itertools import pairwise
from threading import Barrier

import pytest
from stand_in_endpoint import Reply, StandIn, answering, replying

from featurize.errors import BadImage, RunFailed
from featurize.inference.chat_endpoint import ChatEndpoint

OK = Reply()
PASSING = Reply(503, "busy")


def client(address: str, **settings) -> ChatEndpoint:
    return ChatEndpoint(address, **{"connections": 8, "timeout_s": 5, "attempts": 4, "backoff_s": 0.1} | settings)


def gaps(server: StandIn) -> list[float]:
    times = [seen.at for seen in server.seen]
    return [after - before for before, after in pairwise(times)]


def test_an_answer_is_read_and_the_request_is_as_documented():
    with replying(OK) as server:
        answer = client(server.address, api_key="s3cret").ask(b'{"model": "m"}')
    assert answer.choices[0].message.content == '{"caption": "a cat"}'
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 7)
    (seen,) = server.seen
    assert (seen.path, seen.body) == ("/v1/chat/completions", '{"model": "m"}')
    assert seen.headers["Authorization"] == "Bearer s3cret"
    assert seen.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("passing", [Reply(500), Reply(502), PASSING, Reply(429), Reply(408), Reply(cut=True)])
def test_what_may_pass_is_tried_again(passing):
    with replying(passing, passing, OK) as server:
        client(server.address).ask(b"{}")
    assert len(server.seen) == 3


def test_pauses_double_with_jitter_until_the_picture_counts_as_failed():
    with replying(PASSING) as server, pytest.raises(BadImage, match="answered 503: busy") as failure:
        client(server.address, attempts=5).ask(b"{}")
    assert (failure.value.reason, failure.value.retryable) == ("model_error", True)
    assert len(server.seen) == 5
    for n, gap in enumerate(gaps(server)):
        assert 0.05 * 2**n <= gap <= 0.1 * 2**n + 0.2


def test_retry_after_in_seconds_is_waited_out():
    with replying(Reply(429, headers={"Retry-After": "1"}), OK) as server:
        client(server.address).ask(b"{}")
    assert 1 <= gaps(server)[0] < 1.5


def test_retry_after_as_a_date_is_waited_out():
    until = int(time.time()) + 2
    with replying(Reply(503, headers={"Retry-After": formatdate(until, usegmt=True)}), OK) as server:
        client(server.address).ask(b"{}")
    assert until <= time.time() < until + 1


@pytest.mark.parametrize("value", ["soon", "-5", "nan"])
def test_a_senseless_retry_after_is_no_reason_to_stop(value):
    with replying(Reply(429, headers={"Retry-After": value}), OK) as server:
        client(server.address).ask(b"{}")
    assert gaps(server)[0] < 0.5


def test_a_very_long_retry_after_fails_the_picture_at_once():
    told = Reply(429, headers={"Retry-After": "3600"})
    with replying(told) as server, pytest.raises(BadImage, match="told to wait 3600 s") as failure:
        client(server.address).ask(b"{}")
    assert failure.value.retryable
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_picture_is_not_tried_again(status):
    message = f'answered {status}: {{"error": "too large"}}'
    with (
        replying(Reply(status, '{"error": "too\nlarge"}')) as server,
        pytest.raises(BadImage, match=message) as failure,
    ):
        client(server.address).ask(b"{}")
    assert (failure.value.reason, failure.value.retryable) == ("model_error", False)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 307])
def test_what_no_request_can_pass_ends_the_run(status):
    message = f"answered {status}: no; check the endpoint's address, model and key"
    with replying(Reply(status, "no")) as server, pytest.raises(RunFailed, match=message):
        client(server.address).ask(b"{}")
    assert len(server.seen) == 1


@pytest.mark.parametrize("body", ["<html>welcome</html>", "{}", '{"choices": [], "usage": null}'])
def test_a_page_that_is_no_answer_is_an_error_of_the_picture(body):
    with replying(Reply(200, body)) as server, pytest.raises(BadImage, match="no chat completion"):
        client(server.address).ask(b"{}")


def test_a_silent_endpoint_is_given_up():
    with replying(Reply(after_s=2)) as server, pytest.raises(BadImage, match="ReadTimeout") as failure:
        client(server.address, timeout_s=0.2, attempts=2).ask(b"{}")
    assert failure.value.retryable
    assert len(server.seen) == 2


def test_an_absent_endpoint_is_given_up():
    with replying(OK) as server:
        pass
    with pytest.raises(BadImage, match=r"ConnectError.*\(3 attempts\)") as failure:
        client(server.address, attempts=3).ask(b"{}")
    assert failure.value.retryable


def test_as_many_requests_as_connections_are_under_way_at_once():
    barrier = Barrier(16, timeout=10)  # opens only when 16 requests are inside the server

    def reply(seen):
        barrier.wait()
        return OK

    with answering(reply) as server:
        endpoint = client(server.address, connections=16)
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda _: endpoint.ask(b"{}"), range(64)))
    assert len(answers) == len(server.seen) == 64


def test_closing_ends_a_pause():
    with replying(PASSING) as server, ThreadPoolExecutor(1) as threads:
        endpoint = client(server.address, backoff_s=60)
        waiting = threads.submit(endpoint.ask, b"{}")
        while not server.seen:
            time.sleep(0.01)
        time.sleep(0.2)
        endpoint.close()
        with pytest.raises(RunFailed, match="closed"):
            waiting.result(timeout=5)
