"""Slurm's JSON in both of its shapes, its errors by body, its settings: no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from jinsuan.agent.config import load_config
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.engines.slurm import SlurmSettings, script
from jinsuan.agent.engines.slurm.client import SlurmClient
from jinsuan.agent.engines.slurm.settings import read_settings
from jinsuan.agent.engines.slurm.shapes import (
    indices,
    job_fields,
    number,
    read_job,
    read_node,
    refusals,
    words,
)
from jinsuan.agent.errors import ConfigUnusable
from tests.contracts.bench import lease

WORK = lease("a", nodes=2, cards=2, cpu_milli=1500, memory_mib=512, max_run_seconds=90).work
GOOD = {"url": "http://127.0.0.1:6820", "user": "js", "token_file": "/t", "shared": "/s"}


def made(tmp_path: Path, **more: Any) -> SlurmSettings:
    (tmp_path / "token").write_text("old", "ascii")
    raw = GOOD | {"token_file": str(tmp_path / "token"), "shared": str(tmp_path)} | more
    return read_settings(raw)


# ── shapes ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (7, 7),
        (None, 0),
        ({"set": True, "infinite": False, "number": 7}, 7),
        ({"set": False, "infinite": False, "number": 7}, 0),
        ({"set": True, "infinite": True, "number": 7}, 0),
        ("7", 0),
    ],
)
def test_a_number_in_three_states(raw: Any, value: int) -> None:
    assert number(raw) == value


def test_a_state_is_a_word_or_a_list_of_words() -> None:
    assert words("RUNNING") == {"RUNNING"}
    assert words(["RUNNING", "COMPLETING"]) == {"RUNNING", "COMPLETING"}
    assert words("idle+drain") == {"IDLE", "DRAIN"}
    assert words(None) == frozenset()


@pytest.mark.parametrize(
    ("state", "live", "pending"),
    [
        ("PENDING", True, True),
        (["PENDING"], True, True),
        (["COMPLETED", "COMPLETING"], True, False),
        ("COMPLETED", False, False),
        (["NODE_FAIL"], False, False),
        ("CANCELLED", False, False),
        ("TIMEOUT", False, False),
    ],
)
def test_what_may_still_happen_to_a_job(state: Any, live: bool, pending: bool) -> None:
    job = read_job({"job_id": 3, "comment": "c", "job_state": state})
    assert (job.live, job.pending) == (live, pending)


def test_a_node_in_both_shapes_is_the_same_node() -> None:
    common = {
        "name": "n1",
        "cpus": 8,
        "alloc_cpus": 3,
        "real_memory": 4096,
        "alloc_memory": 96,
        "gres": "gpu:T4:4(S:0-1)",
        "gres_used": "gpu:T4:2(IDX:0,3)",
        "partitions": ["main"],
    }
    old = read_node({**common, "state": "mixed", "state_flags": []})
    new = read_node({**common, "state": ["MIXED"]})
    assert old == new
    assert (old.offer.model, old.offer.cards_free_milli) == ("T4", (0, 1000, 1000, 0))
    assert (old.offer.cpu_free_milli, old.offer.memory_free_mib, old.ready) == (5000, 4000, True)


@pytest.mark.parametrize(
    ("state", "flags"),
    [
        ("down", []),
        ("idle", ["DRAIN"]),
        (["IDLE", "DRAIN"], None),
        (["DOWN", "NOT_RESPONDING"], None),
    ],
)
def test_a_node_that_takes_no_work_is_not_ready(state: Any, flags: Any) -> None:
    assert not read_node({"name": "n", "state": state, "state_flags": flags}).ready


def test_cards_that_are_used_but_not_numbered_are_counted() -> None:
    node = read_node({"name": "n", "state": "mixed", "gres": "gpu:T4:4", "gres_used": "gpu:T4:3"})
    assert sum(node.offer.cards_free_milli) == 1000
    assert indices("0-2,5") == {0, 1, 2, 5}
    assert indices("N/A") == set()


def test_the_same_job_in_both_shapes(tmp_path: Path) -> None:
    settings = made(tmp_path, partition="gpu", qos="normal")
    old = job_fields(WORK, "k", "c", "/s/k", settings, lists=False)
    new = job_fields(WORK, "k", "c", "/s/k", settings, lists=True)
    assert (old["gres"], new["tres_per_node"]) == ("gpu:T4:2", "gres/gpu:T4:2")
    assert "tres_per_node" not in old
    assert "gres" not in new
    assert (old["nodes"], new["nodes"]) == ([2, 2], "2")
    assert old["memory_per_node"] == new["memory_per_node"]["number"] == 512
    assert old["cpus_per_task"] == new["cpus_per_task"] == 2, "whole cores"
    assert (old["environment"]["LANG"], "LANG=C.UTF-8" in new["environment"]) == ("C.UTF-8", True)
    assert (old["no_requeue"], new["requeue"]) == (True, False)
    assert (old["partition"], old["qos"], "account" in old) == ("gpu", "normal", False)


def test_errors_have_three_names_for_their_number() -> None:
    body = {"errors": [{"error_number": 1}, {"error_code": 2}, {"errno": 3}, {}, "words"]}
    assert [error.number for error in refusals(body)] == [1, 2, 3, -1, -1]


# ── the client ────────────────────────────────────────────────────────────────────────────────


def client(
    settings: SlurmSettings, answer: Callable[[httpx.Request], httpx.Response], version: int = 38
) -> SlurmClient:
    def handle(request: httpx.Request) -> httpx.Response:
        if f"/v0.0.{version}/" not in request.url.path:
            return httpx.Response(404, text="Unable find requested URL")
        if request.url.path.endswith("/ping"):
            return httpx.Response(200, json={"meta": {}, "errors": []})
        return answer(request)

    return SlurmClient(settings, transport=httpx.MockTransport(handle))


def submit(made_client: SlurmClient) -> int:
    return made_client.submit(WORK, name="k", comment="c", folder="/s/k", script="#!/bin/sh\n")


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (
            500,
            {"errors": [{"error_code": 2014, "error": "not available"}]},
            EngineRefused,
            "not av",
        ),
        (
            200,
            {"errors": [{"error_number": 2000, "error": "partition"}]},
            EngineRefused,
            "partition",
        ),
        (
            400,
            {"errors": [{"source": "x"}, {"error_code": 9001, "error": "parse"}]},
            EngineRefused,
            "p",
        ),
        (500, {"errors": [{"error_code": 5005, "error": "Zero Bytes"}]}, EngineUnreachable, "Zero"),
        (200, {"errors": [{"error_code": 1007, "error": "auth"}]}, EngineUnreachable, "auth"),
        (200, {"errors": []}, EngineUnreachable, "没有给出编号"),
        (500, {"errors": []}, EngineUnreachable, "HTTP 500"),
        (502, "<html>", EngineUnreachable, "不是 JSON"),
        (200, [1], EngineUnreachable, "不是 JSON"),
        (401, {"errors": []}, EngineUnreachable, "scontrol token"),
    ],
)
def test_the_body_decides(
    tmp_path: Path, status: int, body: Any, error: type[Exception], said: str
) -> None:
    answer = httpx.Response(status, text=body if isinstance(body, str) else json.dumps(body))
    with pytest.raises(error) as caught:
        submit(client(made(tmp_path), lambda _: answer))
    assert said in caught.value.explain()  # type: ignore[attr-defined]


def test_a_job_with_a_number_was_taken_whatever_else_is_said(tmp_path: Path) -> None:
    body = {"errors": [{"error_code": 2015, "error": "must wait"}], "job_id": 9}
    assert submit(client(made(tmp_path), lambda _: httpx.Response(200, json=body))) == 9


@pytest.mark.parametrize("status", [404, 500])
def test_an_unknown_job_is_none(tmp_path: Path, status: int) -> None:
    body = {"errors": [{"error_number": 2017, "error": "Invalid job id"}], "jobs": []}
    answer = httpx.Response(status, json=body)
    made_client = client(made(tmp_path), lambda _: answer)
    assert made_client.job(5) is None
    made_client.signal(5)


@pytest.mark.parametrize("status", [401, 500])
def test_a_refused_token_is_read_again_once(tmp_path: Path, status: int) -> None:
    settings = made(tmp_path)
    tokens: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        tokens.append(request.headers["X-SLURM-USER-TOKEN"])
        if tokens[-1] == "new":
            return httpx.Response(200, json={"errors": [], "jobs": []})
        return httpx.Response(status, json={"errors": [{"error_number": -1, "error": "?"}]})

    made_client = client(settings, answer)
    with pytest.raises(EngineUnreachable):
        made_client.jobs()
    assert tokens == ["old"], "the same token is not tried again"
    settings.token_file.write_text("new\n", "ascii")
    assert made_client.jobs() == []
    assert tokens == ["old", "old", "new"]


def test_the_newest_version_is_spoken_and_its_shape_used(tmp_path: Path) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"errors": [], "job_id": 4})

    assert submit(client(made(tmp_path), answer, version=42)) == 4
    body = json.loads(asked[0].content)
    assert "script" in body["job"]
    assert "script" not in body
    assert submit(client(made(tmp_path), answer, version=38)) == 4
    assert "script" in json.loads(asked[1].content)
    with pytest.raises(EngineUnreachable, match="不提供"):
        submit(client(made(tmp_path), answer, version=37))


# ── settings and scripts ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"partition": "gpu\n#SBATCH --uid=0"}, "不含空格和换行"),
        ({"qos": "a b"}, "qos"),
        ({"user": ""}, "user"),
        ({"shared": "share"}, "绝对路径"),
        ({"shared": "/a'b"}, "绝对路径"),
        ({"shared": "/a\nb"}, "绝对路径"),
        ({"path": "bin"}, "冒号分隔"),
        ({"url": "ftp://x"}, "url"),
        ({"timeout_seconds": 0}, "1 到 120"),
        ({"timeout_seconds": True}, "整数"),
        ({"silence_seconds": 20}, "至少是 heartbeat_seconds 的 3 倍"),
        ({"color": "red"}, "不认识 color"),
        ({"partition": 3}, "带引号的文本"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_settings(GOOD | more)


def test_agent_toml_with_a_table_of_the_engine(tmp_path: Path) -> None:
    head = 'server = "https://platform.example"\ncentre = "C01"\n'
    table = "[engine]\nkind = 'slurm'\n" + "".join(f"{k} = '{v}'\n" for k, v in GOOD.items())
    (tmp_path / "agent.toml").write_text(head + table, "utf-8")
    config = load_config(tmp_path)
    assert (config.engine, config.cluster) == ("slurm", "slurm")
    assert config.slurm is not None
    assert (config.slurm.user, config.slurm.shared) == ("js", Path("/s"))
    for bad, said in (
        (head + 'engine = "slurm"\n', "kind"),
        (head + table.replace("kind = 'slurm'", "kind = 'nomad'"), "kind 应为 slurm"),
        (head + table.replace("user", "usr"), "不认识 usr"),
        (head + "nodes = 'n.csv'\n" + table, "请删去 nodes"),
    ):
        (tmp_path / "agent.toml").write_text(bad, "utf-8")
        with pytest.raises(ConfigUnusable, match=said):
            load_config(tmp_path)


def test_no_word_of_the_tenant_stands_in_a_script() -> None:
    text = script.batch(folder="/s/k", nodes=2, cores=2, heartbeat=10)
    assert "#SBATCH" not in text
    values = {"folder": "/s/k", "job": "j", "attempt": "a", "command": "/bin/sh ../run"}
    counts = {"nodes": 1, "cards": 0, "card_milli": 0, "max_run": 1}
    assert script.rank(**values, **counts)  # type: ignore[arg-type]
    for name in values:
        for bad in ("a'b", "a\nb"):
            with pytest.raises(ValueError, match="不能写进脚本"):
                script.rank(**(values | {name: bad}), **counts)  # type: ignore[arg-type]
