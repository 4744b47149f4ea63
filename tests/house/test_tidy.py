"""House rules that a linter cannot know. Each failure says what to do."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.house import tidy

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "jinsuan"
LOCKS = sorted([*ROOT.glob("*.lock"), ROOT / "package-lock.json"])


@cache
def committed() -> tuple[Path, ...]:
    """What git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def python_below(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "migrations" not in path.parts)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", python_below("src", "tests", "benchmarks"), ids=name)
def test_a_file_is_small_and_says_what_it_is(path: Path) -> None:
    source = path.read_text("utf-8")

    complaints = [*tidy.size(source), *tidy.says_what_it_is(source)]

    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("path", python_below("src"), ids=name)
def test_the_rules_of_the_rooms_are_kept(path: Path) -> None:
    source, place = path.read_text("utf-8"), path.relative_to(PACKAGE)

    complaints = [
        *tidy.name_means_something(place),
        *tidy.no_floats(place, source),
        *tidy.no_clocks(place, source),
    ]

    assert not complaints, "\n".join(complaints)


def test_every_room_says_what_it_owns() -> None:
    rooms = [folder for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()]
    assert len(rooms) > 5

    silent = [room.name for room in rooms if not (room / "README.md").exists()]

    assert not silent, f"write README.md (owns, does not own, invariants) for {silent}"


@pytest.mark.parametrize("path", LOCKS, ids=name)
def test_locks_hold_no_address(path: Path) -> None:
    complaints = list(tidy.lock_has_no_address(path.read_text("utf-8")))

    assert not complaints, "\n".join(complaints[:10])


def test_nothing_committed_names_a_place() -> None:
    assert len(committed()) > 20
    complaints = []
    for path in committed():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        complaints += [f"{name(path)} {complaint}" for complaint in tidy.names_no_place(text)]

    assert not complaints, "\n".join(complaints)


def test_locks_cover_what_the_project_asks_for() -> None:
    """A dependency added to pyproject.toml without a new lock would be missing after a clone."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for lock, extras in (
        ("requirements.lock", ("server", "agent", "dev")),
        ("requirements-server.lock", ("server", "agent")),
    ):
        asked = [*project["dependencies"]]
        for extra in extras:
            asked += project["optional-dependencies"][extra]
        locked = {line.partition("==")[0] for line in (ROOT / lock).read_text().splitlines()}
        missing = {_bare(requirement) for requirement in asked} - locked
        assert not missing, f"{lock} lacks {missing}: lock again, see docs/contributing.md"


def _bare(requirement: str) -> str:
    for mark in "[<>=~!; ":
        requirement = requirement.partition(mark)[0]
    return requirement.lower().replace("_", "-")
