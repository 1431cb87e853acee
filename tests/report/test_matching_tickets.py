import math

import pytest

from tests.report.reported_runs import write_branch, write_replicate
from tf_lottery.report.matching_tickets import find_tickets
from tf_lottery.report.method_results import collect_methods
from tf_lottery.report.run_records import read_run
from tf_lottery.report.verdicts import branch_verdicts, tolerance_sentence, verdicts


@pytest.fixture
def tickets_of(tmp_path):
    def find(*replicates, tolerance=None, branch=None):
        paths = []
        for number, accuracies in enumerate(replicates, 1):
            paths.append(write_replicate(tmp_path / "m" / f"replicate_{number}", accuracies))
            if branch is not None:
                write_branch(paths[-1], "random_mask", branch)
        methods = collect_methods([read_run(path) for path in paths])
        return find_tickets(methods, tolerance)

    return find


def test_the_tolerance_is_a_standard_deviation_of_the_dense_replicates(tickets_of):
    # Dense: mean 0.92, standard deviation 0.02 (ddof=1); the levels' means: 0.91, 0.90, 0.89.
    (ticket,) = tickets_of(
        [0.90, 0.91, 0.88, 0.89], [0.92, 0.91, 0.90, 0.89], [0.94, 0.91, 0.92, 0.89]
    )
    assert ticket.tolerance.value == pytest.approx(0.02)
    assert ticket.dense.mean == pytest.approx(0.92)
    assert ticket.level.level == 2
    assert ticket.level.accuracy.mean == pytest.approx(0.90)
    assert (ticket.level.accuracy.minimum, ticket.level.accuracy.maximum) == (0.88, 0.92)
    assert ticket.failing == ()
    assert "one standard deviation of 3 dense replicates" in tolerance_sentence(ticket)
    assert "2.00 points" in tolerance_sentence(ticket)


def test_a_single_replicate_has_no_spread_so_the_tolerance_is_zero(tickets_of):
    (ticket,) = tickets_of([0.9, 0.9, 0.899])
    assert ticket.tolerance.value == 0
    assert ticket.level.level == 1
    assert "unknown with fewer than two replicates" in tolerance_sentence(ticket)


def test_a_given_tolerance_takes_the_place_of_the_spread(tickets_of):
    (ticket,) = tickets_of([0.9, 0.9, 0.899], [0.8, 0.8, 0.8], tolerance=0.0)
    assert ticket.level.level == 1
    assert "0.00 points" in tolerance_sentence(ticket)
    assert "(as given)" in tolerance_sentence(ticket)


def test_the_sparsest_matching_level_may_come_after_levels_that_fail(tickets_of):
    (ticket,) = tickets_of([0.9, 0.89, 0.91, 0.88], tolerance=0.001)
    assert ticket.level.level == 2
    assert [level.level for level in ticket.failing] == [1]
    assert ticket.note() == "larger densities that do not match: 80.0% (89.00%)"


def test_branches_are_compared_with_the_dense_network_of_their_run(tickets_of):
    run, branch = tickets_of([0.9, 0.9, 0.7], [0.9, 0.9, 0.7], branch={0: 0.1, 1: 0.89, 2: 0.9})
    assert branch.dense.mean == 0.9
    assert (run.level.level, branch.level.level) == (1, 2)
    assert verdicts([run, branch]) == [
        "Sparsest matching ticket: 80.0% of the weights (level 1), 90.00% test accuracy against "
        "90.00% of the dense network, mean of 2 replicates."
    ]
    assert branch_verdicts([run, branch]) == ["random mask: matches down to 64.0% of the weights."]


def test_without_a_match_the_verdict_says_so(tickets_of):
    run, branch = tickets_of([0.9, 0.8], branch={1: 0.7})
    assert run.level is None
    assert run.note() == ""
    assert verdicts([run, branch]) == ["No pruned level matches the dense network (90.00%)."]
    assert branch_verdicts([run, branch]) == ["random mask: no level matches."]


@pytest.mark.parametrize("levels", [{}, {1: 0.9}, {0: None, 1: 0.9}, {0: math.nan, 1: 0.9}])
def test_without_a_dense_accuracy_nothing_matches(tickets_of, levels):
    (ticket,) = tickets_of(levels)
    assert ticket.level is None
    assert "no test accuracy yet" in ticket.note()
    assert "not known yet" in verdicts([ticket])[0]


def test_unknown_accuracies_do_not_match(tickets_of):
    (ticket,) = tickets_of([0.9, 0.9, math.nan, None])
    assert ticket.level.level == 1


def test_a_dense_network_alone_has_no_ticket(tickets_of):
    (ticket,) = tickets_of([0.9])
    assert verdicts([ticket]) == [
        "The dense network's test accuracy is 90.00%; no pruned level is complete."
    ]


@pytest.mark.parametrize("tolerance", [-0.1, 1.0, math.nan, math.inf])
def test_a_tolerance_that_is_no_fraction_is_refused(tickets_of, tolerance):
    with pytest.raises(ValueError, match=f"--tolerance={tolerance} must be a fraction"):
        tickets_of([0.9], tolerance=tolerance)
