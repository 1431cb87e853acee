"""The flag files: each is a valid experiment, and the table of the papers' rows describes them."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

from tf_lottery.cli.command_flags import define_flags
from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.flags import config_from_flags
from tf_lottery.config.steps import parse_steps

FOLDER = Path(__file__).parent.parent / "configs"
FILES = sorted(FOLDER.rglob("*.cfg"))
PAPER_FILES = sorted((FOLDER / "paper").glob("*.cfg"))
LTH_FILES = [path for path in PAPER_FILES if path.stem.startswith("lth_")]
VARIANTS = [path for path in PAPER_FILES if path.stem.endswith(("_low", "_warmup"))]


@dataclasses.dataclass(frozen=True)
class Row:
    """What a row of the table says, as written there."""

    batch: str
    length: str
    remaining: str


def table_rows() -> list[tuple[str, Row]]:
    lines = (FOLDER / "paper" / "README.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    return [(row[1].strip("`"), Row(row[3], row[4], row[6])) for row in cells if ".cfg" in row[1]]


def read_config(path: Path) -> ExperimentConfig:
    values = flags.FlagValues()
    define_flags(values)
    assert values(["main.py", f"--flagfile={path}"]) == ["main.py"]
    return config_from_flags(values)


def remaining(config: ExperimentConfig) -> str:
    """What the last level leaves of the layers, by kind: "1.15%, convolutions 12.2%"."""
    pruning = config.pruning
    rates = {
        "": pruning.pruning_rate,
        "convolutions ": pruning.conv_pruning_rate,
        "output ": pruning.output_pruning_rate,
    }
    return ", ".join(
        f"{kind}{100 * (1 - rate) ** pruning.levels:.3g}%"
        for kind, rate in rates.items()
        if rate is not None
    )


def names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_a_file_is_a_valid_experiment_of_its_name(path: Path):
    assert read_config(path).run.name == path.stem


def test_no_two_files_share_a_name():
    assert len(FILES) > len(PAPER_FILES) > 0
    assert len(set(names(FILES))) == len(FILES)


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_a_file_says_what_it_is_and_gives_every_flag_once(path: Path):
    lines = path.read_text().splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    given = lines[len(comments) :]
    assert 1 <= len(comments) <= 3
    assert all(re.fullmatch(r"--[a-z_]+(=\S+)?", flag) for flag in given)
    flag_names = [flag.removeprefix("--").split("=")[0] for flag in given]
    assert len(set(flag_names)) == len(flag_names)


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_points_in_training_are_in_order(path: Path):
    config = read_config(path)
    training, rewind = config.training, config.pruning.rewind_step

    def point(text: str) -> int:
        return parse_steps(text, steps_per_epoch=400, argument=f"{path.name}: {text}")

    end = point(training.train_steps)
    milestones = [point(text) for text in training.lr_milestones.split(",") if text]
    assert point(rewind) < end
    assert 0 < point(training.evaluate_every) <= end
    drops = [*milestones, end]
    assert point(training.warmup_steps) <= drops[0]
    assert drops == sorted(set(drops))


@pytest.mark.parametrize("path", VARIANTS, ids=names(VARIANTS))
def test_a_variant_differs_in_its_learning_rate_and_where_it_rewinds(path: Path):
    variant = read_config(path)
    standard = read_config(path.with_stem(re.sub("_(low|warmup)$", "", path.stem)))
    values, others = variant.identity(), standard.identity()
    differing = {name for name in values if values[name] != others[name]}
    assert differing & {"learning_rate", "warmup_steps"}
    assert differing <= {"learning_rate", "warmup_steps", "levels", "rewind_step"}
    assert (values["warmup_steps"] != "0it") == path.stem.endswith("_warmup")
    assert values["rewind_step"] == "0it"


@pytest.mark.parametrize("path", LTH_FILES, ids=names(LTH_FILES))
def test_early_stopping_is_looked_for_as_often_as_in_its_paper(path: Path):
    assert read_config(path).training.validate_every == "100it"


def test_every_file_of_a_paper_has_its_row():
    assert sorted(name for name, _ in table_rows()) == [path.name for path in PAPER_FILES]


@pytest.mark.parametrize(("name", "row"), table_rows(), ids=[name for name, _ in table_rows()])
def test_a_row_describes_its_file(name: str, row: Row):
    config = read_config(FOLDER / "paper" / name)
    assert row.remaining == remaining(config)
    assert row.batch.replace(",", "") == str(config.training.batch_size)
    assert row.length.replace(",", "").replace(" ", "") == config.training.train_steps


def data_folder_with(dataset: str) -> Path:
    """The folder that has the real data prepared; the test skips where there is none."""
    default = Path("~/tensorflow_datasets").expanduser()
    folder = Path(os.environ.get("TF_LOTTERY_DATA", default))
    if not (folder / dataset).is_dir():
        pytest.skip(f"no {dataset} prepared in {folder}: set TF_LOTTERY_DATA")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("path", PAPER_FILES, ids=names(PAPER_FILES))
def test_a_file_of_a_paper_trains_on_its_data(path: Path, tmp_path: Path):
    data = data_folder_with(read_config(path).data.dataset)
    places = [f"--flagfile={path}", f"--data_dir={data}", f"--workdir={tmp_path}"]
    output = []
    with subprocess.Popen(
        [sys.executable, FOLDER.parent / "main.py", *places],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        for line in process.stdout:
            output.append(line)
            if re.search(r" step [1-9][\d,]*/", line):
                process.send_signal(signal.SIGINT)
                break
        output += process.stdout
    assert process.returncode == 130, "".join(output)
    # TensorFlow may log a line of its own after it.
    assert any("The same command continues" in line for line in output), "".join(output)
    run = tmp_path / path.stem / "replicate_1"
    assert (run / "config.json").is_file()
