"""Server and token: where they come from, and that nobody else reads them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from jinsuan.client.config import (
    Config,
    check_server,
    check_token,
    config_path,
    read_config,
    write_config,
)
from jinsuan.client.errors import ConfigUnusable, NotLoggedIn
from jinsuan.kernel.errors import BadInput

SERVER = "https://jinsuan.example.cn"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_what_was_saved_is_read_back(env: dict[str, str]) -> None:
    write_config(SERVER + "/", ' tok"en\\ ', env)

    assert read_config(env) == Config(SERVER, 'tok"en\\')


def test_only_the_user_can_read_the_file(env: dict[str, str]) -> None:
    old = os.umask(0)
    try:
        path = write_config(SERVER, "token", env)
    finally:
        os.umask(old)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_saving_again_replaces_the_old_one(env: dict[str, str]) -> None:
    write_config(SERVER, "old", env)
    write_config("http://127.0.0.1:8000", "new", env)

    assert read_config(env) == Config("http://127.0.0.1:8000", "new")


def test_the_environment_wins_and_needs_no_file(env: dict[str, str]) -> None:
    both = {**env, "JINSUAN_SERVER": SERVER, "JINSUAN_TOKEN": "t"}
    assert read_config(both) == Config(SERVER, "t")

    write_config("http://localhost:1", "saved", env)
    assert read_config(both) == Config(SERVER, "t")
    assert read_config({**env, "JINSUAN_TOKEN": "t"}) == Config("http://localhost:1", "t")


def test_a_saved_token_is_never_sent_to_another_server(env: dict[str, str]) -> None:
    write_config(SERVER, "saved", env)

    assert read_config({**env, "JINSUAN_SERVER": SERVER + "/"}).token == "saved"
    with pytest.raises(NotLoggedIn) as refused:
        read_config({**env, "JINSUAN_SERVER": "https://other.example.cn"})
    assert "令牌" in refused.value.explain()


def test_without_anything_the_next_step_is_to_log_in(env: dict[str, str]) -> None:
    with pytest.raises(NotLoggedIn) as refused:
        read_config(env)

    assert "jinsuan login" in refused.value.explain()
    assert "JINSUAN_SERVER" in refused.value.explain()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_file_that_others_can_open_is_refused(env: dict[str, str], mode: int) -> None:
    path = write_config(SERVER, "token", env)
    path.chmod(mode)

    with pytest.raises(ConfigUnusable) as refused:
        read_config(env)

    assert "chmod 600" in refused.value.explain()


@pytest.mark.parametrize("content", [b"server = ", b"\xff", b"a = 1\na = 2\n"])
def test_a_broken_file_is_a_refusal_with_a_way_out(env: dict[str, str], content: bytes) -> None:
    path = write_config(SERVER, "token", env)
    path.write_bytes(content)

    with pytest.raises(ConfigUnusable) as refused:
        read_config(env)

    assert "jinsuan login" in refused.value.explain()


def test_a_folder_in_the_files_place_is_a_refusal(env: dict[str, str]) -> None:
    config_path(env).mkdir(parents=True)

    with pytest.raises(ConfigUnusable):
        read_config(env)


def test_values_of_another_type_count_as_missing(env: dict[str, str]) -> None:
    path = write_config(SERVER, "token", env)
    path.write_text("server = 7\ntoken = true\n")

    with pytest.raises(NotLoggedIn):
        read_config(env)


def test_a_token_never_shows_in_a_repr() -> None:
    assert "secret" not in repr(Config(SERVER, "secret"))


def test_the_place_follows_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert config_path({}) == tmp_path / ".config" / "jinsuan" / "config.toml"


@pytest.mark.parametrize(
    "server",
    [
        "https://a.cn",
        "https://a.cn:8443/jinsuan",
        "http://localhost:8000",
        "http://[::1]:8000",
        "http://127.0.0.1",
        "https://10.0.0.1",
    ],
)
def test_a_good_address_stays_as_it_is(server: str) -> None:
    assert check_server(f" {server}/ ") == server


@pytest.mark.parametrize(
    "server",
    [
        "",
        "a.cn",
        "ftp://a.cn",
        "https://",
        "http://a.cn",
        "http://10.0.0.1",
        "http://127.0.0.1.a.cn",
        "https://u:p@a.cn",
        "https://a.cn?x=1",
        "https://a.cn/#x",
        "https://a.cn:99999",
        "http://[::1",
        "https://a.cn:0",
        "https://a b.cn",
        "https://a.cn\nX: 1",
        "file:///etc/passwd",
    ],
)
def test_a_bad_address_is_refused(server: str) -> None:
    with pytest.raises(BadInput):
        check_server(server)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nX-Evil: 1", "令牌", "a\x7f", "x" * 4097])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(BadInput):
        check_token(token)
