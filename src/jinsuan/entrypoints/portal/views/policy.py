"""政策专区: the documents as rules, article by article, with their numbers, cases and readings."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.policy_formula import formula, grouped, number
from jinsuan.entrypoints.portal.show import Chip
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.period import beijing_date
from jinsuan.policy.errors import PackNotFound
from jinsuan.policy.library import known, load_pack
from jinsuan.policy.pack import Article, Case, Interpretation, Mode, Pack, Rule
from jinsuan.policy.values import Unreadable, read_plain, show

CHIPS = {
    Mode.FIXED: Chip("按标准给", "run", "check"),
    Mode.CEILING: Chip("上限，最多给", "hold", "lock"),
    Mode.CONTEST: Chip("评选", "wait", "clock"),
    Mode.DISCRETIONARY: Chip("择优", "wait", "clock"),
    Mode.CASE_BY_CASE: Chip("一事一议", "wait", "clock"),
    Mode.REFER: Chip("转其他政策", "", "arrow"),
    Mode.SERVICE: Chip("服务保障", "", "check"),
    Mode.NO_EFFECT: Chip("没有可执行的内容", "", "x"),
}
SCOPES = {
    "project": "每个项目",
    "enterprise": "每户企业",
    "enterprise_year": "每户企业每年",
    "applicant_year": "每个申领主体每年",
}
SHARINGS = {
    "first_come": "先到先得",
    "ranked": "按排名给",
    "pro_rata": "不够时按比例分",
    "": "不够时的分法没有写",
}
FREQUENCIES = {"once": "一次性", "yearly": "每年", "project": "每个项目一次"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """One rule with its words."""

    rule: Rule
    chip: Chip
    scope: str
    limits: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str], ...]
    amount: str
    cases: tuple[CaseView, ...]


@dataclass(frozen=True, slots=True)
class CaseView:
    """One hand-worked case: what differs from the base facts, and the outcome."""

    facts: tuple[tuple[str, str], ...]
    expected: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleView:
    """One article with everything that belongs to it."""

    article: Article
    anchor: str
    rules: tuple[RuleView, ...]
    silent: tuple[Rule, ...]
    params: tuple[tuple[str, str, str, str], ...]
    readings: tuple[Interpretation, ...]


def open_pack(name: str) -> Pack:
    """A pack by its address.

    Raises:
        NotFound: there is none; a page says so as for anything else.
    """
    try:
        return load_pack(name if name in known() else "")
    except PackNotFound:
        raise NotFound("政策文件", name[:60]) from None


def article_address(number: str, label: str) -> str:
    """Where an article of a document stands, by the document's number; empty when it is no known one."""
    for name in known():
        pack = load_pack(name)
        article = pack.article(label) if pack.number == number else None
        if article is not None:
            return f"{reverse('portal:policy', args=[pack.id])}#{anchor(article.label)}"
    return ""


def anchor(label: str) -> str:
    """An article's permalink on its document's page: （九） is 九, and 五、 is 第五部分."""
    return f"第{label.rstrip('、')}部分" if label.endswith("、") else label.strip("（）")


@require_safe
def policies(request: HttpRequest) -> HttpResponse:
    """政策专区: every document that the platform can run."""
    today = beijing_date(clock.now())
    packs = [load_pack(name) for name in known()]
    rows = [
        (
            pack,
            Chip("施行中", "ok", "check")
            if pack.first_day <= today <= pack.last_day
            else Chip("不在施行期", "", "clock"),
            sum(1 for rule in pack.rules.values() if rule.mode.pays),
        )
        for pack in packs
    ]
    page = {"rows": rows, "today": today, "crumbs": [("政策专区", "")]}
    return render(request, "portal/policies.html", page)


@require_safe
def policy(request: HttpRequest, pack_id: str) -> HttpResponse:
    """One document: restatement left; rules, numbers, cases and readings right."""
    pack = open_pack(pack_id)
    page = {
        "pack": pack,
        "articles": [article_view(pack, article) for article in pack.articles],
        "bound": sum(1 for param in pack.params.values() if param.printed),
        "crumbs": [("政策专区", "/政策"), (pack.number, "")],
    }
    return render(request, "portal/policy.html", page)


def article_view(pack: Pack, article: Article) -> ArticleView:
    """Everything that belongs to one article."""
    rules = pack.rules_of(article.label)
    return ArticleView(
        article=article,
        anchor=anchor(article.label),
        rules=tuple(_rule(pack, rule) for rule in rules if rule.mode is not Mode.NO_EFFECT),
        silent=tuple(rule for rule in rules if rule.mode is Mode.NO_EFFECT),
        params=tuple(
            (
                param.label,
                number(param, value),
                f"{since:%Y-%m-%d} 起",
                param.ours or f"条文“{param.printed}”",
            )
            for param in pack.params.values()
            if param.article == article.label
            for since, value in param.values
        ),
        readings=tuple(i for i in pack.interpretations if i.article == article.label),
    )


def _rule(pack: Pack, rule: Rule) -> RuleView:
    return RuleView(
        rule=rule,
        chip=CHIPS[rule.mode],
        scope="，".join(
            words
            for words in (
                SCOPES.get(rule.scope, ""),
                FREQUENCIES.get(rule.frequency, ""),
                rule.track,
            )
            if words
        ),
        limits=tuple(
            (word, f"{pack.params[name].label} {number(pack.params[name])}{more}")
            for word, name, more in (
                ("总盘子", rule.pool, f"，{SHARINGS.get(rule.sharing, '')}"),
                ("名额", rule.quota, ""),
            )
            if name
        ),
        conditions=tuple((c.label, formula(c.test.text, pack)) for c in rule.when),
        amount="" if rule.amount is None else formula(rule.amount.text, pack),
        cases=tuple(_case(pack, case) for case in pack.cases if case.rule == rule.id),
    )


def _case(pack: Pack, case: Case) -> CaseView:
    facts = tuple(
        (_label(pack, name), _typed(pack, name, text))
        for name, text in case.facts
        if pack.base.get(name) != text
    )
    words = {"-": "不符合", "needs": "待核实", "yes": "符合"}
    expected = words.get(case.expected) or f"{grouped(case.expected)} 元"
    return CaseView(facts, expected, case.why)


def _label(pack: Pack, name: str) -> str:
    return pack.facts[name].label if name in pack.facts else name


def _typed(pack: Pack, name: str, text: str) -> str:
    """A case's fact in words; what the pack writes stays where it is no single value."""
    fact = pack.facts.get(name)
    if fact is None:
        return text
    try:
        return "不知道" if text == "?" else show(read_plain(text, fact), fact)
    except Unreadable:
        return text
