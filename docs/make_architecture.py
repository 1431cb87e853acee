"""Draws the rooms of tf_lottery and their imports, from the code, into ARCHITECTURE.md."""

from collections import Counter
from pathlib import Path

import grimp

_PAGE = Path(__file__).with_name("ARCHITECTURE.md")
_BEGIN, _END = "<!-- rooms, made by docs/make_architecture.py -->\n", "<!-- end of rooms -->"
_ROOT = "tf_lottery"


def rooms_diagram() -> str:
    """A Mermaid diagram: an arrow from each room to those whose modules it imports itself."""
    graph = grimp.build_graph(_ROOT)
    arrows: Counter = Counter()
    sizes: Counter = Counter(room for module in graph.modules if (room := _room(module)))
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            pair = _room(importer), _room(imported)
            if all(pair) and pair[0] != pair[1]:
                arrows[pair] += 1
    lines = ["```mermaid", "graph TD"]
    lines += [f"  {room}[{room}: {count}]" for room, count in sorted(sizes.items())]
    lines += [f"  {one} --> {other}" for one, other in sorted(_direct(arrows))]
    return "\n".join([*lines, "```\n"])


def _room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def _direct(arrows: Counter) -> set[tuple[str, str]]:
    """The arrows without those that a longer way implies, which would only crowd the picture."""
    targets: dict[str, set[str]] = {}
    for one, other in arrows:
        targets.setdefault(one, set()).add(other)

    def reaches(start: str, end: str) -> bool:
        seen, waiting = set(), [room for room in targets.get(start, ()) if room != end]
        while waiting:
            room = waiting.pop()
            if room == end:
                return True
            if room not in seen:
                seen.add(room)
                waiting += targets.get(room, ())
        return False

    return {(one, other) for one, other in arrows if not reaches(one, other)}


def page_with(diagram: str, page: str) -> str:
    """The page with a diagram in the place of the one that it has."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{diagram}{_END}{after}"


if __name__ == "__main__":
    _PAGE.write_text(page_with(rooms_diagram(), _PAGE.read_text(encoding="utf-8")), "utf-8")
