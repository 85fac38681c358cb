"""Streams have a limit and an end; the server binds first and stops cleanly."""

import http.client
import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import msgspec
import pytest

from terminal.app import PortInUseError, bind, serve
from terminal.domain.changes import Changes
from terminal.domain.ports import StoreFaultError
from terminal.web.screen import Screen
from terminal.web.streams import MAX_STREAMS, Streams, screen_events
from tests.support.shop import Shop, slot_text
from tests.support.till_web import app_of, served


@contextmanager
def stream(url: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    connection.request("GET", "/api/events")
    response = connection.getresponse()
    try:
        yield response
    finally:
        response.close()
        connection.close()


def next_screen(response: http.client.HTTPResponse) -> Screen:
    for line in iter(response.readline, b""):
        if line.startswith(b"data: "):
            return msgspec.json.decode(line.removeprefix(b"data: "), type=Screen)
    raise AssertionError("the stream ended")


def test_a_stream_sends_the_screen_at_once_and_after_every_change(shop: Shop) -> None:
    with served(app_of(shop)) as url, stream(url) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert next_screen(response).lines == ()
        shop.till.add_item("bun")
        assert [text.name for text in next_screen(response).line_texts] == ["馒头"]


def test_a_stream_too_many_is_refused_and_a_closed_one_makes_room(shop: Shop) -> None:
    streams = Streams()
    with served(app_of(shop, streams=streams)) as url:
        opened = [stream(url) for _ in range(MAX_STREAMS)]
        for one in opened:
            assert next_screen(one.__enter__()).state == "open"
        with stream(url) as refused:
            assert refused.status == 503
            assert b"too_many_streams" in refused.read()
        opened.pop().__exit__(None, None, None)
        freed = threading.Event()
        for _ in range(100):
            if streams.enter():
                streams.leave()
                freed.set()
                break
            freed.wait(0.1)
        assert freed.is_set()
        with stream(url) as again:
            assert next_screen(again).state == "open"
        for one in opened:
            one.__exit__(None, None, None)


def test_sales_go_on_while_every_stream_is_taken(shop: Shop) -> None:
    with served(app_of(shop)) as url:
        opened = [stream(url) for _ in range(MAX_STREAMS)]
        for one in opened:
            next_screen(one.__enter__())
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
        headers = {"Content-Type": "application/json", "X-Huidian": "1"}
        connection.request("POST", "/api/amount", b'{"text": "7.10"}', headers)
        answer = msgspec.json.decode(connection.getresponse().read(), type=Screen)
        connection.close()
        assert answer.due_text == "7.10 元"
        for one in opened:
            one.__exit__(None, None, None)


def test_a_stream_ends_when_the_program_stops(shop: Shop) -> None:
    with served(app_of(shop)) as url:
        opened = stream(url)
        response = opened.__enter__()
        next_screen(response)
    while response.readline():  # what was under way, and then the end
        pass
    assert response.readline() == b"", "the stream is over, not merely quiet"
    opened.__exit__(None, None, None)


def test_a_store_that_cannot_be_read_is_told_to_the_stream_and_does_not_end_it() -> None:
    changes, streams, tries = Changes(), Streams(), itertools.count()

    def screen() -> tuple[int, bytes]:
        if next(tries) == 0:
            raise StoreFaultError("disk I/O error")
        return changes.version, b"{}"

    events = screen_events(changes, streams, screen, lambda: b'{"says": ""}', lambda: False)
    assert next(events).startswith(b"event: fault\n")
    changes.note()
    assert next(events) == b"event: screen\ndata: {}\n\n"
    streams.close()
    assert list(events) == []
    assert not streams.enter()


def test_a_port_in_use_is_named_before_anything_starts(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{port} 已被别的程序占用"):
            bind("127.0.0.1", port)
        with pytest.raises(PortInUseError):
            serve(app_of(shop), "127.0.0.1", port)


def test_a_bound_port_is_ours_before_the_server_runs() -> None:
    with bind("127.0.0.1", 0) as ours, pytest.raises(PortInUseError):
        bind("127.0.0.1", ours.getsockname()[1])


def test_a_sale_that_is_being_completed_is_answered_before_the_server_stops(shop: Shop) -> None:
    shop.till.add_amount("7.10", "x")
    asked, answer = threading.Event(), threading.Event()

    def wait() -> None:
        asked.set()
        answer.wait(10)

    shop.pool.while_asking = wait
    server = serve(app_of(shop), "127.0.0.1", 0)
    running = threading.Thread(target=server.run)
    running.start()
    connection = http.client.HTTPConnection(f"127.0.0.1:{server.port}", timeout=20)
    headers = {"Content-Type": "application/json", "X-Huidian": "1"}
    from_page = msgspec.json.encode({"text": slot_text()})
    connection.request("POST", "/api/scan", from_page, headers)
    assert asked.wait(10)
    server.stop()
    answer.set()
    screen = msgspec.json.decode(connection.getresponse().read(), type=Screen)
    assert screen.state == "authorised"  # offline, within the limits
    running.join(15)
    assert not running.is_alive()
    connection.close()
