"""What the model card says of speed and of sparse kernels."""

import pytest
import tf_keras as keras

from tf_lottery.exporting.card import write_card
from tf_lottery.exporting.export_report import Arithmetic, ExportReport, FormatResult
from tf_lottery.exporting.measure import (
    ALL_THREADS,
    BATCH_SIZES,
    ONE_THREAD,
    FileSize,
    Latency,
    Performance,
)
from tf_lottery.exporting.plain_network import PlainNetwork
from tf_lottery.exporting.stored_kernels import Storage, StoredKernel
from tf_lottery.exporting.verify import Verification

LATENCIES = tuple(
    Latency(batch_size, threads, 0.5, 2.0, 0.25)
    for threads in (ONE_THREAD, ALL_THREADS)
    for batch_size in BATCH_SIZES
)
DENSE = StoredKernel("first/MatMul", (20, 8), Storage.DENSE)
SPARSE = StoredKernel("second/MatMul", (4, 20), Storage.COMPUTED_SPARSE)


def card_of(folder, *, kernels: tuple[StoredKernel, ...], performance: Performance | None) -> str:
    network = PlainNetwork(keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)]))
    of_file = {"verification": Verification({}, 0.0), "size": FileSize(9, 8)}
    results = (
        FormatResult("tflite", "model.tflite", kernels=(DENSE,), **of_file),
        FormatResult(
            "tflite_sparse",
            "model_sparse.tflite",
            kernels=kernels,
            performance=performance,
            **of_file,
        ),
    )
    write_card(folder / "card.md", ExportReport(folder, results, {}, 3), network, None)
    return (folder / "card.md").read_text()


def test_says_which_file_is_fastest_and_which_kernels_are_sparse(tmp_path):
    card = card_of(tmp_path, kernels=(DENSE, SPARSE), performance=Performance(2, 1, LATENCIES))
    for calls in ("one example on one thread", "32 examples on all threads"):
        assert (
            f"\n- For {calls}, the fastest with 32-bit floats is tflite_sparse, with 0.5 ms, 0.25 "
            "of the time of the dense network's tflite_sparse.\n"
        ) in card
    assert "stored sparse; 1 of 2 kernels is computed sparse, 1 is stored dense |" in card
    _, _, section = card.partition("## Kernels of `model_sparse.tflite`\n\n")
    assert section.split("\n\n")[0].splitlines()[2:] == [
        "| `first/MatMul` | 20x8 | stored dense |",
        "| `second/MatMul` | 4x20 | computed sparse |",
    ]
    # The files are loaded alike, whatever becomes of their kernels.
    assert "\n\n`model.tflite`, and likewise `model_sparse.tflite`:\n\n" in card


@pytest.mark.parametrize("kernels", [(), (DENSE,)])
def test_says_nothing_of_what_there_is_none_of(tmp_path, kernels):
    card = card_of(tmp_path, kernels=kernels, performance=None)
    for absent in ("## Speed", "## Kernels", "Fastest", "computed sparse", "None"):
        assert absent not in card


def test_says_how_much_the_network_computes():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(6, name="hidden")(inputs)
    ticket = keras.Model(inputs, keras.layers.Dense(2, name="output")(hidden))
    kernel = ticket.get_layer("hidden").kernel
    kernel.assign(kernel * ([1.0] * 3 + [0.0] * 3))
    small = keras.Sequential([inputs, keras.layers.Dense(3), keras.layers.Dense(2)])
    assert str(Arithmetic.of(ticket, ticket)) == (
        "For an example, the weights that are left do 24 multiplications with additions, of 36 of "
        "the dense network."
    )
    assert str(Arithmetic.of(ticket, small)) == (
        "For an example, the weights that are left do 18 multiplications with additions, of 36 of "
        "the dense network. With the units that are left, kernels that are stored dense do 18."
    )
    memory = keras.Sequential([keras.Input((3, 2)), keras.layers.LSTM(2, name="memory")])
    assert str(Arithmetic.of(memory, memory)) == "Not counted: memory/cell."
