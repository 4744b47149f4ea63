"""The gate itself: a violation planted in a tiny synthetic house is caught, and only then.

A gate that stopped looking would stay green for ever; these tests would not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path, PurePath

import pytest

from tests.house import tidy

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
    "contracts"
]
SETTINGS = """\
\"\"\"A site without anything.\"\"\"

import secrets

SECRET_KEY = secrets.token_hex()
INSTALLED_APPS: list[str] = []
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Every room and module that the contracts name, each with a docstring and nothing else."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    layers = next(contract for contract in CONTRACTS if contract["type"] == "layers")["layers"]
    rooms = [room.strip() for layer in layers for room in layer.split("|")]
    modules = [f"jinsuan.{room}" for room in rooms if not room.startswith("(")]
    for contract in CONTRACTS:
        modules += contract.get("source_modules", [])
    modules += ["jinsuan.entrypoints.site"]
    for module in sorted(modules):
        folder = tmp_path / "src" / Path(*module.split("."))
        while folder != tmp_path / "src":
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").write_text('"""A room."""\n')
            folder = folder.parent
    (tmp_path / "src/jinsuan/entrypoints/site/settings.py").write_text(SETTINGS)
    return tmp_path


def plant(house: Path, module: str, text: str) -> None:
    path = house / "src" / "jinsuan" / f"{module}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'"""Planted."""\n\nfrom __future__ import annotations\n\n{text}', "utf-8")


def passes(house: Path, *command: str) -> bool:
    done = subprocess.run(
        [TOOLS / command[0], *command[1:]],
        cwd=house,
        env=dict(os.environ) | {"PYTHONPATH": str(house / "src")},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 2 is a broken tool, no verdict
    return done.returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("import os\n", id="unused import"),
        pytest.param("print(missing)\n", id="unknown name"),
        pytest.param(
            "from datetime import datetime\n\nTHEN = datetime(2025, 1, 1)\n", id="naive time"
        ),
        pytest.param(
            "def mend() -> None:\n    try:\n        mend()\n    except Exception:\n        pass\n",
            id="swallowed error",
        ),
        pytest.param("from . import money\n\nMONEY = money\n", id="relative import"),
    ],
)
def test_ruff_catches(house: Path, text: str) -> None:
    assert passes(house, "ruff", "check", "--no-cache", ".")

    plant(house, "kernel/planted", text)

    assert not passes(house, "ruff", "check", "--no-cache", ".")


def test_ruff_catches_a_careless_layout(house: Path) -> None:
    assert passes(house, "ruff", "format", "--check", "--no-cache", ".")

    plant(house, "kernel/planted", "A = {  'a':1 }\n")

    assert not passes(house, "ruff", "format", "--check", "--no-cache", ".")


def test_mypy_catches_missing_and_wrong_types(house: Path) -> None:
    plant(house, "kernel/planted", "def double(n: int) -> int:\n    return 2 * n\n")
    assert passes(house, "mypy")

    plant(house, "kernel/planted", "def double(n):\n    return 2 * n\n")
    assert not passes(house, "mypy"), "strict no longer asks for types"

    plant(house, "kernel/planted", "def double(n: int) -> str:\n    return 2 * n\n")
    assert not passes(house, "mypy")


UPWARD = "from jinsuan.ledger import __doc__ as other\n\nOTHER = other\n"
SIDEWAYS = "from jinsuan.client import __doc__ as other\n\nOTHER = other\n"
DJANGO = "import django\n\nVERSION = django.VERSION\n"


def test_the_contracts_hold_in_an_empty_house(house: Path) -> None:
    assert passes(house, "lint-imports", "--no-cache")


@pytest.mark.parametrize(
    ("module", "text"),
    [
        pytest.param("kernel/planted", UPWARD, id="upward"),
        pytest.param("agent/planted", SIDEWAYS, id="sideways"),
        pytest.param("stray/__init__", "", id="a room without a floor"),
        pytest.param("kernel/planted", DJANGO, id="Django in the kernel"),
        pytest.param("protocol/planted", DJANGO, id="Django in the messages"),
        pytest.param("agent/planted", DJANGO, id="Django in a centre"),
        pytest.param("client/planted", "import ninja\n\nN = ninja\n", id="ninja in the client"),
        pytest.param("metering/rating/__init__", DJANGO, id="Django in pure thinking"),
    ],
)
def test_the_contracts_catch(house: Path, module: str, text: str) -> None:
    plant(house, module, text)

    assert not passes(house, "lint-imports", "--no-cache")


LONG = "def long() -> None:\n" + "    pass\n" * 70


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (tidy.size, "x = 1\n" * 400, "x = 1\n" * 401),
        (tidy.size, LONG.replace("    pass\n", "", 2), LONG),
        (tidy.says_what_it_is, '"""Says."""\nx = 1\n', "x = 1\n"),
        (tidy.names_no_place, f"see docs{tidy.FOLDER}/here", f"cd {tidy.FOLDER}/here"),
        (tidy.names_no_place, "any mirror", "index " + tidy.HOSTS[0]),
        (tidy.lock_has_no_address, "httpx==1 \\\n    --hash=sha256:0", "a @ https://host/a.whl"),
        (tidy.lock_has_no_address, "httpx==1", "--index-url somewhere"),
        (tidy.lock_has_no_address, '"integrity": "sha512"', '"resolved": "a"'),
    ],
)
def test_tidy_catches_in_a_text(rule: object, good: str, bad: str) -> None:
    assert callable(rule)
    assert list(rule(good)) == []
    assert list(rule(bad)) != []


@pytest.mark.parametrize(
    ("rule", "path", "bad"),
    [
        (tidy.no_floats, "ledger/actions.py", "x = 0.1\n"),
        (tidy.no_floats, "kernel/money.py", "def f(x: float) -> None: ...\n"),
        (tidy.no_floats, "vouchers/models.py", "share = models.FloatField()\n"),
        (tidy.no_clocks, "ledger/actions.py", "n = timezone.now()\n"),
        (tidy.no_clocks, "ledger/actions.py", "n = datetime.datetime.now(tz=UTC)\n"),
        (tidy.no_clocks, "registry/queries.py", "n = date.today()\n"),
        (tidy.no_clocks, "dispatch/actions.py", "n = time.time()\n"),
        (tidy.no_clocks, "ledger/models.py", "at = models.DateTimeField(auto_now_add=True)\n"),
        (tidy.no_clocks, "ledger/queries.py", "from django.db.models.functions import Now\n"),
    ],
)
def test_tidy_catches_in_a_room(rule: object, path: str, bad: str) -> None:
    assert callable(rule)
    assert list(rule(PurePath(path), bad)) != []
    assert list(rule(PurePath("entrypoints/worker/close.py"), bad)) == []
    assert list(rule(PurePath(path), "x = 1\nnow = later(now)\n")) == []


@pytest.mark.parametrize("path", ["ledger/utils.py", "core/money.py", "grants/helpers/text.py"])
def test_tidy_catches_an_empty_name(path: str) -> None:
    assert list(tidy.name_means_something(PurePath(path))) != []
    assert list(tidy.name_means_something(PurePath("ledger/accounts.py"))) == []
