"""What is free on the nodes of an embedded engine, and where a job fits. Pure: no process, no disk."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from jinsuan.protocol.messages import NodeOffer, NodeShare, Work

WHOLE = 1000
"""Thousandths of a card that make a whole one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualNode:
    """One node that the configuration gives to the engine; several may share one machine.

    Args:
        model: card model, None on a node without cards.
        cpu_milli, memory_mib: what jobs may hold in all.
    """

    name: str
    cpu_milli: int
    memory_mib: int
    model: str | None = None
    cards: int = 0


class _Node:
    """The free part of one node."""

    __slots__ = ("cards", "config", "cpu_milli", "index", "memory_mib", "whole")

    def __init__(self, index: int, config: VirtualNode) -> None:
        self.index = index
        self.config = config
        self.cards = [WHOLE] * config.cards
        self.whole = config.cards
        self.cpu_milli = config.cpu_milli
        self.memory_mib = config.memory_mib

    def has_room(self, work: Work) -> bool:
        if work.cpu_milli > self.cpu_milli or work.memory_mib > self.memory_mib:
            return False
        if not work.cards:
            return True
        if work.model != self.config.model:
            return False
        if work.card_milli == WHOLE:
            return self.whole >= work.cards
        return any(free >= work.card_milli for free in self.cards)

    def tightness(self, work: Work) -> tuple[int, int, int]:
        """Sorts the fullest fitting node first; work without cards stays off nodes with cards."""
        if not work.cards:
            return (self.config.cards, self.cpu_milli, self.index)
        if work.card_milli == WHOLE:
            return (self.whole, self.cpu_milli, self.index)
        return (min(f for f in self.cards if f >= work.card_milli), self.cpu_milli, self.index)

    def pick(self, work: Work) -> NodeShare:
        """The part of this node that the work gets: the fullest card that still fits a share."""
        cards: tuple[int, ...] = ()
        if work.cards and work.card_milli == WHOLE:
            whole = [i for i, free in enumerate(self.cards) if free == WHOLE]
            cards = tuple(whole[: work.cards])
        elif work.cards:
            fits = [(f, i) for i, f in enumerate(self.cards) if f >= work.card_milli]
            cards = (min(fits)[1],)
        return NodeShare(
            node=self.config.name,
            cpu_milli=work.cpu_milli,
            memory_mib=work.memory_mib,
            cards=cards,
            card_milli=work.card_milli if work.cards else WHOLE,
        )

    def has_free(self, share: NodeShare) -> bool:
        return (
            share.cpu_milli <= self.cpu_milli
            and share.memory_mib <= self.memory_mib
            and all(0 <= i < len(self.cards) for i in share.cards)
            and all(self.cards[i] >= share.card_milli for i in share.cards)
        )

    def change(self, share: NodeShare, sign: int) -> None:
        self.cpu_milli += sign * share.cpu_milli
        self.memory_mib += sign * share.memory_mib
        for i in share.cards:
            if i < len(self.cards):  # a job adopted after the configuration took cards away
                self.cards[i] += sign * share.card_milli
        self.whole = sum(free == WHOLE for free in self.cards)

    def offer(self) -> NodeOffer:
        config = self.config
        return NodeOffer(
            name=config.name,
            cpu_milli=config.cpu_milli,
            cpu_free_milli=max(0, self.cpu_milli),
            memory_mib=config.memory_mib,
            memory_free_mib=max(0, self.memory_mib),
            model=config.model,
            cards_free_milli=tuple(max(0, free) for free in self.cards),
        )


class Room:
    """All nodes of one engine. Whoever takes shares gives the same shares back."""

    def __init__(self, nodes: Sequence[VirtualNode]) -> None:
        self._nodes = {c.name: _Node(i, c) for i, c in enumerate(nodes)}
        assert len(self._nodes) == len(nodes), "node names must differ"
        self._offers: tuple[NodeOffer, ...] | None = None

    def never_fits(self, work: Work) -> str | None:
        """Why this work could not even run on the empty nodes; None when it could."""
        if work.num_nodes < 1 or work.cpu_milli < 0 or work.memory_mib < 0 or work.cards < 0:
            return "节点数、核数、内存和卡数不能为负"
        if work.cards and (work.model is None or not 0 < work.card_milli <= WHOLE):
            return "要卡必须写明型号，每张卡至多一整张"
        if work.cards > 1 and work.card_milli != WHOLE:
            return f"共享卡只能要一张，不能要 {work.cards} 张的一部分"
        empty = [_Node(0, node.config) for node in self._nodes.values()]
        fits = sum(node.has_room(work) for node in empty)
        if fits < work.num_nodes:
            cards = f"、{work.cards} 张 {work.model}" if work.cards else ""
            return (
                f"每节点要 {work.cpu_milli} 毫核、{work.memory_mib} MiB{cards}，"
                f"全部空闲时也只有 {fits} 个节点放得下，需要 {work.num_nodes} 个"
            )
        return None

    def find(self, work: Work, preferred: Sequence[NodeShare] = ()) -> tuple[NodeShare, ...] | None:
        """Shares of `num_nodes` different nodes for this work, or None when they are not free.

        The platform's reservation is taken when it is free and of the right size; otherwise the
        fullest nodes that fit, so that large pieces stay whole.
        """
        if preferred and self._suits(work, preferred):
            return tuple(preferred)
        fits = (node for node in self._nodes.values() if node.has_room(work))
        best = heapq.nsmallest(work.num_nodes, fits, key=lambda node: node.tightness(work))
        if len(best) < work.num_nodes:
            return None
        return tuple(node.pick(work) for node in best)

    def _suits(self, work: Work, shares: Sequence[NodeShare]) -> bool:
        if len(shares) != work.num_nodes or len({s.node for s in shares}) != len(shares):
            return False
        return all(
            share.node in self._nodes
            and share.cpu_milli == work.cpu_milli
            and share.memory_mib == work.memory_mib
            and len(share.cards) == len(set(share.cards)) == work.cards
            and share.card_milli == (work.card_milli if work.cards else WHOLE)
            and (not work.cards or self._nodes[share.node].config.model == work.model)
            and self._nodes[share.node].has_free(share)
            for share in shares
        )

    def take(self, shares: Sequence[NodeShare]) -> None:
        self._change(shares, -1)

    def give(self, shares: Sequence[NodeShare]) -> None:
        self._change(shares, +1)

    def _change(self, shares: Sequence[NodeShare], sign: int) -> None:
        self._offers = None
        for share in shares:
            if node := self._nodes.get(share.node):  # gone from the configuration: nothing to count
                node.change(share, sign)

    def offers(self) -> tuple[NodeOffer, ...]:
        """What every node has and has free; the same tuple until something changes."""
        if self._offers is None:
            self._offers = tuple(node.offer() for node in self._nodes.values())
        return self._offers
