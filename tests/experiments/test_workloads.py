"""CIFAR, SVHN and ImageNet from tensorflow-datasets to a finished run, on invented examples."""

import csv
import signal
from functools import partial

import pytest
import tensorflow as tf

from tf_lottery.masking.masks import Mask

_FLAGS = (
    "--batch_size=16",
    "--validation_examples=0",
    "--train_steps=2ep",
    "--evaluate_every=1ep",
    "--rewind_step=2it",
    "--levels=2",
    "--optimizer=sgd",
    "--learning_rate=0.01",
    "--momentum=0.9",
    "--weight_decay=1e-4",
)
_CIFAR = ("--shift_crop=4", "--random_flip", "--cutout=8")
_WORKLOADS = {
    "cifar10": (
        "--model=resnet20",
        "--lr_schedule=step",
        "--lr_milestones=5it,7it",
        "--warmup_steps=3it",
        *_CIFAR,
    ),
    "cifar100": ("--model=conv2", "--lr_schedule=cosine", "--label_smoothing=0.1", *_CIFAR),
    "svhn_cropped": ("--model=conv2", "--nesterov", "--clip_norm=1", "--shift_crop=4"),
    "imagenet2012": (
        "--model=resnet18",
        "--image_size=32",
        "--random_flip",
        "--lr_schedule=linear",
        "--final_learning_rate=0.001",
    ),
}


@pytest.mark.parametrize(
    "dataset",
    [
        pytest.param("cifar10", marks=pytest.mark.slow),
        pytest.param("cifar100", marks=pytest.mark.slow),
        pytest.param("svhn_cropped", marks=pytest.mark.slow),
        pytest.param("imagenet2012", marks=pytest.mark.slow),
    ],
)
def test_two_levels(dataset: str, start_main, tmp_path):
    process = start_main(
        f"--dataset={dataset}",
        *_FLAGS,
        *_WORKLOADS[dataset],
        f"--export_dir={tmp_path / 'ticket'}",
        workdir=tmp_path / "runs",
        mock_examples=64,
    )
    assert process.wait() == 0, process.output
    assert "Traceback" not in process.output
    run = tmp_path / "runs" / "tiny" / "replicate_1"
    with (run / "summary.csv").open() as file:
        summaries = list(csv.DictReader(file))
    assert [float(row["density"]) for row in summaries] == pytest.approx([1, 0.8, 0.64], abs=1e-4)
    masks = [Mask.load(run / f"level_{level}" / "masks.npz") for level in range(3)]
    for level in (1, 2):
        assert masks[level].remaining == round(masks[0].total * 0.8**level)
        assert all((masks[level - 1][name] | ~array).all() for name, array in masks[level].items())
    with (run / "level_2" / "metrics.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [2, 4, 8]
    ticket = tf.saved_model.load(str(tmp_path / "ticket")).signatures["serving_default"]
    shape = next(iter(ticket.structured_input_signature[1].values())).shape
    classes = {"cifar100": 100, "imagenet2012": 1000}.get(dataset, 10)
    assert tuple(shape) == (None, 32, 32, 3)
    (logits,) = ticket(tf.zeros([1, 32, 32, 3])).values()
    assert logits.shape == (1, classes)


@pytest.mark.slow
def test_imagenet_on_two_devices_goes_on_where_it_was_killed(start_main, tmp_path, outcome_of):
    flags = (
        "--dataset=imagenet2012",
        *_FLAGS,
        *_WORKLOADS["imagenet2012"],
        "--model=conv2",
        "--levels=1",
        "--num_virtual_devices=2",
    )
    runs = []
    for name in ("whole", "killed"):
        runs.append(tmp_path / name / "tiny" / "replicate_1")
        start = partial(start_main, *flags, workdir=tmp_path / name, mock_examples=64)
        if name == "killed":
            process = start(signal_at=("level_0/checkpoint/step_4", signal.SIGKILL))
            assert process.wait() == -signal.SIGKILL, process.output
        process = start()
        assert process.wait() == 0, process.output
    assert "level 0 continues at step 4" in process.output
    assert outcome_of(runs[1]) == outcome_of(runs[0])
