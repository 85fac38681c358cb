"""``invite-terminal``: a one-time code for a device that is to become a terminal."""

from datetime import timedelta

import click
import msgspec

from server.commands.context import CommandContext, pass_context
from server.commands.submitting import submit
from server.db import reading
from server.directory import terminal_of
from server.directory.commands import InviteTerminal
from server.directory.enrolment import code_hash, code_name, make_code, shown_code

_ID_BYTES = 4


@click.command("invite-terminal")
@click.option("--shop", required=True, help="门店编号 / the shop's id")
@click.option("--terminal", "terminal", help="终端编号，不写则自动 / terminal id, made if left out")
@click.option("--json", "as_json", is_flag=True, help="JSON 输出 / output as JSON")
@pass_context
def invite_terminal(
    context: CommandContext, shop: str, terminal: str | None, *, as_json: bool
) -> None:
    """生成一次性注册码 / make a one-time code that enrols a terminal for a shop."""
    terminal = terminal or _free_id(context)
    code = make_code(context.randomness)
    expires_at = context.clock() + timedelta(seconds=context.settings.enrolment_code_s)
    submit(
        context,
        InviteTerminal(
            terminal=terminal,
            shop=shop,
            code_name=code_name(code),
            code_hash=code_hash(context.pool, terminal, code),
            expires_at=expires_at,
            tries=context.settings.enrolment_tries,
        ),
    )
    if as_json:
        answer = {
            "terminal": terminal,
            "shop": shop,
            "code": shown_code(code),
            "expires_at": expires_at,
        }
        click.echo(msgspec.json.encode(answer).decode())
        return
    minutes = context.settings.enrolment_code_s // 60
    click.echo(
        f"终端 {terminal} 的注册码：{shown_code(code)}（{minutes} 分钟内有效，只能用一次）"
        f" / the code of terminal {terminal}, good once within {minutes} minutes"
    )


def _free_id(context: CommandContext) -> str:
    while True:
        terminal = f"t-{context.randomness(_ID_BYTES).hex()}"
        with reading(context.engine) as tx:
            if terminal_of(tx, context.pool, terminal) is None:
                return terminal
