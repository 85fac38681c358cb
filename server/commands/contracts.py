"""``contract``: agree with a merchant, end it early, see what was agreed."""

import json
from datetime import datetime
from typing import BinaryIO

import click
import msgspec

from protocol.money import AmountProblem, format_yuan, parse_yuan
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import submit
from server.db import reading
from server.directory.commands import AgreeTerms, EndContract
from server.directory.contract_terms import Basis, ContractTerms, Cycle, ShareRule
from server.directory.queries import contracts_of, merchant_of, merchants
from server.directory.values import Contract, Done

MAX_TERMS_BYTES = 64 * 1024
_DAY = click.DateTime(["%Y-%m-%d"])


def register(group: click.Group) -> None:
    """Adds the commands to the server's own."""
    group.add_command(contract)


@click.group()
def contract() -> None:
    """商户合约 / Contracts with merchants."""


@contract.command()
@click.argument("name", metavar="CONTRACT")
@click.option("--merchant", required=True, help="商户编号 / merchant id")
@click.option("--shop", help="只用于这家门店 / for this shop only")
@click.option("--from", "valid_from", required=True, type=_DAY, metavar="YYYY-MM-DD")
@click.option("--until", "valid_until", type=_DAY, metavar="YYYY-MM-DD")
@click.option(
    "--share-bp", type=int, help="纳入积分池的比例，基点（500 = 5%） / share in basis points"
)
@click.option("--basis", type=click.Choice([each.value for each in Basis]), default="cash")
@click.option("--minimum", metavar="YUAN", help="每月保底 / minimum share a calendar month")
@click.option("--rent", metavar="YUAN", help="每月租金 / rent a calendar month")
@click.option("--reimbursement-bp", type=int, default=10_000, show_default=True)
@click.option("--cycle", type=click.Choice([each.value for each in Cycle]), default="run")
@click.option(
    "--terms",
    type=click.File("rb"),
    metavar="FILE.json",
    help="分档、品类等全部条款 / all terms as JSON: tiers, categories, items, fees",
)
@click.option(
    "--resumes", is_flag=True, help="停业后恢复营业 / business was interrupted on purpose"
)
@pass_context
def agree(
    context: CommandContext,
    name: str,
    *,
    merchant: str,
    shop: str | None,
    valid_from: datetime,
    valid_until: datetime | None,
    share_bp: int | None,
    basis: str,
    minimum: str | None,
    rent: str | None,
    reimbursement_bp: int,
    cycle: str,
    terms: BinaryIO | None,
    resumes: bool,
) -> None:
    """签订合约 / Agree a contract, from a day on (until a day)."""
    simple = (share_bp, minimum, rent)
    if terms is not None and any(each is not None for each in simple):
        raise CommandRefused(
            "条款写在文件里时，不再写比例、保底和租金 / with --terms, give no share, minimum or rent"
        )
    stated = (
        _read(terms)
        if terms is not None
        else ContractTerms(
            share=(ShareRule(basis=Basis(basis), tiers=((0, share_bp or 0),)),),
            share_min_fen=_fen(minimum),
            rent_fen=_fen(rent),
            reimbursement_bp=reimbursement_bp,
            cycle=Cycle(cycle),
        )
    )
    outcome = submit(
        context,
        AgreeTerms(
            contract=name,
            merchant=merchant,
            shop=shop,
            valid_from=valid_from.date(),
            valid_until=valid_until.date() if valid_until is not None else None,
            terms=stated,
            resumes=resumes,
        ),
    )
    again = isinstance(outcome, Done) and outcome.again
    click.echo(f"合约 {name} {'早已签订 / stood already' if again else '已签订 / agreed'}")


@contract.command()
@click.argument("name", metavar="CONTRACT")
@click.option("--last-day", required=True, type=_DAY, metavar="YYYY-MM-DD")
@click.option("--reason", required=True, help="原因 / why")
@pass_context
def end(context: CommandContext, name: str, last_day: datetime, reason: str) -> None:
    """提前结束合约 / End a contract early, with this last day."""
    submit(context, EndContract(contract=name, last_day=last_day.date(), reason=reason))
    click.echo(f"合约 {name} 到 {last_day:%Y-%m-%d} 结束 / ends on {last_day:%Y-%m-%d}")


@contract.command("list")
@click.option("--merchant", help="只看一个商户 / one merchant only")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def list_contracts(context: CommandContext, merchant: str | None, as_json: bool) -> None:
    """列出合约 / List contracts, merchant by merchant, oldest first."""
    with reading(context.engine) as tx:
        if merchant is not None and merchant_of(tx, context.pool, merchant) is None:
            raise CommandRefused(f"没有这个商户：{merchant} / no such merchant: {merchant}")
        names = [merchant] if merchant else [each.merchant for each in merchants(tx, context.pool)]
        found = [each for name in names for each in contracts_of(tx, context.pool, name)]
    if as_json:
        click.echo(json.dumps([_data(each) for each in found], ensure_ascii=False, indent=2))
        return
    if not found:
        click.echo("没有合约 / no contracts")
    for each in found:
        where = f" 门店 shop {each.shop}" if each.shop is not None else ""
        until = each.valid_until or "…"
        click.echo(f"{each.contract}  {each.merchant}{where}  {each.valid_from} – {until}")
        for rule in each.terms.share:
            tiers = "，".join(
                f"{format_yuan(from_fen)} 元起 {bp / 100:g}%" for from_fen, bp in rule.tiers
            )
            click.echo(f"    分成 share  {rule.category or '其余 all the rest'}  {tiers}")
        click.echo(
            f"    租金 rent {format_yuan(each.terms.rent_fen)}"
            f"  保底 minimum {format_yuan(each.terms.share_min_fen)}"
            f"  补偿 reimbursed {each.terms.reimbursement_bp / 100:g}%"
            f"  周期 cycle {each.terms.cycle.value}"
        )


def _data(each: Contract) -> dict[str, object]:
    return {
        "contract": each.contract,
        "merchant": each.merchant,
        "shop": each.shop,
        "valid_from": each.valid_from.isoformat(),
        "valid_until": each.valid_until.isoformat() if each.valid_until is not None else None,
        "terms": msgspec.to_builtins(each.terms),
    }


def _read(file: BinaryIO) -> ContractTerms:
    text = file.read(MAX_TERMS_BYTES + 1)
    if len(text) > MAX_TERMS_BYTES:
        raise CommandRefused("条款文件太长 / the file of terms is too long")
    try:
        return msgspec.json.decode(text, type=ContractTerms)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise CommandRefused(f"条款内容不对，请检查 / cannot be read: {fault}") from fault


def _fen(text: str | None) -> int:
    if text is None or text.strip() in {"0", "0.00"}:
        return 0
    amount = parse_yuan(text)
    if isinstance(amount, AmountProblem):
        raise CommandRefused(
            f"金额不对：{text}，请写元，如 1200.00 / not an amount in yuan: {text}"
        )
    return amount
