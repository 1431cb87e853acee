"""docs/api.md is what the docstrings say, and all of it."""

import inspect
import logging
import re
import runpy
from pathlib import Path

import pytest

import tf_lottery

GENERATOR = runpy.run_path(str(Path(__file__).parent.parent / "docs" / "make_api.py"))
PAGE = GENERATOR["PAGE"].read_text()
SECTION_TITLES = {"Args:", "Attributes:", "Returns:", "Raises:"}


def words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text))


def documented_parts(name: str) -> list[object]:
    """A public function; or a class with its constructor, public methods and properties."""
    value = getattr(tf_lottery, name)
    if not inspect.isclass(value):
        return [value]
    own = {
        key: getattr(part, "__func__", part)
        for key, part in vars(value).items()
        if key in ("__init__", "__call__") or not key.startswith("_")
    }
    parts = [
        part for part in own.values() if inspect.isfunction(part) or isinstance(part, property)
    ]
    return [value, *(part for part in parts if part.__doc__)]


def test_the_page_is_up_to_date():
    assert GENERATOR["api_markdown"]() == PAGE, "docs/api.md is out of date; run `make docs`."


def test_docstrings_describe_no_argument_that_there_is_not(caplog):
    with caplog.at_level(logging.WARNING):
        GENERATOR["api_markdown"]()
    assert caplog.messages == []


def test_every_public_name_has_an_entry():
    entries = set(re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE))
    assert set(tf_lottery.__all__) <= entries


def test_nothing_of_a_public_docstring_is_lost():
    page = words(PAGE)
    for name in tf_lottery.__all__:
        for part in documented_parts(name):
            for line in (inspect.getdoc(part) or "").splitlines():
                # In lists of attributes the type comes between the name and the description.
                text = re.sub(r"^  (?=\w+: )\w+:", "", line)
                assert line in SECTION_TITLES or words(text) in page, (name, line)


def test_signatures_have_types_and_defaults():
    assert (
        """```python
prunable(
    model: Any,
    *,
    exclude: Iterable[str] = (),
    pruning_rates: Mapping[str, float] | None = None,
    kernels: KernelNames | None = None,
    allow_unknown: bool = False,
    keep_zeros: bool = False,
) -> Any
```"""
        in PAGE
    )
    assert "```python\n@classmethod\nload(path: str | Path) -> Mask\n```" in PAGE


def test_fields_of_the_configuration_have_the_help_of_their_flags():
    assert (
        "- `rewind_step: str = '0it'`: The survivors return to their values at this step: 0it, "
        "500it, 2ep, 1% ..."
    ) in PAGE
    assert "- `optimizer: str = 'adam'`: Optimizer. Choices: `sgd`, `adam`, `adamw`." in PAGE


def test_a_name_without_a_docstring_is_refused(tmp_path):
    package = tmp_path / "tf_lottery"
    package.mkdir()
    names = dict.fromkeys(tf_lottery.__all__, "tf_lottery.all")
    (package / "__init__.py").write_text(f"_MODULES = {names}\n")
    (package / "all.py").write_text("".join(f"def {name}(): ...\n" for name in names))
    with pytest.raises(ValueError, match=r"tf_lottery\.all\.prunable has no docstring"):
        GENERATOR["api_markdown"](tmp_path)
