"""Ctrl-C before the program has begun anything."""

import pytest

from tf_lottery.cli import main, program


def test_who_thinks_better_of_it_sees_no_traceback(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(program.command_flags, "define_flags", interrupted)
    monkeypatch.setattr("sys.argv", ["main.py"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == "\nInterrupted before anything was begun."
