"""What the embedded database refuses, each cause with its way out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(eq=False)
class PostgresMissing(DomainError):
    """没有可用的 PostgreSQL 程序."""

    code: ClassVar[str] = "database.postgres_missing"
    http_status: ClassVar[int] = 503
    major: int | None
    """The major version that existing data need, or None for new data."""

    def explain(self) -> str:
        needed = f"{self.major} 版" if self.major else "15 或更新版本"
        return (
            f"没有找到 PostgreSQL（需要{needed}）的程序，数据库没有启动。"
            "请安装 jinsuan[server]（自带 PostgreSQL 18）或系统的 postgresql 软件包，"
            "也可以用环境变量 DATABASE_URL 指向已有的 PostgreSQL。"
        )


@dataclass(eq=False)
class OtherMajorVersion(DomainError):
    """数据属于另一个主版本: data files can be read by their own major version only."""

    code: ClassVar[str] = "database.other_major_version"
    http_status: ClassVar[int] = 503
    folder: Path
    data: int
    program: int

    def explain(self) -> str:
        return (
            f"数据文件夹 {self.folder} 由 PostgreSQL {self.data} 写成，现有程序是 {self.program} 版，"
            "主版本不同，不能直接打开；数据没有改动。"
            f"请装回 PostgreSQL {self.data}，用 jinsuan db dump 导出，"
            "再换新的文件夹（环境变量 JINSUAN_HOME），用 jinsuan db restore 导入。"
        )


@dataclass(eq=False)
class FolderClosed(DomainError):
    """文件夹进不去: the user that runs PostgreSQL cannot reach it."""

    code: ClassVar[str] = "database.folder_closed"
    http_status: ClassVar[int] = 503
    folder: Path
    user: str

    def explain(self) -> str:
        return (
            f"用户 {self.user} 不能进入或写入 {self.folder}，数据库没有启动。"
            "（以 root 启动时 PostgreSQL 会换用普通用户，因此文件夹不能放在 /root 之下。）"
            "请用环境变量 JINSUAN_HOME 换一个文件夹（例如 /var/lib/jinsuan），或改正文件夹的权限。"
        )


@dataclass(eq=False)
class FolderIncomplete(DomainError):
    """数据文件夹不完整."""

    code: ClassVar[str] = "database.folder_incomplete"
    http_status: ClassVar[int] = 503
    folder: Path
    missing: str

    def explain(self) -> str:
        return (
            f"数据文件夹 {self.folder} 里有数据，但缺少 {self.missing}，不能打开；数据没有改动。"
            f"请从备份找回 {self.missing}；若数据可以不要，把整个文件夹移走后再启动，会建立新的。"
        )


@dataclass(eq=False)
class RootNotDropped(DomainError):
    """不能放弃 root 身份: PostgreSQL refuses to run as root."""

    code: ClassVar[str] = "database.root_not_dropped"
    http_status: ClassVar[int] = 503
    user: str

    def explain(self) -> str:
        return (
            f"当前是 root，而 PostgreSQL 不允许以 root 运行；换用用户 {self.user} 也被系统拒绝"
            "（常见于限制很严的容器）。请用普通用户运行，或用环境变量 DATABASE_URL 指向已有的 PostgreSQL。"
        )


@dataclass(eq=False)
class StartFailed(DomainError):
    """数据库没有启动."""

    code: ClassVar[str] = "database.start_failed"
    http_status: ClassVar[int] = 503
    folder: Path
    tail: str

    def explain(self) -> str:
        return (
            f"{self.folder} 里的数据库没有启动，PostgreSQL 的说明是：{self.tail or '（无）'}。"
            f"完整记录在 {self.folder / 'server.log'}。"
            "请按说明处理（常见原因：磁盘已满、文件权限被改动），再启动一次。"
        )


@dataclass(eq=False)
class NotCreated(DomainError):
    """数据库还没有建立."""

    code: ClassVar[str] = "database.not_created"
    http_status: ClassVar[int] = 503
    folder: Path

    def explain(self) -> str:
        return f"{self.folder} 里还没有数据库。请先运行 jinsuan db start 或 jinsuan demo。"


@dataclass(eq=False)
class DumpFailed(DomainError):
    """没有导出."""

    code: ClassVar[str] = "database.dump_failed"
    http_status: ClassVar[int] = 503
    path: Path
    reason: str

    def explain(self) -> str:
        return (
            f"没有导出到 {self.path}：{self.reason}。没有留下不完整的文件。"
            "请检查磁盘空间和写入权限，再导出一次。"
        )


@dataclass(eq=False)
class RestoreFailed(DomainError):
    """没有导入: the data from before are untouched."""

    code: ClassVar[str] = "database.restore_failed"
    http_status: ClassVar[int] = 503
    path: Path
    reason: str

    def explain(self) -> str:
        return (
            f"没有导入 {self.path}：{self.reason}。原有数据没有改动。"
            "请确认这是 jinsuan db dump 导出的文件，且导出它的版本不比现在的新。"
        )


@dataclass(eq=False)
class ExternalDatabase(DomainError):
    """外部数据库: not ours to start, stop or copy."""

    code: ClassVar[str] = "database.external"

    def explain(self) -> str:
        return (
            "环境变量 DATABASE_URL 指向外部的 PostgreSQL，它的启停、备份由您的数据库管理员负责。"
            "要管理自带的数据库，请先取消这个环境变量（unset DATABASE_URL）。"
        )
