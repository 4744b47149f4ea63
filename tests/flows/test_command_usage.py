"""A command typed wrongly: what is wrong, where, and where to read on; in Chinese, status 2."""

from __future__ import annotations

import re
import sys

import pytest
import typer

from jinsuan.entrypoints.cli import app
from jinsuan.entrypoints.cli.usage import run, translated


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("policy population shanxi-2024-35 --rows abc", "选项 --rows 的值不对：要写整数"),
        ("policy population shanxi-2024-35 --rows 0", "选项 --rows 的值不对：不能小于 1"),
        ("job list --limit 201", "选项 --limit 的值不对：不能大于 200"),
        ("policy list extra", "多写了 extra"),
        ("policy list --jsn", "没有选项 --jsn，您要的可能是 --json"),
        ("policy decide shanxi-2024-35 --facts", "选项 --facts 后面要写一个值"),
        ("policy list --json=3", "选项 --json 后面不写值"),
        ("policy simulate shanxi-2024-35 --population /", "/ 是文件夹，要的是文件"),
        ("policy simulate shanxi-2024-35 --population none.csv", "没有文件 none.csv，请核对路径"),
        ("job submit none.yaml", "参数 file 的值不对：没有文件 none.yaml"),
        ("policy decide", "缺少参数 pack"),
        ("policy decide shanxi-2024-35", "缺少选项 --facts"),
        ("policy decid", "没有命令 decid，您要的可能是 decide"),
        ("xyz", "没有命令 xyz"),
    ],
)
def test_wrong_usage_is_explained_in_chinese(
    line: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["jinsuan", *line.split()])

    with pytest.raises(SystemExit) as ended:
        run(app)

    out, said = capsys.readouterr()
    assert ended.value.code == 2
    assert out == ""
    assert words in said
    assert not re.search(r"Error|Usage|Invalid|Missing|such", said), said


@pytest.mark.parametrize("line", ["", "policy"])
def test_no_command_shows_the_help(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["jinsuan", *line.split()])

    with pytest.raises(SystemExit) as ended:
        run(app)

    shown = "".join(capsys.readouterr())
    assert ended.value.code == 2
    assert "命令" in shown
    assert "Commands" not in shown


def test_the_status_a_command_chose_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    two = typer.Typer()

    @two.command()
    def only() -> None:
        raise typer.Exit(7)

    monkeypatch.setattr(sys, "argv", ["two"])
    with pytest.raises(SystemExit) as ended:
        run(two)
    assert ended.value.code == 7


def test_an_unknown_complaint_stays_as_it_is() -> None:
    assert translated("Something new.") == "Something new."
