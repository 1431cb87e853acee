"""--experiment=compare: masks of replicates, branches and runs; without TensorFlow."""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.command_line import run_command_of
from tests.edited_config import edit_config
from tf_lottery.experiments.measuring.analysis import run_analysis
from tf_lottery.masking.masks import Mask
from tf_lottery.report.report import compare_runs
from tf_lottery.store.csv_files import write_csv
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.sealed_table import read_sealed_table
from tf_lottery.tickets.run_journal import RunJournal

RANDOM = np.random.default_rng(3)


def shuffle(folder):
    """Gives the levels of a folder random masks of the same densities."""
    for level in (1, 2):
        one = LevelFolder(folder / f"level_{level}")
        mask = Mask.load(one.masks_path)
        shuffled = {
            name: RANDOM.permutation(array.ravel()).reshape(array.shape)
            for name, array in mask.items()
        }
        Mask(shuffled).save(one.masks_path)
        record = one.record()
        (one.path / "level.json").unlink()
        one.complete(record)


@pytest.fixture(scope="module")
def compared(finished_run, tmp_path_factory):
    """A run with two other replicates and three branches, compared; not to be changed."""
    folder = tmp_path_factory.mktemp("compared") / "tiny"
    for number in (1, 2, 3):
        run = folder / f"replicate_{number}"
        shutil.copytree(finished_run, run)
        edit_config(run, {"replicate": number}, {"init_seed": number, "data_seed": number})
        if number > 1:
            shuffle(run)
    run = folder / "replicate_1"
    for label in ("random_mask", "retrain-data_seed_9", "random_reinitialization"):
        branch = run / "branches" / label
        shutil.copytree(finished_run, branch)
        kind = label.split("-")[0]
        edit_config(branch, {"branch": kind}, {"for_analysis": kind == "retrain"})
    shuffle(run / "branches" / "random_mask")
    run_analysis(run, "compare")
    return run


