import csv
import errno
import html.parser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.report.reported_runs import write_branch, write_replicate
from tests.report.runs_on_disk import held
from tf_lottery.config.matching import matching_rule
from tf_lottery.report.report import compare_runs
from tf_lottery.store.empty_layers import CONSEQUENCE

EARLY = dict.fromkeys(range(5), (20, 0.5))
STRANGE_NAME = "<b onload=\"x\">& $x_1$ 'é' 漢"


class Page(html.parser.HTMLParser):
    """The elements, the attributes and the text of a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.attributes, self.texts = set(), [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_mnist(folder):
    for number, accuracies in enumerate([[0.9, 0.92, 0.8], [0.94, 0.94, 0.82]], 1):
        path = folder / "mnist" / f"replicate_{number}"
        run = write_replicate(path, accuracies, early=EARLY, identity={"replicate": number})
        write_branch(run, "random_mask", {1: 0.7, 2: 0.6}, early=EARLY)
    return folder / "mnist"


@pytest.fixture
def mnist(tmp_path):
    return write_mnist(tmp_path)


@pytest.fixture(scope="module")
def mnist_page(tmp_path_factory):
    """The page of a report that tests may look at and leave as it is."""
    return compare_runs([write_mnist(tmp_path_factory.mktemp("runs"))]).page


def test_a_report_has_a_page_figures_and_numbers(mnist_page):
    assert mnist_page.parts[-3:] == ("mnist", "report", "index.html")
    names = {path.name for path in mnist_page.parent.iterdir()}
    figures = {
        "accuracy_at_end",
        "accuracy_at_early_stop",
        "early_stop_iteration",
        "learning_curves_1_lottery_ticket",
        "learning_curves_2_random_mask",
        "layers_1_lottery_ticket",
    }
    expected = {f"{name}.{kind}" for name in figures for kind in ("png", "svg")}
    assert names == expected | {"index.html", "report.csv", "tickets.csv", "report.json"}


def test_the_page_begins_with_the_outcome_and_the_main_figure(mnist_page):
    text = Page(mnist_page).text
    outcome = "Sparsest matching ticket: 80.0% of the weights (level 1), 93.00% test accuracy"
    places = [
        text.index(words)
        for words in (
            "Lottery tickets: mnist",
            outcome,
            "random mask: no level matches.",
            "Test accuracy at the end of training",
            "Sparsest matching tickets",
            "Test accuracy at early stopping",
            "All levels",
        )
    ]
    # The title of the page comes first, in the head.
    assert places == sorted(places)
    assert "None: every replicate has every level" in text
    assert "Not finished" not in text
    assert text.count(matching_rule(0.005, means=True)) == 2


def test_the_table_of_all_levels_has_means_and_ranges(mnist_page):
    text = Page(mnist_page).text
    assert "matches within 0.5 points" in text
    assert "0 100% 1,000 92.00% 90.00 to 94.00% - - - 50.00%" in text
    assert (
        "1 80.0% 800 93.00% 92.00 to 94.00% +1.00 +0.00 to +2.00 yes 50.00% 50.00 to 50.00% 20 2"
        in text
    )
    assert "2 64.0% 640 81.00% 80.00 to 82.00% -11.00 -12.00 to -10.00 no 50.00%" in text


def test_the_table_of_tickets_has_the_spread_of_the_dense_networks(mnist_page):
    text = Page(mnist_page).text
    assert (
        "80.0% 1 800 93.00% 92.00 to 94.00% 2 92.00% 90.00 to 94.00% +1.00 +0.00 to +2.00" in text
    )


def test_a_branch_is_compared_with_the_dense_networks_of_its_run(mnist_page):
    text = Page(mnist_page).text
    assert "1 80.0% 800 70.00% 70.00 to 70.00% -22.00 -24.00 to -20.00 no" in text


def test_csv_files_have_all_digits_and_a_row_for_everything(mnist_page):
    folder = mnist_page.parent
    levels = rows(folder / "report.csv")
    assert len(levels) == 2 * 3 + 2 * 2
    assert levels[1] == {
        "run": "mnist",
        "branch": "",
        "method": "lottery_ticket",
        "replicate": "replicate_1",
        "level": "1",
        "density": "0.8",
        "weights_remaining": "800",
        "test_accuracy": "0.92",
        "test_loss": "0.25",
        "early_stop_step": "20",
        "early_stop_test_accuracy": "0.5",
        "seconds": "12.5",
        "empty_layers": "",
        "multiply_adds": "",
    }
    assert (levels[-1]["branch"], levels[-1]["density"]) == ("random_mask", repr(0.8**2))
    run, branch = rows(folder / "tickets.csv")
    assert (run["level"], run["replicates"], run["dense_replicates"]) == ("1", "2", "2")
    assert float(run["dense_accuracy"]) == pytest.approx(0.92)
    assert (run["least_dense_accuracy"], run["largest_dense_accuracy"]) == ("0.9", "0.94")
    assert (run["tolerance"], branch["tolerance"]) == ("0.005", "0.005")
    assert (run["matching_levels"], branch["matching_levels"]) == ("1", "")
    assert float(run["mean_accuracy"]) == pytest.approx(0.93)
    assert (run["least_accuracy"], run["largest_accuracy"]) == ("0.92", "0.94")
    names = ("least_against_dense", "against_dense", "largest_against_dense")
    assert [float(run[name]) for name in names] == pytest.approx([0, 0.01, 0.02])
    assert (branch["branch"], branch["level"], branch["mean_accuracy"]) == ("random_mask", "", "")


def test_a_single_replicate_is_compared_with_its_own_dense_network(tmp_path):
    text = Page(compare_runs([write_replicate(tmp_path / "m/replicate_1", [0.9, 0.9])]).page).text
    assert text.count(matching_rule(0.005)) == 2
    assert "one replicate" in text


def test_a_report_takes_its_tolerance_in_points(mnist):
    path = compare_runs([mnist], matching_tolerance=12).page
    text = Page(path).text
    assert "Sparsest matching ticket: 64.0% of the weights (level 2)" in text
    assert "at most 12 points below" in text
    assert "matches within 12 points" in text
    assert rows(path.parent / "tickets.csv")[0]["matching_levels"] == "1-2"
    with pytest.raises(ValueError, match=r"^--matching_tolerance=101 is out of range"):
        compare_runs([mnist], matching_tolerance=101)


def test_layers_without_weights_are_told_of_each_run_and_branch(tmp_path):
    one, both = ["dense/kernel"], ["dense/kernel", "dense_1/kernel"]
    for number, empty in ((1, {2: one, 3: both}), (2, {1: one, 2: one, 3: both})):
        path = tmp_path / "mnist" / f"replicate_{number}"
        run = write_replicate(path, [0.9, 0.8, 0.1, 0.1], empty=empty)
        write_branch(run, "random_mask", {1: 0.2, 2: 0.1}, empty={2: ["dense_1/kernel"]})
        write_branch(run, "retrain", {1: 0.8})
    path = compare_runs([tmp_path / "mnist"]).page
    text = Page(path).text
    assert (
        "lottery ticket: no weight remains in dense at level 2 of replicate_1; no weight " in text
    )
    assert (
        "; no weight remains in dense, dense_1 at level 3; no weight remains in dense at " in text
    )
    assert "no weight remains in dense at levels 1-2 of replicate_2. " in text
    assert "random mask: no weight remains in dense_1 at level 2. " in text
    assert "retrain: no weight" not in text
    assert text.count("Layers without weights") == 2, "the notice, and the note to the table"
    assert text.index(CONSEQUENCE) < text.index("No pruned level")
    for row in ("*1 80.0% 800 80.00%", "*2 64.0% 640 10.00%", "*3 51.2% 512 10.00%"):
        assert f" {row} " in text
    assert " 1 80.0% 800 20.00% " in text, "the branch"
    found = {
        (row["branch"], row["replicate"], row["level"]): row["empty_layers"]
        for row in rows(path.parent / "report.csv")
    }
    assert found.pop(("", "replicate_1", "3")) == found.pop(("", "replicate_2", "3"))
    assert {key: text for key, text in found.items() if text} == {
        ("", "replicate_1", "2"): "dense",
        ("", "replicate_2", "1"): "dense",
        ("", "replicate_2", "2"): "dense",
        ("random_mask", "replicate_1", "2"): "dense_1",
        ("random_mask", "replicate_2", "2"): "dense_1",
    }


def test_nothing_is_said_of_layers_that_have_weights(mnist_page, tmp_path):
    old = compare_runs([write_replicate(tmp_path / "m/replicate_1", [0.9, 0.9], layers=False)]).page
    for page in (mnist_page, old):
        text = Page(page).text
        assert "without weights" not in text.replace("A layer without weights has no point", "")
        assert "no weight" not in text
        assert not re.search(r"\*\d|\* In", text)
        assert {row["empty_layers"] for row in rows(page.parent / "report.csv")} == {""}


def test_the_page_loads_nothing_and_runs_nothing(mnist_page):
    text, page = mnist_page.read_text(), Page(mnist_page)
    assert "http" not in text
    assert "@import" not in text
    assert {"script", "link", "iframe", "img", "object", "embed"}.isdisjoint(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {"src", "srcset", "xlink:href"} & names
    assert not [name for name in names if name.startswith("on")]
    links = [value for name, value in page.attributes if name == "href"]
    files = {link for link in links if not link.startswith("#")}
    assert files
    assert all((mnist_page.parent / name).is_file() for name in files)
    assert not [url for url in re.findall(r"url\(([^)]*)\)", text) if not url.startswith("#")]


def test_ids_are_unique_and_headings_in_order(mnist_page):
    page = Page(mnist_page)
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {"h1", "h2", "h3", "figcaption"} <= page.tags


def test_names_are_text_and_never_markup(tmp_path):
    run = write_replicate(tmp_path / STRANGE_NAME / "replicate_1", [0.9, 0.9])
    write_branch(run, "<script>alert(1)<.script>", {1: 0.5}, identity={"branch": "<i>"})
    write_replicate(tmp_path / "plain" / "replicate_1", [0.9], identity={"model": "<u>x"})
    path = compare_runs([run, tmp_path / "plain"]).page
    page = Page(path)
    assert {"b", "script", "i", "u"}.isdisjoint(page.tags)
    assert STRANGE_NAME in page.text
    assert "<script>alert(1)<.script>" in page.text
    assert "<u>x" in page.text
    for file in path.parent.iterdir():
        assert re.fullmatch(r"[A-Za-z0-9_]+\.\w+", file.name)


def test_a_run_that_is_going_is_reported_as_far_as_it_is(tmp_path):
    run = write_replicate(
        tmp_path / "m/replicate_1", [0.9, 0.91], early=EARLY, in_training={2: [0.1, 0.3]}
    )
    (run / "level_2" / "checkpoint" / "step_10").mkdir(parents=True)
    with held(run):
        text = Page(compare_runs([run]).page).text
    assert "lottery ticket, replicate_1: running, level 2 of 2, epoch 1.0 of 4" in text
    assert "Level 2 of replicate_1 is not finished; it counts in no mean and no table." in text
    assert len(rows(tmp_path / "m/report/report.csv")) == 2


def test_of_a_finished_branch_the_levels_are_listed(tmp_path):
    run = write_replicate(tmp_path / "m/replicate_1", [0.9, 0.8, 0.8, 0.8], early=EARLY)
    write_branch(run, "random_mask", {1: 0.7, 3: 0.6}, early=EARLY)
    text = " ".join(Page(compare_runs([run]).page).text.split())
    assert "random mask replicate_1 done 1, 3 - " in text


def test_a_run_that_has_just_begun_has_a_page(tmp_path):
    text = Page(compare_runs([write_replicate(tmp_path / "m/replicate_1")]).page).text
    sentence = "The dense network (level 0) has no test accuracy: its training has not finished."
    assert sentence in text
    assert "there is nothing to draw" in text
    assert "no complete level" in text


def test_damaged_files_are_named_and_the_rest_is_shown(mnist):
    damaged = mnist / "replicate_1" / "level_1" / "level.json"
    damaged.write_text(damaged.read_text()[:-30])
    (mnist / "replicate_2" / "branches" / "random_mask" / "config.json").write_text("")
    text = Page(compare_runs([mnist]).page).text
    assert f"{damaged} is damaged" in text
    assert f"{mnist / 'replicate_2/branches/random_mask/config.json'} is damaged" in text
    assert "lottery ticket, replicate_1: broken" in text
    assert "lottery ticket: level 1 only of replicate_2 (1 of 2 replicates)." in text
    assert len(rows(mnist / "report" / "report.csv")) == 2 + 3 + 2


def test_a_copied_run_folder_is_no_replicate(mnist):
    copy = mnist / "replicate_3"
    shutil.copytree(mnist / "replicate_1", copy)
    report = compare_runs([mnist])
    assert report.damaged == (
        f"{copy} is left out: its config.json says replicate 1, as that of replicate_1 beside it "
        "does, and a copy is no replicate.",
    )
    assert report.damaged[0] in Page(report.page).text
    (run, _) = rows(mnist / "report" / "tickets.csv")
    assert run["replicates"] == "2"


def test_a_run_that_may_not_be_read_is_named_and_the_rest_is_shown(mnist, monkeypatch):
    closed = mnist / "replicate_1"
    for owner, names in ((Path, ("iterdir", "open", "stat")), (os, ("scandir", "lstat"))):
        for name in names:
            refuse_below(closed, monkeypatch, owner, name)
    text = Page(compare_runs([mnist]).page).text
    assert f"{closed} cannot be read (Permission denied)" in text
    assert "lottery ticket, replicate_1: broken" in text
    assert {row["replicate"] for row in rows(mnist / "report" / "report.csv")} == {"replicate_2"}


def refuse_below(folder, monkeypatch, owner, name):
    """Has a function refuse what is in a folder, as the system does that of other users."""
    original = getattr(owner, name)

    def refusing(path, *arguments, **keywords):
        inside = Path(path).is_relative_to(folder)
        if inside and (Path(path) != folder or name in ("iterdir", "scandir")):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return original(path, *arguments, **keywords)

    monkeypatch.setattr(owner, name, refusing)


def test_of_two_damaged_files_of_a_level_what_can_be_done_is_said_once(tmp_path):
    run = write_replicate(tmp_path / "m/replicate_1", [0.9, 0.9])
    (run / "level_1" / "metrics.csv").write_text("")
    (run / "level_1" / "masks.npz").unlink()
    text = Page(compare_runs([run]).page).text
    assert text.count(f"{run}/level_1/masks.npz is missing") == 1
    assert text.count(f"{run}/level_1/metrics.csv was changed") == 1
    assert text.count("or delete the folder") == 1


def test_where_training_diverged_is_told_on_the_page(tmp_path):
    diverged = {"diverged": {"level": 0, "step": 3}}
    run = write_replicate(tmp_path / "m/replicate_1", details=diverged)
    text = Page(compare_runs([run]).page).text
    assert "lottery ticket, replicate_1: diverged at step 3 of level 0" in text
    assert "lottery ticket replicate_1 diverged 0 of 2" in text
    assert "replicate_1: stopped" not in text


def test_a_mean_near_the_tolerance_has_the_digits_that_tell(tmp_path):
    run = write_replicate(tmp_path / "m/replicate_1", [0.9, 0.894998, 0.8], early=EARLY)
    text = Page(compare_runs([run]).page).text
    assert "1 80.0% 800 89.4998% - -0.5002 - no" in text
    assert "No pruned level matches the dense network (90.0000%)" in text


def test_a_run_of_which_nothing_can_be_read_has_a_page(tmp_path):
    run = write_replicate(tmp_path / "m/replicate_1", [0.9])
    (run / "config.json").write_text("{}")
    text = Page(compare_runs([tmp_path / "m"]).page).text
    assert "config.json" in text
    assert "lottery ticket, replicate_1: broken" in text


def test_several_runs_are_compared_and_what_differs_is_said(mnist, tmp_path):
    flags = {"dataset": "cifar10", "model": "conv2", "learning_rate": 0.3}
    write_replicate(
        tmp_path / "conv" / "replicate_1",
        [0.7, 0.7],
        identity=flags,
        details={"data_sha256": "other"},
    )
    path = compare_runs([mnist, tmp_path / "conv"]).page
    assert path == tmp_path / "report_mnist_conv" / "index.html"
    text = Page(path).text
    assert "Different data sets are compared here: digits (mnist); cifar10 (conv)." in text
    assert "Different networks are compared here: lenet_300_100 (mnist); conv2 (conv)." in text
    assert text.index("Different data sets") < text.index("Sparsest matching ticket:")
    assert "--learning_rate 0.1 0.1 0.3" in text
    assert "--replicate" not in text


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_the_same_runs_give_the_same_bytes(mnist, tmp_path):
    first = compare_runs([mnist], tmp_path / "one").page.parent
    second = compare_runs([mnist], tmp_path / "two").page.parent
    assert content(first) == content(second)


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_another_process_gives_the_same_bytes(mnist, tmp_path):
    command = (
        "import sys; from pathlib import Path\n"
        "from tf_lottery.report.report import compare_runs\n"
        "compare_runs([Path(sys.argv[1])], Path(sys.argv[2]))\n"
    )
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-c", command, mnist, other], check=True, timeout=120)
    assert content(compare_runs([mnist], tmp_path / "one").page.parent) == content(other)


def test_a_later_report_replaces_an_earlier_one(tmp_path):
    run = write_replicate(tmp_path / "m/replicate_1", [0.9])
    branch = write_branch(run, "random_mask", {1: 0.5})
    folder = compare_runs([run]).page.parent
    assert (folder / "learning_curves_2_random_mask.png").exists()
    branch.rename(tmp_path / "elsewhere")
    compare_runs([run])
    assert not (folder / "learning_curves_2_random_mask.png").exists()


def test_a_folder_of_the_user_is_left_alone(mnist):
    before = content(mnist / "replicate_1" / "level_0")
    with pytest.raises(ValueError, match=r"--report_dir=.*level_0 is in the run folder"):
        compare_runs([mnist], mnist / "replicate_1" / "level_0")
    assert content(mnist / "replicate_1" / "level_0") == before


def test_the_runs_are_only_read(mnist):
    before = {
        path: path.stat().st_mtime_ns for path in mnist.rglob("replicate_*/**/*") if path.is_file()
    }
    compare_runs([mnist])
    after = {
        path: path.stat().st_mtime_ns for path in mnist.rglob("replicate_*/**/*") if path.is_file()
    }
    assert before == after


def test_branches_that_analyses_trained_are_counted_and_not_listed(tmp_path):
    run = write_replicate(tmp_path / "digits" / "replicate_1", [0.9, 0.8])
    write_branch(run, "random_mask", {1: 0.7})
    for seed in (1001, 1002):
        label, details = f"retrain-data_seed_{seed}", {"for_analysis": True}
        write_branch(run, label, {1: 0.8}, details=details)
    text = compare_runs([run]).page.read_text()
    assert "random mask" in text
    assert "retrain" not in text
    assert "Not shown: 2 branches that analyses trained." in text
    assert "retrain" not in (run.parent / "report" / "report.csv").read_text()
