"""Output of pods, taken over onto the agent's disk: a pod's log has no byte to read on from, a gang
has several, and none outlives its pod.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from pathlib import Path

import structlog

from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.engines.kubernetes.client import KubeClient, NotThere
from jinsuan.agent.engines.kubernetes.spec import CONTAINER
from jinsuan.agent.engines.spool import Spool

log = structlog.get_logger(__name__)

LAST_BYTES = 16 * 2**20
"""The platform keeps no more of one attempt."""


class Output(Spool):
    """What the pods of every key have printed.

    Args:
        pods: the path of the pods in the API.
    """

    def __init__(self, folder: Path, api: KubeClient, pods: str) -> None:
        super().__init__(folder)
        self._api, self._pods = api, pods

    def pull(self, key: str, pods: Sequence[str], limit: int) -> None:
        """Take over what is new, at most `limit` bytes of each pod, in the order of ranks."""
        self.fill(key, [self._puller(name) for name in pods], limit)

    def pull_last(self, key: str, pods: Sequence[str], there: Container[str]) -> None:
        """The last output, before the pods may go. Its loss is no reason not to note an end."""
        try:
            ranks = [self._puller(name) if name in there else _nothing for name in pods]
            self.fill(key, ranks, LAST_BYTES)
        except (EngineUnreachable, OSError) as error:
            log.warning("log.lost", key=key, problem=str(error))

    def _puller(self, pod: str) -> Callable[[int, int], bytes]:
        def pull(offset: int, limit: int) -> bytes:
            path = f"{self._pods}/{pod}/log"
            try:
                return self._api.read(path, skip=offset, limit=limit, container=CONTAINER)
            except (NotThere, EngineRefused):
                return b""  # no container yet, or none any more

        return pull


def _nothing(_offset: int, _limit: int) -> bytes:
    return b""