def rows_of(run, name="compare"):
    with (run / "landscape" / f"{name}.csv").open() as file:
        lines = [line for line in file if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_every_other_mask_is_compared_with_each_level(compared):
    rows = rows_of(compared)
    others = [("replicate", "replicate_2"), ("replicate", "replicate_3"), ("branch", "random_mask")]
    assert [(int(row["level"]), row["kind"], row["other"]) for row in rows] == [
        (level, *other) for level in (1, 2) for other in others
    ]
    mask = Mask.load(compared / "level_2" / "masks.npz")
    other = Mask.load(compared.parent / "replicate_3" / "level_2" / "masks.npz")
    row = rows[4]
    assert float(row["jaccard"]) == mask.overlap(other)
    assert float(row["density"]) == mask.density
    differing = sum(int((mask[name] != other[name]).sum()) for name in mask)
    assert float(row["hamming"]) == pytest.approx(differing / mask.total)
    # They were drawn at random.
    for row in rows:
        assert float(row["jaccard"]) == pytest.approx(float(row["jaccard_of_chance"]), abs=0.05)
    kernels = rows_of(compared, "compare_kernels")
    assert len(kernels) == 3 * len(rows)
    of_row = [r for r in kernels if (r["level"], r["other"]) == ("2", "replicate_3")]
    assert [r["kernel"] for r in of_row] == list(mask)
    for row in of_row:
        own, theirs = mask[row["kernel"]], other[row["kernel"]]
        assert float(row["jaccard"]) == (own & theirs).sum() / (own | theirs).sum()


def test_it_is_shown_again_and_in_reports(compared, capsys, tmp_path):
    before = (compared / "landscape" / "compare.csv").read_bytes()
    run_command_of("--experiment=compare", f"--run={compared}", "--jobs=1")
    shown = capsys.readouterr().out
    assert "replicate_3" in shown and "dense_2/kernel" in shown
    assert "two random masks" in " ".join(shown.split())
    assert (compared / "landscape" / "compare.csv").read_bytes() == before
    assert (compared / "landscape" / "compare.png").exists()
    page = compare_runs([compared.parent], tmp_path / "report").page.read_text()
    assert "What masks have in common" in page
    assert (tmp_path / "report" / "compare.csv").exists()


def test_another_run_is_named(compared, run_tiny, tmp_path):
    copy = tmp_path / "other" / "replicate_1"
    shutil.copytree(compared.parent / "replicate_2", copy)
    run_analysis(compared, "compare", [2], here={"other_run": str(copy)})
    (path,) = (compared / "landscape").glob("compare__beside_other_replicate_1_*.csv")
    rows = rows_of(compared, path.stem)
    assert [row["other"] for row in rows][-1] == "other/replicate_1"
    assert rows[-1]["jaccard"] == rows[0]["jaccard"]


def of_named_run(run, other):
    """The files about another run, and the Jaccard index of level 2."""
    run_analysis(run, "compare", [2], here={"other_run": str(other)})
    tables = [path.stem for path in (run / "landscape").glob("compare__beside_*.csv")]
    newest = max(tables, key=lambda stem: (run / "landscape" / f"{stem}.png").stat().st_mtime_ns)
    return set(tables), float(rows_of(run, newest)[-1]["jaccard"])


def test_runs_in_folders_of_the_same_name_are_told_apart(compared, finished_run, tmp_path):
    run, *others = (tmp_path / name / "x" / "replicate_1" for name in ("own", "one", "two"))
    shutil.copytree(finished_run, run)
    for number, other in enumerate(others, 2):
        shutil.copytree(compared.parent / f"replicate_{number}", other)
    mask = Mask.load(run / "level_2" / "masks.npz")
    expected = [mask.overlap(Mask.load(other / "level_2" / "masks.npz")) for other in others]
    assert expected[0] != expected[1]
    for other, jaccard in zip(others, expected, strict=True):
        files, found = of_named_run(run, other)
        assert found == jaccard
    assert len(files) == 2
    # It stays the same where it was moved to.
    moved = others[0].rename(tmp_path / "replicate_1").rename(tmp_path / "own" / "x" / "moved")
    files, found = of_named_run(run, moved)
    assert found == expected[0]
    (renamed,) = (stem for stem in files if "x_moved" in stem)
    assert renamed.replace("moved", "replicate_1") in files


def test_a_level_that_was_made_anew_is_compared_anew(compared, finished_run, tmp_path):
    run, other = (tmp_path / name / "replicate_1" for name in ("own", "other"))
    shutil.copytree(finished_run, run)
    shutil.copytree(compared.parent / "replicate_2", other)
    files, _ = of_named_run(run, other)
    replace_level(other, 2, *RunJournal(RunFolder.read(finished_run)).load(2))
    assert of_named_run(run, other) == (files, 1)


def test_rows_of_an_earlier_version_are_kept_and_gone_on_with(copied_run):
    copied_run = copied_run.rename(copied_run.with_name("replicate_1"))
    other = copied_run.with_name("replicate_2")
    shutil.copytree(copied_run, other)
    edit_config(other, {"replicate": 2})
    run_analysis(copied_run, "compare")
    path = copied_run / "landscape" / "compare.csv"
    first, _ = read_sealed_table(path)
    added = ("other_ticket", "solutions")
    old = {name: value for name, value in first.items() if name not in added}
    old["jaccard"] = 0.125  # that nobody would measure
    write_csv(path, list(old), [old], texts=["kind", "other"])
    path.with_name("compare.csv.sha256").unlink()  # as a file without a seal
    run_analysis(copied_run, "compare")
    before, now = read_sealed_table(path)
    assert before == {**old, "other_ticket": None, "solutions": "-"}
    assert (now["level"], now["jaccard"]) == (2, 1)
    assert now["other_ticket"] == int(RunFolder.read(other).level(2).ticket()[:12], 16)


def permuted(arrays, orders):
    """Arrays by the names of the tiny network, with its hidden units in other orders."""
    moved = dict(arrays)
    for layer, after in (("dense_1", "dense_2"), ("dense_2", "output")):
        for name in moved.keys() & {f"{layer}/kernel", f"{layer}/bias"}:
            moved[name] = moved[name][..., orders[layer]]
        moved[f"{after}/kernel"] = moved[f"{after}/kernel"][orders[layer]]
    return moved


def replace_level(run, level, weights, mask):
    folder = RunFolder.read(run).level(level)
    record = folder.record()
    (folder.path / "level.json").unlink()
    RunJournal(RunFolder.read(run)).save(level, weights, mask, record)


def test_masks_move_with_units_that_are_matched(copied_run, capsys):
    """A network and its permuted self; and a branch of the same initial weights, which stays."""
    copied_run = copied_run.rename(copied_run.with_name("replicate_1"))
    other, branch = copied_run.with_name("replicate_2"), copied_run / "branches" / "one_shot"
    for copy, change in ((other, {"replicate": 2}), (branch, {"branch": "one_shot"})):
        shutil.copytree(copied_run, copy, ignore=shutil.ignore_patterns("branches"))
        edit_config(copy, change)
    journal = RunJournal(RunFolder.read(copied_run))
    orders = {"dense_1": RANDOM.permutation(20), "dense_2": RANDOM.permutation(10)}
    weights, mask = journal.load(2)
    replace_level(other, 2, permuted(weights, orders), Mask(permuted(mask, orders)))
    replace_level(branch, 2, *journal.load(1))
    run_analysis(copied_run, "compare", [2])
    capsys.readouterr()
    run_command_of("--experiment=compare", f"--run={copied_run}", "--levels=2", "--align=weights")
    assert "The units of each other network were first put" in capsys.readouterr().out
    plain = {row["other"]: row for row in rows_of(copied_run)}
    matched = {row["other"]: row for row in rows_of(copied_run, "compare__aligned_by_weights")}
    assert float(plain["replicate_2"]["jaccard"]) < 0.7
    assert float(matched["replicate_2"]["jaccard"]) == 1
    assert float(matched["replicate_2"]["hamming"]) == 0
    assert matched["one_shot"] == plain["one_shot"]
    kernels = rows_of(copied_run, "compare_kernels__aligned_by_weights")
    assert [row["jaccard"] for row in kernels if row["other"] == "replicate_2"] == ["1.0"] * 3
    page = compare_runs([copied_run.parent], copied_run.parent / "report").page.read_text()
    assert "What masks have in common, units matched by their weights" in page


def test_a_copied_run_folder_is_no_replicate(compared, tmp_path, capsys):
    shutil.copytree(compared.parent, tmp_path / "tiny", ignore=shutil.ignore_patterns("landscape"))
    run = tmp_path / "tiny" / "replicate_1"
    for number, original in ((4, 1), (5, 2)):
        shutil.copytree(
            run.with_name(f"replicate_{original}"), run.with_name(f"replicate_{number}")
        )
    run_analysis(run, "compare", [2])
    others = [row["other"] for row in rows_of(run) if row["kind"] == "replicate"]
    assert others == ["replicate_2", "replicate_3"]
    said = " ".join(capsys.readouterr().out.split())
    for number, original in ((4, 1), (5, 2)):
        sentence = (
            f"{run.with_name(f'replicate_{number}')} is left out: its config.json says replicate "
            f"{original}, as that of replicate_{original} beside it does, and a copy is no repl"
        )
        assert said.count(sentence) == 1
    # Of a copy, its original is one.
    run_analysis(run.with_name("replicate_4"), "compare", [2])
    rows = rows_of(run.with_name("replicate_4"))
    assert [row["other"] for row in rows if row["kind"] == "replicate"] == others


def test_the_same_solutions_elsewhere_are_told(compared, tmp_path, capsys):
    copy = tmp_path / "mine" / "replicate_1"
    shutil.copytree(compared, copy)
    replace_level(copy, 1, *RunJournal(RunFolder.read(copy)).load(2))
    run_analysis(compared, "compare", here={"other_run": str(copy)})
    said = " ".join(capsys.readouterr().out.split())
    same = (
        f"mine/replicate_1 has the same masks and weights, bit for bit, as {compared} at level 2:"
    )
    assert said.count(same) == 1 and said.count("bit for bit") == 1


def test_what_cannot_be_compared_is_refused(compared, finished_run, run_tiny, tmp_path):
    with pytest.raises(ValueError, match=r"no other replicate and no branch .* give --other_run"):
        run_analysis(finished_run, "compare")
    with pytest.raises(ValueError, match="level 0 is not pruned"):
        run_analysis(compared, "compare", [0])
    with pytest.raises(ValueError, match="is a branch; name the run"):
        run_analysis(compared / "branches" / "random_mask", "compare")
    with pytest.raises(ValueError, match=rf"--other_run={tmp_path}: .*is not a run folder"):
        run_analysis(compared, "compare", here={"other_run": str(tmp_path)})
    wide = run_tiny(tmp_path, name="wide", model="lenet_21_10", levels=1)
    for align in ("none", "weights"):
        with pytest.raises(ValueError, match=r"wide/replicate_1, level 1: .* other|different netw"):
            run_analysis(compared, "compare", [1], here={"other_run": str(wide)}, align=align)


@pytest.mark.slow
def test_tensorflow_is_not_needed(compared, tmp_path):
    copy = tmp_path / "tiny"
    shutil.copytree(compared.parent, copy)
    shutil.rmtree(copy / "replicate_1" / "landscape")
    program = (
        "import sys; sys.modules['tensorflow'] = None\nfrom tf_lottery.cli import main; main()"
    )
    flags = ["--experiment=compare", f"--run={copy / 'replicate_1'}", "--jobs=1"]
    subprocess.run([sys.executable, "-c", program, *flags], check=True, stdout=subprocess.PIPE)
    assert RunFolder.read(copy / "replicate_1").landscape.is_dir()
