"""Look at a Kubernetes cluster before the agent runs: reachable, allowed, with nodes to offer."""

from __future__ import annotations

from collections.abc import Iterator

from jinsuan.agent.engines.kubernetes.cards import MODEL_LABEL
from jinsuan.agent.engines.kubernetes.client import KubeClient, NotThere
from jinsuan.agent.engines.kubernetes.room import Nodes
from jinsuan.agent.engines.kubernetes.settings import KubernetesSettings
from jinsuan.kernel.errors import DomainError

Told = tuple[str, bool, str]
"""Name, whether it is good, what was found."""
NEEDED = (
    *(("batch", "jobs", verb) for verb in ("get", "list", "create", "patch", "delete")),
    *(("", "pods", verb) for verb in ("list", "patch", "delete")),
    ("", "pods/log", "get"),
    *(("", "configmaps", verb) for verb in ("get", "list", "create", "patch")),
)
"""What the agent does in its namespace; beside it only `list` of nodes and of all pods."""
_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def look_at_kubernetes(settings: KubernetesSettings) -> Iterator[Told]:
    """Version, namespace, rights, nodes; what needs something missing is left out."""
    name = "Kubernetes 接口"
    try:
        client = KubeClient(settings.access())
    except DomainError as error:
        yield (name, False, error.explain())
        return
    try:
        yield (name, True, str(client.get("/version")["gitVersion"]))
        yield _namespace(client, settings.namespace)
        told = _rights(client, settings.namespace)
        yield told
        if told[1]:
            yield _nodes(client, settings)
    except DomainError as error:
        yield (name, False, error.explain())
    finally:
        client.close()


def _namespace(client: KubeClient, space: str) -> Told:
    try:
        client.list(f"/apis/batch/v1/namespaces/{space}/jobs", limit="1")
        client.get(f"/api/v1/namespaces/{space}")
    except NotThere:
        return ("命名空间", False, f"没有 {space}。请运行 kubectl create namespace {space}")
    except DomainError:
        pass  # may not look at it: the rights in it are what counts
    return ("命名空间", True, space)


def _rights(client: KubeClient, space: str) -> Told:
    wanted = [(space, *need) for need in NEEDED]
    wanted += [("", "", "nodes", "list"), ("", "", "pods", "list")]
    missing = [
        f"{verb} {resource}" + ("" if where else "（整个集群）")
        for where, group, resource, verb in wanted
        if not _may(client, where, group, resource, verb)
    ]
    if missing:
        words = f"缺少 {'、'.join(missing)}。请用 deploy/kubernetes-agent.yaml 授权"
        return ("Kubernetes 权限", False, words)
    return ("Kubernetes 权限", True, f"{len(wanted)} 项都有")


def _may(client: KubeClient, space: str, group: str, resource: str, verb: str) -> bool:
    resource, _, part = resource.partition("/")
    asked = {"group": group, "resource": resource, "subresource": part, "verb": verb}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked | ({"namespace": space} if space else {})},
    }
    return bool(client.post(_REVIEW, review)["status"].get("allowed"))


def _nodes(client: KubeClient, settings: KubernetesSettings) -> Told:
    cards = Nodes(client.list("/api/v1/nodes"), settings.models).cards
    if not cards:
        return ("Kubernetes 节点", False, "没有就绪、可调度、不带污点的节点")
    models = sorted({c.model for c in cards.values() if c is not None})
    words = f"{len(cards)} 个；型号 {'、'.join(models) or '无卡'}"
    return ("Kubernetes 节点", True, f"{words}（与平台的叫法不同时，给节点加标签 {MODEL_LABEL}）")
