"""An operator's copy of an official text: kept in the operator's own folder, never in this repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jinsuan.entrypoints.database import default_folder
from jinsuan.kernel.errors import BadInput
from jinsuan.policy.lint import Report, lint
from jinsuan.policy.official import official_articles
from jinsuan.policy.pack import Pack

MAX_BYTES = 5_000_000


def place_of(pack: Pack, folder: Path | None) -> Path:
    """Where the copy for a pack is kept."""
    return (folder or default_folder()) / "policy" / pack.id / "official.txt"


def read_text(path: Path) -> str:
    """Read a copy.

    Raises:
        BadInput: it cannot be read, is too long, is not UTF-8, or has no articles.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise BadInput(
            "原文", f"读不了 {path.name}（{error.strerror}）", "核对路径和权限"
        ) from None
    except UnicodeDecodeError as error:
        problem = f"{path.name} 不是 UTF-8 编码（第 {error.start} 字节）"
        raise BadInput("原文", problem, "另存为 UTF-8 的纯文本") from None
    if len(data) > MAX_BYTES:
        raise BadInput("原文", f"{path.name} 超过 {MAX_BYTES} 字节", "一个文件只放一份文件的原文")
    found, _ = official_articles(text)
    if not any(label.startswith("（") for label in found):
        raise BadInput("原文", f"{path.name} 里没有（一）这样的条款", "核对是不是这份文件的原文")
    return text


def keep(pack: Pack, text: str, folder: Path | None) -> Path:
    """Store a copy, whole or not at all."""
    place = place_of(pack, folder)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_suffix(".new")
        draft.write_text(text, "utf-8")
        draft.replace(place)
    except OSError as error:
        raise BadInput(
            "存放处", f"写不了 {place}（{error.strerror}）", "用 --folder 换一处"
        ) from None
    return place


def compare(pack: Pack, text: str) -> tuple[Report, Iterator[str]]:
    """The comparison, and how it is read out."""
    report = lint(pack, text)
    return report, _lines(report)


def _lines(report: Report) -> Iterator[str]:
    mark = "✗" if report.problems else "✓"
    yield (
        f"{mark} 与原文核对：{report.articles} 条；原文的数字 {report.bound} 个有参数，"
        f"{report.plain} 个写明不是参数；不一致 {len(report.problems)} 处"
    )
    yield from (f"  {problem}" for problem in report.problems)
