"""The statements written for speed keep every promise of the slower ones that they replaced."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import DatabaseError, connection, transaction

from jinsuan.agent.keys import public_bytes
from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.actions.place import board_now
from jinsuan.dispatch.models import Attempt, Job
from jinsuan.kernel.ref import Ref
from jinsuan.ledger.queries import audit_of, check_book
from jinsuan.ledger.rows import update_rows
from jinsuan.ledger.statements import read
from jinsuan.protocol.envelope import Envelope
from jinsuan.protocol.parse import parse_spec
from jinsuan.protocol.states import JobState, Outcome
from jinsuan.registry.actions.agents import (
    accept_envelope,
    authenticate_token,
    enrol,
    issue_enrolment_code,
    issue_token,
)
from jinsuan.registry.errors import MessageReplayed, TokenInvalid
from jinsuan.registry.models import AgentChannel, Membership
from tests.flows.world import SYSTEM, World, make_world

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)


@pytest.fixture
def world(db: None) -> World:
    made = make_world(now=NOW)
    AgentChannel.objects.update(last_seen_at=NOW)
    return made


def test_many_rows_get_each_its_own_values_of_every_type(world: World) -> None:
    first, second = (Job.objects.get(id=world.submit(key=k, now=NOW).id) for k in ("a", "b"))
    first.state, first.outcome, first.why = JobState.ENDED, Outcome.FAILED, "坏了"
    first.ended_at, first.spec = NOW, {"name": "改", "list": [1, None]}
    second.why = "等着"
    update_rows([first, second], ["state", "outcome", "why", "ended_at", "spec", "priority"])

    found = {job.id: job for job in Job.objects.all()}
    assert (found[first.id].state, found[first.id].outcome) == ("ended", "failed")
    assert (found[first.id].why, found[first.id].ended_at) == ("坏了", NOW)
    assert found[first.id].spec == {"name": "改", "list": [1, None]}
    assert (found[second.id].state, found[second.id].outcome) == ("queued", None)
    assert (found[second.id].why, found[second.id].ended_at) == ("等着", None)
    assert found[second.id].spec == second.spec


def test_a_text_too_long_for_its_column_is_refused_and_never_cut(world: World) -> None:
    job = Job.objects.get(id=world.submit(key="a", now=NOW).id)
    job.name = "长" * 121
    with pytest.raises(DatabaseError), transaction.atomic():
        update_rows([job], ["name"])
    assert Job.objects.get(id=job.id).name == "a"


def test_a_row_that_is_not_there_is_a_bug_and_not_a_silence(world: World) -> None:
    job = Job.objects.get(id=world.submit(key="a", now=NOW).id)
    with pytest.raises(AssertionError):
        update_rows([job, Job(id=world.tenant, why="")], ["why"])


@pytest.mark.django_db
def test_a_repeated_read_is_planned_once_and_sees_the_transaction_it_is_in(world: World) -> None:
    sql = "SELECT count(*) FROM dispatch_job WHERE tenant_id = %s"
    counts = []
    for number in range(8):
        world.submit(key=str(number), now=NOW)
        counts.append(read(sql, [world.tenant])[0][0])
    assert counts == [1, 2, 3, 4, 5, 6, 7, 8]
    names = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s"
    assert read(names, ["SELECT count(*) FROM dispatch_job WHERE tenant_id%"])[0][0] == 1


@pytest.mark.django_db
def test_a_failed_read_is_one_of_djangos_errors() -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        read("SELECT nothing FROM nowhere", [])


def test_a_connection_that_the_server_closed_is_noticed_without_asking(committed_db: None) -> None:
    (pid,) = read("SELECT pg_backend_pid()", [])[0]
    assert connection.is_usable()
    with psycopg.connect(**address(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
        for _ in range(100):
            found = other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid])
            if found.fetchone() is None:
                break
    assert not connection.is_usable()
    connection.close()
    assert read("SELECT 1", []) == [(1,)]


def address() -> dict[str, Any]:
    settings = connection.settings_dict
    return {
        "dbname": settings["NAME"],
        "user": settings["USER"],
        "password": settings["PASSWORD"],
        "host": settings["HOST"],
        "port": settings["PORT"],
    }


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Run it in so many threads that begin together; answers and refusals."""
    gate, found = threading.Barrier(count), [None] * count

    def run(number: int) -> None:
        gate.wait()
        try:
            found[number] = act(number)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            found[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_one_key_at_the_same_moment_is_one_order(committed_db: None) -> None:
    world = make_world(now=NOW)
    spec = parse_spec({"name": "x", "run": "true", "max_duration": "1h", "resources": {"cpus": 1}})
    board = board_now(now=NOW)

    def order(_number: int) -> Ref:
        return dispatch.submit(spec, board=board, order_key="once", actor=world.researcher, now=NOW)

    answers = at_once(6, order)
    assert len(set(answers)) == 1, answers
    assert Job.objects.count() == 1
    assert [row.action for row in audit_of(answers[0])] == ["job.submit"]


def test_of_two_copies_of_a_message_at_the_same_moment_one_is_accepted(
    committed_db: None,
) -> None:
    world = make_world(now=NOW)
    key = Ed25519PrivateKey.generate()
    code = issue_enrolment_code(world.centre_id, actor=SYSTEM, now=NOW)
    enrol(
        code=code,
        centre_code=world.centre,
        public_key=public_bytes(key),
        agent_version="1",
        now=NOW,
    )
    envelope = Envelope(
        method="POST",
        path="/agent/v1/sync",
        centre=world.centre,
        boot=1,
        sequence=5,
        time=int(NOW.timestamp()),
    )
    signature = key.sign(envelope.signing_bytes(b"{}"))

    answers = at_once(4, lambda _: accept_envelope(envelope, b"{}", signature, now=NOW))
    assert sorted(type(a).__name__ for a in answers) == ["MessageReplayed"] * 3 + ["UUID"]
    older = replace(envelope, sequence=4)
    with pytest.raises(MessageReplayed) as refused:
        accept_envelope(older, b"{}", key.sign(older.signing_bytes(b"{}")), now=NOW)
    assert refused.value.last_sequence == 5


def test_a_waiting_job_about_which_nothing_changed_is_not_written_again(world: World) -> None:
    for number in range(3):  # two nodes of four cards: the third has to wait
        world.submit(cards=4, key=str(number), now=NOW)
    assert dispatch.place_queued(now=NOW) == 2
    before = read("SELECT ctid::text, why FROM dispatch_job WHERE state = 'queued'", [])
    assert dispatch.place_queued(now=NOW + timedelta(seconds=1)) == 0
    after = read("SELECT ctid::text, why FROM dispatch_job WHERE state = 'queued'", [])
    assert before == after
    assert before[0][1].startswith("等待空闲资源")
    assert Attempt.objects.count() == 2
    assert not check_book().differences


def test_a_token_opens_nothing_once_its_person_has_lost_the_role(world: World) -> None:
    person = world.researcher.person
    assert person is not None
    token = issue_token(
        person=person,
        organisation=world.tenant,
        role=world.researcher.role,
        scopes=["jobs:read"],
        label="t",
        expires_at=NOW + timedelta(days=1),
        actor=world.researcher,
        now=NOW,
    )
    assert authenticate_token(token, now=NOW)
    Membership.objects.filter(person=person).update(effective_to=NOW.date())
    with pytest.raises(TokenInvalid):
        authenticate_token(token, now=NOW)
