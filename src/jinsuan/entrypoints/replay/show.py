"""Print a report for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jinsuan.entrypoints.cli.show import table
from jinsuan.entrypoints.replay.province import Centre
from jinsuan.entrypoints.replay.report import Report
from jinsuan.kernel.quantity import show_unit_hours
from jinsuan.protocol.states import OUTCOME_ZH, Outcome

Say = Callable[[str], None]
MOST_REASONS = 8


def show(report: Report, centres: Mapping[str, Centre], say: Say) -> None:
    """Everything, the checks last."""
    say(f"\n下单 {report.submitted} 个：{_counts(report.kinds)}")
    say(f"匹配 {report.placed} 个；同时等待最多 {report.most_waiting} 个")
    _reasons("等待的原因（同时最多）", report.waiting_reasons, say)
    outcomes = {OUTCOME_ZH[Outcome(name)]: n for name, n in report.by_outcome.items()}
    say(f"结清 {report.settled} 个：{_counts(outcomes)}")
    _reasons("下单即被拒绝", report.refused_at_order, say)
    _reasons("排队后被拒绝", report.refused_later, say)
    hours = {name: show_unit_hours(milli) for name, milli in report.usage.items()}
    say(f"用量（单位时，已缩短）：{_counts(hours)}；有疑点的读数 {report.doubts} 条")
    money = report.money
    say(
        f"费用 {money.charged} = 券 {money.from_vouchers} + 现金 {money.cash}"
        f"（另有欠款 {money.shortfall}）；仍冻结 {money.held}"
    )
    say(
        f"时长按 1/{report.speed} 缩短，{report.cut} 个超长的截短；"
        f"价目为虚构，按 {report.speed} 倍放大，使费用与真实时长相当。"
    )
    table(
        "各中心",
        ["代码", "名称", "尝试", "卡时", "核时", "费用"],
        [
            (
                code,
                centres[code].name if code in centres else "",
                line.attempts,
                show_unit_hours(sum(m for r, m in line.usage.items() if r.startswith("card:"))),
                show_unit_hours(line.usage["cpu_core"]),
                line.charged,
            )
            for code, line in report.centres.items()
        ],
    )
    say(
        f"用时 {report.wall_seconds:.1f} 秒（下单 {report.order_seconds:.1f} 秒），"
        f"每秒结清 {report.jobs_per_second:.1f} 个"
    )
    per = {name: f"{ms / max(1, report.settled):.1f}" for name, ms in report.cpu_ms.items()}
    say(f"每个结清的作业用处理器 {report.cpu_ms_per_job:.1f} 毫秒：{_counts(per)}")
    book = report.book
    say(
        f"核对账簿：账户 {book.accounts} 个，转账 {book.transfers} 笔，"
        f"差异 {len(book.differences)} 处"
    )
    for problem in report.problems:
        say(f"✗ {problem}")
    if not report.problems:
        say("✓ 每个作业都已结清，或有理由地被拒绝；账簿没有差异。")


def _counts(counts: Mapping[str, object]) -> str:
    return "，".join(f"{name} {count}" for name, count in counts.items()) or "无"


def _reasons(title: str, reasons: Mapping[str, int], say: Say) -> None:
    if not reasons:
        return
    say(f"{title}：")
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    for why, count in ordered[:MOST_REASONS]:
        say(f"    {count:5} 个  {why[:300]}")
    if len(ordered) > MOST_REASONS:
        say(f"    另有 {len(ordered) - MOST_REASONS} 种原因")
