"""Who brings the database to this version: its owner, where it has one of its own."""

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import ProgrammingError

from config.server import ServerSettings
from server.commands.auditing import too_much
from server.commands.context import CommandRefused
from server.db import EngineRefused, metadata, open_engine, reading
from server.db.migrate import is_current, upgrade
from server.db.roles import current_user, grant_rights, rights_too_many


def application_engine(settings: ServerSettings) -> Engine:
    """The database as the program works on it.

    Raises:
        CommandRefused: it is of a kind that the books cannot be kept in.
    """
    return _engine(settings.database)


def bring_up(settings: ServerSettings, engine: Engine, *, may_upgrade: bool) -> None:
    """Makes sure that the database has this version's schema.

    With one URL it is upgraded here and now. With an owner of its own the application cannot do
    that: ``may_upgrade`` says whether the owner may be asked (`init`), everybody else is refused.

    Raises:
        CommandRefused: the owner must upgrade the database first.
    """
    if settings.database_owner_url is None:
        upgrade(engine, metadata)
    elif not _is_ready(engine):
        if not may_upgrade:
            raise CommandRefused(
                "数据库还不是这个版本的，请先运行 huidian-server upgrade"
                " / the database is not at this version, run huidian-server upgrade first"
            )
        upgrade_database(settings)


def upgrade_database(settings: ServerSettings) -> str | None:
    """Applies the missing migrations, and grants the application its rights anew, all in one
    transaction. Answers the application's role; None where one URL serves both.

    Raises:
        CommandRefused: both URLs are the same role, or lead to different databases.
    """
    engine = application_engine(settings)
    try:
        if settings.database_owner_url is None:
            upgrade(engine, metadata)
            return None
        with reading(engine) as tx:
            role = current_user(tx)
        _upgrade_as_owner(settings.database_owner_url, role)
        if not _is_ready(engine):
            raise CommandRefused(
                "database_url 和 database_owner_url 不是同一个数据库，请核对设置"
                " / database_url and database_owner_url lead to different databases"
            )
        return role
    finally:
        engine.dispose()


def _upgrade_as_owner(url: str, role: str) -> None:
    owner = _engine(url)

    def grant(tx: Connection) -> None:
        if current_user(tx) == role:
            raise CommandRefused(
                f"database_url 和 database_owner_url 都用角色 {role}，请给程序单独的角色"
                f" / both URLs are of role {role}; give the application a role of its own"
            )
        grant_rights(tx, metadata, role)

    try:
        upgrade(owner, metadata, afterwards=grant)
    finally:
        owner.dispose()


def warnings(engine: Engine) -> list[str]:
    """What is not as it should be for real money: a program that may change the books' past."""
    with reading(engine) as tx:
        found = rights_too_many(tx, metadata)
    return [too_much(found)] if found else []


def _is_ready(engine: Engine) -> bool:
    try:
        with reading(engine) as tx:
            return is_current(tx)
    except ProgrammingError:  # the tables are there, the application's rights are not
        return False


def _engine(url: str) -> Engine:
    try:
        return open_engine(url)
    except EngineRefused as fault:
        raise CommandRefused(f"数据库不能用 / cannot use the database: {fault}") from fault
