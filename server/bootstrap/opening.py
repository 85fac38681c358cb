"""Making a pool's data, and opening it again: database, keys, services."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from config.pool import PoolPreset
from config.server import ServerSettings
from protocol.card_pin_hash import ArgonPinMaker
from protocol.keys import public_key_text
from server.api import ApiServices
from server.app import AppServices
from server.bootstrap.clock import Clock
from server.bootstrap.desk import make_desk
from server.bootstrap.schema import application_engine, bring_up
from server.commands.context import CommandRefused, OpenedPool
from server.db import reading, writing
from server.directory import pool_terms, pools
from server.directory.adoption import adoption_of
from server.directory.card_pin_making import pin_setting
from server.directory.issuers import document_signer
from server.directory.keys import DocumentSigner, KeysRefused, load_keys, make_keys
from server.exports.fonts import find_page_font
from server.facts import Refusal
from server.portal.services import PortalServices

_FOLDER_MODE = 0o700


def keys_folder(settings: ServerSettings, pool: str) -> Path:
    """Where a pool's keys are."""
    return settings.data_dir / "keys" / pool


def create_pool(
    settings: ServerSettings,
    preset: PoolPreset,
    *,
    clock: Clock,
    randomness: Callable[[int], bytes],
) -> OpenedPool:
    """Make data folder, keys and database, and adopt the preset.

    Interrupted, it can be run again; keys that are there are used.

    Raises:
        CommandRefused: a pool is there already, or the folder cannot be used.
    """
    existing = _pools_with_keys(settings)
    if any(pool != preset.id for pool in existing):
        raise CommandRefused(
            f"{settings.data_dir} 里已有积分池 {existing[0]}，请换一个目录"
            f" / holds pool {existing[0]} already, take another folder"
        )
    folder = keys_folder(settings, preset.id)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
        engine = application_engine(settings)
        bring_up(settings, engine, may_upgrade=True)
        if not folder.exists():
            _refuse_new_keys_for_an_old_pool(engine, preset.id, folder)
        keys = load_keys(folder) if folder.exists() else make_keys(folder, randomness)
    except (OSError, KeysRefused) as fault:
        raise CommandRefused(f"数据目录不能用 / cannot use the data folder: {fault}") from fault
    command = adoption_of(preset, root_key=keys.root_key_text, issuer_keys=keys.issuer_keys())
    with writing(engine) as tx:
        outcome = make_desk().submit(
            tx, preset.id, command, actor="operator:init", recorded_at=clock()
        )
    if isinstance(outcome, Refusal):
        engine.dispose()
        raise CommandRefused(
            f"积分池 {preset.id} 已经建立，没有改动"
            f" / pool {preset.id} is there already; nothing was changed"
        )
    return OpenedPool(preset.id, engine, keys)


def _refuse_new_keys_for_an_old_pool(engine: Engine, pool: str, folder: Path) -> None:
    with reading(engine) as tx:
        adopted = pool in pools(tx)
    if adopted:
        engine.dispose()
        raise CommandRefused(
            f"积分池 {pool} 已经建立，但密钥不在 {folder}，请从备份恢复"
            f" / pool {pool} is there already, its keys are not; restore them from the copy"
        )


def open_pool(settings: ServerSettings) -> OpenedPool:
    """Open the pool that ``init`` made, and bring its database to this version, unless that is
    its owner's to do.

    Raises:
        CommandRefused: there is none, or its keys or its database cannot be used, or its owner
            must upgrade it first.
    """
    found = _pools_with_keys(settings)
    if len(found) != 1:
        raise CommandRefused(
            f"{settings.data_dir} 里没有积分池，请先运行 huidian-server init --pool 名称"
            " / no pool here, run huidian-server init first"
        )
    (pool,) = found
    try:
        keys = load_keys(keys_folder(settings, pool))
    except KeysRefused as fault:
        raise CommandRefused(str(fault)) from fault
    engine = application_engine(settings)
    bring_up(settings, engine, may_upgrade=False)
    with reading(engine) as tx:
        adopted = pool in pools(tx)
        adopted_with = public_key_text(pool_terms(tx, pool).root_key) if adopted else None
    if not adopted:
        engine.dispose()
        raise CommandRefused(
            f"积分池 {pool} 没有建完，请再运行一次 init / pool {pool} is unfinished, run init again"
        )
    if adopted_with != keys.root_key_text:
        engine.dispose()
        raise CommandRefused(
            f"{keys_folder(settings, pool)} 不是这个积分池的密钥，请从备份恢复"
            " / these are not the keys that the pool was made with; restore them from the copy"
        )
    return OpenedPool(pool, engine, keys)


def app_services(
    settings: ServerSettings,
    opened: OpenedPool,
    *,
    clock: Callable[[], datetime],
    randomness: Callable[[int], bytes],
    workers: int = 1,
) -> AppServices:
    """What the web application is made from; one of so many processes that answer."""
    desk = make_desk()
    return AppServices(
        api=ApiServices(
            engine=opened.engine,
            pool=opened.pool,
            desk=desk,
            keys=opened.keys,
            clock=clock,
            request_age_s=settings.request_age_s,
            workers=workers,
        ),
        portal=PortalServices(
            engine=opened.engine,
            pool=opened.pool,
            desk=desk,
            signer=lambda: _signer(opened, clock()),
            clock=clock,
            randomness=randomness,
            font=find_page_font(),
            pin_setting=pin_setting(opened.keys, ArgonPinMaker()),
            idle_s=settings.session_idle_s,
            lifetime_s=settings.session_lifetime_s,
        ),
        session_secret=opened.keys.session_secret,
        trusted_hosts=settings.trusted_hosts,
        max_body_bytes=settings.max_body_bytes,
        cookies_need_https=settings.cookies_need_https,
    )


def _signer(opened: OpenedPool, now: datetime) -> DocumentSigner:
    with reading(opened.engine) as tx:
        return document_signer(tx, opened.pool, opened.keys, now)


def _pools_with_keys(settings: ServerSettings) -> list[str]:
    folder = settings.data_dir / "keys"
    if not folder.is_dir():
        return []
    return sorted(each.name for each in folder.iterdir() if not each.name.startswith("."))
