"""What `--experiment=report` says on the terminal."""

from tests.report.reported_runs import write_replicate
from tf_lottery import run_command
from tf_lottery.experiments.commands import WriteReport


def test_what_is_damaged_is_said_with_the_exit_code_of_verify(tmp_path, capsys):
    run = write_replicate(tmp_path / "m/replicate_1", [0.9, 0.8])
    damaged = run / "level_1" / "level.json"
    damaged.write_text(damaged.read_text()[:-30])
    assert run_command(WriteReport((tmp_path / "m",), None)) == 1
    page, heading, *problems = capsys.readouterr().out.splitlines()
    assert page == f"Report: {tmp_path / 'm/report/index.html'}"
    assert heading == "Left out of this report:"
    assert any(f"{damaged} is damaged" in problem for problem in problems)


def test_of_whole_runs_nothing_but_the_page_is_said(tmp_path, capsys):
    write_replicate(tmp_path / "m/replicate_1", [0.9, 0.8])
    assert run_command(WriteReport((tmp_path / "m",), None)) == 0
    assert capsys.readouterr().out == f"Report: {tmp_path / 'm/report/index.html'}\n"
