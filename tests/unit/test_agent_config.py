"""What an operator can get wrong in agent.toml, in nodes.csv and with the key, said in Chinese."""

from __future__ import annotations

from pathlib import Path

import pytest

from jinsuan.agent.config import FILE, load_config, read_nodes, write_config
from jinsuan.agent.engines.embedded import VirtualNode
from jinsuan.agent.errors import ConfigUnusable, KeyExposed, NotEnrolled, ServerNotSecure
from jinsuan.agent.keys import load_key, make_key, public_bytes, save_key

GOOD = 'server = "https://platform.example"\ncentre = "C01"\n'


def write(folder: Path, text: str, nodes: str = "") -> Path:
    (folder / FILE).write_text(text, "utf-8")
    (folder / "nodes.csv").write_text(nodes, "utf-8")
    return folder


def test_two_lines_are_enough_and_offer_this_machine(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    assert (config.centre, config.engine, config.job_user) == ("C01", "embedded", "nobody")
    (node,) = config.nodes
    assert node.cards == 0
    assert node.cpu_milli >= 1000
    assert node.memory_mib > 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("x = 1", "不认识 x，可用的是 server"),
        ("keep_log_days = '7'", "keep_log_days 应为整数"),
        ("keep_log_days = true", "keep_log_days 应为整数"),
        ("keep_log_days = -1", "0 到 3650"),
        ("engine = 'nomad'", "engine 应为 embedded"),
        ("images = 'maybe'", "images 应为 refuse 或 ignore"),
        ("cluster = 'a b'", "cluster 应为字母"),
        ("cluster = 3", "cluster 应为带引号的文本"),
        ("nodes = 3", "nodes 应为 CSV 文件名"),
        ("nodes = []", "至少一个"),
        ("nodes = 'none.csv'", "none.csv"),
        ("[[nodes]]\nname = 'n'\ncpu_milli = -1\nmemory_mib = 1", "第 1 个节点的 cpu_milli"),
        ("[[nodes]]\nname = 'n'\nmemory_mib = 1", "第 1 个节点的 cpu_milli 应为非负整数"),
        ("[[nodes]]\nname = 'n'\ncpu_milli = 1\nmemory_mib = 1\ncards = 2", "有卡必须写 model"),
        ("[[nodes]]\nname = 'n'\ncpu_milli = 1\nmemory_mib = 1\nmodel = 'T4'", "无卡不写"),
        ("[[nodes]]\nname = '../n'\ncpu_milli = 1\nmemory_mib = 1", "第 1 个节点的 name"),
        ("[[nodes]]\nname = 'n'\ncpu_milli = 1\nmemory_mib = 1\ngpus = 1", "gpus"),
        ("= broken", "不是 TOML"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(ConfigUnusable) as caught:
        load_config(write(tmp_path, f"{GOOD}{more}\n"))
    said = caught.value.explain()
    assert words in said
    assert str(tmp_path) in said


@pytest.mark.parametrize(
    ("text", "words"),
    [('centre = "C01"', "缺少 server"), ('server = "https://a.example"', "缺少 centre")],
)
def test_what_is_missing_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigUnusable, match=words):
        load_config(write(tmp_path, text))


def test_no_file_and_no_folder_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnusable, match="读不了"):
        load_config(tmp_path / "nowhere")


def test_an_address_without_https_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServerNotSecure, match=r"http://platform\.example"):
        load_config(write(tmp_path, GOOD.replace("https", "http")))


def test_a_table_of_nodes_is_read(tmp_path: Path) -> None:
    rows = "name,model,cards,cpu_milli,memory_mib\ngpu-1,T4,4,64000,262144\ncpu-1,,,32000,65536\n"
    config = load_config(write(tmp_path, GOOD + 'nodes = "nodes.csv"\n', "\ufeff" + rows))
    assert config.nodes == (
        VirtualNode(name="gpu-1", model="T4", cards=4, cpu_milli=64_000, memory_mib=262_144),
        VirtualNode(name="cpu-1", cpu_milli=32_000, memory_mib=65_536),
    )
    assert read_nodes(tmp_path / "nodes.csv") == config.nodes


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("name,cpu_milli,memory_mib\na,1,1\na,1,1\n", "节点 a 出现了两次"),
        ("name,cpu_milli,memory_mib\na,1,1\nb,x,1\n", "第 2 个节点的 cpu_milli"),
        ("name,cpu_milli,memory_mib\n", "至少一个"),
        ("", "至少一个"),
        ("name,cpu_milli,memory_mib\na,1,1,1,1\n", "第 1 个节点的列"),
    ],
)
def test_a_bad_row_is_named_by_its_number(tmp_path: Path, rows: str, words: str) -> None:
    with pytest.raises(ConfigUnusable) as caught:
        load_config(write(tmp_path, GOOD + 'nodes = "nodes.csv"\n', rows))
    assert words in caught.value.explain()
    assert "nodes.csv" in caught.value.explain()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    nodes = (VirtualNode(name="gpu-1", model="昇腾910B", cards=8, cpu_milli=1, memory_mib=2),)
    folder = tmp_path / "new" / "folder"
    write_config(folder, server="https://platform.example/", centre="C01", nodes=nodes)
    config = load_config(folder)
    assert (config.server, config.nodes) == ("https://platform.example", nodes)


