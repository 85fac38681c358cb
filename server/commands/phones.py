"""``phone``: a resident's phone, let in with a one-time code and ended when it is lost."""

from datetime import timedelta

import click
import msgspec

from server.commands.context import CommandContext, pass_context
from server.commands.submitting import submit
from server.directory.enrolment import PHONE_CODE_LETTERS, code_name, make_code, shown_code
from server.directory.phones import EndPhone, InvitePhone, phone_code_hash

PHONE_CODE_MINUTES = 24 * 60
"""A code is handed over on paper, and typed in at home."""
_TRIES = 5


@click.group()
def phone() -> None:
    """居民手机码 / residents' phones."""


@phone.command()
@click.option("--account", required=True, help="居民账号（16 位）/ the resident's account")
@click.option("--json", "as_json", is_flag=True, help="JSON 输出 / output as JSON")
@pass_context
def invite(context: CommandContext, account: str, *, as_json: bool) -> None:
    """生成一次性登记码 / make a one-time code that lets a resident's phone in."""
    code = make_code(context.randomness, PHONE_CODE_LETTERS)
    expires_at = context.clock() + timedelta(minutes=PHONE_CODE_MINUTES)
    submit(
        context,
        InvitePhone(
            account=account,
            code_name=code_name(code),
            code_hash=phone_code_hash(context.pool, account, code),
            expires_at=expires_at,
            tries=_TRIES,
        ),
    )
    if as_json:
        answer = {"account": account, "code": shown_code(code), "expires_at": expires_at}
        click.echo(msgspec.json.encode(answer).decode())
        return
    click.echo(
        f"居民 {account} 的手机登记码：{shown_code(code)}（24 小时内有效，只能用一次）"
        " / the code of the resident's phone, good once within 24 hours"
    )


@phone.command()
@click.option("--account", required=True, help="居民账号（16 位）/ the resident's account")
@click.option("--reason", required=True, help="原因 / why")
@pass_context
def end(context: CommandContext, account: str, reason: str) -> None:
    """停用居民的手机码 / no code of the resident's phone is good from now on."""
    outcome = submit(context, EndPhone(account=account, reason=reason))
    again = getattr(outcome, "again", False)
    click.echo(
        f"居民 {account} 没有在用的手机 / no live phone"
        if again
        else f"居民 {account} 的手机码已停用 / the phone is stopped"
    )
