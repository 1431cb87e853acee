"""What a plug-in raises by a fault of its code is told with the thing and the line at fault."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.registries import forget_what_was_added
from tf_lottery.config.branches import BRANCHES
from tf_lottery.config.loggers import check_loggers
from tf_lottery.data import load_dataset
from tf_lottery.experiments.measuring.analysis import run_analysis
from tf_lottery.exporting.writing import FilesInTheMaking
from tf_lottery.plugins import (
    ExportFormat,
    ResultFile,
    Rows,
    RunLogger,
    register_analysis,
    register_branch,
    register_dataset,
    register_export_format,
    register_logger,
    register_score,
)
from tf_lottery.pruning.score import find_method
from tf_lottery.report.report import compare_runs
from tf_lottery.training.divergence import TrainingDivergedError
from tf_lottery.users_code import PluginError, told


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    forget_what_was_added()


def fail(*arguments, **options):
    return {}["there"]


def analysis(measure=fail, **file) -> None:
    @register_analysis(ResultFile("odd", **file))
    def odd(run, levels):
        return Rows([0, 1], ("level", "x"), measure, print, needs_network=False)


def zeros(analyzed, missing):
    yield from ({"level": level, "x": 0} for level in missing)


def of_a_dataset(run: Path) -> None:
    register_dataset(r"odd_(\d)")(fail)
    load_dataset("odd_3")


def of_a_score(run: Path) -> None:
    register_score()(fail)
    find_method("fail").score({}, {}, None)


def of_a_branch(run: Path) -> None:
    register_branch(prunes=True)(fail)
    BRANCHES.find("fail").function(None)


def of_joined_branches(run: Path) -> None:
    register_branch(mask_alone=True)(fail)
    BRANCHES.find("fail+random_reinitialization").function(SimpleNamespace(random=None))


def of_an_analysis(run: Path) -> None:
    register_analysis(ResultFile("fail"))(fail)
    run_analysis(run, "fail")


def of_what_measures(run: Path) -> None:
    analysis()
    run_analysis(run, "odd")


def of_what_draws(run: Path) -> None:
    analysis(zeros, figures=fail)
    run_analysis(run, "odd")


def of_what_draws_a_report(run: Path) -> None:
    analysis(zeros)
    run_analysis(run, "odd")
    analysis(zeros, figures=fail)
    compare_runs([run])


def of_a_logger(run: Path) -> None:
    @register_logger("odd")
    class Odd(RunLogger):
        check = fail

    check_loggers("odd")


def of_a_format(run: Path) -> None:
    @register_export_format
    class Odd(ExportFormat):
        name = file_name = "odd"
        write = loading_code = fail

    files = FilesInTheMaking(*[None] * 5, run, False, lambda *told: None)
    files.results([Odd()], measure=False)


@pytest.mark.parametrize(
    ("provoke", "thing"),
    [
        (of_a_dataset, "--dataset=odd_3"),
        (of_a_score, "--score=fail"),
        (of_a_branch, "--branch=fail"),
        (of_joined_branches, "--branch=fail"),
        (of_an_analysis, "--experiment=fail"),
        (of_what_measures, "--experiment=odd"),
        (of_what_draws, "--experiment=odd"),
        (of_what_draws_a_report, "--experiment=odd"),
        (of_a_logger, "--log_to=odd"),
        (of_a_format, "formats: odd"),
    ],
)
def test_a_fault_is_told_with_the_thing_and_the_line(
    copied_run, provoke: Callable[[Path], None], thing
):
    with pytest.raises(PluginError) as found:
        provoke(copied_run)
    assert isinstance(found.value.__cause__, KeyError)
    line = fail.__code__.co_firstlineno + 1
    first, *calls = told(found.value).splitlines()
    assert first == f"{thing}, of the module {__name__}, failed with KeyError: 'there'"
    assert f'  File "{__file__}", line {line}, in fail' in calls


@pytest.mark.parametrize(
    "error",
    [
        ValueError("--dataset=odd: its file is empty"),
        FileNotFoundError(2, "No such file", "odd.npz"),
        MemoryError(),
        TrainingDivergedError("the loss is NaN"),
        KeyboardInterrupt(),
    ],
    ids=repr,
)
def test_what_tells_users_what_is_wrong_is_left_as_it_is(error):
    @register_dataset("odd")
    def refuse():
        raise error

    with pytest.raises(type(error)) as found:
        load_dataset("odd")
    assert found.value is error


def test_no_lines_of_the_package_are_shown_where_none_of_the_plugin_was_reached():
    @register_dataset("odd")
    def odd(needed):
        raise AssertionError

    with pytest.raises(PluginError, match=r"--dataset=odd, .*TypeError") as raised:
        load_dataset("odd")
    assert told(raised.value) == str(raised.value)


def test_a_calculation_that_fails_is_no_training_that_diverged():
    """For which other trainings go on."""

    @register_branch()
    def odd(origin):
        return np.ones(2) * (1 // 0)

    with pytest.raises(PluginError, match=r"^--branch=odd, of .*ZeroDivisionError"):
        BRANCHES.find("odd").function(None)


@pytest.mark.parametrize(
    ("row", "given"), [({"level": 0, "x": 1, "y": 2}, "level, x, y"), ({"level": 0}, "level")]
)
def test_a_row_has_the_columns_that_were_declared(copied_run, row, given):
    analysis(lambda analyzed, missing: iter([row]))
    said = (
        f"--experiment=odd yielded a row with the columns {given}, but its Rows(...) declares "
        "level, x: make them the same"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        run_analysis(copied_run, "odd")
    assert not [*(copied_run / "landscape").glob("odd*")]


def test_a_column_that_a_file_lacks_is_told_of_the_file(copied_run):
    analysis(zeros)
    run_analysis(copied_run, "odd")
    analysis(zeros, figures=lambda measurements: [measurements[0].rows[0]["newer"]])
    assert compare_runs([copied_run]).damaged == (
        f"landscape/odd.csv of {copied_run.parent.name}, {copied_run.name} has no column newer, "
        "which its figures take; it may be of another version.",
    )
