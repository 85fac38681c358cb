"""``keys``: the pool's issuer keys, changed by a list that its root key signs; docs/codes.md."""

import os
from datetime import timedelta
from math import ceil
from pathlib import Path

import click
import msgspec

from protocol.business_day import SHANGHAI
from protocol.documents import SignedDocument
from protocol.issuers import IssuerRole, KeyList, ListedKey
from protocol.keys import key_fingerprint, read_public_key
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import submit
from server.db import reading
from server.directory import pool_terms
from server.directory.commands import TakeKeyList
from server.directory.issuers import document_signer, forgotten_key_list, key_list
from server.directory.key_changes import (
    MAX_FILE_BYTES,
    changes,
    known_of,
    next_list,
    read_request,
    read_signed,
    request_of,
    sign_request,
    with_key,
    with_revoked,
)
from server.directory.keys import (
    ROOT_FILE,
    KeysRefused,
    make_issuer,
    read_root_file,
    take_root_away,
)
from server.directory.phones import PHONE_DAYS

DOCUMENT_DAYS = 30
"""How long terminals and files of an old document key are still believed."""

_ROLE_WORDS = {
    IssuerRole.CARD: "积分卡 cards",
    IssuerRole.PHONE: "手机和终端 phones and terminals",
    IssuerRole.DOCUMENT: "文件 documents",
}
_CHANGE_WORDS = {
    "new": "新 new",
    "revoked": "吊销 revoked",
    "ends": "到期日变了 another end",
    "same": "不变 as before",
}
_NewFile = click.Path(path_type=Path, dir_okay=False)
_request = click.option(
    "--request",
    "request_file",
    type=_NewFile,
    help="写成请求文件，拿到放根密钥的机器上签 / a file for the machine with the root key",
)
_yes = click.option("--yes", is_flag=True, help="不再询问 / do not ask")


@click.group()
def keys() -> None:
    """签发密钥 / the pool's issuer keys: list, rotate, retire; the root key kept away."""


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="JSON 输出 / output as JSON")
@pass_context
def list_keys(context: CommandContext, *, as_json: bool) -> None:
    """列出密钥 / which keys there are, from when and until when, and where the root key is."""
    with reading(context.engine) as tx:
        listed = key_list(tx, context.pool)
        shown = listed or next_list(tx, context.pool, context.keys, context.clock())
        forgotten = _opened(forgotten_key_list(tx, context.pool))
    is_here = context.keys.root is not None
    if as_json:
        told = {
            "version": listed.version if listed else 0,
            "terminals_have": forgotten.version if forgotten else None,
            "root_here": is_here,
            "root_key": context.keys.root_key_text,
            "keys": shown.keys,
        }
        click.echo(msgspec.json.encode(told).decode())
        return
    click.echo(f"第 {listed.version if listed else 0} 版 version")
    click.echo(
        f"根密钥 root key {key_fingerprint(context.keys.root_public)}："
        + ("在本机 here; 建议 keys root-away / better away" if is_here else "不在本机 away")
    )
    if forgotten is not None:
        click.echo(
            f"注意：终端有第 {forgotten.version} 版，恢复的备份比最后一次换密钥早。请从 keys/ 的备份找回"
            "私钥，再运行 keys take --shown；找不回就用 keys rotate 换新密钥"
            " / WARNING: terminals have a newer list than the restored backup: restore the private"
            " halves from the copy of keys/, then keys take --shown"
        )
        for each in forgotten.keys:
            if not context.keys.private_half(each.public_key):
                click.echo(_line(each) + "  私钥不在 no private half")
    for each in shown.keys:
        mine = "" if context.keys.private_half(each.public_key) else "  私钥不在 no private half"
        click.echo(_line(each) + mine)


