"""Refusals of settlements, in words."""

from datetime import date

from protocol.business_day import closes_at
from server.settlement.values import LeftOpen, SettleProblem, SettleRefused


def day_is_open(through: date, today: date, hour: int) -> SettleRefused:
    """The day is not over."""
    # The calendar ends, and a day far off needs no hour: only today's is told.
    when = f"{closes_at(today, hour):%Y-%m-%d %H:%M}" if through == today else f"{through}"
    return SettleRefused(
        reason=SettleProblem.PERIOD_OPEN,
        says=f"营业日 {through} 还没有结束，请在 {when} 之后结算"
        f" / business day {through} is not over yet",
        day=through,
    )


def settled_further(through: date, latest: date) -> SettleRefused:
    """A later day is settled."""
    return SettleRefused(
        reason=SettleProblem.SETTLED_FURTHER,
        says=f"已经结算到 {latest}，迟到的账会进入下一期"
        f" / settled through {latest} already; what is late goes into the next period",
        day=through,
    )


def no_contract(left: LeftOpen, name: str) -> SettleRefused:
    """A merchant traded without a contract."""
    return SettleRefused(
        reason=SettleProblem.NO_CONTRACT,
        says=f"商户“{name}”（{left.merchant}）在 {left.day} 有交易但没有合约，"
        f"请先补签合约再结算 / merchant {left.merchant} traded on {left.day} without a contract",
        merchant=left.merchant,
        day=left.day,
    )


def run_is_open(through: date, unfinished: date) -> SettleRefused:
    """An earlier run was interrupted."""
    return SettleRefused(
        reason=SettleProblem.RUN_OPEN,
        says=f"结算到 {unfinished} 的那一次还没有做完，请先再结算到 {unfinished}"
        f" / the run through {unfinished} was not finished; settle through {unfinished} again first",
        day=through,
    )


def run_is_taken(run: str, through: date, asked: date) -> SettleRefused:
    """The run's id stands for another day."""
    return SettleRefused(
        reason=SettleProblem.RUN_TAKEN,
        says=f"结算编号 {run} 已用于结算到 {through}，不能再用于结算到 {asked}，请换一个"
        f" / run {run} stands for the day {through}, asked was {asked}; take another id",
        day=through,
    )


def unknown_run(run: str) -> SettleRefused:
    """Nobody opened this run."""
    return SettleRefused(
        reason=SettleProblem.UNKNOWN_RUN,
        says=f"没有这次结算：{run}，请先开始 / nobody opened run {run}",
    )


def unknown_merchant(merchant: str) -> SettleRefused:
    """No such merchant."""
    return SettleRefused(
        reason=SettleProblem.UNKNOWN_MERCHANT,
        says=f"没有这个商户：{merchant} / no such merchant: {merchant}",
        merchant=merchant,
    )


def too_many(count: int, at_most: int) -> SettleRefused:
    """One command is to settle more merchants than it may."""
    return SettleRefused(
        reason=SettleProblem.TOO_MANY,
        says=f"一次最多结算 {at_most} 家，收到 {count} 家，请分几次"
        f" / {count} merchants at once, at most {at_most}; ask in portions",
    )


def merchant_lacks(merchant: str, through: date) -> SettleRefused:
    """A run is to be closed before everybody is settled."""
    return SettleRefused(
        reason=SettleProblem.MERCHANT_LACKS,
        says=f"商户 {merchant} 还没有结算到 {through}，请再结算一次"
        f" / merchant {merchant} is not settled through {through} yet; settle again",
        merchant=merchant,
        day=through,
    )


def needs_a_run(merchant: str) -> SettleRefused:
    """The terms are more than one rate of cash."""
    return SettleRefused(
        reason=SettleProblem.NEEDS_A_RUN,
        says=f"商户 {merchant} 的合约要按商户逐个结算，请用“settle”命令"
        f" / merchant {merchant}'s contract needs a run by merchants; use the settle command",
        merchant=merchant,
    )
