"""Between applicant and provider: are they connected? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from jinsuan.kernel.ref import Ref
from jinsuan.registry.relations import Link, in_words, path_between
from jinsuan.vouchers.checks.doubt import DataLacking, Doubt, percent, refs
from jinsuan.vouchers.checks.thresholds import Related


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Both sides of a contract and everything known around them."""

    applicant: UUID
    provider: UUID
    declared: bool
    links: tuple[Link, ...]
    own: Mapping[bytes, UUID]
    names: Mapping[UUID, str]
    unknown: tuple[UUID, ...]


def related(parties: Parties, at: Related) -> list[Doubt]:
    """关联方: the same organisation, said to be related, or connected within some hops.

    Raises:
        DataLacking: nothing found, but no register says anything about one of them.
    """
    both = refs(Ref("organisation", parties.applicant), Ref("organisation", parties.provider))
    found = []
    if parties.declared:
        found.append(
            Doubt(
                code="related_declared",
                title="申领方声明与供给方有关联",
                evidence=both,
                detail="关联关系声明填写为“是”。请核实关联的性质、定价是否公允、用量是否真实。",
            )
        )
    if parties.applicant == parties.provider:
        return [*found, _related(both, "两方是同一个统一社会信用代码", at)]
    path = path_between(
        parties.applicant,
        parties.provider,
        parties.links,
        parties.own,
        hops=at.hops,
        least_share_bps=at.least_share_bps,
    )
    if path is not None:
        # With every row behind it: a tie that shows later is a doubt that nobody has explained yet.
        through = [ref for one in path for ref in (Ref("organisation", one.end), *one.rows)]
        return [*found, _related(refs(*both, *through), in_words(path, parties.names), at)]
    if parties.unknown:
        names = "、".join(parties.names.get(one, str(one)) for one in parties.unknown)
        raise DataLacking(
            f"没有 {names} 的企业登记关系数据",
            "请用 jinsuan registry relate 登记股东、法定代表人和电话，或查企业信用公示系统后写明依据",
            found,
        )
    return found


def _related(evidence: tuple[Ref, ...], words: str, at: Related) -> Doubt:
    return Doubt(
        code="related",
        title="申领方与供给方有关联线索",
        evidence=evidence,
        detail=f"{words}。门槛：{at.hops} 步以内，持股 {percent(at.least_share_bps)} 及以上。",
    )