@keys.command()
@click.option("--role", type=click.Choice([each.value for each in IssuerRole]), required=True)
@click.option(
    "--lead-days",
    type=click.IntRange(0, 365),
    help="几天后开始用；不写：终端最久多久不联网 / used from so many days on; as long as tills may be away",
)
@click.option(
    "--overlap-days",
    type=click.IntRange(0, 3650),
    help="旧密钥还有效几天 / how long after that the old ones are good",
)
@_request
@pass_context
def rotate(
    context: CommandContext,
    role: str,
    lead_days: int | None,
    overlap_days: int | None,
    request_file: Path | None,
) -> None:
    """换密钥 / make the next key of a role; the old ones stay good until their end."""
    wanted_role = IssuerRole(role)
    now = context.clock().replace(microsecond=0)
    with reading(context.engine) as tx:
        terms = pool_terms(tx, context.pool)
        listed = next_list(tx, context.pool, context.keys, now)
    # Whoever may still sell with old lists must have had time to learn the key.
    lead = ceil(terms.stand_in.directory_max_age_h / 24) if lead_days is None else lead_days
    if wanted_role is IssuerRole.DOCUMENT and lead_days is None:
        lead = 0  # the list comes before the documents in every answer
    overlap = {
        IssuerRole.CARD: terms.card_valid_days,
        IssuerRole.PHONE: PHONE_DAYS,
        IssuerRole.DOCUMENT: DOCUMENT_DAYS,
    }[wanted_role]
    overlap = overlap if overlap_days is None else overlap_days
    public = make_issuer(_folder(context), context.randomness)
    signs_from = now + timedelta(days=lead)
    wanted = with_key(
        listed,
        wanted_role,
        public,
        signs_from=signs_from,
        others_end_at=signs_from + timedelta(days=overlap),
    )
    _ask_for(context, wanted, request_file)


@keys.command()
@click.argument("kid", type=click.IntRange(0, 255))
@_request
@_yes
@pass_context
def retire(context: CommandContext, kid: int, request_file: Path | None, *, yes: bool) -> None:
    """吊销密钥 / take a key back: everything that it signed is dead where the list is known.

    For a key that is lost or stolen. One that only makes room for the next has an end already.
    """
    now = context.clock().replace(microsecond=0)
    with reading(context.engine) as tx:
        wanted = with_revoked(next_list(tx, context.pool, context.keys, now), kid, now)
    if wanted is None:
        raise CommandRefused(f"没有在用的密钥 {kid} / no live key has this number")
    if not yes:
        click.confirm(
            f"密钥 {kid} 签过的卡和手机码都作废，不能恢复，继续吗"
            " / all that it signed is dead for good; go on?",
            abort=True,
        )
    _ask_for(context, wanted, request_file)


@keys.command()
@click.argument("signed_file", type=_NewFile, required=False)
@click.option(
    "--shown",
    is_flag=True,
    help="恢复备份后：收下终端手里更新的密钥表 / after a restore: the newer list that terminals have",
)
@pass_context
def take(context: CommandContext, signed_file: Path | None, *, shown: bool) -> None:
    """收下签好的密钥表 / take in the list that the root key signed."""
    if shown is (signed_file is not None):
        raise CommandRefused("请给文件，或者 --shown / name a file, or --shown")
    if signed_file is None:
        with reading(context.engine) as tx:
            signed = forgotten_key_list(tx, context.pool)
        if signed is None:
            raise CommandRefused("没有终端手里有更新的密钥表 / no terminal has shown a newer list")
    else:
        signed = read_signed(_content(signed_file))
        if signed is None:
            raise CommandRefused(f"{signed_file} 不是签好的密钥表 / is no signed list")
    _take(context, signed)


def _opened(signed: SignedDocument | None) -> KeyList | None:
    return msgspec.json.decode(signed.body, type=KeyList) if signed is not None else None


@keys.command("root-away")
@click.option("--out", type=_NewFile, required=True, help="根密钥文件 / where the root key goes")
@pass_context
def root_away(context: CommandContext, out: Path) -> None:
    """把根密钥移出服务器 / move the root key into a file to be kept in a drawer, twice.

    From now on a key of its own signs documents, and the root key only lists of keys.
    """
    root = context.keys.root
    if root is None:
        raise CommandRefused("根密钥已经不在这里 / the root key is away already")
    if out.exists():
        raise CommandRefused(f"{out} 已经存在，请换个文件名 / exists, take another name")
    now = context.clock().replace(microsecond=0)
    with reading(context.engine) as tx:
        is_signing = document_signer(tx, context.pool, context.keys, now).kid is None
        listed = next_list(tx, context.pool, context.keys, now)
    if is_signing:
        public = make_issuer(_folder(context), context.randomness)
        role = IssuerRole.DOCUMENT
        wanted = with_key(listed, role, public, signs_from=now, others_end_at=now)
        _ask_for(context, wanted, None)
    try:
        take_root_away(_folder(context), out)
    except (OSError, KeysRefused) as fault:
        raise CommandRefused(f"没有移走 / nothing was moved: {fault}") from fault
    click.echo(
        f"根密钥已移到 {out}。请抄到两个介质上，分开锁好，再从本机删除；然后重启服务器"
        " / the root key is moved; keep it twice, apart and locked up, delete it here,"
        " and start the server anew"
    )


