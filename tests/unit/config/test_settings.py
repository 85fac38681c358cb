"""What the settings types derive and refuse."""

from pathlib import Path

import pytest

from config.load import ConfigError, parse
from config.server import ServerSettings
from config.terminal import TerminalSettings

FILE = Path("/etc/huidian/server.toml")


def test_left_to_themselves_both_listen_on_this_machine_only() -> None:
    terminal = TerminalSettings(data_dir=Path("/t"))
    server = ServerSettings(data_dir=Path("/s"))
    assert (terminal.listen_host, terminal.listen_port) == ("127.0.0.1", 8801)
    assert (server.listen_host, server.listen_port) == ("127.0.0.1", 8800)
    assert terminal.server_url == f"http://{server.listen_host}:{server.listen_port}"


def test_the_database_is_sqlite_in_the_data_folder_unless_told_otherwise() -> None:
    assert ServerSettings(data_dir=Path("/s")).database == "sqlite:////s/huidian.sqlite3"
    url = "postgresql+psycopg:///huidian?host=/run/postgresql"
    assert ServerSettings(data_dir=Path("/s"), database_url=url).database == url


def test_postgresql_may_have_an_owner_of_its_own() -> None:
    program, owner = (f"postgresql+psycopg://{role}@/huidian" for role in ("program", "owner"))
    settings = ServerSettings(data_dir=Path("/s"), database_url=program, database_owner_url=owner)
    assert (settings.database, settings.database_owner_url) == (program, owner)
    assert ServerSettings(data_dir=Path("/s"), database_url=program).database_owner_url is None


def test_the_simulated_clock_names_its_file() -> None:
    settings = TerminalSettings(data_dir=Path("/t"), clock="simulated:///tmp/offset")
    assert settings.simulated_clock_file == Path("/tmp/offset")
    assert TerminalSettings(data_dir=Path("/t")).simulated_clock_file is None
    assert ServerSettings(data_dir=Path("/t")).simulated_clock_file is None


def test_cookies_are_for_https_alone_where_anybody_else_may_call() -> None:
    own, street = ("127.0.0.1", "localhost"), ("127.0.0.1", "points.example")
    told = [
        ServerSettings(data_dir=Path("/s"), trusted_hosts=hosts, served_over_https=said)
        for hosts in (own, street)
        for said in (None, True, False)
    ]
    assert [each.cookies_need_https for each in told] == [False, True, False, True, True, False]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_every_loopback_address_will_do(host: str) -> None:
    text = f'data_dir = "/s"\nlisten_host = "{host}"\n'
    assert parse(text, ServerSettings, file=FILE).listen_host == host


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('listen_host = "192.0.2.1"', "listen_host"),
        ("trusted_hosts = []", "trusted_hosts"),
        ("session_idle_s = 90000", "session_idle_s"),
        ('database_url = "mysql://a"', "database_url"),
        ("max_body_bytes = 10", "max_body_bytes"),
        ('database_owner_url = "postgresql+psycopg:///huidian"', "database_owner_url"),
        ('database_owner_url = "sqlite:////s/other.sqlite3"', "database_owner_url"),
    ],
)
def test_the_server_refuses_what_it_could_not_stand_for(line: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f'data_dir = "/s"\n{line}\n', ServerSettings, file=FILE)
    assert (caught.value.key, caught.value.line) == (key, 2)
