"""The demo's story: one order, from the price to the law, each step checked.

Every step asks the running platform through its API, as a user would, and compares what came back
with what must be true. A difference ends the story with a refusal, not with a shrug.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jinsuan.client.api import Client
from jinsuan.entrypoints.demo.errors import StoryFailed
from jinsuan.kernel.money import Money

ORDER = {
    "name": "演示：微调一个小模型",
    "run": "for i in 1 2 3 4 5; do echo 第 $i 轮，卡 $CUDA_VISIBLE_DEVICES; sleep 1; done",
    "resources": {
        "accelerators": ["Ascend 910B3:8", "Ascend 910B2:8"],
        "cpus": 64,
        "memory": "256GB",
    },
    "max_duration": "2h",
    "budget": {"total": "300.00", "voucher": "auto"},
}
WAIT_SECONDS = 120


@dataclass(slots=True)
class Teller:
    """Prints numbered steps with their time, and counts them."""

    say: Callable[[str], None]
    steps: int = 0
    began: float = field(default_factory=time.monotonic)

    def step(self, title: str) -> None:
        self.steps += 1
        self.say(f"\n[{time.monotonic() - self.began:5.1f} 秒] {self.steps}. {title}")

    def fact(self, label: str, words: object) -> None:
        self.say(f"      {label}：{words}")


def require(condition: bool, step: str, problem: str) -> None:
    """A check of the story.

    Raises:
        StoryFailed: it does not hold.
    """
    if not condition:
        raise StoryFailed(step, problem)


def order_a_job(client: Client, tell: Teller) -> dict[str, Any]:
    """Plan, order, watch, and return the settled job."""
    tell.step("试排：问遍全省的算力中心")
    plan = client.plan(ORDER)
    best = plan["candidates"][0] if plan["candidates"] else None
    require(best is not None, "试排", "没有一个中心能运行")
    assert best is not None
    tell.fact("能运行", f"{len(plan['candidates'])} 个中心，不能运行 {len(plan['refused'])} 个")
    tell.fact("最便宜", f"{best['centre_name']}，每小时 {best['hourly']} 元")
    tell.fact(
        "最多花费", f"{best['authorised']} 元，券付 {best['from_vouchers']}，现金 {best['cash']}"
    )
    for refused in plan["refused"][:3]:
        tell.fact(f"不能：{refused['centre_name']}", f"{refused['cause']}，{refused['numbers']}")

    tell.step("下单：同一个幂等键发两次，只有一单")
    key = f"demo-{time.time_ns()}"
    job = client.submit(ORDER, idempotency_key=key)
    again = client.submit(ORDER, idempotency_key=key)
    require(job["id"] == again["id"], "下单", "同一个键下了两单")
    tell.fact("作业", job["id"])

    tell.step("匹配、冻结、租约、运行")
    job = _until(client, job["id"], {"running", "ended", "settled"}, tell)
    money = job["money"]
    attempt = job["attempts"][0]
    tell.fact("中心", f"{attempt['centre_name']}（{attempt['centre']}），引擎 {attempt['engine']}")
    tell.fact("节点", "、".join(share["node"] for share in attempt["allocation"]))
    tell.fact("冻结", f"{money['held']} 元，上限 {money['authorised']} 元")

    tell.step("边跑边计费，结束后结清")
    job = _until(client, job["id"], {"settled"}, tell)
    money = job["money"]
    tell.fact("结果", f"{job['outcome_zh']}，退出码 {job['attempts'][0]['exit_code']}")
    tell.fact("费用", f"{money['charged']} 元 = 券 {money['from_vouchers']} + 现金 {money['cash']}")
    tell.fact("仍冻结", f"{money['held']} 元")
    require(job["outcome"] == "succeeded", "结清", f"结果是 {job['outcome']}，说明：{job['why']}")
    require(money["held"] == "0.00", "结清", f"还有 {money['held']} 元没有解冻")
    charged = Money.yuan(money["charged"])
    parts = Money.yuan(money["from_vouchers"]) + Money.yuan(money["cash"])
    require(charged == parts and charged > Money(0), "结清", f"{charged} 与两部分之和 {parts} 不符")
    text, _ = client.log(job["id"], 0)
    require("第 5 轮" in text.decode(), "结清", "作业的输出没有收全")
    tell.fact("输出最后一行", text.decode().strip().splitlines()[-1])
    return job


def _until(client: Client, job_id: str, states: set[str], tell: Teller) -> dict[str, Any]:
    """Look at the job until it is in one of the states, saying each change once."""
    deadline, shown = time.monotonic() + WAIT_SECONDS, ""
    while True:
        job = client.job(job_id)
        if job["state_zh"] != shown:
            shown = job["state_zh"]
            tell.fact("状态", f"{shown} {job['why']}".strip())
        if job["state"] in states:
            return dict(job)
        require(
            time.monotonic() < deadline, "等待", f"{WAIT_SECONDS} 秒后仍是 {shown}：{job['why']}"
        )
        time.sleep(0.2)
