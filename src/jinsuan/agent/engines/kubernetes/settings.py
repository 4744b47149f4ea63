"""What agent.toml says of a Kubernetes cluster.

[engine]
kind = "kubernetes"
kubeconfig = "/etc/jinsuan/kubeconfig"  left out: the service account of the agent's own pod
context = ""                            of the kubeconfig; empty: its current one
namespace = "jinsuan"                   where jobs run; the agent writes nowhere else
image = "registry.local/base:1"         for work that names none; empty: such work is refused
queue = ""                              a LocalQueue of Kueue
scheduler = ""                          such as volcano; empty: the cluster's default
run_as_root = false                     whether images may run as root

[engine.models]                         a product as nodes are labelled = the model on the platform
"NVIDIA-H800" = "H800-SXM5-80GB"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinsuan.agent.engines.kubernetes.client import Access, in_cluster, read_kubeconfig
from jinsuan.agent.engines.kubernetes.spec import Rules, is_name
from jinsuan.agent.engines.table import read_table


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesSettings:
    """One cluster and how work runs in it."""

    kubeconfig: Path | None = None
    context: str = ""
    namespace: str = "jinsuan"
    image: str = ""
    queue: str = ""
    scheduler: str = ""
    run_as_root: bool = False
    models: Mapping[str, str] = field(default_factory=dict)

    def access(self) -> Access:
        """Where the API server is and who we are.

        Raises:
            EngineRefused: nothing tells, or not in a way that can be used.
        """
        if self.kubeconfig is None:
            return in_cluster()
        return read_kubeconfig(self.kubeconfig, self.context or None)

    def rules(self) -> Rules:
        return Rules(
            namespace=self.namespace,
            image=self.image or None,
            queue=self.queue or None,
            scheduler=self.scheduler or None,
            run_as_root=self.run_as_root,
            models=self.models,
        )


def read_settings(raw: Mapping[str, Any]) -> KubernetesSettings:
    """The settings in the table `[engine]`, without its `kind`.

    Raises:
        ValueError: in Chinese, what cannot be used and how it should be.
    """
    made = read_table(KubernetesSettings, raw)
    if not is_name(made.namespace):
        raise ValueError("[engine] 的 namespace 应为小写字母、数字和横线")
    return made
