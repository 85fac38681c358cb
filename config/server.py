"""Settings of a pool server."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from config.load import SettingRefusedError
from config.terminal import ClockUrl, Language, Port, is_loopback, simulated_clock_file

Seconds = Annotated[int, Meta(ge=1, le=30 * 24 * 3600)]
DatabaseUrl = Annotated[
    str,
    Meta(
        pattern=r"^(sqlite|postgresql\+psycopg)://\S+$",
        examples=["postgresql+psycopg:///huidian?host=/run/postgresql"],
    ),
]


class ServerSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that a pool server is told by a file. Programmes are presets (`config.pool`).

    Passwords do not belong here: PostgreSQL's stands in the service's credentials or in
    PGPASSFILE, session keys are made by the server and kept in `data_dir`.
    """

    data_dir: Path
    listen_host: str = "127.0.0.1"
    listen_port: Port = 8800
    # Left out: SQLite in data_dir.
    database_url: DatabaseUrl | None = None
    # The schema's owner, for `init` and `upgrade` alone; `database_url` is then a role that can
    # neither change the tables nor what stands in the books. PostgreSQL only.
    database_owner_url: DatabaseUrl | None = None
    language: Language = "zh"
    clock: ClockUrl = "system"
    # Names under which browsers and terminals may call; anything else gets nothing.
    trusted_hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
    # Whether browsers come through a TLS front end, so that they send the session's cookie over
    # HTTPS alone. Left out: as soon as `trusted_hosts` names anything but this machine.
    served_over_https: bool | None = None
    session_idle_s: Seconds = 30 * 60
    session_lifetime_s: Seconds = 12 * 3600
    enrolment_code_s: Seconds = 10 * 60
    enrolment_tries: Annotated[int, Meta(ge=1, le=20)] = 5
    # How far a terminal's clock may be off in a signed request, and how long nonces are kept.
    request_age_s: Annotated[int, Meta(ge=1, le=3600)] = 300
    max_body_bytes: Annotated[int, Meta(ge=1024, le=16 * 1024 * 1024)] = 1024 * 1024

    def __post_init__(self) -> None:
        if not is_loopback(self.listen_host):
            raise SettingRefusedError(
                "listen_host",
                zh="只能是本机地址，如 127.0.0.1；对外服务请在前面放 TLS 前端",
                en="must be this machine's own address, such as 127.0.0.1; put a TLS front end before it",
            )
        if self.database_owner_url is not None and not (
            _is_postgres(self.database_owner_url) and _is_postgres(self.database)
        ):
            raise SettingRefusedError(
                "database_owner_url",
                zh="只有 PostgreSQL 分两个角色，database_url 也要写",
                en="only PostgreSQL knows two roles; database_url must be set as well",
            )
        if not self.trusted_hosts:
            raise SettingRefusedError(
                "trusted_hosts", zh="不能为空", en="must name at least one host"
            )
        if self.session_idle_s > self.session_lifetime_s:
            raise SettingRefusedError(
                "session_idle_s",
                zh="不能长于 session_lifetime_s",
                en="must not be longer than session_lifetime_s",
            )

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.data_dir / 'huidian.sqlite3'}"

    @property
    def cookies_need_https(self) -> bool:
        """Whether the session's cookie is for HTTPS alone."""
        if self.served_over_https is not None:
            return self.served_over_https
        return not all(is_loopback(host) for host in self.trusted_hosts)

    @property
    def simulated_clock_file(self) -> Path | None:
        """The file with the clock's offset in seconds; None with the system's clock."""
        return simulated_clock_file(self.clock)


def _is_postgres(url: str) -> bool:
    return url.startswith("postgresql+psycopg:")
