"""What is said can be silenced, and goes where standard output is at that time."""

import contextlib
import io
import logging

import pytest

from tf_lottery.messages import listed, speaks, tell
from tf_lottery.report.console import default_console


@pytest.fixture
def logger():
    logger = logging.getLogger("tf_lottery")
    level = logger.level
    yield logger
    logger.setLevel(level)


def test_of_many_things_the_first_are_listed():
    names = [f"dense_{number}" for number in range(5)]
    assert listed(names, most=4) == "dense_0, dense_1, dense_2, dense_3 and 1 more"
    assert listed(names, most=2, between="; ") == "dense_0; dense_1; and 3 more"
    assert listed(names) == ", ".join(names)


def test_messages_and_tables_are_on_standard_output():
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        tell("100% of 3 lines")
        default_console().print("a table")
    assert output.getvalue() == "100% of 3 lines\na table\n"


def test_a_level_of_the_logger_silences_both(logger, capsys):
    logger.setLevel(logging.WARNING)
    assert not speaks()
    tell("nothing")
    default_console().print("nothing")
    assert capsys.readouterr().out == ""
