import math
from dataclasses import replace

import pytest

from tests.report.reported_runs import write_branch, write_replicate
from tf_lottery.config.matching import DEFAULT_TOLERANCE, matching_rule
from tf_lottery.report.matching_tickets import find_tickets
from tf_lottery.report.method_results import collect_methods
from tf_lottery.report.run_records import read_run
from tf_lottery.report.verdicts import branch_verdicts, rule_sentence, verdicts

_UNFINISHED = ": its training has not finished."


@pytest.fixture
def tickets_of(tmp_path):
    def find(*replicates, tolerance=DEFAULT_TOLERANCE, branch=None):
        paths, folder = [], tmp_path / str(len(list(tmp_path.iterdir())))
        for number, accuracies in enumerate(replicates, 1):
            paths.append(write_replicate(folder / f"replicate_{number}", accuracies))
            if branch is not None:
                write_branch(paths[-1], "random_mask", branch)
        methods = collect_methods([read_run(path) for path in paths])
        return find_tickets(methods, tolerance)

    return find


def test_means_of_replicates_are_compared_whatever_their_spread(tickets_of):
    # The means: 0.92 of the dense networks; 0.91, 0.90 and 0.89 of the levels.
    replicates = [0.90, 0.91, 0.88, 0.89], [0.92, 0.91, 0.90, 0.89], [0.94, 0.91, 0.92, 0.89]
    (ticket,) = tickets_of(*replicates, tolerance=0.02)
    assert ticket.dense.mean == pytest.approx(0.92)
    assert (ticket.dense.minimum, ticket.dense.maximum) == (0.90, 0.94)
    assert [level.level for level in ticket.matching] == [2, 1]
    assert ticket.level.level == 2
    assert ticket.level.accuracy.mean == pytest.approx(0.90)
    assert (ticket.level.accuracy.minimum, ticket.level.accuracy.maximum) == (0.88, 0.92)
    assert [level.level for level in ticket.failing] == [3]
    assert [ticket.matches(level) for level in ticket.results.levels] == [None, True, True, False]
    assert ticket.note() == ""
    assert rule_sentence([ticket]) == matching_rule(0.02, means=True)
    (ticket,) = tickets_of(*replicates)
    assert ticket.level is None


def test_one_replicate_is_compared_by_the_same_tolerance(tickets_of):
    (ticket,) = tickets_of([0.9, 0.9, 0.895, 0.8949])
    assert ticket.level.level == 2
    assert rule_sentence([ticket]) == matching_rule(0.005)


def test_the_sparsest_matching_level_may_come_after_levels_that_fail(tickets_of):
    (ticket,) = tickets_of([0.9, 0.89, 0.91, 0.88], tolerance=0.001)
    assert ticket.level.level == 2
    assert [level.level for level in ticket.failing] == [1, 3]
    assert ticket.note() == "larger densities that do not match: 80.0% (89.00%)"


def test_branches_are_compared_with_the_dense_network_of_their_run(tickets_of):
    run, branch = tickets_of([0.9, 0.9, 0.7], [0.9, 0.9, 0.7], branch={0: 0.1, 1: 0.89, 2: 0.9})
    assert branch.dense.mean == 0.9
    assert (run.level.level, branch.level.level) == (1, 2)
    assert verdicts([run, branch]) == [
        "Sparsest matching ticket: 80.0% of the weights (level 1), 90.00% test accuracy (90.00 to "
        "90.00%) against 90.00% of the dense network (90.00 to 90.00%), means of 2 replicates."
    ]
    assert branch_verdicts([run, branch]) == ["random mask: matches down to 64.0% of the weights."]


def test_a_level_is_compared_with_the_dense_networks_of_the_replicates_that_have_it(tickets_of):
    # The first replicate alone has level 2, and matches its own dense network there.
    (ticket,) = tickets_of([0.9, 0.9, 0.9], [0.96, 0.96])
    assert [level.level for level in ticket.matching] == [2, 1]
    assert verdicts([ticket]) == [
        "Sparsest matching ticket: 64.0% of the weights (level 2), 90.00% test accuracy against "
        "90.00% of the dense network, 1 of 2 replicates; the other has no level 2."
    ]
    assert ticket.note() == "1 of 2 replicates; the other has no level 2"
    (ticket,) = tickets_of([0.9, 0.8, 0.9], [0.96, 0.8, None])
    assert ticket.level.level == 2
    assert (ticket.dense.mean, ticket.dense.count) == (0.9, 1)
    (ticket,) = tickets_of([0.9, 0.8], [0.96, 0.8])
    assert verdicts([ticket]) == [
        "No pruned level matches the dense network (93.00%); level 2 is not complete."
    ]


