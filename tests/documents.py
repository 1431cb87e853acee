"""The documents of the project, and the Python in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
# All of them, by their path from the root.
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in [
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted(ROOT.glob("[ce]*/**/*.md")),
    ]
}


def python_in(name: str) -> list[str]:
    """The blocks of Python of a document that can be run; api.md lists signatures."""
    if name == "docs/api.md":
        return []
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENTS[name], re.DOTALL)
    # A field that belongs into a class is shown indented.
    return [block for block in blocks if not block.startswith(" ")]


def readme_with(levels: int, epochs: int = 10) -> list[str]:
    """The README's Python with so many levels in place of its five, and epochs of its ten."""
    blocks = [re.sub(r"\b(levels?)=5\b", rf"\1={levels}", text) for text in python_in("README.md")]
    return [re.sub(r"\b(epochs|epochs_per_level)=10\b", rf"\1={epochs}", text) for text in blocks]


def links_of(name: str) -> list[str]:
    """What a document links, in order, as it is written there; no addresses of the web."""
    return re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", DOCUMENTS[name])


def reading_order() -> list[str]:
    """The README, what it links, in that order, what this links in turn, and so on."""
    order = ["README.md"]
    for name in order:
        for target in links_of(name):
            path = (ROOT / name).parent.joinpath(target).resolve()
            linked = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
            if linked in DOCUMENTS and linked not in order:
                order.append(linked)
    return order
