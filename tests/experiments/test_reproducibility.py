"""The same flags give the same bits; each seed draws its own part of the randomness."""

import numpy as np
import pytest

import tf_lottery
from tf_lottery.store.tensors import load_tensors
from tf_lottery.training import resident
from tf_lottery.training.training_program import TrainingProgram


@pytest.fixture
def drawn_orders(monkeypatch):
    """The data orders that were trained on since the last time the list was cleared."""
    orders, draw = [], resident.epoch_order

    def record(*arguments):
        orders.append(draw(*arguments).tolist())
        return draw(*arguments)

    monkeypatch.setattr(resident, "epoch_order", record)
    return orders


@pytest.fixture
def run_recorded(run_tiny, drawn_orders, tmp_path):
    """Returns a function that gives the initial weights and the data orders of a short run."""

    def run(**flags):
        drawn_orders.clear()
        short = {"levels": 0, "train_steps": "25it", "rewind_step": "0it"}
        folder = run_tiny(tmp_path / str(flags), **short | flags)
        weights = load_tensors(folder / "rewind" / "tensors")
        return {name: array.tobytes() for name, array in weights.items()}, list(drawn_orders)

    return run


def test_same_flags_give_the_same_bits(run_tiny, finished_run, outcome_of, tmp_path):
    assert outcome_of(run_tiny(tmp_path)) == outcome_of(finished_run)


@pytest.mark.slow
def test_steps_per_execution_changes_no_bit(run_tiny, finished_run, outcome_of, tmp_path):
    run = run_tiny(tmp_path, steps_per_execution=7)
    assert outcome_of(run) == outcome_of(finished_run)


@pytest.mark.slow
def test_steps_per_execution_changes_no_bit_when_compiled(run_tiny, outcome_of, tmp_path):
    flags = {"jit_compile": "on", "experiment": "train"}
    run = run_tiny(tmp_path / "50", **flags)
    other = run_tiny(tmp_path / "3", steps_per_execution=3, **flags)
    assert outcome_of(other) == outcome_of(run)


@pytest.mark.slow
def test_own_arrays(run_tiny, outcome_of, tmp_path):
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 3, 200)
    images = (generator.normal(size=(200, 6)) + labels[:, None]).astype(np.float32)
    data = tf_lottery.from_arrays((images, labels), (images, labels), validation_examples=20)
    first = run_tiny(tmp_path / "first", data)
    assert outcome_of(run_tiny(tmp_path / "second", data)) == outcome_of(first)
    assert tf_lottery.load_ticket(first, 2)(images).shape == (200, 3)


@pytest.mark.slow
def test_seeds(run_recorded):
    weights, orders = run_recorded(levels=1)
    assert len({tuple(order) for order in orders}) == 4, "levels or epochs share an order"
    assert sorted(orders[0]) == list(range(1237))

    same_weights, other_orders = run_recorded(data_seed=2)
    assert same_weights == weights
    assert len(other_orders) == 2
    assert all(order not in orders for order in other_orders)

    other_weights, same_orders = run_recorded(init_seed=2)
    assert same_orders == orders[:2]
    assert other_weights["weights/dense_1/kernel"] != weights["weights/dense_1/kernel"]

    assert run_recorded(replicate=2) == (other_weights, other_orders)


@pytest.mark.slow
def test_same_data_order(run_recorded):
    _, orders = run_recorded(levels=1, same_data_order=True)
    assert len(orders) == 4
    assert orders[:2] == orders[2:]


@pytest.mark.slow
def test_dropout_goes_on_with_the_same_numbers(
    run_tiny, finished_run, outcome_of, monkeypatch, tmp_path
):
    flags = {"dropout": 0.3, "levels": 1}
    reference = outcome_of(run_tiny(tmp_path / "whole", **flags))
    weights = "level_0/weights.index"
    assert outcome_of(finished_run)[weights] != reference[weights]

    def stop(program, epoch, first, last):
        if epoch.level == 1 and (epoch.number, first) >= (1, 10):
            raise KeyboardInterrupt
        run(program, epoch, first, last)

    run = TrainingProgram.run
    monkeypatch.setattr(TrainingProgram, "run", stop)
    with pytest.raises(KeyboardInterrupt):
        run_tiny(tmp_path / "stopped", **flags)
    monkeypatch.undo()
    assert outcome_of(run_tiny(tmp_path / "stopped", **flags)) == reference
