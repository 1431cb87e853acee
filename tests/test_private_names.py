"""Names of other packages that are not public: each import of one says which versions have it."""

import ast
import re
from importlib import metadata
from pathlib import Path

import pytest

from tf_lottery.private_names import private_names

PACKAGE = Path(__file__).parents[1] / "tf_lottery"
PRIVATE = re.compile(
    r"tensorflow\.(python|lite\.python|lite\.tools)\b|tensorflow_datasets\.core\b"
    r"|tensorflow_model_optimization\.python\b|(tf_)?keras\.src\b|\w+(\.\w+)*\._\w+"
)


def is_guard(node):
    calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
    return any(getattr(call.func, "id", "") == "private_names" for call in calls)


def private_imports(path):
    """(module, whether its import is guarded) of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.With) and is_guard(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and PRIVATE.match(node.module or ""):
            yield node.module, node in guarded


def test_every_import_of_one_is_guarded():
    found = {(path.name, *one) for path in PACKAGE.rglob("*.py") for one in private_imports(path)}
    assert len(found) >= 8
    assert not [one for one in found if not one[-1]]


@pytest.mark.parametrize("package", ["tensorflow-model-optimization", "tensorflow"])
def test_the_versions_that_have_it_are_told(package):
    with pytest.raises(ImportError) as caught, private_names(package):
        from tensorflow.python import no_such_thing  # noqa: F401
    message = str(caught.value)
    assert f"{package} {metadata.version(package)} lacks it (cannot import name" in message
    (required,) = (
        line
        for line in metadata.requires("tf_lottery")
        if re.match(rf"{package}[<>=]", line) and "extra" not in line
    )
    assert message.endswith(f"Install {required}.")


def test_a_package_that_is_not_there():
    message = r"no-such-package \(not installed\) lacks it"
    with pytest.raises(ImportError, match=message), private_names("no-such-package"):
        raise ImportError("no module")
