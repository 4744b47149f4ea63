"""The environment that a job's processes start with: made from nothing, so no secret leaks in."""

from __future__ import annotations

from jinsuan.agent.engines.embedded.folder import JobFolder
from jinsuan.agent.engines.embedded.process import SAFE_PATH, TAG
from jinsuan.agent.engines.embedded.run import Run


def variables(run: Run, rank: int, folder: JobFolder) -> dict[str, str]:
    """What rank `rank` is told. The tenant's own variables are added later, by the job's shell."""
    assert run.lease is not None, run.key
    share = run.allocation[rank]
    cards = ",".join(str(card) for card in share.cards)
    return {
        "PATH": SAFE_PATH,
        "LANG": "C.UTF-8",
        "HOME": f"{folder.path}/work",
        "JINSUAN_JOB_ID": run.lease.job,
        "JINSUAN_ATTEMPT": run.lease.attempt,
        "JINSUAN_CARD_MILLI": str(share.card_milli if share.cards else 0),
        "NODE_RANK": str(rank),
        "NUM_NODES": str(len(run.allocation)),
        "NODE_NAMES": ",".join(part.node for part in run.allocation),
        "CARDS_PER_NODE": str(run.work.cards),
        # Empty hides every card from a job that holds none; unset would show all of them.
        "CUDA_VISIBLE_DEVICES": cards,
        "ASCEND_RT_VISIBLE_DEVICES": cards,
        TAG: folder.tag(rank).removeprefix(f"{TAG}="),
    }
