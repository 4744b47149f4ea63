"""What every engine must do. Subclass `EngineContract` with a `bench` fixture; see test_embedded.py."""

from __future__ import annotations

import pytest

from jinsuan.agent.engines.errors import EngineRefused
from jinsuan.protocol.states import AttemptState, EndCause
from tests.contracts.bench import (
    CLUSTER,
    NODES,
    PATIENCE_SECONDS,
    STUBBORN,
    Bench,
    await_end,
    await_output,
    await_state,
    free,
    lease,
    output,
    seen,
)


class EngineContract:
    """The five verbs, from outside.

    An engine says here what it is too coarse for; everything else it must do like the others.
    """

    SHARES_CARDS = True
    SPANS_NODES = True
    CORE_STEP_MILLI = 1
    """The smallest part of a core that it keeps apart from the next job's."""

    @pytest.fixture
    def bench(self) -> Bench:
        raise NotImplementedError

    # ── submit, observe ───────────────────────────────────────────────────────────────────────

    def test_submitting_twice_starts_once(self, bench: Bench) -> None:
        job = lease("a", "echo begun\nsleep 600", cards=1)
        bench.engine.submit(job)
        bench.engine.submit(job)
        await_output(bench, "a", "begun")
        bench.engine.submit(job)
        bench.wait(0.2)
        assert len(bench.engine.observe(["a"])) == 1
        assert output(bench, "a") == "begun\n"
        assert sum(sum(n.cards_free_milli) for n in free(bench).values()) == 3000
        bench.engine.cancel("a", grace_seconds=0)

    def test_a_key_that_has_ended_never_starts_again(self, bench: Bench) -> None:
        bench.engine.submit(lease("a", "echo begun"))
        first = await_end(bench, "a")
        bench.engine.submit(lease("a", "echo begun"))
        bench.wait(0.2)
        again = seen(bench, "a")
        assert (again.state, again.ended_at) == (AttemptState.ENDED, first.ended_at)
        assert output(bench, "a") == "begun\n"

    def test_unknown_keys_are_left_out_and_may_be_cancelled(self, bench: Bench) -> None:
        assert list(bench.engine.observe(["never", "ever"])) == []
        bench.engine.cancel("never", grace_seconds=1)
        assert list(bench.engine.observe(["never"])) == []
        assert bench.engine.read_log("never", offset=0, limit=10) == b""

    def test_a_job_of_one_says_when_it_began_and_ended(self, bench: Bench) -> None:
        bench.engine.submit(lease("a", "sleep 1"))
        running = await_state(bench, "a", AttemptState.RUNNING)
        assert running.started_at is not None
        assert (running.ended_at, running.exit_code, running.cause) == (None, None, None)
        ended = await_end(bench, "a")
        assert ended.started_at == running.started_at
        assert ended.ended_at is not None
        assert 0.9 <= (ended.ended_at - running.started_at).total_seconds() < PATIENCE_SECONDS

    @pytest.mark.parametrize("code", [0, 1, 3, 77])
    def test_the_exit_code_is_kept(self, bench: Bench, code: int) -> None:
        bench.engine.submit(lease("a", f"exit {code}"))
        ended = await_end(bench, "a")
        assert (ended.cause, ended.exit_code) == (EndCause.EXITED, code)

    def test_what_could_never_run_is_refused_and_stays_unknown(self, bench: Bench) -> None:
        hopeless = [
            lease("cards", cards=3),
            lease("model", cards=1, model="A100"),
            lease("cores", cpu_milli=5000),
            lease("memory", memory_mib=9000),
            lease("nodes", nodes=4),
            lease("gang", nodes=3, cards=1),
            lease("shares", cards=2, card_milli=500),
            lease("place", cluster="elsewhere"),
        ]
        for job in hopeless:
            with pytest.raises(EngineRefused):
                bench.engine.submit(job)
        assert list(bench.engine.observe([job.engine_key for job in hopeless])) == []

    # ── cancel ────────────────────────────────────────────────────────────────────────────────

    def test_a_cancelled_job_ends_and_frees_its_room(self, bench: Bench) -> None:
        before = free(bench)
        bench.engine.submit(lease("a", "echo begun\nsleep 600", cards=2, cpu_milli=1000))
        await_output(bench, "a", "begun")
        assert free(bench) != before
        bench.engine.cancel("a", grace_seconds=30)
        ended = await_end(bench, "a")
        assert ended.cause is EndCause.CANCELLED
        assert ended.ended_at is not None
        assert free(bench) == before
        bench.engine.cancel("a", grace_seconds=0)
        assert seen(bench, "a") == ended

    def test_work_that_does_not_listen_is_ended_after_the_grace(self, bench: Bench) -> None:
        bench.engine.submit(lease("a", STUBBORN))
        await_output(bench, "a", "begun")
        bench.engine.cancel("a", grace_seconds=1)
        bench.wait(0.3)
        assert seen(bench, "a").state is AttemptState.RUNNING
        assert await_end(bench, "a").cause is EndCause.CANCELLED

    def test_a_shorter_grace_overtakes_a_longer_one(self, bench: Bench) -> None:
        bench.engine.submit(lease("a", STUBBORN))
        await_output(bench, "a", "begun")
        bench.engine.cancel("a", grace_seconds=500)
        bench.engine.cancel("a", grace_seconds=0)
        assert await_end(bench, "a").cause is EndCause.CANCELLED

    def test_a_queued_job_that_is_cancelled_never_starts(self, bench: Bench) -> None:
        for n in range(2):
            bench.engine.submit(lease(f"full{n}", "sleep 600", cards=2))
            await_state(bench, f"full{n}", AttemptState.RUNNING)
        bench.engine.submit(lease("a", "echo begun", cards=2))
        assert seen(bench, "a").state is AttemptState.SUBMITTED
        bench.engine.cancel("a", grace_seconds=10)
        ended = seen(bench, "a")
        assert (ended.state, ended.cause) == (AttemptState.ENDED, EndCause.CANCELLED)
        assert (ended.started_at, ended.exit_code) == (None, None)
        for n in range(2):
            bench.engine.cancel(f"full{n}", grace_seconds=0)
            await_end(bench, f"full{n}")
        bench.wait(0.2)
        assert output(bench, "a") == ""

    def test_work_ends_at_its_time_limit(self, bench: Bench) -> None:
        bench.engine.submit(lease("a", "sleep 600", max_run_seconds=1))
        ended = await_end(bench, "a")
        assert ended.cause is EndCause.TIME_LIMIT
        assert ended.started_at is not None
        assert ended.ended_at is not None
        assert 0.9 <= (ended.ended_at - ended.started_at).total_seconds() < PATIENCE_SECONDS

    # ── logs ──────────────────────────────────────────────────────────────────────────────────

    def test_output_is_read_from_an_offset(self, bench: Bench) -> None:
        bench.engine.submit(lease("a", "echo 一二三\necho four"))
        await_end(bench, "a")
        whole = "一二三\nfour\n".encode()
        read = bench.engine.read_log
        assert read("a", offset=0, limit=1000) == whole
        assert read("a", offset=4, limit=5) == whole[4:9]
        assert read("a", offset=len(whole), limit=10) == b""
        assert read("a", offset=10_000, limit=10) == b""
        assert read("a", offset=0, limit=0) == b""

    @pytest.mark.parametrize("key", ["../a", "a/b", ".", "", "a\n", "-rf", "a" * 200])
    def test_a_key_cannot_leave_its_place(self, bench: Bench, key: str) -> None:
        with pytest.raises(EngineRefused):
            bench.engine.read_log(key, offset=0, limit=10)
        with pytest.raises(EngineRefused):
            bench.engine.submit(lease(key))

    # ── room ──────────────────────────────────────────────────────────────────────────────────

    def test_offers_show_what_is_used(self, bench: Bench) -> None:
        (offer,) = bench.engine.offers()
        assert (offer.cluster, offer.engine) == (CLUSTER, bench.engine.name)
        before = free(bench)
        for node in NODES:
            shown = before[node.name]
            assert shown.model == node.model
            assert shown.cards_free_milli == (1000,) * node.cards
            assert shown.cpu_free_milli == shown.cpu_milli == node.cpu_milli
            assert shown.memory_free_mib == shown.memory_mib == node.memory_mib
        bench.engine.submit(lease("a", "sleep 600", cards=2, cpu_milli=1500, memory_mib=512))
        (share,) = await_state(bench, "a", AttemptState.RUNNING).allocation
        after = free(bench)
        assert after[share.node].cards_free_milli == (0, 0)
        held = -(-1500 // self.CORE_STEP_MILLI) * self.CORE_STEP_MILLI
        assert after[share.node].cpu_free_milli == 4000 - held
        assert after[share.node].memory_free_mib == 4096 - 512
        assert {k: v for k, v in after.items() if k != share.node} == {
            k: v for k, v in before.items() if k != share.node
        }
        bench.engine.cancel("a", grace_seconds=0)
        await_end(bench, "a")
        assert free(bench) == before

    def test_work_without_cards_holds_cores_only(self, bench: Bench) -> None:
        bench.engine.submit(lease("a", "sleep 600", cpu_milli=2000, memory_mib=100))
        (share,) = await_state(bench, "a", AttemptState.RUNNING).allocation
        assert (share.cards, share.cpu_milli, share.memory_mib) == ((), 2000, 100)
        assert sum(sum(n.cards_free_milli) for n in free(bench).values()) == 4000
        bench.engine.cancel("a", grace_seconds=0)

    def test_shares_of_a_card_are_packed_and_never_exceed_it(self, bench: Bench) -> None:
        """Nine shares of 300 or 400 thousandths on four cards, and a tenth that must wait."""
        assert bench.engine.offers()[0].card_share is self.SHARES_CARDS
        if not self.SHARES_CARDS:
            with pytest.raises(EngineRefused):
                bench.engine.submit(lease("s0", cards=1, card_milli=400))
            return
        sizes = [400, 300, 300] * 3 + [600] + [700]
        for n, size in enumerate(sizes):
            bench.engine.submit(lease(f"s{n}", "sleep 600", cards=1, card_milli=size))
        found = [seen(bench, f"s{n}") for n in range(len(sizes))]
        held: dict[tuple[str, int], int] = {}
        for observation in found[:-1]:
            (share,) = observation.allocation
            (card,) = share.cards
            held[share.node, card] = held.get((share.node, card), 0) + share.card_milli
        assert sorted(held.values()) == [600, 1000, 1000, 1000]
        assert found[-1].state is AttemptState.SUBMITTED
        assert found[-1].allocation == ()
        shown = [m for node in free(bench).values() for m in node.cards_free_milli]
        assert sorted(shown) == [0, 0, 0, 400]
        for n in range(len(sizes)):
            bench.engine.cancel(f"s{n}", grace_seconds=0)

    def test_work_waits_when_all_is_taken_and_starts_when_there_is_room(self, bench: Bench) -> None:
        for n in range(2):
            bench.engine.submit(lease(f"full{n}", "sleep 600", cards=2))
            await_state(bench, f"full{n}", AttemptState.RUNNING)
        bench.engine.submit(lease("a", "echo begun", cards=1))
        bench.wait(0.2)
        waiting = seen(bench, "a")
        assert (waiting.state, waiting.started_at) == (AttemptState.SUBMITTED, None)
        assert output(bench, "a") == ""
        bench.engine.submit(lease("small", "true"))
        assert await_end(bench, "small").exit_code == 0
        bench.engine.cancel("full0", grace_seconds=0)
        assert await_end(bench, "a").exit_code == 0
        bench.engine.cancel("full1", grace_seconds=0)

    def _refuses_gangs(self, bench: Bench) -> bool:
        """Whether this engine has no gangs; then it says so and refuses them."""
        assert bench.engine.offers()[0].gang is self.SPANS_NODES
        if not self.SPANS_NODES:
            with pytest.raises(EngineRefused):
                bench.engine.submit(lease("gang", nodes=2))
            assert list(bench.engine.observe(["gang"])) == []
        return not self.SPANS_NODES

    # ── several nodes ─────────────────────────────────────────────────────────────────────────

    def test_a_gang_starts_on_all_its_nodes_or_on_none(self, bench: Bench) -> None:
        if self._refuses_gangs(bench):
            return
        bench.engine.submit(lease("one", "sleep 600", cards=1))
        await_state(bench, "one", AttemptState.RUNNING)
        bench.engine.submit(lease("gang", "echo begun\nsleep 600", nodes=2, cards=2))
        bench.wait(0.3)
        waiting = seen(bench, "gang")
        assert (waiting.state, waiting.allocation) == (AttemptState.SUBMITTED, ())
        assert output(bench, "gang") == ""
        bench.engine.cancel("one", grace_seconds=0)
        await_end(bench, "one")
        running = await_state(bench, "gang", AttemptState.RUNNING)
        assert {share.node for share in running.allocation} == {"n0", "n1"}
        await_output(bench, "gang", "begun\nbegun\n")
        bench.engine.cancel("gang", grace_seconds=0)
        await_end(bench, "gang")
        assert sum(sum(n.cards_free_milli) for n in free(bench).values()) == 4000

    def test_one_rank_that_fails_ends_the_others(self, bench: Bench) -> None:
        if self._refuses_gangs(bench):
            return
        run = 'if [ "$NODE_RANK" = 1 ]; then exit 9; fi\nsleep 600'
        bench.engine.submit(lease("gang", run, nodes=2, cards=1))
        ended = await_end(bench, "gang")
        assert (ended.cause, ended.exit_code) == (EndCause.EXITED, 9)
        assert sum(sum(n.cards_free_milli) for n in free(bench).values()) == 4000

    def test_every_rank_knows_its_place_and_its_cards(self, bench: Bench) -> None:
        size = 2 if self.SPANS_NODES else 1
        run = "echo $NODE_RANK/$NUM_NODES $CARDS_PER_NODE [$CUDA_VISIBLE_DEVICES] $NODE_NAMES"
        bench.engine.submit(lease("gang", run, nodes=size, cards=2))
        names = ",".join(share.node for share in await_end(bench, "gang").allocation)
        lines = sorted(output(bench, "gang").splitlines())
        assert lines == [f"{rank}/{size} 2 [0,1] {names}" for rank in range(size)]

    def test_work_without_cards_sees_no_card(self, bench: Bench) -> None:
        bench.engine.submit(lease("a", "echo [$CUDA_VISIBLE_DEVICES] $CARDS_PER_NODE"))
        await_end(bench, "a")
        assert output(bench, "a") == "[] 0\n"

    def test_the_tenants_variables_arrive_as_they_were_written(self, bench: Bench) -> None:
        envs = {"WORDS": "it's 三 $HOME", "CUDA_VISIBLE_DEVICES": "0,1,2,3"}
        run = 'echo "$WORDS [$CUDA_VISIBLE_DEVICES]"'
        bench.engine.submit(lease("a", run, envs=envs))
        await_end(bench, "a")
        assert output(bench, "a") == "it's 三 $HOME []\n"

    # ── the agent goes and comes back ─────────────────────────────────────────────────────────

    def test_running_work_is_adopted_by_the_next_agent(self, bench: Bench) -> None:
        bench.engine.submit(lease("long", "echo begun\nsleep 2\nexit 5", cards=1))
        bench.engine.submit(lease("short", "echo begun\nexit 4"))
        before = await_state(bench, "long", AttemptState.RUNNING)
        await_output(bench, "long", "begun")
        await_output(bench, "short", "begun")
        bench.reopen()
        adopted = seen(bench, "long")
        assert (adopted.state, adopted.allocation) == (AttemptState.RUNNING, before.allocation)
        assert sum(sum(n.cards_free_milli) for n in free(bench).values()) == 3000
        assert await_end(bench, "long").exit_code == 5
        assert await_end(bench, "short").exit_code == 4
        assert output(bench, "long") == output(bench, "short") == "begun\n"

    def test_queued_work_is_still_queued_for_the_next_agent(self, bench: Bench) -> None:
        for n in range(2):
            bench.engine.submit(lease(f"full{n}", "sleep 600", cards=2))
            await_state(bench, f"full{n}", AttemptState.RUNNING)
        bench.engine.submit(lease("a", "echo begun", cards=1))
        bench.reopen()
        assert seen(bench, "a").state is AttemptState.SUBMITTED
        bench.engine.submit(lease("a", "echo begun", cards=1))
        bench.engine.cancel("full0", grace_seconds=0)
        assert await_end(bench, "a").exit_code == 0
        assert output(bench, "a") == "begun\n"
        bench.engine.cancel("full1", grace_seconds=0)

    def test_adopted_work_can_be_stopped(self, bench: Bench) -> None:
        bench.engine.submit(lease("a", STUBBORN, cards=1))
        await_output(bench, "a", "begun")
        bench.reopen()
        bench.engine.cancel("a", grace_seconds=0)
        assert await_end(bench, "a").cause is EndCause.CANCELLED
        assert sum(sum(n.cards_free_milli) for n in free(bench).values()) == 4000
