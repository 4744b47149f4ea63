"""Slurm as an engine: jobs by slurmrestd, facts by small files in a folder that all nodes share."""

from jinsuan.agent.engines.slurm.engine import SlurmEngine
from jinsuan.agent.engines.slurm.settings import SlurmSettings

__all__ = ["SlurmEngine", "SlurmSettings"]
