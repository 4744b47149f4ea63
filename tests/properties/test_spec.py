"""Specifications go there and back; whatever else arrives is refused and never crashes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, strategies as st
from hypothesis.strategies import SearchStrategy

from jinsuan.kernel.ids import show_id
from jinsuan.kernel.money import Money
from jinsuan.protocol.errors import SpecInvalid
from jinsuan.protocol.parse import parse_spec
from jinsuan.protocol.schema import job_spec_schema
from jinsuan.protocol.spec import Accelerators, Budget, JobSpec, Resources, Where
from jinsuan.protocol.values import MAX_BUDGET, MAX_MEMORY_MIB, MAX_SECONDS, is_odd

SCHEMA = jsonschema_rs.validator_for(
    {"$schema": "https://json-schema.org/draft/2020-12/schema", **job_spec_schema()}
)
plain_characters = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]).filter(
    lambda c: not is_odd(c)
)
lines = st.text(plain_characters | st.sampled_from("\n\t\r"), max_size=80)
words = st.text(plain_characters, min_size=1, max_size=20).filter(str.strip)
names = words.map(str.strip)
env_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
models = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9 ._/()+-]{0,20}[A-Za-z0-9])?", fullmatch=True)
accelerators = st.builds(Accelerators, model=models, count=st.integers(1, 64)) | st.builds(
    Accelerators, model=models, count=st.just(1), card_milli=st.integers(1, 999)
)
resources = st.builds(
    Resources,
    accelerators=st.lists(accelerators, max_size=3).map(tuple),
    cpu_milli=st.integers(1, 10**9),
    memory_mib=st.integers(1, MAX_MEMORY_MIB),
)
vouchers = st.sampled_from(["auto", "none"]) | st.uuids().map(lambda u: show_id("voucher", u))
totals = st.integers(1, MAX_BUDGET.fen).map(Money)
places = st.lists(words, max_size=3).map(tuple)
wheres = st.builds(Where, cities=places, centres=places, exclude=places, domestic=st.booleans())
seconds = st.integers(1, MAX_SECONDS)
limits: SearchStrategy[tuple[int | None, Money | None]] = (
    st.tuples(seconds, st.none()) | st.tuples(st.none(), totals) | st.tuples(seconds, totals)
)


def pairs(keys: SearchStrategy[str], values: SearchStrategy[str]) -> SearchStrategy[Any]:
    return st.dictionaries(keys, values, max_size=4).map(lambda found: tuple(found.items()))


@st.composite
def specs(draw: st.DrawFn) -> JobSpec:
    max_seconds, total = draw(limits)
    return JobSpec(
        name=draw(names),
        run=draw(lines.filter(str.strip)),
        num_nodes=draw(st.integers(1, 1024)),
        resources=draw(resources),
        envs=draw(pairs(env_names, lines)),
        image=draw(st.none() | st.from_regex(r"[a-z0-9./:@_-]{1,40}", fullmatch=True)),
        max_seconds=max_seconds,
        budget=Budget(total=total, voucher=draw(vouchers)),
        where=draw(wheres),
        priority=draw(st.integers(0, 100)),
        labels=draw(pairs(words, st.text(plain_characters, max_size=30))),
    )


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**4000, -(10**4000), 2**63, 0, -1])
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["", "\x00", "\ud800", "a:b:c", "1e9", "９", "-1", "1,000", "1" * 10_000])
)
junk = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6) | st.integers() | st.none(), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = [
    *("name", "run", "num_nodes", "resources", "envs", "image", "max_duration", "budget"),
    *("placement", "priority", "labels", "accelerators", "cpus", "memory", "total", "currency"),
    *("voucher", "require", "exclude", "city", "centre", "domestic"),
]
nearly = st.dictionaries(
    st.sampled_from(KEYS),
    junk | st.dictionaries(st.sampled_from(KEYS), junk, max_size=6),
    max_size=12,
)


@given(specs())
def test_a_specification_reads_back_from_its_canonical_form(spec: JobSpec) -> None:
    again = parse_spec(json.loads(json.dumps(spec.plain())))

    assert again == spec
    assert again.digest() == spec.digest()


@given(specs())
def test_the_canonical_form_fits_the_published_schema(spec: JobSpec) -> None:
    assert SCHEMA.is_valid(spec.plain()), [e.message for e in SCHEMA.iter_errors(spec.plain())]


@given(specs(), specs())
def test_equal_digests_mean_equal_orders(one: JobSpec, other: JobSpec) -> None:
    same = (one.digest() == other.digest()) == (one.plain() == other.plain())
    assert same


@given(nearly | junk)
def test_whatever_arrives_is_read_or_refused_with_places_and_mends(raw: object) -> None:
    try:
        spec = parse_spec(raw)
    except SpecInvalid as error:
        refused = error
    else:
        assert parse_spec(spec.plain()) == spec
        return
    assert 1 <= len(refused.problems) <= 100
    assert all(p.path and p.problem and p.mend for p in refused.problems)
    assert all("|" not in p.problem for p in refused.problems)
    refused.explain().encode()


@given(specs(), st.sampled_from(KEYS[:11]), junk)
def test_one_spoilt_key_is_refused_at_that_key_only(spec: JobSpec, key: str, value: object) -> None:
    raw = {**spec.plain(), key: value}

    heads: set[str] = set()
    try:
        parse_spec(raw)
    except SpecInvalid as refused:
        heads = {p.path.partition(".")[0].partition("[")[0] for p in refused.problems}
    assert heads <= {key, "max_duration"}


@given(st.floats())
def test_a_binary_fraction_is_never_an_amount(number: float) -> None:
    raw = {"name": "a", "run": "b", "budget": {"total": number}}

    with pytest.raises(SpecInvalid) as refused:
        parse_spec(raw)

    (problem,) = refused.value.problems
    assert problem.path == "budget.total"
    assert "加引号" in problem.mend


def test_nesting_as_deep_as_the_interpreter_allows_is_no_crash() -> None:
    deep: object = "2h"
    for _ in range(50_000):
        deep = [deep]
    for key in KEYS[:11]:
        with pytest.raises(SpecInvalid):
            parse_spec({key: deep})
