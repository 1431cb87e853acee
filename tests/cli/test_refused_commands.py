"""Commands that main.py refuses, with what is wrong and what is right."""

import re

import pytest
from absl import flags

from tests.command_line import command_of as command
from tf_lottery.config.analyses import analysis_names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--replicates=0-2"], r"^--replicates=0-2: replicates are numbered from 1"),
        (["--replicates=two"], r"^--replicates=two: 'two' is neither a number nor a range"),
        (["--replicates="], r"^--replicates=: '' is neither"),
        (["--replicates=3-1"], r"^--replicates=3-1: the range '3-1' ends before"),
        (
            ["--levels=0-3"],
            r"^--levels=0-3: here it is the number .*ranges are for --experiment=branch\.",
        ),
        (["--pruning_rate=2"], r"^--pruning_rate=2\.0 is out of range"),
        (["--export_dir=x", "--replicates=1-2"], r"^--export_dir=x takes one ticket, .* 2 runs"),
        (["--overwrite"], r"^--overwrite is for exports: give --export_ticket or --export_dir"),
        (["--export_dir=x", "--sweep=levels:1,2,3"], r"^--export_dir=x takes one ticket, .* 3"),
        (["--experiment=branch", "--branch=retrain"], r"^--experiment=branch needs --run=WORKDIR"),
        (["--experiment=report"], r"^--experiment=report needs --run=WORKDIR/NAME"),
        (["--experiment=branch", "--run=a"], r"--experiment=branch needs --branch"),
        (["--experiment=branch", "--run=a", "--branch=a,,b"], r"^--branch=a,,b: name the branches"),
        (
            ["--experiment=branch", "--run=a", "--branch=retrain", "--replicates=x"],
            r"^--replicates=x: 'x' is neither",
        ),
        (["--experiment=curvature"], r"^--experiment=curvature needs --run=WORKDIR/NAME"),
        (["--experiment=curvature", "--run=a", "--replicates=x"], r"^--replicates=x: 'x' is neit"),
        (
            ["--experiment=instability", "--run=a", "--baselines=random_mask,masks"],
            r"^--baselines=random_mask,masks is out of range: use random_mask or random_reinit",
        ),
        (
            ["--experiment=interpolate", "--run=a", "--points=2"],
            r"^--points=2 .*: use 3 to 10000, both ends",
        ),
        (["--experiment=curvature", "--run=a", "--eigenvalues=0"], r"^--eigenvalues=0 .*1 to 100"),
        (["--experiment=curvature", "--run=a", "--eigenvalues=101"], r"^--eigenvalues=101 is out"),
        (["--experiment=curvature", "--run=a", "--curvature_examples=0"], r"_examples=0 .*1 or mo"),
        (["--experiment=curvature", "--run=a", "--loss_rise=0"], r"^--loss_rise=0\.0 .*positive"),
        (["--experiment=curvature", "--run=a", "--loss_rise=nan"], r"^--loss_rise=nan .*positive"),
        (["--experiment=curvature", "--run=a", "--curvature_seed=-1"], r"_seed=-1 .*use 0 or more"),
        (
            ["--experiment=successive_levels", "--run=a", "--matching_tolerance=nan"],
            r"^--matching_tolerance=nan is out of range: use 0 to 100 points",
        ),
        (["--matching_tolerance=101"], r"^--matching_tolerance=101.0 .*0 to 100"),
        (["--experiment=train", "--matching_tolerance=-1"], r"^--matching_tolerance=-1.0 .*0 to"),
        (
            ["--experiment=branch", "--run=a", "--branch=retrain", "--matching_tolerance=nan"],
            r"^--matching_tolerance=nan .*0 to 100",
        ),
        (
            ["--experiment=report", "--run=a", "--tolerance=101"],
            r"^--matching_tolerance=101.0 is out of range: use 0 to 100 points",
        ),
    ],
    ids=" ".join,
)
def test_values_of_no_sense_are_refused(arguments: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        command(*arguments)


@pytest.mark.parametrize("kind", ["instability", "stability", "lottery", "report"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--norandom_masks", "--baselines="),
        ("--random_masks=false", "--baselines="),
        ("--random_masks", "--baselines=random_mask"),
    ],
)
def test_flags_of_earlier_versions_are_refused_with_what_to_write_now(kind, old, new):
    with pytest.raises(ValueError, match=f"^--(no)?random_masks is .*; write {new} in its place"):
        command(f"--experiment={kind}", "--run=a", old)


@pytest.mark.parametrize("levels", ["many", "1-", "3-1", "1,,2", "-1-2"])
def test_levels_that_are_neither_a_number_nor_ranges_are_errors_of_absl(levels: str):
    with pytest.raises(flags.Error, match=f"--levels={levels}"):
        command(f"--levels={levels}")


@pytest.mark.parametrize(
    ("flag", "kinds"),
    [
        ("--run=a", ["lottery", "train", "list"]),
        ("--branch=retrain", ["lottery", "train", "report", "list"]),
        ("--branch_seed=1", ["lottery", "train", "report", "list"]),
        ("--other_run=a", ["lottery", "train", "report", "list"]),
        ("--replicates=1-2", ["report", "list"]),
        ("--sweep=levels:1,2", ["branch", "report", "list"]),
        ("--report_dir=a", ["lottery", "train", "branch", "list"]),
        ("--tolerance=1", ["list", "export", "interpolate"]),
        ("--formats=keras", ["lottery", "train", "branch", "report", "list", "curvature"]),
        ("--compact=on", ["lottery", "report", *analysis_names()]),
        ("--nomeasure", ["train", "branch", "list", "magnitudes"]),
        ("--overwrite", ["branch", "report", "list", "interpolate"]),
        ("--branch=retrain", ["export"]),
        ("--report_dir=a", ["export"]),
        ("--sweep=levels:1,2", ["export"]),
        ("--points=5", ["export"]),
        ("--branch=retrain", analysis_names()),
        ("--sweep=levels:1,2", analysis_names()),
        ("--points=5", ["lottery", "branch", "report", "list", "curvature", "magnitudes"]),
        ("--line_mask=first", ["train", "report", "curvature", "magnitudes"]),
        ("--align=weights", ["train", "list", "instability", "successive_levels", "curvature"]),
        ("--solutions=a,b", ["lottery", "report", "successive_levels", "curvature", "magnitudes"]),
        (
            "--matching_tolerance=1",
            ["list", "export", *(name for name in analysis_names() if name != "successive_levels")],
        ),
        ("--perturbations=1", ["lottery", "branch", "report", "instability", "curvature"]),
        ("--directions=2", ["train", "list", "interpolate", "successive_levels"]),
        ("--sgd_noise=same", ["lottery", "branch", "report", "instability", "stability"]),
        ("--baselines=random_mask", ["lottery", "branch", "report", "robustness", "same_region"]),
        ("--eigenvalues=3", ["lottery", "list", "interpolate", "successive_levels", "magnitudes"]),
    ],
)
def test_flags_of_no_use_are_refused(flag: str, kinds: list[str]):
    for kind in kinds:
        needed = {other: ["--run=b"] for other in ("report", "export", *analysis_names())}
        needed["branch"] = ["--run=b", "--branch=retrain"]
        given = (
            flag if "=" not in flag or flag.startswith("--run") else flag.partition("=")[0] + "="
        )
        with pytest.raises(ValueError, match=f"^{given}.* is for --experiment=") as error:
            command(f"--experiment={kind}", *needed.get(kind, []), flag)
        assert f"but --experiment={kind} was given" in str(error.value)
        assert "['" not in str(error.value)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_other_jobs_are_refused(text):
    with pytest.raises(ValueError, match=f"^--jobs={text}: use auto, or how many trainings run"):
        command(f"--jobs={text}")


@pytest.mark.parametrize(
    ("flags_given", "said"),
    [
        (
            ("--controls=random",),
            "--controls=random is not a known branch. Did you mean",
        ),
        (("--controls=random_mask,one_shot+",), "--controls=one_shot+: + puts the mask of one"),
        (("--controls=mask_of_replicate",), "run it by --experiment=branch --branch=mask_of"),
        (("--control_levels=3",), "--control_levels=3 is for --controls; give both, or neither"),
        (("--controls=retrain", "--experiment=train"), "--controls=retrain is for --experiment="),
        (("--jobs=2", "--experiment=list"), "--jobs=2 is for --experiment="),
    ],
)
def test_controls_and_jobs_that_are_refused(flags_given, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        command(*flags_given)
