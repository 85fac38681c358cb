"""``sign-in``: who may sign in at the server's pages."""

import base64
import sys

import click
from argon2 import PasswordHasher

from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import submit
from server.directory.commands import RegisterSignIn
from server.directory.values import SignInRole

MIN_PASSWORD = 8
MAX_PASSWORD = 128
_GENERATED_BYTES = 10


@click.command("sign-in")
@click.argument("user")
@click.option("--merchant", help="商户编号（商户登录时）/ merchant id, for a merchant's sign-in")
@click.option(
    "--role",
    type=click.Choice([role.value for role in SignInRole]),
    default=SignInRole.MERCHANT.value,
    show_default=True,
)
@click.option("--password-stdin", is_flag=True, help="从标准输入读密码 / read it from stdin")
@pass_context
def sign_in(
    context: CommandContext,
    user: str,
    merchant: str | None,
    role: str,
    *,
    password_stdin: bool,
) -> None:
    """登记登录名或改密码 / let somebody sign in, or change the password."""
    password = _given() if password_stdin else _generated(context)
    submit(
        context,
        RegisterSignIn(
            user=user,
            role=SignInRole(role),
            merchant=merchant,
            password_hash=PasswordHasher().hash(password),
        ),
    )
    if password_stdin:
        click.echo(f"登录名 {user} 已登记 / {user} may sign in")
        return
    click.echo(
        f"登录名 {user}，密码（只显示这一次）：{password}"
        f" / sign-in {user}, its password is shown only this once"
    )


def _given() -> str:
    password = sys.stdin.readline(MAX_PASSWORD + 2).rstrip("\r\n")
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise CommandRefused(
            f"密码要有 {MIN_PASSWORD} 到 {MAX_PASSWORD} 个字符"
            f" / a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters"
        )
    return password


def _generated(context: CommandContext) -> str:
    return base64.b32encode(context.randomness(_GENERATED_BYTES)).decode().lower()
