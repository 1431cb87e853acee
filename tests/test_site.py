"""The documentation site has every document, and no link that leads nowhere."""

import functools
import importlib.util
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tf_lottery
from tests.documents import DOCUMENTS, ROOT

MADE = runpy.run_path(str(ROOT / "docs" / "make_site.py"))
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
PAGES = list(MADE["pages_of"](CONFIG["nav"]))
anchors_of = functools.cache(MADE["anchors_of"])


NOTEBOOKS = [
    path.relative_to(ROOT).with_suffix(".md").as_posix()
    for path in (ROOT / "docs" / "notebooks").glob("*.ipynb")
]


def test_every_document_and_notebook_is_in_the_navigation_once():
    assert len(NOTEBOOKS) == 3
    assert sorted(PAGES) == sorted([*DOCUMENTS, *NOTEBOOKS])


@pytest.mark.parametrize("name", [*DOCUMENTS, *NOTEBOOKS])
def test_anchors_are_there(name):
    missing = []
    for link in MADE["links_of"](MADE["read_page"](ROOT / name)[0]):
        path, _, anchor = link.partition("#")
        if anchor and "://" not in link:
            target = (ROOT / name).parent.joinpath(path).resolve() if path else ROOT / name
            text = DOCUMENTS[str(target.relative_to(ROOT))]
            missing += [] if anchor in anchors_of(text) else [link]
    assert missing == []


def test_the_gallery_has_every_figure_of_the_results():
    shown = re.findall(r"!\[[^\]]+\]\((results/[^)]+)\)", DOCUMENTS["docs/gallery.md"])
    figures = (ROOT / "docs" / "results").glob("*.png")
    assert sorted(shown) == sorted(f"results/{path.name}" for path in figures)


def test_ten_public_names_come_first():
    text = DOCUMENTS["docs/names.md"]
    described = re.findall(r"^::: [\w.]+\.(\w+)$", text, re.MULTILINE)
    assert len(described) == 10
    assert set(described) <= set(tf_lottery.__all__)
    assert set(described) <= set(re.findall(r"\[`(\w+)`\]\(api\.md#", text))


PAGE = """# A page

## `x.y`

## `x.y`

<!-- site
::: package.name
-->

```python
# no heading
```

```mermaid
graph TD
  cli[cli: 9]
  data[data: 20]
  cli --> data
```
"""
FOR_SITE = """# A page { #a-page }

## `x.y` { #xy }

## `x.y` { #xy-1 }

::: package.name


```python
# no heading
```

| room | modules | imports from |
|---|---:|---|
| `cli` | 9 | `data` |
| `data` | 20 | - |
"""


def test_a_page_is_written_out_for_the_site():
    assert MADE["page_for_site"](PAGE) == FOR_SITE


def test_a_notebook_becomes_a_page():
    picture = {"data": {"image/png": "UE5H", "text/plain": ["<Figure>"]}}
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "\n", "[next](next.ipynb)"]},
        {"cell_type": "code", "id": "a", "source": ["x = 1"], "outputs": []},
        {"cell_type": "code", "id": "b", "source": ["x"], "outputs": [{"text": ["1\n"]}, picture]},
    ]
    text, pictures = MADE["notebook_page"]({"cells": cells}, "first")
    assert pictures == {"first_b.png": b"PNG"}
    assert MADE["page_for_site"](text) == (
        "# Title { #title }\n\n[next](next.md)\n\n```python\nx = 1\n```\n\n```python\nx\n```\n\n"
        "```text\n1\n```\n\n![what the cell draws](first_b.png)\n"
    )


def write_site(root: Path, link: str) -> None:
    root.joinpath("mkdocs.yml").write_text(
        "nav: [Home: README.md, Two: docs/two.md]\nextra_css: []"
    )
    root.joinpath("docs").mkdir()
    root.joinpath("README.md").write_text(f"[link]({link})")
    root.joinpath("docs", "two.md").write_text("[back](../README.md) [file](../code.py)")
    root.joinpath("docs", "three.md").touch()
    root.joinpath("code.py").touch()


def test_what_pages_link_lies_beside_them(tmp_path):
    write_site(tmp_path, "docs/two.md#anchor")
    MADE["make_pages"](tmp_path / "built", tmp_path)
    made = (path.relative_to(tmp_path / "built") for path in (tmp_path / "built").rglob("*.*"))
    assert sorted(map(str, made)) == ["README.md", "code.py", "docs/two.md"]


@pytest.mark.parametrize("link", ["docs/three.md", "gone.png", "docs", "../outside.md"])
def test_a_link_to_no_page_is_refused(tmp_path, link):
    write_site(tmp_path, link)
    with pytest.raises(ValueError, match=f"no page of mkdocs.yml: README.md: {link}"):
        MADE["make_pages"](tmp_path / "built", tmp_path)


def build(folder: Path) -> subprocess.CompletedProcess:
    """Builds the site of a folder, which has its pages, from the package that is here."""
    config = (ROOT / "mkdocs.yml").read_text().replace("paths: [.]", f"paths: [{ROOT}]")
    (folder / "mkdocs.yml").write_text(config)
    command = (sys.executable, "-m", "zensical", "build")
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("zensical") is None
    or importlib.util.find_spec("mkdocstrings") is None,
    reason='needs pip install -e ".[docs]"',
)
def test_the_site_is_built_and_loads_nothing_from_elsewhere(tmp_path):
    pages = tmp_path / CONFIG["docs_dir"]
    MADE["make_pages"](pages)
    built = build(tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    site = tmp_path / CONFIG["site_dir"]
    made = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert made - {"404"} == {name.removesuffix(".md").replace("README", "index") for name in PAGES}
    for path in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|link|img)[^>]+(?:src|href)=\"?([^\" >]+)", path.read_text()
        )
        assert [address for address in loaded if "//" in address] == [], path
    # Each of the ten names has been found, and described.
    names = (site / "docs" / "names.html").read_text()
    assert len(re.findall(r'<div class="doc doc-object doc-(?:class|function)">', names)) >= 10
    with (pages / "docs" / "papers.md").open("a") as page:
        page.write("\n[nowhere](scaling.md#nowhere)\n")
    assert build(tmp_path).returncode != 0
