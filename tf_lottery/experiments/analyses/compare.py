"""--experiment=compare: how much the masks of a run have in common with others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tf_lottery.config.alignment import Alignment
from tf_lottery.config.analyses import ResultFile, register_analysis
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.other_runs import (
    beside,
    levels_in_common,
    other_replicates,
    ticket_number,
)
from tf_lottery.experiments.measuring.rows import Rows
from tf_lottery.landscape.mask_overlap import overlap_of, overlaps_of_kernels
from tf_lottery.masking.masks import Mask
from tf_lottery.messages import tell
from tf_lottery.report.landscape.compare import (
    compare_figures,
    print_compared_kernels,
    print_compared_masks,
)
from tf_lottery.store.csv_files import Row
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.result_columns import COMPARE_COLUMNS, COMPARE_KERNELS_COLUMNS, MASKS_OF
from tf_lottery.store.run_folder import RunFolder

if TYPE_CHECKING:  # It imports TensorFlow, for which masks as they are do not wait.
    from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun

_Key = tuple[int, int, str]
_SETTINGS, _NAMES = ("beside_{}", "{}"), ("kind", "other")


@dataclass(frozen=True)
class _Other:
    """A run folder, or that of a branch, whose masks are compared with.

    Attributes:
      kind: one of `MASKS_OF`.
      name: of the replicate, the branch or the run.
      run: its folder.
    """

    kind: str
    name: str
    run: RunFolder

    def key(self, level: int) -> _Key:
        """Tells a row from the others, and sorts as they are shown."""
        return level, MASKS_OF.index(self.kind), self.name

    def is_of(self, row: Row) -> bool:
        """Whether a row is about its level as it is now; those of earlier versions do not say."""
        return row["other_ticket"] in (None, ticket_number(self.run, row["level"]))


@register_analysis(
    ResultFile("compare", _SETTINGS, compare_figures, "Masks", _NAMES),
    ResultFile("compare_kernels", _SETTINGS, title="Of each kernel", texts=(*_NAMES, "kernel")),
    takes_other_run=True,
    place=9,
)
def compare(run: MeasuredRun, levels: Sequence[int] | None, *, alignment: Alignment) -> Rows:
    """Compares the masks of levels with those of other replicates, of branches, and of a run.

    With the same level of each other replicate of the experiment, of each branch that has a mask of
    its own there, and of `--other_run`: the Jaccard index, beside that of two random masks that
    leave as many weights in each kernel, and the Hamming distance. Writes landscape/compare.csv and
    landscape/compare_kernels.csv, a row per kernel, in the run folder, and a figure. Levels are
    from 1; what was compared before is not compared again. It needs neither data nor network.

    With `--align=weights` it needs both: the other mask is permuted along when the units of its
    solution are put in the order in which its weights are most like the level's. The results have
    files of their own, compare__aligned_by_weights.csv and so on.

    Raises:
      ValueError: if a level is not finished, the run is a branch, there is nothing to compare with,
        --other_run has another network, or the network cannot be aligned.
    """
    path, given = run.run.path, run.config.branch.other_run
    if run.run.kind_of_branch is not None:
        raise ValueError(f"--run={path} is a branch; name the run that it starts from.")
    wanted = [level for level in run.levels(levels) if level]
    if not wanted:
        raise ValueError("--levels: level 0 is not pruned; choose levels from 1.")
    replicates, copies = other_replicates(run.run)
    others = [
        *(_Other("replicate", other.path.name, other) for other in replicates),
        *_branches(run.run),
        *_named_run(given),
    ]
    aligns = alignment.align != "none"
    compared = {
        other.key(level): other
        for level in wanted
        for other in others
        if other.run.level(level).is_complete() and not _is_the_same(run.run, other, level)
    }
    if not compared:
        raise ValueError(
            f"--run={path}: {''.join(f'{text} ' for text in copies)}no other replicate and no "
            "branch with masks of its own has one of these levels; give --other_run, or run "
            "branches such as random_mask."
        )
    return Rows(
        list(compared),
        COMPARE_COLUMNS,
        partial(_measure, others=compared, alignment=alignment),
        partial(_show, notes=[*copies, *_the_same_solutions(run.run, compared)], matched=aligns),
        [beside(given), *alignment.settings],
        key=_key,
        holds=lambda row: compared[_key(row)].is_of(row),
        levels=lambda key: key[:1],
        counted="masks",
        part_columns=COMPARE_KERNELS_COLUMNS,
        show_parts=print_compared_kernels,
        needs_network=aligns,
    )


def _show(rows: Sequence[Row], notes: Sequence[str], matched: bool) -> None:
    print_compared_masks(rows, matched=matched)
    for note in notes:
        tell(f"Note: {note}")


def _the_same_solutions(run: RunFolder, compared: Mapping[_Key, _Other]) -> Iterator[str]:
    """Says of which others the masks and weights are those of the run, so that it is no wonder."""
    levels: dict[Path, list[int]] = defaultdict(list)
    others = {other.run.path: other for other in compared.values() if other.kind != "branch"}
    for (level, *_), other in compared.items():
        levels[other.run.path].append(level)
    for path, other in others.items():
        if same := levels_in_common(run, other.run, levels[path]):
            yield (
                f"{other.name} has the same masks and weights, bit for bit, as {run.path} at level "
                f"{', '.join(map(str, same))}: it is a copy, or the same run again."
            )


def _branches(run: RunFolder) -> Iterator[_Other]:
    for path in run.branches():
        if (path / "config.json").exists():
            branch = RunFolder.read(path)
            if not branch.details.for_analysis:
                yield _Other("branch", path.name, branch)


def _named_run(given: str | None) -> Iterator[_Other]:
    if given is None:
        return
    path = Path(given).expanduser().absolute()
    try:
        yield _Other("run", "/".join(path.parts[-2:]), RunFolder.read(path))
    except RunFolderError as error:
        raise ValueError(f"--other_run={given}: {error}") from error


def _is_the_same(run: RunFolder, other: _Other, level: int) -> bool:
    """Whether a branch trains the level's own mask, since the branch changes something else."""
    if other.kind != "branch":
        return False
    files = (one.level(level).masks_path for one in (run, other.run))
    own, others = (path.read_bytes() for path in files)
    return own == others


