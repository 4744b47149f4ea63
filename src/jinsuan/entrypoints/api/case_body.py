"""Bodies of applications and redemptions: every key known, every value of its kind, no surprises."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from jinsuan.kernel.errors import BadInput, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.protocol.values import is_odd, shown
from jinsuan.registry.models import Body, Organisation
from jinsuan.vouchers.actions.apply import MAX_LINES, ContractTerms, Line

LONGEST = 400
MEND = "请对照接口文档改正。"
TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": r"\S"}
DAY = {"type": "string", "format": "date"}
AMOUNT = {"type": "string", "pattern": r"^[0-9]{1,13}(\.[0-9]{1,2})?$", "examples": ["18000.00"]}


def object_schema(optional: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """A closed object; everything is required but what is said to be optional."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name in properties if name not in optional],
        "properties": properties,
    }


def body_of(schema: dict[str, Any]) -> dict[str, Any]:
    """For `openapi_extra`: this JSON body."""
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


LINE = object_schema(category=TEXT, description=TEXT, amount=AMOUNT)
CONTRACT = object_schema(
    number=TEXT,
    provider=TEXT | {"description": "算力企业的统一社会信用代码"},
    signed_on=DAY,
    starts_on=DAY,
    ends_on=DAY,
    lines={"type": "array", "minItems": 1, "maxItems": MAX_LINES, "items": LINE},
)
FORM: dict[str, Any] = {
    "contract": CONTRACT,
    "purpose": TEXT,
    "related": {"type": "boolean", "description": "与供给方是否有关联关系"},
    "answers": {
        "type": "object",
        "description": "政策问到的事实，名到文本；不知道写 ?",
        "additionalProperties": {"type": "string", "maxLength": LONGEST},
    },
}
START = object_schema(
    programme=TEXT | {"examples": ["2025:m09"]},
    body=TEXT | {"description": "推荐单位代码", "examples": ["140100"]},
    **FORM,
)
AMEND = object_schema(**FORM)
MOVE = object_schema(
    ("amount", "chosen"),
    move=TEXT | {"examples": ["推荐", "退回补正", "审定通过", "不予通过", "核定"]},
    reason=TEXT,
    amount=AMOUNT | {"description": "审定通过、核定时必填：您看到的金额，变了就不签"},
    chosen=AMOUNT | {"description": "上限类条款审定通过时必填：所定的金额"},
)
REDEEM = object_schema(voucher=TEXT, through=DAY)


def read_object(raw: object, schema: dict[str, Any], where: str = "正文") -> dict[str, Any]:
    """The body with just the keys of the schema.

    Raises:
        BadInput: no object, a key missing or unknown.
    """
    if not isinstance(raw, dict):
        raise BadInput(where, "应为一个对象", MEND)
    for key in raw:
        if key not in schema["properties"]:
            raise BadInput(f"{where}.{shown(key)}", "不认识的键", MEND)
    for key in schema["required"]:
        if key not in raw:
            raise BadInput(f"{where}.{key}", "没有写", MEND)
    return raw


def read_text(raw: Mapping[str, Any], key: str, *, empty: bool = False) -> str:
    """One line of text.

    Raises:
        BadInput: no text, empty, too long, or with control characters.
    """
    value = raw.get(key, "" if empty else None)
    if not isinstance(value, str) or not (empty or value.strip()):
        raise BadInput(key, "没有写，或不是文本", MEND)
    if len(value) > LONGEST or any(map(is_odd, value)):
        raise BadInput(key, f"超过 {LONGEST} 个字符，或含有控制字符", MEND)
    return value.strip()


def read_day(raw: Mapping[str, Any], key: str) -> date:
    text = read_text(raw, key)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(key, f"“{text[:20]}”不是日期", "请写成 2025-09-16。") from None


def read_amount(raw: Mapping[str, Any], key: str) -> Money:
    text = read_text(raw, key)
    try:
        amount = Money.yuan(text)
    except ValueError:
        raise BadInput(key, f"“{text[:20]}”不是金额", "请写元的文本，如 18000.00。") from None
    if abs(amount.fen) >= 10**15:
        raise BadInput(key, "金额太大", "请写元，不是分。")
    return amount


def read_contract(raw: object) -> ContractTerms:
    """The contract as the applicant writes it.

    Raises:
        BadInput: with the key.
    """
    given = read_object(raw, CONTRACT, "contract")
    lines = given["lines"]
    if not isinstance(lines, list) or not 0 < len(lines) <= MAX_LINES:
        raise BadInput("contract.lines", f"应为 1 到 {MAX_LINES} 行", MEND)
    uscc = read_text(given, "provider").upper()
    provider = Organisation.objects.filter(uscc=uscc).first()
    if provider is None:
        raise BadInput("contract.provider", "没有这个代码的算力企业", "请写统一社会信用代码。")
    return ContractTerms(
        number=read_text(given, "number"),
        provider=provider.id,
        signed_on=read_day(given, "signed_on"),
        starts_on=read_day(given, "starts_on"),
        ends_on=read_day(given, "ends_on"),
        lines=tuple(_line(one, place) for place, one in enumerate(lines, start=1)),
    )


def _line(raw: object, place: int) -> Line:
    given = read_object(raw, LINE, f"contract.lines[{place}]")
    return Line(
        category=read_text(given, "category"),
        description=read_text(given, "description"),
        amount=read_amount(given, "amount"),
    )


def read_form(given: Mapping[str, Any]) -> dict[str, Any]:
    """What `start_application` and `amend_application` both take.

    Raises:
        BadInput: with the key.
    """
    related, answers = given["related"], given["answers"]
    if not isinstance(related, bool):
        raise BadInput("related", "应为 true 或 false", MEND)
    if not isinstance(answers, dict):
        raise BadInput("answers", "应为一个对象", MEND)
    return {
        "terms": read_contract(given["contract"]),
        "purpose": read_text(given, "purpose"),
        "related": related,
        "answers": {name: read_text(answers, name, empty=True) for name in answers},
    }


def read_body_code(given: Mapping[str, Any]) -> Body:
    code = read_text(given, "body")
    found = Body.objects.filter(code=code).first()
    if found is None:
        raise BadInput("body", f"没有推荐单位 {code[:20]}", "请写推荐单位代码，如 140100。")
    return found


def read_voucher(given: Mapping[str, Any]) -> Ref:
    text = read_text(given, "voucher")
    try:
        ref = Ref.read(text)
    except ValueError:
        ref = None
    if ref is None or ref.kind != "voucher":
        raise NotFound("算力券", text[:60])
    return ref
