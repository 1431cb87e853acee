"""Which file of an export is named as the fastest, where, and with what beside it."""

import csv
from pathlib import Path

import pytest

from tf_lottery.exporting.export_report import ExportReport, FormatResult
from tf_lottery.exporting.measure import ALL_THREADS, BATCH_SIZES, ONE_THREAD, Latency, Performance
from tf_lottery.exporting.stored_kernels import Storage, StoredKernel

# What the medians of pairs of calls differ by from the quotients of medians, to tell them apart.
PAIRED = 0.01


def measured(
    name: str,
    of_one: float,
    of_32: float,
    dense: tuple[float, float] | None = None,
    **attributes,
) -> FormatResult:
    """A file with these milliseconds; where nobody is to look it takes next to none."""
    dense_of_one, dense_of_32 = dense or (None, None)
    times = {(1, ONE_THREAD): (of_one, dense_of_one), (32, ALL_THREADS): (of_32, dense_of_32)}
    latencies = []
    for threads in (ONE_THREAD, ALL_THREADS):
        for batch_size in BATCH_SIZES:
            own, other = times.get((batch_size, threads), (1e-9, dense and 1e-9))
            ratio = None if other is None else own / other + PAIRED
            latencies.append(Latency(batch_size, threads, own, other, ratio))
    return FormatResult(name, name, performance=Performance(2, 1, tuple(latencies)), **attributes)


def report_of(*results: FormatResult) -> ExportReport:
    return ExportReport(Path("out"), results, layers={}, examples=3)


def sentences(report: ExportReport) -> list[str]:
    return [found.in_words() for found in report.notable_fastest]


def test_fastest_of_floats_and_of_all_by_setting_beside_the_fastest_dense_file():
    report = report_of(
        measured("keras", 9, 0.5, (8, 1.25)),
        measured("tflite", 0.0225, 0.7, (0.025, 2)),
        measured("tflite_sparse", 0.009, 0.6, (0.0225, 2)),
        # The dense network's 8-bit file is faster than its others, and is no reference.
        measured("tflite_int8", 0.0045, 0.8, (0.001, 0.001)),
    )
    assert [found.format for found in report.fastest_float] == ["tflite_sparse", "keras"]
    assert [found.format for found in report.fastest] == ["tflite_int8", "keras"]
    for found in (*report.fastest_float, *report.fastest):
        assert found.is_faster_than_dense
        of_one = (found.batch_size, found.threads) == (1, ONE_THREAD)
        assert found.dense_milliseconds == (0.0225 if of_one else 1.25)
    assert report.fastest[0].ratio == pytest.approx(0.2)
    assert sentences(report) == [
        "For one example on one thread, the fastest with 32-bit floats is tflite_sparse, with "
        "0.009 ms, 0.41 of the time of the dense network's tflite_sparse.",
        "For 32 examples on all threads, the fastest with 32-bit floats is keras, with 0.5 ms, "
        "0.41 of the time of the dense network's keras.",
        "For one example on one thread, the fastest of all files is tflite_int8, with 0.0045 ms, "
        "0.20 of the time of the dense network's tflite_sparse.",
    ]


@pytest.mark.parametrize(("milliseconds", "is_faster"), [(0.939, True), (0.94, False), (2, False)])
def test_faster_than_dense_by_more_than_what_measurements_are_off(milliseconds, is_faster):
    found = report_of(measured("tflite", milliseconds, 3.0, (1.0, 1.0))).fastest_float[0]
    assert found.is_faster_than_dense is is_faster
    none = "no file with 32-bit floats is faster than the dense network's by more than 5%. Nearest"
    assert (none in found.in_words()) is not is_faster


def test_no_file_is_faster():
    report = report_of(
        measured("tflite", 1.2345, 3, (1, 1)), measured("tflite_int8", 1, 2000, (1, 1))
    )
    assert sentences(report) == [
        "For one example on one thread, no file with 32-bit floats is faster than the dense "
        "network's by more than 5%. Nearest comes tflite, with 1.23 ms, 1.24 of the time of the "
        "dense network's tflite.",
        "For 32 examples on all threads, no file with 32-bit floats is faster than the dense "
        "network's by more than 5%. Nearest comes tflite, with 3 ms, 3.01 of the time of the "
        "dense network's tflite.",
        "For one example on one thread, no file is faster than the dense network's by more than "
        "5%. Nearest comes tflite_int8, with 1 ms, 1.00 of the time of the dense network's "
        "tflite.",
    ]


def test_without_a_dense_network_nothing_is_said_of_it():
    report = report_of(measured("tflite", 1200.4, 3), measured("keras", 2000, 3.5))
    assert sentences(report) == [
        "For one example on one thread, the fastest with 32-bit floats is tflite, with 1200 ms.",
        "For 32 examples on all threads, the fastest with 32-bit floats is tflite, with 3 ms.",
    ]
    assert {found.is_faster_than_dense for found in report.fastest} == {None}


def test_eight_bit_files_alone_have_no_reference():
    report = report_of(measured("tflite_int8", 1, 2, (3, 3)))
    assert report.fastest_float == ()
    assert {found.dense_format for found in report.fastest} == {None}
    assert sentences(report)[0].endswith("fastest of all files is tflite_int8, with 1 ms.")


def test_nothing_was_measured():
    report = report_of(FormatResult("tflite", "file"), FormatResult("keras", skipped="no"))
    assert report.fastest == report.fastest_float == ()


def test_table_says_it_in_the_row_of_the_file(tmp_path):
    kernels = (
        StoredKernel("a", (4, 4), Storage.COMPUTED_SPARSE),
        StoredKernel("b", (4, 4), Storage.UNPACKED),
    )
    report = report_of(
        measured("tflite", 2, 1, (2, 2)),
        measured("tflite_sparse", 1, 2, (2, 2), remark="takes one", kernels=kernels),
    )
    report.write_csv(tmp_path / "export.csv")
    with (tmp_path / "export.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    of_one, of_32 = (found.in_words() for found in report.fastest_float)
    columns = ("fastest_batch_1_one_thread", "fastest_batch_32_all_threads")
    assert [first[column] for column in columns] == ["", of_32]
    assert [second[column] for column in columns] == [of_one, ""]
    assert first["remark"] == ""
    assert second["remark"] == (
        "takes one; 1 of 2 kernels is computed sparse, 1 is unpacked when loaded"
    )
