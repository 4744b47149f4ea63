"""`jinsuan audit …` as the platform and as an auditor runs it, who has a file and a public key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from jinsuan.entrypoints import seal_keys
from jinsuan.entrypoints.cli import seal as commands
from jinsuan.entrypoints.worker import ticks
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.errors import (
    AuditFileInvalid,
    SealDigestInvalid,
    SealKeyExists,
    SealKeyInvalid,
    SealLibraryMissing,
)
from jinsuan.ledger.models import Block, WaitingRow
from jinsuan.ledger.queries import seal_status

NOW = datetime(2025, 3, 1, 8, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A platform of its own, without a key."""
    monkeypatch.setenv("JINSUAN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(seal_keys.VARIABLE, raising=False)
    monkeypatch.delenv(seal_keys.DIGEST, raising=False)
    return tmp_path


def auditor(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `jinsuan audit` where there is no database."""
    return subprocess.run(
        [sys.executable, "-m", "jinsuan.entrypoints.cli", "audit", *map(str, words)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
    )


def write() -> None:
    note = Note(action="job.submit", subject=Ref("job", UUID(int=1)), reason="理由")
    record([note, note], actor=Actor.system("test"), now=NOW)


@pytest.mark.django_db
def test_from_a_new_key_to_the_auditor_s_verdict(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.key()
    public = home / "public.pem"
    public.write_text(capsys.readouterr().out)
    write()
    assert ticks.seal(lambda: NOW) == 2
    assert ticks.seal(lambda: NOW) == 0
    file, head = home / "audit.jsonl", seal_status().head
    commands.export(file)
    commands.status()
    assert head in capsys.readouterr().out

    good = auditor("verify", file, "--public-key", public, "--head", head)
    assert (good.returncode, good.stderr) == (0, "")
    assert "记录 2 条" in good.stdout and "差异 0 处" in good.stdout
    assert "没有核对签名" in auditor("verify", file).stdout

    text = file.read_text("utf-8")
    file.write_text(text.replace("理由", "借口", 1), "utf-8")
    bad = auditor("verify", file, "--public-key", public, "--json")
    assert bad.returncode == 1
    assert any("区块 1 第 1 条" in one for one in json.loads(bad.stdout)["differences"])

    file.write_text(text[:-20], "utf-8")
    assert auditor("verify", file).returncode == 2
    file.write_bytes(b"\xff\xfe")
    assert "UTF-8" in auditor("verify", file).stderr
    assert auditor("verify", home / "none.jsonl").returncode == 2


@pytest.mark.django_db
def test_national_algorithms_from_the_key_to_the_auditor_s_verdict(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    assert ticks.seal(lambda: NOW) == 2  # as the platform began: SHA-256, no key
    monkeypatch.setenv(seal_keys.DIGEST, "SM3")
    commands.key(commands.KeyAlgorithm.SM2)
    public = home / "public.pem"
    public.write_text(capsys.readouterr().out)
    write()
    assert ticks.seal(lambda: NOW) == 2
    write()
    commands.seal()
    told = [tuple(one) for one in Block.objects.order_by("number").values_list("algorithm", "rows")]
    assert told == [("sha256", 2), ("sm3", 2), ("sm3", 2)]
    file = home / "audit.jsonl"
    commands.export(file)

    good = auditor("verify", file, "--public-key", public)
    assert (good.returncode, good.stderr) == (0, ""), good.stdout
    assert "签名相符 2 个区块" in good.stdout
    text = file.read_text("utf-8")
    file.write_text(text.replace("理由", "借口", 6).replace("借口", "理由", 5), "utf-8")
    bad = auditor("verify", file, "--public-key", public)
    assert bad.returncode == 1 and "区块 3 第 6 条" in bad.stdout
    public.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    none = auditor("verify", file, "--public-key", public)
    assert none.returncode == 2 and "不是 Ed25519、SM2 公钥" in none.stderr


@pytest.mark.django_db
def test_an_unknown_digest_seals_nothing_rather_than_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(seal_keys.DIGEST, "md5")
    write()
    with pytest.raises(SealDigestInvalid, match=r"md5.*sha256、sm3"):
        commands.seal()
    assert ticks.seal(lambda: NOW) == 0
    assert (seal_status().rows, seal_status().waiting) == (0, 2)


@pytest.mark.django_db
def test_an_sm2_key_without_its_package_seals_nothing_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    made = seal_keys.make("sm2")
    public = home / "public.pem"
    public.write_bytes(made.public_pem)
    monkeypatch.setitem(sys.modules, "gmalg", None)
    write()
    with pytest.raises(SealLibraryMissing, match=r"pip install \"jinsuan\[sm\]\""):
        commands.seal()
    with pytest.raises(SealLibraryMissing):
        commands.trusted([public])
    assert ticks.seal(lambda: NOW) == 0
    assert seal_status().rows == 0
    monkeypatch.delitem(sys.modules, "gmalg")
    assert ticks.seal(lambda: NOW) == 2


@pytest.mark.django_db
def test_the_command_tells_of_rows_that_were_taken_off_the_waiting_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write()
    WaitingRow.objects.all().delete()
    assert ticks.seal(lambda: NOW) == 0
    commands.seal()
    assert "有 2 条留痕不在待封存表里" in capsys.readouterr().err
    assert seal_status().waiting == 0


@pytest.mark.django_db
def test_without_a_key_rows_are_sealed_unsigned_and_the_command_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write()
    commands.seal()
    assert "没有签名" in capsys.readouterr().err
    assert (seal_status().rows, seal_status().key) == (2, "")


@pytest.mark.django_db
@pytest.mark.parametrize("damage", ["open to others", "gone", "no key"])
def test_a_key_that_cannot_be_used_seals_nothing_rather_than_unsigned(
    damage: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(seal_keys.VARIABLE, str(home / "key.pem"))
    seal_keys.make()
    if damage == "open to others":
        seal_keys.path().chmod(0o640)
    elif damage == "gone":
        seal_keys.path().unlink()
    else:
        seal_keys.path().write_text("-----BEGIN PRIVATE KEY-----\n")
    write()

    with pytest.raises(SealKeyInvalid):
        commands.seal()
    assert ticks.seal(lambda: NOW) == 0
    assert (seal_status().rows, seal_status().waiting) == (0, 2)


def test_a_key_is_for_its_owner_only_and_never_overwritten() -> None:
    made = seal_keys.make()
    assert seal_keys.path().stat().st_mode & 0o777 == 0o600
    with pytest.raises(SealKeyExists):
        seal_keys.make()
    again = seal_keys.signer()
    assert again is not None and again.key_id == made.key_id


@pytest.mark.django_db
def test_an_export_overwrites_nothing(home: Path) -> None:
    file = home / "audit.jsonl"
    file.write_text("mine")
    with pytest.raises(AuditFileInvalid, match="已存在"):
        commands.export(file)
    assert file.read_text() == "mine"
