"""Copies the documents of mkdocs.yml, and what they link, to where the site is built from.

They lie there as in the repository, so that every link holds in both. Notebooks become pages, with
what they show. What the site's Markdown does otherwise than that of the repository's pages is
written out: the anchors of headings.
"""

import base64
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "mkdocs.yml"

_FENCE = re.compile(r"^( *)(```+).*?^\1\2 *$\n?", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+ )(.*)$", re.MULTILINE)
# For the site alone: directives that are no Markdown.
_OF_THE_SITE = re.compile(r"^<!-- site\n(.*?)^-->$", re.MULTILINE | re.DOTALL)


_NOTEBOOK = ".ipynb"


def pages_of(nav: Iterable) -> Iterator[str]:
    """The paths in a navigation, from the repository's root."""
    for entry in nav:
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from pages_of(value)


def anchor(heading: str, taken: dict[str, int]) -> str:
    """The anchor that GitHub gives to a heading; equal ones are numbered."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
    number = taken[name] = taken.get(name, -1) + 1
    return f"{name}-{number}" if number else name


def anchors_of(text: str) -> set[str]:
    """The anchors of a document: of its headings, and those that it names."""
    taken: dict[str, int] = {}
    text = _FENCE.sub("", text)
    of_headings = {anchor(found[2], taken) for found in _HEADING.finditer(text)}
    return of_headings | set(re.findall(r'<a id="([^"]+)"', text))


def links_of(text: str) -> list[str]:
    """What a document links, with anchors, as it is written there; not in its code."""
    return _LINK.findall(_FENCE.sub("", text))


def notebook_page(notebook: Mapping[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown: text, code and what it showed; and its pictures, by file name."""
    parts, pictures = [], {}
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        for output in cell.get("outputs", ()):
            shown = output.get("data", {})
            said = "".join(output.get("text", ()) or shown.get("text/plain", ()))
            if "image/png" in shown:
                file = f"{name}_{cell['id']}.png"
                pictures[file] = base64.b64decode(shown["image/png"])
                parts.append(f"![what the cell draws]({file})")
            else:
                parts.append(f"```text\n{said.rstrip()}\n```")
    return "\n\n".join(parts) + "\n", pictures


def read_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """A document, or the notebook of its name, as Markdown; and the pictures in it."""
    if path.exists():
        return path.read_text(encoding="utf-8"), {}
    notebook = json.loads(path.with_suffix(_NOTEBOOK).read_text(encoding="utf-8"))
    return notebook_page(notebook, path.stem)


def page_for_site(text: str) -> str:
    """A document as the site's Markdown has to be given it."""
    text = _OF_THE_SITE.sub(r"\1", text)
    text = text.replace(f"{_NOTEBOOK})", ".md)")
    taken: dict[str, int] = {}
    parts, end = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_with_anchors(text[end : fence.start()], taken), _fence_for_site(fence[0])]
        end = fence.end()
    return "".join([*parts, _with_anchors(text[end:], taken)])


def _with_anchors(text: str, taken: dict[str, int]) -> str:
    return _HEADING.sub(lambda found: f"{found[0]} {{ #{anchor(found[2], taken)} }}", text)


def _fence_for_site(fence: str) -> str:
    """A block of code; a diagram as a table, since what draws it would come from the network."""
    if not fence.startswith("```mermaid"):
        return fence
    targets: dict[str, list[str]] = {}
    for start, end in re.findall(r"^  (\w+) --> (\w+)$", fence, re.MULTILINE):
        targets.setdefault(start, []).append(f"`{end}`")
    rows = [
        f"| `{name}` | {count} | {', '.join(targets.get(name, ['-']))} |"
        for name, count in re.findall(r"^  \w+\[(\w+): (\d+)\]$", fence, re.MULTILINE)
    ]
    return "\n".join(["| room | modules | imports from |", "|---|---:|---|", *rows, ""])


def make_pages(folder: Path, root: Path = ROOT) -> None:
    """Writes the pages, and copies the files that they link.

    Args:
      folder: where to; what is in it is replaced.
      root: of the repository.

    Raises:
      ValueError: names the links that lead nowhere, or to a document that is not in the navigation.
    """
    config = yaml.safe_load((root / CONFIG.name).read_text(encoding="utf-8"))
    pages = list(pages_of(config["nav"]))
    shutil.rmtree(folder, ignore_errors=True)
    wrong = []
    for name in config["extra_css"]:
        _copy(name, root, folder)
    for name in pages:
        source, target = root / name, folder / name
        text, pictures = read_page(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page_for_site(text), encoding="utf-8")
        for file, picture in pictures.items():
            target.with_name(file).write_bytes(picture)
        for link in links_of(text):
            path = link.partition("#")[0]
            if "://" in link or not path or path in pictures:
                continue
            file = (source.parent / path).resolve()
            linked = file.relative_to(root).as_posix() if file.is_relative_to(root) else link
            if linked.replace(_NOTEBOOK, ".md") in pages:
                continue
            if not file.is_file() or file.suffix == ".md":
                wrong.append(f"{name}: {link}")
                continue
            _copy(linked, root, folder)
    if wrong:
        raise ValueError(f"Links that lead to no page of {CONFIG.name}: {'; '.join(wrong)}.")


def _copy(name: str, root: Path, folder: Path) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / name, folder / name)


if __name__ == "__main__":
    settings = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    make_pages(ROOT / settings["docs_dir"])
