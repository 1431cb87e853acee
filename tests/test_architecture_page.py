"""docs/ARCHITECTURE.md is what the code is."""

import re
import runpy
from pathlib import Path

import tf_lottery

_ROOT = Path(__file__).parents[1]
_PAGE = (_ROOT / "docs" / "ARCHITECTURE.md").read_text()


def test_the_picture_is_up_to_date():
    generator = runpy.run_path(str(_ROOT / "docs" / "make_architecture.py"))
    made = generator["page_with"](generator["rooms_diagram"](), _PAGE)
    assert made == _PAGE, "docs/ARCHITECTURE.md is out of date; run `make docs`."


def test_every_room_has_a_row_and_every_file_that_is_named_is_there():
    package = Path(tf_lottery.__file__).parent
    rooms = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    assert rooms == set(re.findall(r"^\| `(\w+)/` \|", _PAGE, re.MULTILINE))
    named = re.findall(r"`(\w+/[\w/]+\.py|\w+/\w+/)`", _PAGE)
    assert len(named) > 20
    assert [name for name in named if not (package / name).exists()] == []
