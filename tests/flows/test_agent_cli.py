"""`jinsuan agent enrol | check | run` as an operator meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from typer.testing import CliRunner

from jinsuan.agent.config import load_config
from jinsuan.agent.journal import Journal
from jinsuan.agent.keys import load_key, make_key, public_bytes, save_key
from jinsuan.agent.preflight import preflight
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.cli.agent import app
from jinsuan.kernel.errors import DomainError
from jinsuan.registry.actions.agents import issue_enrolment_code
from tests.flows.world import SYSTEM, World, make_world

NODES = "name,model,cards,cpu_milli,memory_mib\ngpu-1,T4,4,64000,262144\n"
Jinsuan = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def in_2025(monkeypatch: pytest.MonkeyPatch) -> None:
    """The business clock stands in the year of the policy."""
    at = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
    monkeypatch.setenv(clock.VARIABLE, str(clock.offset_for(at)))


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def world(committed_db: None) -> World:
    return make_world(now=clock.now())


@pytest.fixture
def platform(committed_db: None) -> Iterator[str]:
    """The real application behind a real port."""
    from jinsuan.entrypoints.site.wsgi import application

    server: WSGIServer = make_server("127.0.0.1", 0, application, handler_class=Quiet)

    def serve() -> None:
        from django.db import connection

        server.serve_forever(poll_interval=0.05)
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def jinsuan() -> Jinsuan:
    """Run one command; a refusal comes back as status 2 and its words, as `main` does it."""

    def run(*words: str, said: str = "") -> tuple[int, str]:
        done = CliRunner().invoke(app, list(words), input=said)
        if isinstance(done.exception, DomainError):
            return 2, done.exception.explain()
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done.exit_code, done.output

    return run


def code_for(world: World) -> str:
    return issue_enrolment_code(world.centre_id, actor=SYSTEM, now=clock.now())


def test_from_an_empty_folder_to_a_checked_agent(
    world: World, platform: str, jinsuan: Jinsuan, tmp_path: Path
) -> None:
    folder = tmp_path / "agent"
    (tmp_path / "n.csv").write_text(NODES, "utf-8")
    where = ("enrol", str(folder), "--server", platform, "--centre", "T01")
    status, said = jinsuan(*where, "--nodes", str(tmp_path / "n.csv"), said=code_for(world) + "\n")
    assert status == 0, said
    assert "jinsuan agent check" in said
    assert load_config(folder).nodes[0].cards == 4

    status, said = jinsuan("check", str(folder))
    assert status == 0, said
    assert [line.split("：")[0] for line in said.splitlines()] == [
        "✓ 配置",
        "✓ 文件夹",
        "✓ 密钥",
        "✓ 引擎",
        "✓ 平台",
    ]
    status, said = jinsuan("check", str(folder), "--json")
    assert all(finding["good"] for finding in json.loads(said))

    first = public_bytes(load_key(folder))
    status, said = jinsuan(*where, "--code", code_for(world))
    assert status == 0, said
    assert public_bytes(load_key(folder)) != first
    assert load_config(folder).nodes[0].cards == 4, "a second enrolment keeps the configuration"


def test_a_code_from_the_command_line_enrols(
    world: World, platform: str, jinsuan: Jinsuan, tmp_path: Path
) -> None:
    status, code = jinsuan("code", "T01")
    assert status == 0
    where = ("enrol", str(tmp_path / "a"), "--server", platform, "--centre", "T01")
    assert jinsuan(*where, said=code)[0] == 0
    assert jinsuan("code", "T99")[0] == 2


def test_a_refused_code_leaves_the_old_key_in_its_place(
    world: World, platform: str, jinsuan: Jinsuan, tmp_path: Path
) -> None:
    where = ("enrol", str(tmp_path / "a"), "--server", platform, "--centre", "T01")
    assert jinsuan(*where, "--code", code_for(world))[0] == 0
    before = public_bytes(load_key(tmp_path / "a"))
    status, said = jinsuan(*where, "--code", "wrong")
    assert (status, "登记码不能用" in said) == (2, True)
    assert public_bytes(load_key(tmp_path / "a")) == before
    assert jinsuan("check", str(tmp_path / "a"))[0] == 0


def test_a_folder_of_another_centre_is_not_taken_over(jinsuan: Jinsuan, tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('server = "https://a.example"\ncentre = "C01"\n', "utf-8")
    status, said = jinsuan(
        "enrol", str(tmp_path), "--server", "https://a.example", "--centre", "C02", "--code", "x"
    )
    assert (status, "请换一个文件夹" in said) == (2, True)


def test_check_names_each_missing_piece_with_its_mend(
    world: World, platform: str, jinsuan: Jinsuan, tmp_path: Path
) -> None:
    folder = tmp_path / "agent"
    status, said = jinsuan("check", str(folder))
    assert (status, "✗ 配置" in said, "读不了" in said) == (1, True, True)

    folder.mkdir()
    text = f'server = "{platform}"\ncentre = "T01"\n'
    (folder / "agent.toml").write_text(text, "utf-8")
    status, said = jinsuan("check", str(folder))
    assert (status, "✗ 密钥" in said, "jinsuan agent enrol" in said) == (1, True, True)

    save_key(folder, make_key()).chmod(0o644)
    status, said = jinsuan("check", str(folder))
    assert (status, "chmod 600" in said) == (1, True)

    save_key(folder, make_key())
    status, said = jinsuan("check", str(folder))
    assert (status, "✓ 引擎" in said, "✗ 平台" in said) == (1, True, True)
    assert "签名核对不上" in said

    (folder / "agent.toml").write_text(text.replace(platform, "http://127.0.0.1:9"), "utf-8")
    status, said = jinsuan("check", str(folder))
    assert (status, "连接不上" in said) == (1, True)

    (folder / "agent.toml").write_text(text + 'job_user = "nobody-at-all"\n', "utf-8")
    status, said = jinsuan("check", str(folder))
    if os.geteuid() == 0:
        assert (status, "✗ 引擎" in said, "nobody-at-all" in said) == (1, True, True)

    journal = Journal(folder)
    status, said = jinsuan("check", str(folder))
    assert (status, "正在运行" in said) == (0, True)
    journal.close()


def test_check_says_that_the_clock_is_wrong(
    world: World, platform: str, jinsuan: Jinsuan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("enrol", str(tmp_path / "a"), "--server", platform, "--centre", "T01")
    assert jinsuan(*where, "--code", code_for(world))[0] == 0

    def wrong(seconds: int) -> str:
        found = preflight(tmp_path / "a", now=lambda: clock.now() + timedelta(seconds=seconds))
        return next(f.words for f in found if not f.good)

    assert "比平台快 20" in wrong(200) or "比平台快 199" in wrong(200)
    assert "比平台慢" in wrong(-200)
    assert "相差" in wrong(4000)


# ── run ───────────────────────────────────────────────────────────────────────────────────────


class Running:
    """`jinsuan agent run …` in a process of its own."""

    def __init__(self, *folders: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jinsuan.entrypoints.cli", "agent", "run", *map(str, folders)],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said += self.process.stderr

    def await_words(self, words: str, times: int = 1) -> None:
        until = time.monotonic() + 30
        while "".join(self.said).count(words) < times:
            assert time.monotonic() < until, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.05)

    def end(self, number: int | None = signal.SIGTERM) -> tuple[int, str]:
        if number is not None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(20)
        finally:
            self.process.kill()
            self._reader.join()
            assert self.process.stderr is not None
            self.process.stderr.close()
        return status, "".join(self.said)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Three enrolled centres whose platform is away."""
    made = [tmp_path / name for name in ("C01", "C02", "C03")]
    for folder in made:
        save_key(folder, make_key())
        text = f'server = "http://127.0.0.1:9"\ncentre = "{folder.name}"\njob_user = "root"\n'
        (folder / "agent.toml").write_text(text, "utf-8")
    return made


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_several_agents_in_one_process_stop_together(folders: list[Path], number: int) -> None:
    running = Running(*folders)
    running.await_words("platform.not_heard", times=3)
    status, said = running.end(number)
    assert status == 0
    assert said.count("agent.stopped") == 3


def test_an_agent_that_cannot_begin_stops_the_others_and_is_named(folders: list[Path]) -> None:
    (folders[1] / "agent.key").chmod(0o644)
    status, said = Running(*folders).end(None)
    assert status == 2
    assert "chmod 600" in said
    assert str(folders[1]) in said
    assert said.count("agent.started") == said.count("agent.stopped")


def test_one_folder_given_twice_is_refused(folders: list[Path]) -> None:
    status, said = Running(folders[0], folders[0]).end(None)
    assert status == 2
    assert "正由另一个代理使用" in said
