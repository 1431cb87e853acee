"""A refusal says where in a user's own code it arose, and nothing more of others."""

import sys

import numpy as np
import pytest

from tf_lottery.config.arguments import check_whole
from tf_lottery.experiments.jobs.outcome import portable
from tf_lottery.registry import import_plugin
from tf_lottery.users_code import told

_PLUGIN = """
from tf_lottery.config.arguments import check_whole

def sums(given, added):
    return given + added

def checks(given):
    check_whole("turns", given)

def reads(given):
    return open(given)
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    (tmp_path / "my_sums.py").write_text(_PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("tf_lottery.registry._PLUGINS", {})
    import_plugin("my_sums")
    yield sys.modules["my_sums"]
    del sys.modules["my_sums"]


def error_of(function, *arguments):
    with pytest.raises((ValueError, OSError)) as found:
        function(*arguments)
    # Without the frame of this file, which is the user's as well.
    return found.value.with_traceback(found.tb.tb_next)


def test_of_an_error_in_a_plugin_the_line_is_told(plugin):
    error = error_of(plugin.sums, np.ones(2), np.ones(3))
    said = f"{error}\nIt arose in line 5 of {plugin.__file__}."
    assert told(error) == said
    # Another process is given the text alone.
    assert str(portable(error)) == said
    # Also where what the plug-in calls has refused it.
    assert told(error_of(plugin.checks, 0.5)).endswith(f"in line 8 of {plugin.__file__}.")


def test_of_a_file_that_a_plugin_cannot_read_the_line_is_told(plugin):
    error = error_of(plugin.reads, "/none")
    line = f"\nIt arose in line 11 of {plugin.__file__}."
    assert told(error, "/none cannot be used") == f"/none cannot be used{line}"
    passed = portable(error)
    assert (passed.filename, passed.strerror) == ("/none", f"No such file or directory{line}")


def test_of_the_packages_own_refusals_nothing_is_added():
    error = error_of(check_whole, "turns", 0.5)
    assert told(error) == str(error)
    assert str(portable(error)) == str(error)


def test_of_an_import_that_fails_the_line_is_told(tmp_path, monkeypatch):
    (tmp_path / "my_broken.py").write_text("one = 1\nnone = one / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    error = error_of(import_plugin, "my_broken")
    assert str(error) == (
        "--plugin=my_broken: its import failed with ZeroDivisionError: division by zero\n"
        f"It arose in line 2 of {tmp_path / 'my_broken.py'}."
    )
