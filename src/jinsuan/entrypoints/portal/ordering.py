"""The order form: what a person types, and the job specification it means."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from django import forms

from jinsuan.entrypoints.portal.province import BRICKS
from jinsuan.kernel.quantity import show_milli
from jinsuan.protocol.errors import SpecInvalid
from jinsuan.protocol.parse import parse_spec
from jinsuan.protocol.spec import JobSpec

DEFAULTS = {
    "cards": "1",
    "nodes": "1",
    "cpus": "8",
    "memory": "32",
    "hours": "1",
    "pay": "auto",
}
FIELDS = (
    *("name", "run", "model", "cards", "nodes", "cpus", "memory"),
    *("hours", "pay", "budget", "city", "domestic", "centre"),
)
NO_CARD = "none"
_HOURS = re.compile(r"([0-9]{1,5})(?:\.([0-9]{1,3}))?")
# Where parse_spec's words for a place lead on the form.
_PLACES = {
    "name": "name",
    "run": "run",
    "num_nodes": "nodes",
    "resources.accelerators": "cards",
    "resources.cpus": "cpus",
    "resources.memory": "memory",
    "max_duration": "hours",
    "budget.total": "budget",
    "budget.voucher": "pay",
    "placement.require.city": "city",
    "placement.require.centre": "centre",
}


class OrderForm(forms.Form):
    """下单用算. `spec` holds the whole order once the form is valid; `anywhere` leaves the centre open.

    Args:
        models: card models that some centre has, for the choice.
    """

    error_css_class = ""
    name = forms.CharField(label="作业名称", max_length=120)
    run = forms.CharField(
        label="启动命令",
        help_text="在每个节点上执行，可以写多行",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    model = forms.ChoiceField(label="加速卡")
    cards = forms.CharField(label="每节点卡数", required=False, help_text="共用一张卡写 0.5")
    nodes = forms.CharField(label="节点数", help_text="同时开始，缺一不开")
    cpus = forms.CharField(label="每节点处理器")
    memory = forms.CharField(label="每节点内存")
    hours = forms.CharField(label="最长运行", help_text="到时停止；提前跑完按实际用量付")
    pay = forms.ChoiceField(label="付款", choices=(("auto", "auto"), ("none", "none")))
    budget = forms.CharField(
        label="预算上限（用券前）", required=False, help_text="费用到这个数就停止"
    )
    city = forms.ChoiceField(
        label="城市",
        required=False,
        choices=[("", "不限"), *((name, name) for name, _ in BRICKS)],
    )
    domestic = forms.BooleanField(label="只用国产加速卡", required=False)
    centre = forms.CharField(required=False, widget=forms.HiddenInput)

    spec: JobSpec
    anywhere: JobSpec

    def __init__(self, *args: Any, models: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(NO_CARD, "不要加速卡，只用处理器"), *((m, m) for m in models)]
        self.fields["model"].choices = choices  # type: ignore[attr-defined]
        for name in ("cards", "nodes", "cpus", "memory", "hours", "budget"):
            self.fields[name].widget.attrs.update({"inputmode": "decimal", "autocomplete": "off"})
        self.fields["budget"].widget.attrs["data-money"] = ""
        for field in self.fields.values():
            field.error_messages["required"] = "这一项要填"
            field.error_messages["invalid_choice"] = "请在所列的几项里选一项"

    def clean_hours(self) -> str:
        """Hours as a person counts them, as whole seconds for the specification."""
        found = _HOURS.fullmatch(unicodedata.normalize("NFKC", self.cleaned_data["hours"]).strip())
        seconds = Fraction(found[0]) * 3600 if found else Fraction(0)
        if seconds.denominator != 1 or seconds < 1:
            raise forms.ValidationError("请写小时数，至少 1 秒，例如 36 或 0.5")
        return f"{seconds.numerator}s"

    def clean_budget(self) -> str:
        """An amount as people write it; full-width digits and commas are read too."""
        return unicodedata.normalize("NFKC", self.cleaned_data["budget"]).strip()

    def clean(self) -> None:
        """Let the one parser of specifications decide, and bring its words to the fields."""
        if self.errors:
            return
        raw = _raw(self.cleaned_data)
        try:
            self.spec = parse_spec(raw)
            require = raw["placement"]["require"]
            require.pop("centre", None)
            self.anywhere = parse_spec(raw)
        except SpecInvalid as error:
            for problem in error.problems:
                self.add_error(_field_of(problem.path), f"{problem.problem}。{problem.mend}")

    def problems(self) -> list[tuple[str, str, str]]:
        """What has to be mended, as (field id, label, words)."""
        found = []
        for name, errors in self.errors.items():
            known = name in self.fields
            target = f"id_{name}" if known else ""
            label = str(self.fields[name].label or "") if known else ""
            found += [(target, label, str(words)) for words in errors]
        return found


def _raw(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the parser reads, from what the form holds."""
    resources: dict[str, Any] = {"cpus": values["cpus"], "memory": f"{values['memory']}GB"}
    if values["model"] != NO_CARD:
        resources["accelerators"] = f"{values['model']}:{values['cards'] or 1}"
    require: dict[str, Any] = {}
    if values["city"]:
        require["city"] = values["city"]
    if values["centre"]:
        require["centre"] = values["centre"]
    if values["domestic"] and values["model"] != NO_CARD:
        require["domestic"] = True
    budget = {"voucher": values["pay"]}
    if values["budget"]:
        budget["total"] = values["budget"]
    return {
        "name": values["name"],
        "run": values["run"],
        "num_nodes": values["nodes"],
        "resources": resources,
        "max_duration": values["hours"],
        "budget": budget,
        "placement": {"require": require},
    }


def _field_of(path: str) -> str | None:
    """The field for a place in the specification; None puts the words on top of the form."""
    place = path.partition("[")[0]
    while place and place not in _PLACES:
        place = place.rpartition(".")[0]
    return _PLACES.get(place)


def typed(data: Mapping[str, str]) -> dict[str, str]:
    """What somebody typed, for the draft: our own fields only, of a sane length."""
    return {name: data[name][:64_000] for name in FIELDS if data.get(name)}


def again(spec: Mapping[str, Any]) -> dict[str, str]:
    """再来一单: what to put into the form so that it means this specification again."""
    resources, require = spec.get("resources", {}), spec.get("placement", {}).get("require", {})
    model, _, cards = (resources.get("accelerators") or [f"{NO_CARD}:1"])[0].rpartition(":")
    seconds = int(str(spec.get("max_duration", "3600s")).removesuffix("s"))
    mib = int(str(resources.get("memory", "1024MiB")).removesuffix("MiB"))
    cities = require.get("city", [])
    found = {
        "name": str(spec["name"]),
        "run": str(spec["run"]),
        "model": model,
        "cards": cards,
        "nodes": str(spec.get("num_nodes", 1)),
        "cpus": str(resources.get("cpus", "1")),
        "memory": show_milli(mib * 1000 // 1024),
        "hours": show_milli(seconds * 1000 // 3600),
        "pay": spec.get("budget", {}).get("voucher", "auto"),
        "budget": spec.get("budget", {}).get("total", ""),
        "city": cities[0].removesuffix("市") if len(cities) == 1 else "",
        "domestic": "on" if require.get("domestic") else "",
    }
    return {name: value for name, value in found.items() if value}


def new_order_key() -> str:
    """One form, one order: sent twice it is the same order."""
    return f"portal-{secrets.token_hex(12)}"
