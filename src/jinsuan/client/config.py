"""Where the platform is and which token opens it: `~/.config/jinsuan/config.toml`, mode 0600.

The environment wins: JINSUAN_SERVER and JINSUAN_TOKEN. A file that others may read is refused,
because a token in it is no longer a secret.
"""

from __future__ import annotations

import ipaddress
import json
import os
import stat
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from jinsuan.client.errors import ConfigUnusable, NotLoggedIn
from jinsuan.kernel.errors import BadInput


@dataclass(frozen=True, slots=True)
class Config:
    """A server's address and a token; the token never shows in a repr or a traceback."""

    server: str
    token: str = field(repr=False)


def config_path(env: Mapping[str, str] | None = None) -> Path:
    """The file's place, following XDG_CONFIG_HOME where it is set."""
    base = (os.environ if env is None else env).get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base else Path.home() / ".config"
    return folder / "jinsuan" / "config.toml"


def read_config(env: Mapping[str, str] | None = None) -> Config:
    """Read the environment first, then the file.

    Raises:
        NotLoggedIn: no server or no token in either.
        ConfigUnusable: the file is malformed, unreadable, or readable by others.
        BadInput: the address or the token cannot be one.
    """
    env = os.environ if env is None else env
    path = config_path(env)
    server, token = env.get("JINSUAN_SERVER", ""), env.get("JINSUAN_TOKEN", "")
    if not (server and token):
        saved = _read_file(path)
        # A saved token belongs to the saved server: never send it to another one.
        if server and saved.get("server") not in (None, check_server(server)):
            saved = {}
        server = server or saved.get("server", "")
        token = token or saved.get("token", "")
    if not server:
        raise NotLoggedIn("平台地址", str(path))
    if not token:
        raise NotLoggedIn("令牌", str(path))
    return Config(check_server(server), check_token(token))


def write_config(server: str, token: str, env: Mapping[str, str] | None = None) -> Path:
    """Save both for this user only, in one step: a crash leaves the old file or the new one."""
    server, token = check_server(server), check_token(token)
    path = config_path(env)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = f"server = {json.dumps(server)}\ntoken = {json.dumps(token)}\n"
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".config-")  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def check_server(server: str) -> str:
    """The address without a trailing slash; http only to this machine itself.

    Raises:
        BadInput: it is no such address.
    """
    address = server.strip().rstrip("/")
    mend = "例如 https://jinsuan.example.cn 或 http://127.0.0.1:8000。"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadInput("平台地址", "读不懂", mend) from None
    if parts.scheme not in ("http", "https") or not host or port == 0 or not address.isprintable():
        raise BadInput("平台地址", "应以 https:// 开头", mend)
    if parts.username or parts.password or parts.query or parts.fragment or " " in address:
        raise BadInput("平台地址", "只写到端口或路径为止，不带用户名、问号和井号", mend)
    if parts.scheme == "http" and not _is_this_machine(host):
        raise BadInput("平台地址", "http 会让令牌在网络上明文传送，只能用于本机", mend)
    return address


def check_token(token: str) -> str:
    """The token without blanks around it.

    Raises:
        BadInput: it has characters that no header may carry.
    """
    token = token.strip()
    if not token or len(token) > 4096 or not all("!" <= character <= "~" for character in token):
        raise BadInput("令牌", "应为不含空白的可见字符", "请从账户页面重新复制。")
    return token


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_file(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigUnusable(
                    str(path), "别人也能读到里面的令牌", f"请运行 chmod 600 {path}，并换发令牌。"
                )
            found = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigUnusable(str(path), error.strerror or "打不开", "请检查权限。") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        mend = "请删去它，再运行 jinsuan login。"
        raise ConfigUnusable(str(path), "不是合规的 TOML", mend) from error
    return {k: v for k, v in found.items() if isinstance(v, str)}
