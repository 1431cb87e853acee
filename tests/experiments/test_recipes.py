"""The recipes of CONTRIBUTING.md, each as the file that it says, imported as a plug-in."""

import importlib
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tf_lottery
from tf_lottery.cli.plugin_flag import plugins_in
from tf_lottery.config.analyses import ANALYSES
from tf_lottery.config.branches import BRANCHES
from tf_lottery.config.datasets import DATASETS
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.exporting.formats import formats_named
from tf_lottery.exporting.formats.export_format import FORMATS
from tf_lottery.models import build
from tf_lottery.models.registry import FAMILIES
from tf_lottery.pruning.score import SCORES
from tf_lottery.registry import import_plugin
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.training.network import weights_of

_CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
_BLOCK = re.compile(r"```python\n# (my_\w+)\.py\n(.*?)```", re.DOTALL)
_REGISTERED = {
    "my_score": (SCORES, "gradient"),
    "my_branch": (BRANCHES, "scaled"),
    "my_network": (FAMILIES, r"bottle_(\d+)"),
    "my_data": (DATASETS, r"stripes_(\d+)"),
    "my_analysis": (ANALYSES, "norms"),
    "my_format": (FORMATS, "tflite_half"),
}


def forget(name):
    registry, thing = _REGISTERED[name]
    registry.remove(thing)
    sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files of the recipes, which are plug-ins while these tests run."""
    folder = tmp_path_factory.mktemp("plugins")
    recipes = dict(_BLOCK.findall(_CONTRIBUTING.read_text()))
    assert set(recipes) == set(_REGISTERED)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr("tf_lottery.registry._PLUGINS", {})
        for name, text in recipes.items():
            (folder / f"{name}.py").write_text(text)
            import_plugin(name)
        yield folder
        for name in set(recipes) & set(sys.modules):
            forget(name)


@pytest.fixture(scope="module")
def run(folder, flags_of_tiny):
    own = {"dataset": "stripes_8", "model": "bottle_6", "score": "gradient", "levels": 1}
    where = {"workdir": str(folder / "runs"), "plugin": "my_data,my_network,my_score,my_branch"}
    config = tf_lottery.config_from_values({**flags_of_tiny, **own, **where})
    tf_lottery.run_experiment(config)
    return config.run_path


def test_a_run_with_a_network_data_and_a_score_of_ones_own(run):
    folder = RunFolder.read(run)
    assert folder.complete_levels() == [0, 1]
    assert "--plugin=my_data,my_network,my_score,my_branch\n" in folder.flags_path.read_text()
    ticket = tf_lottery.load_ticket(run, 1)
    assert [layer.name for layer in ticket.layers if layer.name.startswith("dense")] == [
        *("dense_1", "dense_2", "dense_3")
    ]
    mask = tf_lottery.get_mask(ticket)
    assert mask.remaining == round(0.8 * sum(array.size for _, array in mask.items()))


def test_a_branch_of_ones_own_has_flags_of_its_own(run):
    (summary,) = tf_lottery.run_branch(run, "scaled", [1], scale=0.5, learning_rate=1e-30)
    own = RunFolder.read(run / "branches" / "scaled-learning_rate_1e_30-scale_0.5")
    assert own.identity["scale"] == 0.5
    # So slowly that the weights are still where it started.
    halved = weights_of(tf_lottery.load_ticket(own.path, 1))
    rewound = weights_of(tf_lottery.load_ticket(run, 1, "rewind"))
    assert halved["dense_1/kernel"].any()
    for name, array in rewound.items():
        np.testing.assert_array_equal(halved[name], 0.5 * array, err_msg=name)
    assert summary.level == 1
    with pytest.raises(ValueError, match=r"--scale=-1\.0 is out of range: use 0 or more"):
        tf_lottery.run_branch(run, "scaled", [1], scale=-1.0)


@pytest.mark.slow
def test_a_format_of_ones_own(run, folder):
    (kind,) = formats_named(["tflite_half"])
    assert kind.about == "TensorFlow Lite, 16-bit weights"
    tf_lottery.export(
        tf_lottery.load_ticket(run, 1), folder / "export", formats=["tflite_half"], measure=False
    )
    assert (folder / "export" / "model_half.tflite").stat().st_size > 1000


def test_a_network_of_a_plugin_that_has_changed_is_refused(run, monkeypatch):
    family = FAMILIES.find(r"bottle_(\d+)")
    changed = replace(
        family,
        architecture=lambda inputs, classes, width: family.architecture(
            inputs, classes, int(width) + 1
        ),
    )
    monkeypatch.setattr(FAMILIES, "_found", {**FAMILIES.all(), family.pattern: changed})
    build._draw.cache_clear()
    right = f"--model=bottle_6 does not make the network that {run} was begun with; restore that"
    try:
        with pytest.raises(ValueError, match=re.escape(right)):
            tf_lottery.load_ticket(run, 1)
    finally:
        build._draw.cache_clear()


def test_who_lacks_a_plugin_is_told_which_the_run_was_made_with(run, tmp_path):
    moved = shutil.copytree(run, tmp_path / "moved" / "replicate_1")
    for name in ("my_network", "my_score"):
        forget(name)
    build._draw.cache_clear()
    try:
        right = r"is not a known model.* was made with --plugin=my_network,my_score: give that"
        with pytest.raises(ValueError, match=right):
            tf_lottery.load_ticket(moved, 1)
        with pytest.raises(ValueError, match=right):
            tf_lottery.run_branch(moved, "random_mask", [1])
        with pytest.raises(ValueError, match=right):
            AnalyzedRun(moved)
    finally:
        for name in ("my_network", "my_score"):
            importlib.import_module(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "--plugin=nowhere: there is no such module, neither installed nor in"),
        ("some/file.py", "--plugin=some/file.py: write the name of a module, such as some.file."),
        ("file.py", "--plugin=file.py: write the name of a module, such as file."),
        ("broken", "--plugin=broken: its import failed with ZeroDivisionError: division by zero"),
        (
            "twice",
            "--plugin=twice: its import failed with ValueError: twice: there is a score",
        ),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_named(name, said, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "twice.py").write_text(
        "from tf_lottery import plugins\n\n\n"
        "@plugins.register_score()\ndef magnitude(weights, mask, evidence):\n    return {}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        import_plugin(name)


def test_plugins_are_found_on_the_command_line_and_in_flag_files(tmp_path):
    file = tmp_path / "some.cfg"
    file.write_text("# A comment.\n--plugin=one,two\n--levels=3\n")
    assert plugins_in(["main.py", f"--flagfile={file}", "--levels=5"]) == ["one", "two"]
    assert plugins_in(["main.py", "--levels=5", "--plugin", "one"]) == ["one"]
    assert plugins_in(["main.py", f"--flagfile={file}", "--plugin=three, one"]) == ["three", "one"]
    assert plugins_in(["main.py", "--flagfile=nowhere.cfg"]) == []
    assert plugins_in(["main.py"]) == []


def test_the_flag_of_the_recipe_is_one_of_the_package():
    (block,) = re.findall(r"```python\n(    .*?)```", _CONTRIBUTING.read_text(), re.DOTALL)
    options = _CONTRIBUTING.parent / "tf_lottery" / "config" / "training.py"
    assert block in options.read_text()
