"""Commands about statements as files: export, verify, lookup by the code on paper, the key."""

import json
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from protocol.keys import KeyTextError, key_fingerprint, public_key_text, read_public_key
from protocol.money import format_yuan
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.db import reading
from server.directory.issuers import document_signer, key_list
from server.exports.canonical import code_of, digest_of, is_code_for, payload_of, read_code
from server.exports.export import ExportRefused, export_statement
from server.exports.fonts import find_page_font
from server.exports.pdf import closing_sentence, net_sentence
from server.exports.seal import (
    MAX_FILE_BYTES,
    Seal,
    StatementFormat,
    Verdict,
    Verified,
    verify_file,
)
from server.exports.writing import write_whole
from server.settlement import statements_of
from server.settlement.document import StatementDocument, document_of

EXIT_STATUS = {Verdict.WHOLE: 0, Verdict.ALTERED: 1, Verdict.UNKNOWN: 2}
_WORDS = {Verdict.WHOLE: "完整", Verdict.ALTERED: "已被改动", Verdict.UNKNOWN: "无法认定"}

_File = click.Path(dir_okay=False, path_type=Path)


class _Undecided(CommandRefused):
    """A file could not be judged; exit status 1 would say that it was altered."""

    exit_code = EXIT_STATUS[Verdict.UNKNOWN]


def register(statement: click.Group) -> None:
    """Adds the commands to the command ``statement``."""
    for command in (export, verify, lookup, key):
        statement.add_command(command)


@click.command()
@click.argument("statement")
@click.option(
    "--format",
    "kind",
    type=click.Choice([each.value for each in StatementFormat]),
    help="默认按文件名的后缀 / by the file's suffix",
)
@click.option("--to", "path", type=_File, required=True, help="写到哪里 / the file to write")
@click.option("--replace", is_flag=True, help="文件已有时覆盖 / overwrite the file")
@pass_context
def export(
    context: CommandContext, statement: str, *, kind: str | None, path: Path, replace: bool
) -> None:
    """导出一份签名的对账单 / Write a statement as a signed file: PDF, XLSX, CSV or JSON."""
    wanted = _kind(kind or path.suffix.lower().removeprefix("."))
    if path.exists() and not replace:
        raise CommandRefused(
            f"{path} 已经存在，请换个文件名，或加 --replace / exists; take another name or --replace"
        )
    with reading(context.engine) as tx:
        document = document_of(tx, context.pool, statement)
        signer = document_signer(tx, context.pool, context.keys, context.clock())
    if document is None:
        raise CommandRefused(
            f"没有这份对账单：{statement}，请用 statement 查单号 / no such statement: {statement}"
        )
    font = find_page_font()
    exported = export_statement(document, wanted, signer.key, font, signer.voucher)
    if isinstance(exported, ExportRefused):
        raise CommandRefused(exported.says)
    try:
        write_whole(path, exported.content)
    except OSError as fault:
        raise CommandRefused(
            f"写不了 {path}，请换个地方 / cannot write it: {fault.strerror}"
        ) from fault
    click.echo(f"已写出 {path}（{len(exported.content)} 字节 bytes）")
    click.echo(f"核对码 code {exported.seal.code}")


def _kind(name: str) -> StatementFormat:
    try:
        return StatementFormat(name)
    except ValueError as fault:
        raise CommandRefused(
            "请用 --format 写明格式：pdf、xlsx、csv 或 json / say the format with --format"
        ) from fault


