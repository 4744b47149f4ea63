"""The Ray adapter keeps the contract on a real cluster, and through the death of its head."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jinsuan.agent.engines.embedded.folder import is_key
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.engines.ray import RayEngine
from jinsuan.agent.engines.ray.check import look_at_ray
from jinsuan.agent.engines.ray.settings import RaySettings
from jinsuan.protocol.messages import Lease, Observation, Offer
from jinsuan.protocol.states import AttemptState, EndCause
from tests.contracts.bench import (
    CLUSTER,
    NODES,
    await_end,
    await_output,
    await_state,
    free,
    lease,
    output,
    seen,
)
from tests.contracts.engine import EngineContract
from tests.engines.ray_centre import RayCentre, find_ray

pytestmark = [
    pytest.mark.engines,
    pytest.mark.slow,
    pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2", "127.0.0.3"]),
]

BASE_PORT = 43000
_numbers = itertools.count(1)


class Renamed:
    """An engine whose keys carry a prefix of one test on their way to Ray, which never gives a
    number free again, while the suite uses the same few keys in every test.
    """

    name = "ray"

    def __init__(self, engine: RayEngine, prefix: str) -> None:
        self.inner, self._prefix = engine, prefix

    def _to(self, key: str) -> str:
        return f"{self._prefix}{key}" if is_key(key) else key

    def offers(self) -> Sequence[Offer]:
        return self.inner.offers()

    def submit(self, job: Lease) -> None:
        self.inner.submit(replace(job, engine_key=self._to(job.engine_key)))

    def observe(self, keys: Sequence[str]) -> Sequence[Observation]:
        found = self.inner.observe([self._to(key) for key in keys])
        return [replace(o, engine_key=o.engine_key.removeprefix(self._prefix)) for o in found]

    def cancel(self, key: str, *, grace_seconds: int) -> None:
        self.inner.cancel(self._to(key), grace_seconds=grace_seconds)

    def read_log(self, key: str, *, offset: int, limit: int) -> bytes:
        return self.inner.read_log(self._to(key), offset=offset, limit=limit)

    def fence(self, key: str) -> bool:
        return self.inner.fence(self._to(key))


class RayBench:
    """An engine with a folder and keys of its own on a cluster that others use after it."""

    def __init__(self, centre: RayCentre, folder: Path) -> None:
        self.centre, self._folder = centre, folder
        self._prefix = f"t{next(_numbers)}-"
        self.engine = self._open()

    def _open(self) -> Renamed:
        inner = RayEngine(
            self._folder, self.centre.access, now=lambda: datetime.now(UTC), cluster=CLUSTER
        )
        return Renamed(inner, self._prefix)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def reopen(self) -> None:
        self.engine.inner.close()
        self.engine = self._open()

    def close(self) -> None:
        """Stop whatever a test has left."""
        inner, until = self.engine.inner, time.monotonic() + 60
        for row in inner._rows:
            inner.cancel(row.key, grace_seconds=0)
        while any(row.runs for row in inner._rows):
            inner.observe([])
            assert time.monotonic() < until
            time.sleep(0.1)
        inner.close()


@pytest.fixture(scope="module")
def centre(request: pytest.FixtureRequest) -> Iterator[RayCentre]:
    ray = find_ray(install=request.config.option.markexpr == "engines")
    if isinstance(ray, str):
        if os.environ.get("JINSUAN_ENGINES") == "required":
            pytest.fail(ray)
        pytest.skip(ray)
    folder = Path(tempfile.mkdtemp(prefix="js-ray-"))
    try:
        began = time.monotonic()
        with RayCentre(folder, BASE_PORT, NODES, ray) as made:
            capture = request.config.pluginmanager.getplugin("capturemanager")
            took = time.monotonic() - began
            with capture.global_and_fixture_disabled():
                print(f"\n[engine] {made.version()}, {len(NODES)} nodes, {took:.1f} s", flush=True)
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bench(centre: RayCentre, tmp_path: Path) -> Iterator[RayBench]:
    made = RayBench(centre, tmp_path / "engine")
    yield made
    made.close()


class TestRay(EngineContract):
    SHARES_CARDS = False
    SPANS_NODES = False

    @pytest.fixture
    def bench(self, centre: RayCentre, tmp_path: Path) -> Iterator[RayBench]:
        made = RayBench(centre, tmp_path / "engine")
        yield made
        made.close()


# ── what Ray does wrong ───────────────────────────────────────────────────────────────────────────


def lines(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


def test_a_head_that_dies_forgets_and_nothing_runs_twice(bench: RayBench, tmp_path: Path) -> None:
    """Killed with kill -9: a running job is lost and ends by itself, a waiting one runs later."""
    starts, beats = tmp_path / "starts", tmp_path / "beats"
    beat = f"while true; do echo x >>{beats}; sleep 0.2; done"
    job = lease("a", f"trap '' TERM\necho x >>{starts}\necho begun\n{beat}", cards=2)
    bench.engine.submit(job)
    bench.engine.submit(lease("full", "sleep 600", cards=2))
    await_output(bench, "a", "begun")
    await_state(bench, "full", AttemptState.RUNNING)
    bench.engine.submit(lease("waits", f"echo x >>{starts}\necho late", cards=2))
    began = seen(bench, "a").started_at

    bench.centre.kill()
    with pytest.raises(EngineUnreachable):
        bench.engine.observe(["a"])
    with pytest.raises(EngineUnreachable):
        bench.engine.submit(lease("during"))
    bench.wait(12)
    before = lines(beats)
    bench.wait(2)
    assert lines(beats) == before, "the orphan did not end"
    bench.centre.start()

    lost = seen(bench, "a")
    assert (lost.state, lost.cause, lost.exit_code) == (
        AttemptState.ENDED,
        EndCause.ENGINE_LOST,
        None,
    )
    assert "重启" in lost.message
    assert lost.started_at == began
    bench.engine.submit(job)
    assert not bench.engine.fence("a")
    assert seen(bench, "a") == lost
    assert await_end(bench, "waits").exit_code == 0
    assert output(bench, "waits") == "late\n"
    assert output(bench, "a") == "begun\n"
    assert lines(starts) == 2
    assert list(bench.engine.observe(["during"])) == []
    assert sum(sum(n.cards_free_milli) for n in free(bench).values()) == 4000


def test_ray_knows_a_key_only_once(bench: RayBench, tmp_path: Path) -> None:
    """The agent dies between handing a key over and hearing of it: it is handed over again."""
    starts = tmp_path / "starts"
    bench.engine.submit(lease("a", f"echo x >>{starts}\nsleep 3"))
    (row,) = bench.engine.inner._rows
    bench.engine.inner._send(row)
    bench.engine.inner._rows.put(replace(row, accepted=False))
    bench.reopen()
    ended = await_end(bench, "a")
    assert ended.exit_code == 0
    bench.reopen()
    assert seen(bench, "a") == ended
    assert lines(starts) == 1


def test_a_fenced_key_is_never_handed_over(bench: RayBench) -> None:
    assert bench.engine.fence("a")
    bench.engine.submit(lease("a", "echo begun"))
    bench.wait(1)
    bench.reopen()
    assert list(bench.engine.observe(["a"])) == []
    assert output(bench, "a") == ""


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("#!/usr/bin/env python3\nprint('$HOME', 1 + 1)", b"$HOME 2\n"),
        ("printf '\\377\\000no line break'", b"\xff\x00no line break"),
    ],
)
def test_every_byte_of_the_output_arrives(bench: RayBench, run: str, said: bytes) -> None:
    bench.engine.submit(lease("a", run))
    assert await_end(bench, "a").exit_code == 0
    assert bench.engine.read_log("a", offset=0, limit=100) == said


def test_what_ray_cannot_take_is_refused(bench: RayBench) -> None:
    image = lease("a")
    image = replace(image, work=replace(image.work, image="python:3"))
    for job in (lease("a", envs={"A B": "1"}), lease("a", "x" * 200_000), image):
        with pytest.raises(EngineRefused):
            bench.engine.submit(job)


def test_a_head_that_wants_a_token_gets_it(centre: RayCentre, tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="js-rayt-"))
    try:
        with RayCentre(folder, BASE_PORT + 700, NODES[:1], centre.ray, token="a" * 40) as guarded:
            bench = RayBench(guarded, tmp_path / "engine")
            bench.engine.submit(lease("a", "echo begun"))
            assert await_end(bench, "a").exit_code == 0
            bench.close()
            told = list(look_at_ray(RaySettings(**asdict(guarded.access))))
            assert all(good for _, good, _ in told)
            assert told[-1][2] == "没有令牌进不去"
            (folder / "token").write_text("b" * 40)
            wrong = RayEngine(tmp_path / "wrong", guarded.access, now=lambda: datetime.now(UTC))
            with pytest.raises(EngineUnreachable, match=r"40[13]"):
                wrong.observe(["a"])
            wrong.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_an_open_head_is_called_open(centre: RayCentre) -> None:
    told = list(look_at_ray(RaySettings(**asdict(centre.access))))
    assert [name for name, _, _ in told] == ["Ray 接口", "Ray 节点", "Ray 令牌"]
    assert "3 个" in told[1][2]
    assert "T4" in told[1][2]
    assert "没有令牌也能提交作业" in told[2][2]
