"""The command line and the client against a platform that runs: words, JSON and exit codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from jinsuan.client.api import Client
from jinsuan.client.errors import ApiRefused
from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.models import Job
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.cli import main
from jinsuan.protocol.messages import AttemptReport, LogChunk, SyncRequest
from jinsuan.protocol.states import AttemptState, EndCause
from tests.contracts.api_world import SPEC, give_token
from tests.flows.world import World, make_world, uscc

YAML = """\
name: 训练
run: echo 你好
resources:
  accelerators: T4:2
  cpus: 2
  memory: 1GB
max_duration: 1h
"""


@dataclass(slots=True)
class Said:
    """What a command printed and how it ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(slots=True)
class Desk:
    """A terminal of somebody who has a token."""

    url: str
    world: World
    token: str
    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def run(self, *words: str) -> Said:
        self.monkeypatch.setattr(sys, "argv", ["jinsuan", *words])
        self.capsys.readouterr()
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        finally:
            structlog.reset_defaults()
        printed = self.capsys.readouterr()
        return Said(status, printed.out, printed.err)

    def file(self, text: str, name: str = "job.yaml") -> str:
        path = self.folder / name
        path.write_text(text, "utf-8")
        return str(path)

    def run_the_job(self) -> None:
        """What worker and agent would do: place, run an hour's tenth, end, settle."""
        now = clock.now()
        dispatch.place_queued(now=now)
        (lease,) = self.speak().leases
        chunk = LogChunk(attempt=lease.attempt, offset=0, data="你好\n".encode())
        end = AttemptReport(
            attempt=lease.attempt,
            fencing=lease.fencing,
            revision=1,
            state=AttemptState.ENDED,
            started_at=now,
            ended_at=now,
            exit_code=0,
            cause=EndCause.EXITED,
        )
        self.speak(reports=(end,), logs=(chunk,))
        dispatch.settle(now=clock.now())

    def speak(self, **more: Any) -> Any:
        from jinsuan.dispatch.pace import SyncPace

        request = SyncRequest(protocol=1, agent_version="t", **more)
        return dispatch.sync(
            self.world.centre_id, self.world.centre, request, pace=SyncPace(), now=clock.now()
        )


@pytest.fixture
def desk(
    platform: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("JINSUAN_SERVER", raising=False)
    monkeypatch.delenv("JINSUAN_TOKEN", raising=False)
    world = make_world(now=clock.now())
    token = give_token(world.researcher, now=clock.now())
    return Desk(platform, world, token, tmp_path, capsys, monkeypatch)


@pytest.fixture
def logged_in(desk: Desk) -> Desk:
    assert desk.run("login", "--server", desk.url, "--token", desk.token).status == 0
    return desk


def test_log_in_takes_the_token_from_standard_input_and_keeps_it_private(desk: Desk) -> None:
    assert desk.run("job", "list").status == 2
    desk.monkeypatch.setattr(sys, "stdin", io.StringIO(f"{desk.token}\n"))

    said = desk.run("login", "--server", desk.url)

    assert said.status == 0
    assert "乙大学" in said.out
    assert desk.token not in said.out + said.err
    (config,) = (desk.folder / "config").rglob("*.toml")
    assert config.stat().st_mode & 0o077 == 0
    assert desk.run("job", "list", "--json").json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("token", ["js_wrong", "", "a b"])
def test_a_wrong_token_is_not_kept(desk: Desk, token: str) -> None:
    desk.monkeypatch.setattr(sys, "stdin", io.StringIO(f"{token}\n"))

    said = desk.run("login", "--server", desk.url)

    assert said.status == 2
    assert "令牌" in said.err
    assert not list((desk.folder / "config").rglob("*.toml"))


def test_a_job_from_plan_to_log_in_words_and_json(logged_in: Desk) -> None:
    file = logged_in.file(YAML)
    plan = logged_in.run("plan", file)
    assert (plan.status, "测试中心 T01" in plan.out) == (0, True)
    assert logged_in.run("plan", file, "--json").json()["candidates"][0]["centre"] == "T01"

    ordered = logged_in.run("job", "submit", file, "--key", "k1", "--json").json()
    again = logged_in.run("job", "submit", file, "--key", "k1", "--json").json()
    assert again == ordered
    assert Job.objects.count() == 1
    logged_in.run_the_job()

    job = ordered["id"]
    shown = logged_in.run("job", "show", job)
    assert "已结清" in shown.out or "settled" in logged_in.run("job", "show", job, "--json").out
    assert logged_in.run("job", "list").out.count("训练") == 1
    assert logged_in.run("job", "list", "--state", "queued", "--json").json()["items"] == []
    assert logged_in.run("job", "log", job).status == 0
    assert logged_in.run("job", "charges", job, "--json").json()["next_cursor"] is None
    over = logged_in.run("job", "cancel", job)
    assert (over.status, "dispatch.job_over" in over.err or "已经结束" in over.err) == (2, True)


def test_the_log_of_a_job_is_its_bytes(logged_in: Desk) -> None:
    file = logged_in.file(YAML)
    job = logged_in.run("job", "submit", file, "--json").json()["id"]
    logged_in.run_the_job()
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}

    done = subprocess.run(
        [sys.executable, "-m", "jinsuan.entrypoints.cli", "job", "log", job, "-f"],
        capture_output=True,
        env=environment,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "你好\n".encode())