@pytest.mark.parametrize("centre", ['C"01', "C 01", "", "C\n01", "-C"])
def test_nothing_is_written_for_a_centre_that_cannot_be(tmp_path: Path, centre: str) -> None:
    with pytest.raises(ConfigUnusable, match="centre 应为字母"):
        write_config(tmp_path / "new", server="https://platform.example", centre=centre)
    assert not (tmp_path / "new").exists()


# ── the key ───────────────────────────────────────────────────────────────────────────────────


def test_a_key_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    key = make_key()
    path = save_key(tmp_path / "new", key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert public_bytes(load_key(tmp_path / "new")) == public_bytes(key)
    again = make_key()
    save_key(tmp_path / "new", again)
    assert public_bytes(load_key(tmp_path / "new")) == public_bytes(again)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_key_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    save_key(tmp_path, make_key()).chmod(mode)
    with pytest.raises(KeyExposed, match="chmod 600"):
        load_key(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN PRIVATE KEY-----\nx\n"])
def test_without_a_key_the_way_to_one_is_told(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "agent.key").write_bytes(content)
        (tmp_path / "agent.key").chmod(0o600)
    with pytest.raises(NotEnrolled, match="jinsuan agent enrol"):
        load_key(tmp_path)


def test_kubernetes_and_ray_have_tables_of_their_own(tmp_path: Path) -> None:
    head = 'server = "https://p.example"\ncentre = "C01"\n'
    file = tmp_path / "agent.toml"
    models = '[engine.models]\n"NVIDIA-H800" = "H800-SXM5-80GB"\n'
    file.write_text(f'{head}[engine]\nkind = "kubernetes"\nimage = "r.local/base:1"\n{models}')
    config = load_config(tmp_path)
    assert config.kubernetes is not None
    rules = config.kubernetes.rules()
    assert (config.cluster, rules.namespace, rules.image, rules.queue, rules.run_as_root) == (
        "kubernetes",
        "jinsuan",
        "r.local/base:1",
        None,
        False,
    )
    assert rules.models == {"NVIDIA-H800": "H800-SXM5-80GB"}
    file.write_text(f'{head}cluster = "r"\n[engine]\nkind = "ray"\nurl = "http://10.0.0.1:8265"\n')
    config = load_config(tmp_path)
    assert config.ray is not None
    assert (config.cluster, config.ray.url, config.ray.token_file) == (
        "r",
        "http://10.0.0.1:8265",
        None,
    )


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('kind = "kubernetes"\nnamespace = "A B"', "namespace"),
        ('kind = "kubernetes"\nnamespace = "A_B"', "namespace"),
        ('kind = "kubernetes"\nrun_as_root = 1', "true 或 false"),
        ('kind = "kubernetes"\nkubeconfig = "relative"', "绝对路径"),
        ('kind = "kubernetes"\nmodels = "x"', "models"),
        ('kind = "kubernetes"\nnodes = "x"', "不认识 nodes"),
        ('kind = "ray"', "缺少 url"),
        ('kind = "ray"\nurl = "file:///x"', "url 应为"),
        ('kind = "nomad"', "slurm 或 kubernetes 或 ray"),
    ],
)
def test_tables_of_engines_are_read_strictly(tmp_path: Path, table: str, words: str) -> None:
    text = f'server = "https://p.example"\ncentre = "C01"\n[engine]\n{table}\n'
    (tmp_path / "agent.toml").write_text(text)
    with pytest.raises(ConfigUnusable, match=words):
        load_config(tmp_path)
