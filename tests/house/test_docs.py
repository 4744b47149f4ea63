"""Nothing a user can meet may be undocumented, and nothing documented may be gone."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from jinsuan.kernel.errors import DomainError

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
ERRORS_PAGE = ROOT / "docs" / "reference" / "errors.md"
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *SOURCE.rglob("*.md")])
SUBCLASS = re.compile(r"^class \w+\([^)]*\bDomainError\b", re.MULTILINE)
FENCE = re.compile(r"^```(?:sh|bash|shell|console)?[ \t]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANY_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")


def refusals() -> list[type[DomainError]]:
    for path in (SOURCE / "jinsuan").rglob("*.py"):
        if path.name == "errors.py" or SUBCLASS.search(path.read_text("utf-8")):
            importlib.import_module(".".join(path.relative_to(SOURCE).with_suffix("").parts))
    found: list[type[DomainError]] = []
    rest = [DomainError]
    while rest:
        children = rest.pop().__subclasses__()
        rest += children
        found += [child for child in children if child.__module__.startswith("jinsuan.")]
    return sorted(set(found), key=lambda error: (error.__module__, error.__name__))


def by_name(error: type[DomainError]) -> str:
    return f"{error.__module__.removeprefix('jinsuan.')}.{error.__name__}"


def page(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("error", refusals(), ids=by_name)
def test_a_refusal_has_a_code_and_explains_itself(error: type[DomainError]) -> None:
    code = getattr(error, "code", None)

    assert isinstance(code, str), "give it a code: ClassVar[str], the name that readers look up"
    assert error.explain is not DomainError.explain, f"{code}: write explain(), in Chinese"


def test_every_refusal_has_a_heading_in_the_docs() -> None:
    headings = ERRORS_PAGE.read_text("utf-8").splitlines() if ERRORS_PAGE.exists() else []

    missing = [f"## {error.code}" for error in refusals() if f"## {error.code}" not in headings]

    assert not missing, (
        f"write these headings in {page(ERRORS_PAGE)}, each with what happened, why and what to do "
        "next:\n" + "\n".join(missing)
    )


def test_no_two_refusals_share_a_code() -> None:
    codes = [error.code for error in refusals() if hasattr(error, "code")]

    assert len(codes) == len(set(codes)), sorted({c for c in codes if codes.count(c) > 1})


def test_no_heading_outlives_its_refusal() -> None:
    text = ERRORS_PAGE.read_text("utf-8") if ERRORS_PAGE.exists() else ""
    codes = {error.code for error in refusals() if hasattr(error, "code")}
    headings = re.findall(r"^## ([a-z_.]+)$", text, re.MULTILINE)

    gone = [heading for heading in headings if heading not in codes]

    assert not gone, f"remove from {page(ERRORS_PAGE)}, the code no longer refuses this: {gone}"


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_links_lead_somewhere(path: Path) -> None:
    text = ANY_FENCE.sub("", path.read_text("utf-8"))
    dead = []
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:|#", target):
            continue
        file = unquote(target.partition("#")[0])
        if not (path.parent / file).exists():
            dead.append(target)

    assert not dead, f"mend or remove these links: {dead}"


def commands(path: Path) -> list[list[str]]:
    """The `./run …` and `jinsuan …` lines of a page, as words up to the first shell operator."""
    found = []
    for block in FENCE.findall(path.read_text("utf-8") if path.exists() else ""):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.strip().removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Za-z_]+=.*", words[0]):
                words = words[1:]  # VARIABLE=value in front of the command
            if words and words[0] in ("./run", "jinsuan"):
                stop = [i for i, w in enumerate(words) if re.fullmatch(r"[|&;<>]+|--", w)]
                found.append(words[: stop[0]] if stop else words)
    return found


def in_docs() -> list[tuple[str, ...]]:
    pages = [path for path in PAGES if "src" not in path.relative_to(ROOT).parts]
    return sorted({tuple(words) for path in pages for words in commands(path)})


def test_the_readme_shows_how_to_begin() -> None:
    assert ["./run", "demo"] in [words[:2] for words in commands(README)], (
        "README.md should show ./run demo in a ```sh block"
    )


@pytest.mark.parametrize("words", in_docs(), ids=" ".join)
def test_every_command_in_the_docs_exists(words: tuple[str, ...]) -> None:
    first, *rest = words
    if first == "./run":
        known = re.findall(r"^ {2}([a-z]+)", _shown([str(ROOT / "run"), "help"]), re.MULTILINE)
        assert not rest or rest[0] in [*known, "help"], f"./run has no {rest[0]}; it has {known}"
        if not rest or rest[0] not in ("jinsuan", "demo", "dev"):
            return
        rest = rest[1:] if rest[0] == "jinsuan" else rest
    # With --help a command checks its words and options, and then does nothing.
    _shown([sys.executable, "-c", "from jinsuan.entrypoints.cli import main; main()", *rest])


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    from jinsuan.entrypoints.cli.reference import pages

    committed = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")

    assert committed == pages(), "write it again; its first lines say how"


def _shown(command: list[str]) -> str:
    helped = command if command[-1] == "help" else [*command, "--help"]
    done = subprocess.run(helped, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
