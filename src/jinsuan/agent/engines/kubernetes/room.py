"""What the nodes of a cluster have and have free, from the nodes and the pods on them. Pure.

The API does not say which of a node's cards a pod got, only how many. The adapter numbers the cards
of its own work itself, lowest free first, and keeps to it (record.py); cards of other pods count
from the highest down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from jinsuan.agent.engines.embedded.room import Room, VirtualNode
from jinsuan.agent.engines.kubernetes.cards import Cards, cards_of
from jinsuan.agent.engines.kubernetes.quantity import quantity, whole
from jinsuan.protocol.messages import NodeOffer, NodeShare, Work

WHOLE = 1000
Thing = Mapping[str, Any]
_TAINTS = ("NoSchedule", "NoExecute")


class Nodes:
    """The nodes on which our pods may be placed: ready, not cordoned, without taints.

    Args:
        models: see `cards.cards_of`.
    """

    def __init__(self, nodes: Iterable[Thing], models: Mapping[str, str]) -> None:
        self._nodes = {node["metadata"]["name"]: node for node in nodes if _usable(node)}
        self.cards = {name: cards_of(node, models) for name, node in self._nodes.items()}

    def whole(self) -> Room:
        """All of it, as if nothing ran."""
        return Room([self._node(name, {}) for name in self._nodes])

    def free(self, pods: Iterable[Thing]) -> Room:
        """What the living pods leave."""
        held = _held(pods)
        return Room([self._node(name, held[name]) for name in self._nodes])

    def selection(self, work: Work) -> tuple[Cards | None, list[str]]:
        """The cards that this work asks for, and the values of their label that mean its model."""
        if not work.cards:
            return None, []
        alike = [c for c in self.cards.values() if c is not None and c.model == work.model]
        first = max(alike, key=lambda cards: cards.number)
        same = [c for c in alike if (c.resource, *c.selector) == (first.resource, *first.selector)]
        return first, sorted({value for c in same for value in c.selector.values()})

    def offers(self, pods: Sequence[Thing], shares: Iterable[NodeShare]) -> tuple[NodeOffer, ...]:
        """What every node has and has free.

        Args:
            pods: living pods of the whole cluster. shares: what our own running work holds.
        """
        held = _held(pods)
        numbered: dict[str, set[int]] = defaultdict(set)
        for share in shares:
            numbered[share.node].update(share.cards)
        found: list[NodeOffer] = []
        for name in self._nodes:
            full, left = self._node(name, {}), self._node(name, held[name])
            free = [WHOLE] * full.cards
            taken = {card for card in numbered[name] if card < full.cards}
            used = full.cards - left.cards
            others = [card for card in reversed(range(full.cards)) if card not in taken]
            for card in [*sorted(taken), *others][:used]:
                free[card] = 0
            found.append(
                NodeOffer(
                    name=name,
                    cpu_milli=full.cpu_milli,
                    cpu_free_milli=left.cpu_milli,
                    memory_mib=full.memory_mib,
                    memory_free_mib=left.memory_mib,
                    model=full.model,
                    cards_free_milli=tuple(free),
                )
            )
        return tuple(found)

    def _node(self, name: str, held: Mapping[str, Fraction]) -> VirtualNode:
        cards = self.cards[name]
        there = self._nodes[name].get("status", {}).get("allocatable") or {}

        def left(resource: str, unit: Fraction) -> int:
            got = quantity(there.get(resource, 0)) - held.get(resource, Fraction(0))
            return max(0, whole(got / unit, up=False))

        return VirtualNode(
            name=name,
            cpu_milli=left("cpu", Fraction(1, 1000)),
            memory_mib=left("memory", Fraction(2**20)),
            model=None if cards is None else cards.model,
            cards=0 if cards is None else left(cards.resource, Fraction(1)),
        )


def lives(pod: Thing) -> bool:
    """Whether a pod still holds what it was given."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def pick_cards(number: int, taken: Iterable[int]) -> tuple[int, ...]:
    """The lowest numbers that nobody has."""
    found: list[int] = []
    used, card = set(taken), 0
    while len(found) < number:
        if card not in used:
            found.append(card)
        card += 1
    return tuple(found)


def _held(pods: Iterable[Thing]) -> defaultdict[str, dict[str, Fraction]]:
    held: defaultdict[str, dict[str, Fraction]] = defaultdict(dict)
    for pod in pods:
        node = pod["spec"].get("nodeName")
        if node and lives(pod):
            for resource, amount in _asked(pod["spec"]).items():
                held[node][resource] = held[node].get(resource, Fraction(0)) + amount
    return held


def _asked(spec: Thing) -> dict[str, Fraction]:
    """What a pod holds: its containers together, or its largest first container if that is more."""
    together: dict[str, Fraction] = {}
    for container in spec.get("containers") or []:
        for resource, amount in _requests(container).items():
            together[resource] = together.get(resource, Fraction(0)) + amount
    for container in spec.get("initContainers") or []:
        for resource, amount in _requests(container).items():
            together[resource] = max(together.get(resource, Fraction(0)), amount)
    for resource, text in (spec.get("overhead") or {}).items():
        together[resource] = together.get(resource, Fraction(0)) + quantity(text)
    return together


def _requests(container: Thing) -> dict[str, Fraction]:
    resources = container.get("resources") or {}
    # Of extended resources there may be limits only: the server sets requests to the same.
    both = (resources.get("limits") or {}) | (resources.get("requests") or {})
    asked = set(resources.get("requests") or {}) | {n for n in both if "/" in n}
    return {name: quantity(both[name]) for name in asked}


def _usable(node: Thing) -> bool:
    spec = node.get("spec") or {}
    if spec.get("unschedulable") or any(
        taint["effect"] in _TAINTS for taint in spec.get("taints") or []
    ):
        return False
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
