"""Kubernetes as a centre's scheduler: one Job per attempt, and one small record that lets it start."""

from __future__ import annotations

from jinsuan.agent.engines.kubernetes.client import Access, in_cluster, read_kubeconfig
from jinsuan.agent.engines.kubernetes.engine import KubernetesEngine
from jinsuan.agent.engines.kubernetes.spec import Rules

__all__ = ["Access", "KubernetesEngine", "Rules", "in_cluster", "read_kubeconfig"]
