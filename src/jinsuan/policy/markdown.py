"""Cut a pack.md into sections of prose and fenced blocks, each with its line. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from markdown_it import MarkdownIt


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Args:
        kind: the second word after the fence: "rule", "facts", …; for cases the rule's id.
        line: of the block's first line of content, counted from 1.
    """

    language: str
    kind: str
    line: int
    text: str


@dataclass(slots=True)
class Section:
    """A heading with what follows it."""

    heading: str
    level: int
    line: int
    prose: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def sections(text: str) -> list[Section]:
    """The document in order. What stands before the first heading belongs to a section without one."""
    found = [Section("", 0, 1)]
    tokens = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).parse(text)
    for place, token in enumerate(tokens):
        line = (token.map or [0, 0])[0] + 1
        if token.type == "heading_open":
            found.append(Section(tokens[place + 1].content.strip(), int(token.tag[1]), line))
        elif token.type == "inline" and tokens[place - 1].type == "paragraph_open":
            found[-1].prose.append(_joined(token.content.strip()))
        elif token.type == "fence":
            words = token.info.split()
            language, kind = [*words, "", ""][:2]
            found[-1].blocks.append(Block(language, kind, line + 1, token.content))
    return found


def _joined(text: str) -> str:
    """Broken lines of one paragraph: Chinese is joined without a space."""
    return re.sub(r"(?<=[^ -~])\n|\n(?=[^ -~])", "", text).replace("\n", " ")