def _key(row: Row) -> _Key:
    return row["level"], MASKS_OF.index(row["kind"]), row["other"]


def _measure(
    run: MeasuredRun,
    missing: Sequence[_Key],
    others: Mapping[_Key, _Other],
    alignment: Alignment,
) -> Iterator[tuple[Row, list[Row]]]:
    masks = _masks if alignment.align == "none" else _matched(cast("AnalyzedRun", run), alignment)
    for key in missing:
        level, other = key[0], others[key]
        other.run.level(level).verify()
        try:
            mask, theirs = masks(run.run, other.run, level)
            kernels = overlaps_of_kernels(mask, theirs)
        except ValueError as error:
            raise ValueError(f"{other.run.path}, level {level}: {error}") from error
        of_both = {
            "level": level,
            "density": mask.density,
            "kind": other.kind,
            "other": other.name,
        }
        whole = overlap_of([(array, theirs[name]) for name, array in mask.items()])
        yield (
            {**of_both, "other_ticket": ticket_number(other.run, level), **vars(whole)},
            [{**of_both, "kernel": name, **vars(found)} for name, found in kernels.items()],
        )


def _masks(run: RunFolder, other: RunFolder, level: int) -> tuple[Mask, Mask]:
    own, theirs = (Mask.load(one.level(level).masks_path) for one in (run, other))
    return own, theirs


def _matched(
    analyzed: AnalyzedRun, alignment: Alignment
) -> Callable[[RunFolder, RunFolder, int], tuple[Mask, Mask]]:
    """What gives the masks of two solutions after the units of the second were matched."""
    align = analyzed.aligner(alignment)

    def masks(run: RunFolder, other: RunFolder, level: int) -> tuple[Mask, Mask]:
        solution = analyzed.level(level)
        theirs = analyzed.solution(str(other.path.absolute() / f"level_{level}"))
        return solution.mask, align(solution, theirs).mask

    return masks
