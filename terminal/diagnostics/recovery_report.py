"""What a recovery came to, for the technician and the office: in words, and for programs."""

from msgspec import Struct
from msgspec.structs import asdict

from protocol.money import format_yuan
from protocol.recovery import RecoverAnswer, RecoveredKind, RecoverySource, SeqRange
from terminal.diagnostics.handing_over import HandedOver
from terminal.diagnostics.looked_through import LookedThrough

_SOURCES = {
    RecoverySource.STICK: "备份U盘 stick",
    RecoverySource.CARD: "旧存储卡 old card",
    RecoverySource.NOTHING: "没有备份 nothing",
}


class Report(Struct, frozen=True):
    """``before`` and ``after``: what the server knew of the dead terminal."""

    by: str
    source: RecoverySource
    looked: LookedThrough
    done: HandedOver
    before: RecoverAnswer
    after: RecoverAnswer

    @property
    def is_complete(self) -> bool:
        """Nothing is known to be missing, and nobody has to look at anything."""
        return not (self.after.missing_records or self.done.waiting or self.after.open_asks)

    def row(self) -> dict[str, object]:
        """For programs; money in fen."""
        done, after = self.done, self.after
        return {
            "terminal": after.of,
            "shop_name": after.shop_name,
            "by": self.by,
            "source": self.source.value,
            "records_found": self.looked.authentic,
            "torn_end": self.looked.torn,
            "damaged": [asdict(each) for each in self.looked.damages],
            "outcomes": {kind.value: done.count(kind) for kind in RecoveredKind},
            "sales_recovered": done.sales,
            "points_recovered": done.points,
            "cash_fen_recovered": done.cash_fen,
            "waiting": [asdict(each) for each in done.waiting],
            "server_records_before": self.before.records,
            "server_records": after.records,
            "missing": [_range(each) for each in after.missing],
            "missing_records": after.missing_records,
            "open_asks": [
                {"sale_id": str(x.sale_id), "points": x.points, "account": x.account}
                for x in after.open_asks
            ],
            "last_receipt": after.last_receipt,
            "heard_at": after.heard_at.isoformat() if after.heard_at else None,
            "complete": self.is_complete,
        }

    def text(self) -> str:
        """Chinese first."""
        done, after = self.done, self.after
        booked = done.count(RecoveredKind.BOOKED, RecoveredKind.OVERDRAFT)
        known = done.count(RecoveredKind.KNOWN, RecoveredKind.DUPLICATE)
        lines = [f"终端 terminal {after.of} {after.shop_name}，来自 from: {_SOURCES[self.source]}"]
        if self.source is not RecoverySource.NOTHING:
            lines += [
                f"找到 {self.looked.authentic} 条流水 · records found",
                (
                    f"补记 {booked} 条，其中销售 {done.sales} 笔：现金 {format_yuan(done.cash_fen)} 元，"
                    f"积分 {done.points} · newly booked, of them sales: money, points"
                ),
                f"服务器原来就有 {known} 条，没有重复入账 · known before, not booked twice",
            ]
        if self.looked.torn:
            lines.append("最后一条没有写完（断电或拔出时），不算 · the last line is torn, left out")
        lines += [f"  {x.epoch}/{x.first}-{x.last} {x.says}" for x in self.looked.damages[:20]]
        if done.waiting:
            lines.append(f"等街道办处理 {len(done.waiting)} 条 · wait for the office:")
            lines += [f"  {each.place} {each.says}" for each in done.waiting[:20]]
        lines += self._what_lacks()
        return "\n".join(lines)

    def _what_lacks(self) -> list[str]:
        after = self.after
        lines = []
        if after.missing_records:
            places = " ".join(_range(each) for each in after.missing[:20])
            lines.append(f"仍缺 {after.missing_records} 条：{places} · known to be missing")
        else:
            lines.append("没有已知的缺失 · nothing is known to be missing")
        if after.open_asks:
            points = sum(each.points for each in after.open_asks)
            lines.append(
                f"有 {len(after.open_asks)} 笔问过积分、没有下文，共 {points}；请对照顾客的小票"
                " · sales that asked for points and were not heard of again: look at the receipts"
            )
        heard = f"{after.heard_at:%Y-%m-%d %H:%M} UTC" if after.heard_at else "-"
        lines.append(
            f"服务器有 {after.records} 条，最近一次 {heard}，最后的小票 {after.last_receipt or '-'}；"
            "之后的小票服务器不知道，请店家拿出来核对"
            " · what the server has; papers beyond that number are not known to it"
        )
        if not self.is_complete:
            lines.append("缺失一直列在街道办的“终端”页上 · it stays listed on the office's page")
        return lines


def _range(lost: SeqRange) -> str:
    end = f"-{lost.last}" if lost.last > lost.first else ""
    return f"{lost.epoch}/{lost.first}{end}"
