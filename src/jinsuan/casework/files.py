"""Files of applicants: what they really are, whether they may come in, where they lie.

A file is judged by its content, never by its name. It is kept outside every web root under the
SHA-256 of its content, readable by the platform's own user alone, and leaves only through a door.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from jinsuan.casework.errors import (
    FileDamaged,
    FileInfected,
    FileRefused,
    FileTooLarge,
    ScanUnavailable,
)

MAX_BYTES = 20_000_000
MAX_MEMBERS = 5_000
MAX_NAME = 120
Scanner = Callable[[bytes], str | None]
"""Looks for viruses: None when clean, else what it found. Whatever it raises counts as no answer."""

_OFFICE = "application/vnd.openxmlformats-officedocument"
MEDIA = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "ofd": "application/ofd",
    "xml": "application/xml",
}
ALLOWED = "PDF、PNG、JPG、XLSX、DOCX、OFD、XML"
_ENDINGS = {"jpeg": "jpg"}
_DANGEROUS_XML = (b"<!doctype", b"<!entity", b"<?xml-stylesheet")
_NO_NAME = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was looked into, scanned and put away."""

    sha256: bytes
    size: int
    media: str
    name: str


def receive(data: bytes, *, name: str, folder: Path, scanner: Scanner | None) -> StoredFile:
    """Judge a file and put it away. Call it outside a transaction: a scanner may be slow.

    Raises:
        FileRefused, FileTooLarge, FileInfected, ScanUnavailable: nothing was kept.
    """
    if not data:
        raise FileRefused(name, "文件是空的", "请重新导出后再传。")
    if len(data) > MAX_BYTES:
        raise FileTooLarge(name, len(data), MAX_BYTES)
    clean = plain_name(name)
    kind = sniff(data, clean)
    ending = clean.rpartition(".")[2].lower()
    if _ENDINGS.get(ending, ending) != kind:
        raise FileRefused(
            clean, f"内容是 {kind.upper()}，扩展名却是“{ending[:10]}”", f"请改成 .{kind} 后再传。"
        )
    if scanner is not None:
        _scan(data, clean, scanner)
    digest = sha256(data).digest()
    _put(folder, digest, data)
    return StoredFile(digest, len(data), MEDIA[kind], clean)


def plain_name(name: str) -> str:
    """A name without a path; whoever sends a path is refused, not mended.

    Raises:
        FileRefused.
    """
    clean = name.strip()
    if _NO_NAME.search(clean) or clean.startswith(".") or not clean:
        raise FileRefused(name, "文件名里有路径或不可见字符", "请换一个普通的文件名，如 合同.pdf。")
    if len(clean) > MAX_NAME or "." not in clean:
        raise FileRefused(name, f"文件名没有扩展名或超过 {MAX_NAME} 个字符", "请换一个文件名。")
    return clean


def sniff(data: bytes, name: str) -> str:
    """What the content is, one of `MEDIA`.

    Raises:
        FileRefused: something else, or something that could act by itself.
    """
    if data.startswith(b"%PDF-"):
        return "pdf"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data.startswith(b"PK\x03\x04"):
        return _in_zip(data, name)
    if data.removeprefix(b"\xef\xbb\xbf").startswith(b"<?xml"):
        lowered = data.lower()
        if any(word in lowered for word in _DANGEROUS_XML) or b"\x00" in data:
            raise FileRefused(name, "XML 里有实体、DTD 或样式引用", "请从开票平台重新下载原件。")
        return "xml"
    raise FileRefused(name, "认不出这种文件", f"请传 {ALLOWED}。")


def _in_zip(data: bytes, name: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    # zipfile itself says NotImplementedError of an archive of a later version than it knows.
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise FileRefused(name, "文件损坏", "请重新导出后再传。") from error
    names = {member.filename for member in members}
    if len(members) > MAX_MEMBERS or any(member.flag_bits & 1 for member in members):
        raise FileRefused(name, "文件加了密码，或里面的部件太多", "请去掉密码，另存后再传。")
    if any(one.lower().endswith("vbaproject.bin") for one in names):
        raise FileRefused(name, "文件里有宏", "请另存为不带宏的格式。")
    if "OFD.xml" in names:
        return "ofd"
    if "[Content_Types].xml" in names and "xl/workbook.xml" in names:
        return "xlsx"
    if "[Content_Types].xml" in names and "word/document.xml" in names:
        return "docx"
    raise FileRefused(name, "是压缩包，不是文档", f"请解压后分别传 {ALLOWED}。")


def _scan(data: bytes, name: str, scanner: Scanner) -> None:
    try:
        found = scanner(data)
    except Exception as error:  # whatever goes wrong, an unscanned file stays outside
        raise ScanUnavailable(name) from error
    if found is not None:
        raise FileInfected(name, found)


def place_of(folder: Path, digest: bytes) -> Path:
    """Where a file lies. Made of the digest alone, so no name can lead elsewhere."""
    text = digest.hex()
    assert len(text) == 64, text
    return folder / text[:2] / text


def _put(folder: Path, digest: bytes, data: bytes) -> None:
    target = place_of(folder, digest)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    if target.exists():
        return
    fresh = target.with_name(f".{uuid4().hex}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            fresh.unlink()
        raise
    folder_handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder_handle)
    finally:
        os.close(folder_handle)


def fetch(folder: Path, digest: bytes, name: str) -> bytes:
    """The content, compared with its digest once more before it leaves.

    Raises:
        FileDamaged: it is gone, or no longer what was handed in.
    """
    try:
        data = place_of(folder, digest).read_bytes()
    except OSError as error:
        raise FileDamaged(name) from error
    if sha256(data).digest() != digest:
        raise FileDamaged(name)
    return data


def download_headers(name: str, media: str) -> dict[str, str]:
    """How a file leaves: saved, never shown inside a page of ours, never guessed at."""
    from urllib.parse import quote

    return {
        "Content-Type": media,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-store",
    }