def test_waiting_tells_by_its_status_how_the_job_ended(logged_in: Desk) -> None:
    file = logged_in.file(YAML)
    job = logged_in.run("job", "submit", file, "--key", "k", "--json").json()["id"]
    logged_in.run_the_job()
    assert logged_in.run("job", "submit", file, "--key", "k2").status == 0
    other = Job.objects.exclude(id=Job.objects.earliest("id").id).get()
    stopped = logged_in.run("job", "cancel", f"job_{_text(other)}", "--json")
    assert (stopped.status, stopped.json()["outcome"]) == (0, "cancelled")
    dispatch.settle(now=clock.now())

    assert logged_in.run("job", "show", job, "--json").json()["outcome"] == "succeeded"
    for key, status in (("k", 0), ("k2", 1)):
        assert logged_in.run("job", "submit", file, "--key", key, "--wait").status == status


def _text(job: Job) -> str:
    from jinsuan.kernel.ids import show_id

    return show_id("job", job.id).removeprefix("job_")


def test_stopping_with_a_key_is_harmless_to_repeat(logged_in: Desk) -> None:
    job = logged_in.run("job", "submit", logged_in.file(YAML), "--json").json()["id"]

    said = [logged_in.run("job", "cancel", job, "--key", "c", "--json") for _ in range(2)]

    assert [s.status for s in said] == [0, 0]
    assert said[0].out == said[1].out


def test_nothing_can_run_it_is_status_one_and_a_refusal_is_status_two(logged_in: Desk) -> None:
    impossible = logged_in.file(YAML.replace("T4:2", "H800:8"), "big.yaml")
    plan = logged_in.run("plan", impossible)
    assert (plan.status, "不能运行" in plan.out) == (1, True)

    refused = logged_in.run("job", "submit", impossible)
    assert (refused.status, refused.out) == (2, "")
    assert "没有下单" in refused.err


BAD_FILES = [
    (YAML + "gpus: 8\n", "resources.accelerators"),
    (YAML + "budget: {total: -1}\n", "budget.total"),
    ("name: &a [*a]\n", "锚点"),
    ("a: !!python/object/apply:os.system [id]\n", "标签"),
    ("name: a\nname: b\n", "两次"),
    ("x" * 70_000, "64 KiB"),
    ("[" * 5000, "20 层"),
    ("", "什么也没有"),
]


def test_a_bad_file_is_explained_on_standard_error(logged_in: Desk) -> None:
    for text, words in BAD_FILES:
        said = logged_in.run("job", "submit", logged_in.file(text))

        assert (said.status, said.out) == (2, ""), text[:60]
        assert words in said.err
        assert "Traceback" not in said.err
    assert not Job.objects.exists()


