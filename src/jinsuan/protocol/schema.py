"""The job specification as JSON Schema 2020-12, from the same limits that `parse` enforces.

It is what an editor or a generator of clients can use. Everything `parse` takes fits the schema
(tested); the other way round a few things only `parse` can tell, such as bytes of UTF-8, control
characters, or a duration of nought. `parse` decides.
"""

from __future__ import annotations

from typing import Any

from jinsuan.protocol import parse, values

TITLE = "晋算作业说明 Jinsuan job specification"
_NUMBER_TEXT = r"^\s*[0-9]{1,12}(\.[0-9]{1,3})?\+?\s*$"
_MEMORY_TEXT = r"^\s*[0-9]{1,12}(\.[0-9]{1,3})? *([GgMmTt]([Ii]?[Bb])?)?(\.\.)?\+?\s*$"
_AMOUNT_TEXT = r"^\s*([0-9]{1,10}|[0-9]{1,3}([,，][0-9]{3}){1,3})(\.[0-9]{1,2})?\s*$"
_WHOLE_TEXT = r"^\s*[0-9]{1,9}\s*$"
_DURATION = (
    r"^\s*(([0-9]{1,4}-)?[0-9]{1,4}:[0-5][0-9]:[0-5][0-9]"
    r"|[0-9]{1,4}-[0-9]{1,2}(:[0-5][0-9])?"
    r"|([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?)\s*$"
)
_NOTHING = {"type": "null"}


def job_spec_schema() -> dict[str, Any]:
    """The schema, without `$schema` and `$id`; a new dictionary every time."""
    return {
        "title": TITLE,
        "description": "读取规则以 docs/reference/job-spec.md 为准；资源按每个节点写。",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "run"],
        "anyOf": [
            {
                "required": ["max_duration"],
                "properties": {"max_duration": {"type": "string"}},
            },
            {
                "required": ["budget"],
                "properties": {
                    "budget": {
                        "type": "object",
                        "required": ["total"],
                        "properties": {"total": {"type": ["string", "number"]}},
                    }
                },
            },
        ],
        "properties": _properties(),
        "examples": [
            {
                "name": "finetune-7b",
                "num_nodes": 2,
                "resources": {"accelerators": "Ascend 910B3:8", "cpus": 64, "memory": "512GB"},
                "run": "torchrun --nnodes=2 train.py",
                "max_duration": "1d12h",
                "budget": {"total": "3000.00", "voucher": "auto"},
                "placement": {"require": {"city": ["太原", "大同"], "domestic": True}},
            }
        ],
    }


def _properties() -> dict[str, Any]:
    return {
        "name": _text("作业名称，一行", parse.MAX_NAME_BYTES),
        "run": _text("由 shell 运行的命令，可多行", parse.MAX_RUN_BYTES),
        "num_nodes": _whole("节点数", 1, parse.MAX_NODES),
        "resources": _part(
            "每个节点要的资源",
            {
                "accelerators": _accelerators(),
                "cpus": _number("核数", _NUMBER_TEXT, values.MAX_CPUS),
                "memory": _number("内存，不写单位时为 GB", _MEMORY_TEXT, 2**20),
            },
        ),
        "envs": _pairs("环境变量", r"^[A-Za-z_][A-Za-z0-9_]{0,127}$", parse.MAX_ENV_CHARACTERS),
        "image": _or_nothing(_text("容器镜像", parse.MAX_IMAGE_BYTES)),
        "max_duration": {
            "description": "最长运行时间，如 90m、2h、1d12h、1-12:00:00",
            "anyOf": [{"type": "string", "pattern": _DURATION}, _NOTHING],
        },
        "budget": _part(
            "最多花多少、要不要用券",
            {
                "total": _number("元", _AMOUNT_TEXT, int(values.MAX_BUDGET.fen // 100)),
                "currency": {"enum": ["CNY", None]},
                "voucher": {
                    "description": "auto、none 或一张券的编号",
                    "anyOf": [
                        {"type": "string", "pattern": f"^({parse.VOUCHER_PATTERN})$"},
                        _NOTHING,
                    ],
                },
            },
        ),
        "placement": _part(
            "可以在哪里运行",
            {
                "require": _part(
                    "必须满足",
                    {
                        "city": _words("城市"),
                        "centre": _words("中心代码"),
                        "domestic": {"description": "只用国产卡", "type": ["boolean", "null"]},
                    },
                ),
                "exclude": _words("不用的中心代码"),
            },
        ),
        "priority": _whole("大者先", 0, 100),
        "labels": _pairs("自己用的标签", r"^.{1,80}$", parse.MAX_LABEL_CHARACTERS),
    }


def _or_nothing(schema: dict[str, Any]) -> dict[str, Any]:
    """A key without a value counts as not written."""
    return {"anyOf": [schema, _NOTHING]}


def _text(description: str, most: int) -> dict[str, Any]:
    return {"description": description, "type": "string", "pattern": r"\S", "maxLength": most}


def _whole(description: str, low: int, high: int) -> dict[str, Any]:
    written = {"type": "string", "pattern": _WHOLE_TEXT}
    number = {"type": "integer", "minimum": low, "maximum": high}
    return {"description": description, "anyOf": [number, written, _NOTHING]}


def _number(description: str, pattern: str, most: int) -> dict[str, Any]:
    """Decimal text is read as it stands; so is a fraction in JSON that is sent to the API."""
    number = {"type": "number", "exclusiveMinimum": 0, "maximum": most}
    written = {"type": "string", "pattern": pattern}
    return {"description": description, "anyOf": [number, written, _NOTHING]}


def _part(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": properties,
    }


def _pairs(description: str, name: str, most: int) -> dict[str, Any]:
    return {
        "description": description,
        "type": ["object", "null"],
        "maxProperties": parse.MAX_PAIRS,
        "propertyNames": {"pattern": name},
        "additionalProperties": {
            "anyOf": [
                {"type": "string", "maxLength": most},
                {"type": "integer", "exclusiveMinimum": -(2**63), "exclusiveMaximum": 2**63},
            ]
        },
    }


def _words(description: str) -> dict[str, Any]:
    word = {"type": "string", "minLength": 1, "maxLength": 80, "pattern": r"\S"}
    many = {"type": "array", "maxItems": parse.MAX_LIST, "items": word}
    return {"description": description, "anyOf": [word, many, _NOTHING]}


def _accelerators() -> dict[str, Any]:
    """One choice, or alternatives of which any will do."""
    written = {"type": "string", "pattern": r"\S"}
    count = {"type": ["string", "integer", "number"]}
    counted = {"type": "object", "additionalProperties": count}
    return {
        "description": "型号:张数，如 Ascend 910B3:8；T4:0.5 是一张卡的一半；列表表示任选其一",
        "anyOf": [
            written,
            counted,
            {
                "type": "array",
                "maxItems": parse.MAX_LIST,
                "items": {"anyOf": [written, counted]},
            },
            _NOTHING,
        ],
    }