@click.command()
@click.argument("file", type=_File)
@click.option("--key", "key_text", help="用这把公钥核对，不看账 / check with this public key")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def verify(context: CommandContext, file: Path, *, key_text: str | None, as_json: bool) -> None:
    """核对导出的文件 / Say whether a file is whole (0), altered (1) or unknown (2: exit status).

    With the pool's own key it is compared with the books as well.
    """
    root_key = _given_key(key_text) if key_text is not None else _own_key(context)
    found = _verified(file, root_key, _revoked(context) if key_text is None else frozenset())
    books = None
    if found.seal is not None and key_text is None:
        books = _as_on_the_books(context, found.seal)
    if as_json:
        told = {
            "verdict": found.verdict,
            "says": found.says,
            "statement": found.seal and found.seal.statement,
            "code": found.seal and found.seal.code,
            "digest": found.seal and found.seal.digest,
            "as_on_the_books": books,
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        click.echo(f"{_WORDS[found.verdict]} {found.verdict}: {found.says}")
        if found.seal is not None:
            click.echo(f"对账单 statement {found.seal.statement}  核对码 code {found.seal.code}")
        if books is not None:
            same = "与账上一致 / as on the books"
            differs = "注意：账上没有或不同 / mind: the books have no such statement or another"
            click.echo(same if books else differs)
    raise SystemExit(EXIT_STATUS[found.verdict])


def _verified(file: Path, root_key: Ed25519PublicKey, revoked: frozenset[str]) -> Verified:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as fault:
        says = f"文件读不出，请检查 / cannot be read: {fault.strerror}"
        return Verified(Verdict.UNKNOWN, says)
    return verify_file(content, root_key, revoked)


def _revoked(context: CommandContext) -> frozenset[str]:
    """The keys that this pool has taken back."""
    with reading(context.engine) as tx:
        listed = key_list(tx, context.pool)
    keys = listed.keys if listed is not None else ()
    return frozenset(each.public_key for each in keys if each.revoked_at is not None)


def _given_key(text: str) -> Ed25519PublicKey:
    try:
        return read_public_key(text)
    except (KeyTextError, ValueError) as fault:
        raise _Undecided(
            "--key 不是公钥，应以 ed25519: 开头 / --key is no public key, it begins with ed25519:"
        ) from fault


def _own_key(context: CommandContext) -> Ed25519PublicKey:
    try:
        return context.keys.root_public
    except CommandRefused as refused:
        raise _Undecided(refused.message) from refused


def _as_on_the_books(context: CommandContext, seal: Seal) -> bool:
    with reading(context.engine) as tx:
        document = document_of(tx, context.pool, seal.statement)
    return document is not None and digest_of(payload_of(document)).hex() == seal.digest


@click.command()
@click.argument("code")
@pass_context
def lookup(context: CommandContext, code: str) -> None:
    """按纸上的核对码查账上的数字 / Find a statement by the code on its paper.

    Exit status 1 if there is none, or if the books say something else than the code.
    """
    wanted = read_code(code)
    if wanted is None:
        raise CommandRefused(
            "核对码是四组、每组四个字母或数字，请再看一遍 / a code is four groups of four, look again"
        )
    with reading(context.engine) as tx:
        found = list(_documents(tx, context.pool, wanted))
    if not found:
        raise CommandRefused("账上没有这个核对码的对账单 / no statement has this code")
    exact = [each for each in found if _code(each) == wanted]
    for document in exact or found:
        _print_document(document)
    if not exact:
        raise CommandRefused(
            "注意：账上有这份对账单，但内容与核对码不符，请以上面的数字为准"
            " / the statement is there, but its content is not the code's; the books count"
        )


def _documents(tx: Connection, pool: str, code: str) -> list[StatementDocument]:
    named = [
        each.statement
        for each in statements_of(tx, pool)
        if is_code_for(code, pool, each.statement)
    ]
    documents = [document_of(tx, pool, statement) for statement in named]
    return [document for document in documents if document is not None]


def _code(document: StatementDocument) -> str:
    return code_of(document.pool, document.statement, digest_of(payload_of(document)))


def _print_document(document: StatementDocument) -> None:
    click.echo(f"{document.merchant_name}（{document.merchant}）对账单 {document.statement}")
    click.echo(f"  期间 period   {document.period_from} – {document.period_through}")
    click.echo(f"  {net_sentence(document.net_fen)} / net {format_yuan(document.net_fen)}")
    click.echo(f"  {closing_sentence(document)} / closing {format_yuan(document.closing_fen)}")
    click.echo(f"  明细 lines    {len(document.lines)}")
    click.echo(f"  核对码 code   {_code(document)}")


@click.command()
@pass_context
def key(context: CommandContext) -> None:
    """打印核对用的公钥 / Print the public key with which anybody can check a file."""
    root_key = context.keys.root_public
    click.echo(public_key_text(root_key))
    click.echo(f"指纹 fingerprint {key_fingerprint(root_key)}")