IMPOSSIBLE = [
    ["job", "show", "../me"],
    ["job", "show", "job_x"],
    ["job", "log", "job_" + "0" * 26],
    ["job", "list", "--cursor", "x"],
    ["job", "list", "--state", "done"],
    ["job", "list", "--limit", "0"],
    ["job", "submit", "no-such-file.yaml"],
    ["centre", "show", "X99"],
    ["voucher", "show", "voucher_" + "0" * 26],
    ["nothing"],
]


def test_what_cannot_be_is_status_two(logged_in: Desk) -> None:
    for words in IMPOSSIBLE:
        said = logged_in.run(*words)

        assert said.status == 2, words
        assert said.err
        assert "Traceback" not in said.err


def test_centres_and_vouchers_in_words_and_json(logged_in: Desk) -> None:
    assert "测试中心 T01" in logged_in.run("centre", "list").out
    shown = logged_in.run("centre", "show", "T01")
    assert "3.50" in shown.out
    assert logged_in.run("centre", "show", "T01", "--json").json()["prices"]["card:T4"] == "3.50"

    (voucher,) = logged_in.run("voucher", "list", "--json").json()["items"]
    assert voucher["id"] in logged_in.run("voucher", "list").out
    assert "1000.00" in logged_in.run("voucher", "show", voucher["id"]).out
    lines = logged_in.run("voucher", "show", voucher["id"], "--json").json()["statement"]
    assert [line["amount"] for line in lines] == ["1000.00"]


def test_lists_go_on_where_the_page_ended(logged_in: Desk) -> None:
    for name in ("one", "two", "three"):
        file = logged_in.file(YAML.replace("训练", name), f"{name}.yaml")
        assert logged_in.run("job", "submit", file).status == 0

    first = logged_in.run("job", "list", "--limit", "2", "--json").json()
    words = logged_in.run("job", "list", "--limit", "2").out
    second = logged_in.run(
        "job", "list", "--limit", "2", "--cursor", first["next_cursor"], "--json"
    ).json()

    assert first["next_cursor"] in words
    names = [job["name"] for job in first["items"] + second["items"]]
    assert names == ["three", "two", "one"]


def test_tokens_are_given_out_listed_and_revoked_here(logged_in: Desk) -> None:
    asked = ["token", "issue", "--as", "researcher", "--organisation", uscc(2)]
    reader = logged_in.run(*asked, "--days", "7", "--json").json()["token"]
    writer = logged_in.run(*asked, "--scope", "jobs:write", "--scope", "jobs:read")
    assert (writer.status, writer.out.startswith("js_")) == (0, True)
    assert "以后看不到" in writer.err

    with Client(logged_in.url, reader) as client, pytest.raises(ApiRefused) as refused:
        client.submit(SPEC)
    assert refused.value.api_code == "api.scope_missing"

    rows = logged_in.run("token", "list", "--as", "researcher", "--json").json()
    assert len(rows) == 3
    assert reader not in json.dumps(rows)
    target = next(row["id"] for row in rows if row["scopes"] == ["jobs:read", "jobs:write"])
    assert logged_in.run("token", "revoke", target).status == 0
    assert logged_in.run("token", "revoke", target).status == 0
    with Client(logged_in.url, writer.out.strip()) as client, pytest.raises(ApiRefused):
        client.me()


NOT_THEIRS = [
    ["--as", "nobody", "--organisation", "@"],
    ["--as", "researcher", "--organisation", "X"],
    ["--as", "researcher", "--organisation", "@", "--role", "auditor"],
    ["--as", "researcher", "--organisation", "@", "--scope", "everything"],
    ["--as", "researcher", "--organisation", "@", "--days", "0"],
    ["--as", "researcher", "--organisation", "@", "--days", "9999"],
]


def test_a_token_is_not_given_to_whom_it_does_not_belong(desk: Desk) -> None:
    for words in NOT_THEIRS:
        filled = [uscc(2) if word == "@" else word for word in words]
        said = desk.run("token", "issue", *filled)

        assert (said.status, said.out) == (2, ""), words
        assert "Traceback" not in said.err


def test_a_token_number_is_not_a_token(desk: Desk) -> None:
    for words in ("js_secret", "token_" + "0" * 26, "job_" + "0" * 26):
        assert desk.run("token", "revoke", words).status == 2
