"""Which resource counts the cards of a node, and which model they are.

The names are those of the vendors' device plugins and of HAMi (charts/hami/values.yaml); MindCluster
counts every Ascend 910 as `huawei.com/Ascend910`. A family is not a model: the same name stands for
cards with different memory, so a centre may say the model itself, by a label on the node or in the
agent's configuration, and that is believed first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jinsuan.agent.engines.kubernetes.quantity import count

MODEL_LABEL = "jinsuan/card-model"
"""Put on a node by the centre: the model of its cards, as it is called on the platform."""
PRODUCT_LABELS = {
    "nvidia.com/gpu": "nvidia.com/gpu.product",
    "huawei.com/Ascend910": "accelerator-type",
    "huawei.com/Ascend310P": "accelerator-type",
    "metax-tech.com/gpu": "metax-tech.com/gpu.product",
    "amd.com/gpu": "amd.com/gpu.product-name",
}
"""Resource, and the label that vendors' discovery puts on a node to say which product it is."""
NAMES = {
    "cambricon.com/vmlu": "MLU",
    "cambricon.com/mlu": "MLU",
    "hygon.com/dcunum": "DCU",
    "hygon.com/dcu": "DCU",
    "kunlunxin.com/xpu": "XPU",
    "metax-tech.com/sgpu": "MetaX",
    "mthreads.com/vgpu": "MTT",
    "enflame.com/gcu": "GCU",
    "birentech.com/gpu": "BR",
    "vastaitech.com/va": "VA",
}
"""Resources that say the family only: a centre with such cards should say the model itself."""
_SELF_NAMED = re.compile(r"(?:huawei\.com/|iluvatar\.ai/)([A-Za-z0-9.-]+?)(?:-vgpu)?")
_BRAND = re.compile(r"(?:NVIDIA|Tesla|GRID|GeForce|AMD)[- ]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards of one node.

    Args:
        selector: labels by which the scheduler can tell these nodes from others with the same
            resource.
    """

    model: str
    resource: str
    number: int
    selector: Mapping[str, str] = field(default_factory=dict)


def cards_of(node: Mapping[str, Any], models: Mapping[str, str]) -> Cards | None:
    """What a node has, None for a node without cards.

    Of a node with several kinds the one with most cards is taken: an offer has one model a node.

    Args:
        models: a product as the cluster calls it -> the model as the platform does.
    """
    allocatable = node.get("status", {}).get("allocatable") or {}
    found = [
        (count(amount), name)
        for name, amount in allocatable.items()
        if _is_card(name) and count(amount) > 0
    ]
    if not found:
        return None
    number, resource = max(found)
    labels: Mapping[str, str] = node["metadata"].get("labels") or {}
    for label in (MODEL_LABEL, PRODUCT_LABELS.get(resource)):
        if label is not None and (product := labels.get(label)):
            named = models.get(product) or _BRAND.sub("", product)
            return Cards(named, resource, number, {label: product})
    own = _SELF_NAMED.fullmatch(resource)
    product = own[1] if own else NAMES.get(resource, resource.rpartition("/")[2])
    return Cards(models.get(resource) or models.get(product) or product, resource, number)


def _is_card(resource: str) -> bool:
    return resource in PRODUCT_LABELS or resource in NAMES or bool(_SELF_NAMED.fullmatch(resource))
