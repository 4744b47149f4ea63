"""Who is connected with whom (关联关系): one spelling per thing, and paths through shared things. Pure.

Credit codes are public: their digest has no key, so that a shareholder that registers later is found
by its own code. Everything else tells of a person and is hashed under the data key.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.ref import Ref
from jinsuan.kernel.uscc import UsccInvalid, read_uscc
from jinsuan.registry.personal import read_bank_account, read_phone
from jinsuan.registry.sealing import Keyring

SHAREHOLDER, PERSON = "shareholder", "person"
PEOPLE = frozenset({"legal_person", "director", PERSON, SHAREHOLDER})
"""A director here who is the legal person there is one person."""
LABELS = {
    SHAREHOLDER: "股东",
    "legal_person": "法定代表人",
    "director": "董监高",
    PERSON: "经办人",
    "phone": "联系电话",
    "bank_account": "银行账户",
    "device": "登录设备",
    "address": "地址",
}
_BLANKS = re.compile(r"[\s\-_,，。.、()（）#]+")
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One thing that an organisation has, by its digest; `row` is where that stands."""

    organisation: UUID
    kind: str
    key: bytes
    share_bps: int | None = None
    row: Ref | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """From one organisation to the next, by everything that connects the two."""

    start: UUID
    how: str
    end: UUID
    rows: tuple[Ref, ...] = ()


def code_key(uscc: str) -> bytes:
    """The digest by which an organisation itself is known as a shareholder."""
    return sha256(f"uscc:{uscc}".encode()).digest()


def plain_value(kind: str, text: str) -> str:
    """One spelling of a value.

    Raises:
        BadInput: nothing in it, or no number of that kind. The refusal never repeats it.
    """
    if kind == "phone":
        return _phone(text)
    if kind == "bank_account":
        return read_bank_account(text)
    plain = _BLANKS.sub("", unicodedata.normalize("NFKC", text)).upper()
    if not plain or len(plain) > MOST:
        raise BadInput(LABELS[kind], "没有填写或过长", f"请填写 1 到 {MOST} 个字。")
    return plain


def _phone(text: str) -> str:
    """A mobile number, or a fixed line as digits."""
    try:
        return read_phone(text)
    except BadInput:
        digits = _BLANKS.sub("", text)
        if re.fullmatch(r"0[0-9]{9,11}", digits):
            return digits
        raise


def keys_of(kind: str, text: str, ring: Keyring) -> list[bytes]:
    """The digests of a value, the one to write first; the others are of older data keys.

    Raises:
        BadInput: it is no value of that kind.
        DataKeyMissing: no key is configured.
    """
    plain = plain_value(kind, text)
    if kind == SHAREHOLDER:
        try:
            return [code_key(read_uscc(plain))]
        except UsccInvalid:
            pass  # a natural person
    # Numbers that other rooms keep too are hashed as they do, so that theirs are found.
    use = kind if kind in ("phone", "bank_account") else f"relation.{kind}"
    if kind in PEOPLE:
        use = "relation.person"
    return [ring.index(plain, use), *ring.indices(plain, use)]


def path_between(
    first: UUID,
    second: UUID,
    links: Iterable[Link],
    own: Mapping[bytes, UUID],
    *,
    hops: int,
    least_share_bps: int,
) -> tuple[Hop, ...] | None:
    """The shortest way from one organisation to another through shared things or shares; None when
    there is none within `hops`.

    Args:
        own: organisations by the digest of their own code.
        least_share_bps: smaller shares connect nobody; an unknown share does.
    """
    return _ways(first, links, own, hops, least_share_bps).get(second)


def connected(
    first: UUID,
    links: Iterable[Link],
    own: Mapping[bytes, UUID],
    *,
    hops: int,
    least_share_bps: int,
) -> frozenset[UUID]:
    """Everybody within `hops` of an organisation, itself included."""
    return frozenset(_ways(first, links, own, hops, least_share_bps))


def in_words(path: Iterable[Hop], names: Mapping[UUID, str]) -> str:
    """A path as an officer reads it."""
    return "；".join(f"{names[one.start]}与{names[one.end]}：{one.how}" for one in path)


def _ways(
    first: UUID, links: Iterable[Link], own: Mapping[bytes, UUID], hops: int, least: int
) -> dict[UUID, tuple[Hop, ...]]:
    """Breadth first, in a fixed order, so that the same data give the same words."""
    having: dict[bytes, list[Link]] = defaultdict(list)
    things: dict[UUID, list[Link]] = defaultdict(list)
    ordered = sorted(links, key=lambda one: (one.kind, one.key, one.organisation))
    for link in ordered:
        if link.kind == SHAREHOLDER and link.share_bps is not None and link.share_bps < least:
            continue
        having[link.key].append(link)
        things[link.organisation].append(link)
    codes = {organisation: key for key, organisation in own.items()}
    ways: dict[UUID, tuple[Hop, ...]] = {first: ()}
    queue = deque([first])
    while queue:
        here = queue.popleft()
        if len(ways[here]) >= hops:
            continue
        ties: dict[UUID, list[tuple[str, Link, Link]]] = defaultdict(list)
        for there, how, link, other in _next(here, things[here], having, own, codes.get(here)):
            ties[there].append((how, link, other))
        for there, some in ties.items():
            if there not in ways:
                ways[there] = (*ways[here], _hop(here, there, some))
                queue.append(there)
    return ways


def _hop(here: UUID, there: UUID, ties: Iterable[tuple[str, Link, Link]]) -> Hop:
    words = dict.fromkeys(how for how, _, _ in ties)
    rows = {link.row for _, *both in ties for link in both if link.row is not None}
    return Hop(here, "、".join(words), there, tuple(sorted(rows)))


def _next(
    here: UUID,
    things: Iterable[Link],
    having: Mapping[bytes, list[Link]],
    own: Mapping[bytes, UUID],
    code: bytes | None,
) -> Iterable[tuple[UUID, str, Link, Link]]:
    """Every tie to somebody else: to whom, in words, and the one or two links it rests on."""
    for link in things:
        if link.key in own and own[link.key] != here:
            yield own[link.key], f"后者是前者的股东{_share(link)}", link, link
        for other in having.get(link.key, ()):
            if other.organisation != here:
                yield other.organisation, _shared(link, other), link, other
    for other in having.get(code, ()) if code else ():
        if other.organisation != here:
            yield other.organisation, f"前者是后者的股东{_share(other)}", other, other


def _shared(link: Link, other: Link) -> str:
    if link.kind == other.kind:
        return f"{LABELS[link.kind]}相同"
    return f"前者的{LABELS[link.kind]}是后者的{LABELS[other.kind]}"


def _share(link: Link) -> str:
    if link.share_bps is None:
        return "（持股比例不明）"
    return f"（持股 {link.share_bps // 100}.{link.share_bps % 100:02d}%）"
