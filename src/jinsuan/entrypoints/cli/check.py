"""`jinsuan check …`: the data that the fraud checks go by, set by the province on this machine."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from jinsuan.kernel.ref import Role

if TYPE_CHECKING:
    from jinsuan.kernel.ref import Actor

app = typer.Typer(help="疑点核查的数据：卡时价格区间、缺数据时的核查方式。", no_args_is_help=True)
As = Annotated[str, typer.Option("--as", help="以谁的身份办理：省级经办的登录名")]
Place = Annotated[str, typer.Option(help="本人任职机构的统一社会信用代码")]


def _actor(username: str, organisation: str, now: datetime) -> Actor:
    from jinsuan.registry.queries import actor_for, organisation_with, person_named

    place = organisation_with(organisation)
    person = person_named(username)
    return actor_for(person.id, place.id, Role.PROVINCIAL_OFFICER, via="cli", now=now)


@app.command()
def mode(
    check: Annotated[str, typer.Argument(help="哪一项核查，例如 load、price、related")],
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="从哪一天起")],
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="到哪一天（含）")],
    reason: Annotated[str, typer.Option(help="为什么没有数据、何时补上")],
    username: As,
    organisation: Place,
    freeze: Annotated[bool, typer.Option("--freeze", help="缺数据时仍冻结（取消只提示）")] = False,
) -> None:
    """缺数据时这一项核查只提示，不冻结；最长一年，写明理由。发现的疑点和程序出错照样冻结。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.vouchers.actions.check_settings import set_check_mode

    now = clock.now()
    set_check_mode(
        check,
        warns_only=not freeze,
        effective_on=since.date(),
        until_on=until.date(),
        reason=reason,
        actor=_actor(username, organisation, now),
        now=now,
    )
    typer.echo(
        f"✓ {check} 自 {since.date()} 至 {until.date()}（含）缺数据时"
        f"{'冻结' if freeze else '只提示'}。"
    )


@app.command()
def band(
    resource: Annotated[str, typer.Argument(help="型号，写成 card:T4")],
    low: Annotated[str, typer.Option(help="每卡时最低价，元，至多五位小数")],
    high: Annotated[str, typer.Option(help="每卡时最高价，元，至多五位小数")],
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="从哪一天起")],
    source: Annotated[str, typer.Option(help="询价记录或文件")],
    username: As,
    organisation: Place,
) -> None:
    """设定一个型号每卡时的合理价格区间。没有设定时，与其他中心价目的中位数比。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.metering.rating import show_price
    from jinsuan.vouchers.actions.check_settings import set_price_band

    now = clock.now()
    least, most = _millifen("最低价", low), _millifen("最高价", high)
    set_price_band(
        resource,
        low_millifen=least,
        high_millifen=most,
        effective_on=since.date(),
        source=source,
        actor=_actor(username, organisation, now),
        now=now,
    )
    typer.echo(
        f"✓ {resource} 自 {since.date()} 起每卡时 {show_price(least)} 至 {show_price(most)} 元。"
    )


def _millifen(name: str, text: str) -> int:
    from jinsuan.kernel.errors import BadInput
    from jinsuan.metering.rating import read_price

    try:
        return read_price(text)
    except ValueError:
        raise BadInput(
            name, f"“{text[:20]}”读不懂", "请写元，至多五位小数，与价目相同，例如 3.50、0.00125。"
        ) from None
