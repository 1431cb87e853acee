"""What an analysis of run folders says of itself: its flags, its files, and their figures."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from tf_lottery.config.parameters import Parametrized, parameters_of, shared_parameters
from tf_lottery.config.run import ExperimentName
from tf_lottery.registry import Registry
from tf_lottery.users_code import plugin_faults_named


@dataclass(frozen=True)
class ResultFile:
    """A CSV file that an analysis leaves in run folders: landscape/NAME__SETTINGS.csv.

    Attributes:
      name: what its name begins with.
      settings: how each setting is written behind that, such as "{}_points", in the order in which
        the analysis gives them.
      figures: `(measurements: Sequence[Measurement]) -> list[FigureFile]` draws the rows: those of
        one run folder beside the file, and those of several in reports. If the analysis takes
        --matching_tolerance, `figures` is given `tolerance=`, a fraction. None: no figures.
      title: what it is called where its path is printed; empty: its name.
      texts: its columns of texts, each of one line; all others are of numbers.
    """

    name: str
    settings: tuple[str, ...] = ()
    figures: Callable[..., Any] | None = None
    title: str = ""
    texts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.title or self.name.replace("_", " ").capitalize()


@dataclass(frozen=True)
class Analysis(Parametrized):
    """Measures something of run folders.

    Attributes:
      name: as in `--experiment`.
      function: `(run: MeasuredRun, levels: Sequence[int] | None, **parameters) -> Rows`; or, in
        place of rows, what does it all: `(run: AnalyzedRun) -> None`.
      parameters: a dataclass of the function's keyword arguments, which are flags.
      files: the file of the rows, and then that of the parts of each row, if rows have parts.
      takes_other_run: whether it compares with another run (`--other_run`).
      place: among the others, where they are listed.
    """

    files: tuple[ResultFile, ...] = ()
    takes_other_run: bool = False
    place: float = math.inf

    def figures(self, tolerance: float) -> dict[str, Callable[..., Any]]:
        """What draws the rows of its files, by their name; the tolerance is that of matching."""
        given = {"tolerance": tolerance} if self.takes("matching_tolerance") else {}
        return {
            file.name: self.faults_named()(partial(file.figures, **given))
            for file in self.files
            if file.figures
        }

    @contextmanager
    def faults_named(self) -> Iterator[None]:
        """Names the analysis in what a plug-in's raises, as `plugin_faults_named`."""
        with plugin_faults_named(f"--experiment={self.name}", self.function.__module__):
            yield


# What `--experiment` names besides experiments and analyses.
OTHER_COMMANDS = ("report", "list", "verify", "export", "reproduce")

ANALYSES: Registry[Analysis] = Registry(
    "analysis", "--experiment", "tf_lottery.experiments.analyses"
)


def register_analysis(
    *files: ResultFile, takes_other_run: bool = False, place: float = math.inf
) -> Callable[[Callable], Callable]:
    """Registers a function as an analysis of its name.

    ```python
    @register_analysis(ResultFile("norms", ("power_{}",), norm_figures))
    def norms(
        run: MeasuredRun,
        levels: Sequence[int] | None,
        *,
        power: Annotated[float, Parameter("Power of the norm.")] = 2.0,
    ) -> Rows:
        def measure(analyzed: AnalyzedRun, missing: Sequence[int]) -> Iterator[Row]:
            for level in missing:
                weights = analyzed.level(level).weights
                yield {"level": level, "norm": norm_of(weights, power)}

        return Rows(run.levels(levels), ("level", "norm"), measure, print_norms, (power,))
    ```

    Its keyword arguments are flags: `--experiment=norms --run=RUN --power=1`. It is called without
    TensorFlow, which what measures may import.

    Args:
      *files: as in `Analysis`.
      takes_other_run: as in `Analysis`.
      place: as in `Analysis`.

    Returns:
      The decorator.
    """

    def add(function: Callable) -> Callable:
        name, parameters = function.__name__, parameters_of(function)
        if name in (*get_args(ExperimentName), *OTHER_COMMANDS):
            raise ValueError(
                f"{function.__module__}: --experiment={name} is not an analysis but a command; "
                "give the function another name."
            )
        analysis = Analysis(name, function, parameters, files, takes_other_run, place)
        ANALYSES.add(name, analysis, function.__module__)
        return function

    return add


def analyses() -> list[Analysis]:
    """All analyses, in the order in which they are listed."""
    return sorted(ANALYSES.all().values(), key=lambda analysis: analysis.place)


def analysis_names() -> tuple[str, ...]:
    """The names of all analyses, in the same order."""
    return tuple(analysis.name for analysis in analyses())


def analysis_options() -> dict[str, dataclasses.Field]:
    """The parameters of all analyses, by name; errors as of `shared_parameters`."""
    return shared_parameters("--experiment", analyses())


def analyses_with(parameter: str) -> tuple[str, ...]:
    """The names of the analyses that have a parameter."""
    return tuple(analysis.name for analysis in analyses() if analysis.takes(parameter))


def result_files() -> dict[str, ResultFile]:
    """The files of all analyses, by name."""
    return {file.name: file for analysis in analyses() for file in analysis.files}
