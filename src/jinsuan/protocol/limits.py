"""What a well-formed message may still not say: absurd sizes, names and counts.

`codec` checks types; this checks values, so that nothing an agent sends can hurt a table. What may
merely be untrue (usage that jumps, nodes we do not know) passes: the rooms judge that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jinsuan.protocol.errors import MessageInvalid
from jinsuan.protocol.messages import NodeOffer, NodeShare, Offer, SyncRequest
from jinsuan.protocol.values import is_odd

MAX_CLUSTER = 60
MAX_ENGINE = 20
MAX_NODE = 120
MAX_MODEL = 60
MAX_RESOURCE = 80
MAX_CARDS = 256
MAX_SIZE = 2**40
INT32 = 2**31
WHOLE_CARD = 1000


def check_sync(request: SyncRequest) -> SyncRequest:
    """The request itself, if every value in it can be.

    Raises:
        MessageInvalid: the first value that cannot.
    """
    for i, report in enumerate(request.reports):
        at = f"$.reports[{i}]"
        _within(f"{at}.revision", report.revision, 0, 2**62)
        _within(f"{at}.fencing", report.fencing, 0, INT32 - 1)
        if report.exit_code is not None:
            _within(f"{at}.exit_code", report.exit_code, -INT32, INT32 - 1)
        for j, reading in enumerate(report.usage):
            _name(f"{at}.usage[{j}].resource", reading.resource, MAX_RESOURCE)
        _allocation(f"{at}.allocation", report.allocation)
    for i, chunk in enumerate(request.logs):
        _within(f"$.logs[{i}].offset", chunk.offset, 0, 2**62)
    offers = request.offers or ()
    _distinct("$.offers", (offer.cluster for offer in offers))
    for i, offer in enumerate(offers):
        _offer(f"$.offers[{i}]", offer)
    return request


def _allocation(at: str, shares: Sequence[NodeShare]) -> None:
    _distinct(at, (share.node for share in shares))
    for i, share in enumerate(shares):
        here = f"{at}[{i}]"
        _name(f"{here}.node", share.node, MAX_NODE)
        _within(f"{here}.cpu_milli", share.cpu_milli, 0, MAX_SIZE)
        _within(f"{here}.memory_mib", share.memory_mib, 0, MAX_SIZE)
        _within(f"{here}.card_milli", share.card_milli, 1, WHOLE_CARD)
        _within(f"{here}.cards 的个数", len(share.cards), 0, MAX_CARDS)
        _distinct(f"{here}.cards", share.cards)
        for card in share.cards:
            _within(f"{here}.cards", card, 0, MAX_CARDS - 1)


def _offer(at: str, offer: Offer) -> None:
    _name(f"{at}.cluster", offer.cluster, MAX_CLUSTER)
    _name(f"{at}.engine", offer.engine, MAX_ENGINE)
    _distinct(f"{at}.nodes", (node.name for node in offer.nodes))
    for i, node in enumerate(offer.nodes):
        _node(f"{at}.nodes[{i}]", node)


def _node(at: str, node: NodeOffer) -> None:
    _name(f"{at}.name", node.name, MAX_NODE)
    if node.model is not None:
        _name(f"{at}.model", node.model, MAX_MODEL)
    _within(f"{at}.cpu_milli", node.cpu_milli, 0, MAX_SIZE)
    _within(f"{at}.memory_mib", node.memory_mib, 0, MAX_SIZE)
    _within(f"{at}.cards_free_milli 的个数", len(node.cards_free_milli), 0, MAX_CARDS)


def _within(at: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise MessageInvalid(at, f"应在 {low} 与 {high} 之间")


def _name(at: str, text: str, most: int) -> None:
    if not text.strip() or len(text) > most or any(map(is_odd, text)):
        raise MessageInvalid(at, f"应为 1 至 {most} 个字符，不含控制字符")


def _distinct(at: str, items: Iterable[object]) -> None:
    seen = list(items)
    if len(set(seen)) != len(seen):
        raise MessageInvalid(at, "有重复的一项")