@keys.command()
@click.argument("request_file", type=_NewFile)
@click.option("--root", "root_file", type=_NewFile, required=True, help="根密钥文件 / the root key")
@click.option("--out", type=_NewFile, required=True, help="签好的密钥表 / the signed list")
@_yes
def certify(request_file: Path, root_file: Path, out: Path, *, yes: bool) -> None:
    """用根密钥签一张密钥表 / sign a list with the root key, on a machine without a network.

    No pool is needed here. Compare the fingerprints with those that the server showed.
    """
    request = read_request(_content(request_file))
    if request is None:
        raise CommandRefused(f"{request_file} 不是密钥请求 / is no request for keys")
    known = known_of(request)
    if isinstance(known, str):
        raise CommandRefused(known)
    _show(request.wanted, known)
    if not yes:
        click.confirm("签吗 / sign it?", abort=True)
    try:
        signed = sign_request(read_root_file(root_file), request)
    except KeysRefused as fault:
        raise CommandRefused(str(fault)) from fault
    if isinstance(signed, str):
        raise CommandRefused(signed)
    _write(out, msgspec.json.encode(signed))
    click.echo(f"已签，请拿回服务器运行 keys take {out} / signed; take it back to the server")


def _ask_for(context: CommandContext, wanted: KeyList, request_file: Path | None) -> None:
    """Sign and take the list where the root key is here; else write the request for it."""
    with reading(context.engine) as tx:
        request = request_of(tx, context.pool, context.keys, wanted)
        known = key_list(tx, context.pool)
    root = context.keys.root
    if root is None and request_file is None:
        raise CommandRefused(
            "根密钥不在本机：请加 --request 文件 / the root key is away: add --request FILE"
        )
    _show(wanted, known)
    if request_file is not None or root is None:
        assert request_file is not None
        _write(request_file, msgspec.json.encode(request))
        click.echo(
            f"请把 {request_file} 拿到放根密钥的机器上运行 keys certify"
            " / carry it to the machine with the root key: keys certify"
        )
        return
    signed = sign_request(root, request)
    if isinstance(signed, str):
        raise CommandRefused(signed)
    _take(context, signed)


def _take(context: CommandContext, signed: SignedDocument) -> None:
    listed = msgspec.json.decode(signed.body, type=KeyList)
    with reading(context.engine) as tx:
        known = key_list(tx, context.pool)
    # A key that is listed already and lost must not stand in the way of the list without it.
    missing = [
        each.kid
        for each in listed.keys
        if each.is_live(context.clock())
        and context.keys.private_half(each.public_key) is None
        and (known is None or known.of(each.role, each.kid) is None)
    ]
    if missing:
        raise CommandRefused(
            f"密钥 {missing} 的私钥不在本机，请从备份恢复"
            " / their private halves are not here, restore them from the copy"
        )
    submit(context, TakeKeyList(body=signed.body, signature=signed.signature))
    click.echo(
        f"密钥表第 {listed.version} 版已生效，终端下次联网时收到"
        " / the list is in force; terminals learn it when they are online next"
    )


def _show(wanted: KeyList, known: KeyList | None) -> None:
    click.echo(f"{wanted.pool} 密钥表第 {wanted.version} 版 / list of keys, version")
    for what, each in changes(known, wanted):
        click.echo(f"{_CHANGE_WORDS[what]}  {_line(each)}")


def _line(each: ListedKey) -> str:
    day = "%Y-%m-%d %H:%M"
    told = f"{each.kid:>3}  {_ROLE_WORDS[each.role]}"
    told += f"  指纹 {key_fingerprint(read_public_key(each.public_key))}"
    told += f"  起 from {each.signs_from.astimezone(SHANGHAI):{day}}"
    if each.ends_at is not None:
        told += f"  止 until {each.ends_at.astimezone(SHANGHAI):{day}}"
    if each.revoked_at is not None:
        told += f"  已吊销 revoked {each.revoked_at.astimezone(SHANGHAI):{day}}"
    return told


def _folder(context: CommandContext) -> Path:
    folder = context.keys.folder
    assert folder is not None, ROOT_FILE
    return folder


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES)
    except OSError as fault:
        raise CommandRefused(f"{path} 读不出 / cannot be read: {fault.strerror}") from fault


def _write(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as fault:
        raise CommandRefused(f"写不了 {path} / cannot write it: {fault.strerror}") from fault