def test_a_level_whose_dense_network_is_unknown_neither_matches_nor_fails(tickets_of):
    (ticket,) = tickets_of([0.9, 0.9], [None, 0.9, 0.9])
    assert [level.level for level in ticket.matching] == [1]
    assert ticket.failing == ()
    assert [ticket.matches(level) for level in ticket.results.levels] == [None, True, None]
    assert verdicts([ticket]) == [
        "Sparsest matching ticket: 80.0% of the weights (level 1), 90.00% test accuracy against "
        "90.00% of the dense network, 1 of 2 replicates; the other has no test accuracy of the "
        "dense network."
    ]


def test_the_level_is_of_the_same_replicates_as_the_dense_network(tickets_of):
    # The mean of both replicates would match the one dense network that is known.
    (ticket,) = tickets_of([0.9, 0.8], [None, 0.99])
    assert ticket.level is None
    (failing,) = ticket.failing
    assert (failing.accuracy.mean, failing.accuracy.count) == (0.8, 1)
    # And of both would fail.
    (ticket,) = tickets_of([0.9, 0.9], [None, 0.5])
    assert (ticket.level.level, ticket.level.accuracy.mean, ticket.dense.mean) == (1, 0.9, 0.9)


def test_replicates_that_lack_different_things_are_named(tickets_of):
    (ticket,) = tickets_of([0.9, 0.9], [0.9], [0.9, None], [None, 0.9], [0.9, 0.9])
    assert ticket.note() == (
        "2 of 5 replicates; replicate_2 has no level 1, replicate_3 has no test accuracy at level "
        "1, replicate_4 has no test accuracy of the dense network"
    )
    assert "means of 2 of 5 replicates; replicate_2 has" in verdicts([ticket])[0]


def failed_tickets(path, *, diverged=False):
    """Of three replicates with levels 0 to 2 and one that failed after level 1."""
    runs = [write_replicate(path / f"m/replicate_{n}", [0.9] * 3) for n in (1, 2, 3)]
    details = {"diverged": {"level": 2, "step": 7}} if diverged else {}
    runs.append(write_replicate(path / "m/replicate_4", [0.9] * 2, details=details))
    for run in runs:
        write_branch(run, "random_mask", {1: 0.9} if run == runs[-1] else {1: 0.9, 2: 0.9})
    records = [read_run(run) for run in runs]
    if not diverged:
        state = replace(records[3].state, ended="ended with level 1")
        records[3] = replace(records[3], state=state)
    return find_tickets(collect_methods(records))


@pytest.mark.parametrize("diverged", [False, True])
def test_a_level_that_a_replicate_failed_before_is_named_and_is_not_the_ticket(tmp_path, diverged):
    ticket, branch = failed_tickets(tmp_path, diverged=diverged)
    assert ticket.level.level == branch.level.level == 1
    assert [level.level for level in ticket.matching] == [2, 1]
    assert verdicts([ticket])[0].endswith(
        "means of 4 replicates. Level 2 matches in the replicates that have it, and does not "
        "count: replicate_4 ended too inaccurate, or diverged, before."
    )
    assert ticket.note() == (
        "matching, but some replicates failed before: 64.0% (3 of 4 replicates; the other has no "
        "level 2)"
    )
    assert branch_verdicts([ticket, branch]) == [
        "random mask: matches down to 80.0% of the weights. Level 2 matches in the replicates "
        "that have it, and does not count: replicate_4 ended too inaccurate, or diverged, before."
    ]


def test_a_level_that_a_replicate_has_not_reached_yet_is_the_ticket(tmp_path):
    runs = [write_replicate(tmp_path / f"m/replicate_{n}", [0.9] * 3) for n in (1, 2, 3)]
    runs.append(write_replicate(tmp_path / "m/replicate_4", [0.9] * 2))
    (ticket,) = find_tickets(collect_methods([read_run(run) for run in runs]))
    assert ticket.level.level == 2
    assert verdicts([ticket])[0].endswith("means of 3 of 4 replicates; the other has no level 2.")


def test_without_a_level_that_all_reached_the_verdict_says_so(tmp_path):
    runs = [
        write_replicate(tmp_path / "m/replicate_1", [0.9, 0.9, 0.9]),
        write_replicate(
            tmp_path / "m/replicate_2", [0.9], details={"diverged": {"level": 1, "step": 7}}
        ),
    ]
    (ticket,) = find_tickets(collect_methods([read_run(run) for run in runs]))
    assert ticket.level is None
    assert verdicts([ticket]) == [
        "No pruned level matches the dense network (90.00%) in every replicate. Levels 1-2 match "
        "in the replicates that have them, and do not count: replicate_2 ended too inaccurate, or "
        "diverged, before."
    ]


