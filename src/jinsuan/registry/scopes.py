"""What a token may be used for (令牌权限). A closed list: a token of an unknown scope is not issued."""

from __future__ import annotations

SCOPES = {
    "jobs:read": "试排；查看作业、尝试、费用和输出",
    "jobs:write": "下单和停止作业",
    "centres:read": "查看算力中心、空闲资源和价目",
    "account:read": "查看本单位的余额、流水、算力券和本人的通知",
    "trace:read": "一分钱溯源",
    "cases:read": "查看能看的申领和兑付",
    "cases:write": "提出和办理申领、兑付",
    "policy:read": "查看规则包，试算政策",
}
READING = ("jobs:read", "centres:read", "account:read", "trace:read", "policy:read", "cases:read")
"""What a token may do when nobody says more: look, and change nothing."""