def test_a_branch_of_some_replicates_says_of_how_many(tmp_path):
    runs = [write_replicate(tmp_path / f"m/replicate_{n}", [0.9, 0.9]) for n in (1, 2)]
    write_branch(runs[0], "random_mask", {1: 0.9})
    tickets = find_tickets(collect_methods([read_run(run) for run in runs]))
    assert branch_verdicts(tickets) == [
        "random mask: matches down to 80.0% of the weights, in 1 of 2 replicates; the other has "
        "no level 1."
    ]


def test_sentences_at_the_edge_have_the_digits_that_tell(tickets_of):
    (ticket,) = tickets_of([0.9, 0.8949998])
    assert verdicts([ticket])[0].startswith("No pruned level matches the dense network (90.00000%)")
    (ticket,) = tickets_of([0.9, 0.895, 0.894997, 0.896])
    assert "level 3), 89.6000% test accuracy against 90.0000%" in verdicts([ticket])[0]
    assert ticket.note() == "larger densities that do not match: 64.0% (89.4997%)"


def test_a_branch_of_one_replicate_is_compared_with_that_replicate(tmp_path):
    runs = [write_replicate(tmp_path / f"m/replicate_{n}", [0.9 + 0.03 * n]) for n in (1, 2)]
    write_branch(runs[0], "random_mask", {1: 0.93})
    write_branch(runs[1], "retrain", {1: 0.93})
    methods = collect_methods([read_run(path) for path in runs])
    _, random_mask, retrain = find_tickets(methods)
    assert (random_mask.level.level, random_mask.dense.mean) == (1, 0.93)
    assert (retrain.level, retrain.dense.mean) == (None, 0.96)


def test_without_a_match_the_verdict_says_so(tickets_of):
    run, branch = tickets_of([0.9, 0.8], branch={1: 0.7})
    assert run.level is None
    assert run.note() == ""
    assert verdicts([run, branch]) == [
        "No pruned level matches the dense network (90.00%); level 2 is not complete."
    ]
    assert branch_verdicts([run, branch]) == ["random mask: no level matches."]


def test_a_verdict_says_at_which_levels_a_branch_was_not_run(tickets_of):
    accuracies = [0.9] * 7
    tickets = tickets_of(accuracies, branch={3: 0.7, 4: 0.6, 5: 0.5})
    assert branch_verdicts(tickets) == [
        "random mask: of levels 3-5, none matches. It was not run at levels 1-2, 6."
    ]
    tickets = tickets_of(accuracies, branch={3: 0.9, 4: 0.6, 5: 0.5, 6: 0.4})
    assert branch_verdicts(tickets) == [
        "random mask: matches down to 51.2% of the weights. It was not run at levels 1-2."
    ]
    tickets = tickets_of(accuracies, branch={0: 0.9})
    assert branch_verdicts(tickets) == [
        "random mask: trained at level 0 alone, which is not pruned."
    ]


@pytest.mark.parametrize("levels", [{}, {1: 0.9}, {0: None, 1: 0.9}, {0: math.nan, 1: 0.9}])
def test_without_a_dense_accuracy_nothing_matches(tickets_of, levels):
    (ticket,) = tickets_of(levels)
    assert ticket.level is None
    assert ticket.note() == "the dense network (level 0) has no test accuracy"
    # Without level 0, level 1 is a sign of damage.
    why = "." if 0 in levels else " that can be read." if levels else _UNFINISHED
    assert verdicts([ticket]) == [f"The dense network (level 0) has no test accuracy{why}"]


def test_a_dense_accuracy_that_is_damaged_is_not_called_unfinished(tmp_path):
    run = write_replicate(tmp_path / "m/replicate_1", [0.9, 0.9])
    (run / "level_0" / "level.json").write_text("{")
    (ticket,) = find_tickets(collect_methods([read_run(run)]))
    assert verdicts([ticket]) == [
        "The dense network (level 0) has no test accuracy that can be read."
    ]


def test_unknown_accuracies_do_not_match(tickets_of):
    (ticket,) = tickets_of([0.9, 0.9, math.nan, None])
    assert ticket.level.level == 1


def test_a_dense_network_alone_has_no_ticket(tickets_of):
    (ticket,) = tickets_of([0.9])
    assert verdicts([ticket]) == [
        "The dense network's test accuracy is 90.00%; no pruned level is complete."
    ]
