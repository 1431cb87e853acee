"""What the CSV files of docs/results say of each claim of docs/claims.md."""

from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tf_lottery.config.matching import DEFAULT_TOLERANCE
from tf_lottery.report.method_results import LOTTERY, Spread

RESULTS = Path(__file__).with_name("results")
# Above it, arXiv 1912.05671 calls a network unstable.
UNSTABLE = 0.02
# How much of the paper's training the convolutional networks had.
_CONV = {
    "conv2": "Conv-2, 1,500 of 20,000 iterations",
    "conv4": "Conv-4, 1,000 of 25,000 iterations",
}
_HALF = "ResNet-14 of half the width, 2,000 of 63,000 iterations"
_NEW_WEIGHTS, _MASK, _ONE_SHOT = "random_reinitialization", "random_mask", "one_shot"


class Measured(NamedTuple):
    """What was measured of a claim: on which data, with how many replicates, and what came out."""

    data: str
    replicates: int
    here: str


def measured_claims() -> dict[str, list[Measured]]:
    """What was measured, by the number of the claim."""
    return {
        **_lottery_tickets(),
        **_controls(),
        "1.11": _conv_on_cifar10(),
        "1.12": [_conv_with_dropout()],
        **_stabilizing(),
        **_linear_mode_connectivity(),
        **_why_tickets_win(),
        **_successive_levels(),
        **_robustness(),
        **_curvature(),
        **_magnitudes(),
    }


@cache
def _table(name: str) -> pd.DataFrame:
    return pd.read_csv(RESULTS / f"{name}.csv")


def _mean(values: Iterable[float]) -> float:
    return Spread.of(values).mean


def _percent(fraction: float, digits: int = 2) -> str:
    return f"{100 * fraction:.{digits}f}"


def _each(fractions: Iterable[float]) -> str:
    """Each replicate's number, in percent."""
    return _listed(map(_percent, fractions))


def _listed(texts: Iterable[str]) -> str:
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _percents(fractions: Iterable[float], digits: int = 2) -> str:
    return ", ".join(_percent(fraction, digits) for fraction in fractions)


def _share(density: float) -> str:
    return f"{100 * density:.3g}%"


def _signed(fraction: float) -> str:
    return f"{100 * fraction:+.2f}"


def _matches(accuracy: float, dense: float) -> bool:
    # Accuracies are ten-thousandths: their rounding errors must not decide.
    return accuracy >= dense - DEFAULT_TOLERANCE - 1e-9


def _sparsest_match(run: pd.DataFrame) -> str:
    level = max(
        run.index,
        key=lambda level: _matches(run.test_accuracy[level], run.test_accuracy[0]) * level,
    )
    accuracy, dense = run.test_accuracy[level], run.test_accuracy[0]
    return f"{_percent(accuracy)} at {_share(run.density[level])}, dense {_percent(dense)}"


def _of_fashion_mnist(rows: pd.DataFrame, here: str) -> list[Measured]:
    return [Measured("Fashion-MNIST", rows.replicate.nunique(), here)]


def _lottery_tickets() -> dict[str, list[Measured]]:
    """Claims 1.1 to 1.4 and 1.10, of tickets and dense networks."""
    runs = [pd.read_csv(path) for path in sorted(RESULTS.glob("mnist_lth_replicate_*.csv"))]

    def each(level: int, column: str, text: Callable[[float], str]) -> str:
        return _listed(text(run[column][level]) for run in runs)

    accuracy, iterations = "test_accuracy", "early_stop_step"
    moderate, at_moderate = range(1, 11), f"at {_level(8)}"
    leads = [run[accuracy][level] - run[accuracy][0] for run in runs for level in moderate]
    mean_leads = [_lth(LOTTERY, level) - _lth(LOTTERY, 0) for level in moderate]
    (tickets,) = _table("fashion_mnist_lth_tickets").query(f"method == '{LOTTERY}'").itertuples()
    on_mnist = {
        "1.1": each(0, accuracy, _percent),
        "1.2": "; ".join(_sparsest_match(run) for run in runs),
        "1.3": f"{each(8, accuracy, _percent)} {at_moderate}; from {_level(1)} to {_level(10)}: "
        f"{_signed(min(leads))} to {_signed(max(leads))} against dense",
        "1.4": f"iterations {each(8, iterations, _count)} {at_moderate}, "
        f"dense {each(0, iterations, _count)}",
    }
    on_fashion_mnist = {
        "1.2": f"{_percent(tickets.mean_accuracy)} at {_share(tickets.density)}, "
        f"dense {_percent(tickets.dense_accuracy)}",
        "1.3": f"{_percent(_lth(LOTTERY, 8))} {at_moderate}; from {_level(1)} to {_level(10)}: "
        f"{_signed(min(mean_leads))} to {_signed(max(mean_leads))} against dense",
        "1.4": f"iteration {_steps(LOTTERY, 8)} {at_moderate}, dense {_steps(LOTTERY, 0)}",
    }
    results = {number: [Measured("MNIST", len(runs), here)] for number, here in on_mnist.items()}
    for number, here in on_fashion_mnist.items():
        results[number] += _of_fashion_mnist(_table("fashion_mnist_lth"), here)
    long, with_sgd = _table("fashion_mnist_lenet_adam"), _table("fashion_mnist_lenet")
    as_long = "Fashion-MNIST, 50,000 iterations"
    results["1.2"].append(Measured(as_long, 1, _sparsest_match(long)))
    return {**results, "1.10": [Measured("Fashion-MNIST", 1, _sparsest_match(with_sgd))]}


def _lth(method: str, level: int, column: str = "test_accuracy") -> float:
    rows = _table("fashion_mnist_lth")
    return _mean(rows[(rows.method == method) & (rows.level == level)][column])


def _level(level: int) -> str:
    return _share(_lth(LOTTERY, level, "density"))


def _steps(method: str, level: int) -> str:
    return _count(_lth(method, level, "early_stop_step"))


def _controls() -> dict[str, list[Measured]]:
    """Claims 1.5 to 1.9 and 5.8, of what tickets are compared with."""
    rows = _table("fashion_mnist_lth")
    ticket = f"{_percent(_lth(LOTTERY, 18))}"

    def at_the_end(method: str) -> str:
        return f"{_percent(_lth(method, 18))} at {_level(18)}"

    def least_lead(method: str, first_level: int) -> str:
        of_level = rows[rows.level >= first_level].set_index(["replicate", "level"])
        tickets, others = (
            of_level[of_level.method == name].test_accuracy for name in (LOTTERY, method)
        )
        least = (tickets - others).dropna().min()
        return f"each replicate at least {_percent(least)} below it from {_level(first_level)} on"

    (one_shot,) = _table("fashion_mnist_lth_tickets").query(f"method == '{_ONE_SHOT}'").itertuples()
    here = {
        "1.5": f"{at_the_end(_NEW_WEIGHTS)}, ticket {ticket}; {least_lead(_NEW_WEIGHTS, 4)}",
        "1.6": f"early stopping at iteration {_steps(_NEW_WEIGHTS, 8)} at {_level(8)}, ticket "
        f"{_steps(LOTTERY, 8)}, dense {_steps(LOTTERY, 0)}",
        "1.7": f"{at_the_end(_MASK)}, ticket {ticket}; iteration {_steps(_MASK, 8)} at "
        f"{_level(8)}, ticket {_steps(LOTTERY, 8)}",
        "1.8": f"one-shot {at_the_end(_ONE_SHOT)}, iterative {ticket}; {least_lead(_ONE_SHOT, 10)}",
        "1.9": f"{_percent(one_shot.mean_accuracy)} at {_share(one_shot.density)}, dense "
        f"{_percent(one_shot.dense_accuracy)}",
        "5.8": f"one-shot {at_the_end(_ONE_SHOT)}, iterative {ticket}, dense "
        f"{_percent(_lth(LOTTERY, 0))}",
    }
    results = {number: _of_fashion_mnist(rows, text) for number, text in here.items()}
    for number, text in _controls_on_mnist().items():
        replicates = len(_replicates_with_controls())
        results[number] = [Measured("MNIST", replicates, text), *results[number]]
    return results


def _controls_on_mnist() -> dict[str, str]:
    """Claims 1.5 to 1.8 of the replicates on MNIST that have controls, at 2.87%."""
    level = 16
    controls = _table("mnist_lth_controls").query(f"level == {level}")
    tickets = [
        pd.read_csv(RESULTS / f"mnist_lth_replicate_{number}.csv").iloc[level]
        for number in _replicates_with_controls()
    ]
    at = f"at {_share(tickets[0].density)}"

    def at_the_end(method: str) -> str:
        accuracies = _each(controls[controls.method == method].test_accuracy)
        return f"{accuracies} {at}, ticket {_each(one.test_accuracy for one in tickets)}"

    def stopping(method: str) -> str:
        steps = map(_count, controls[controls.method == method].early_stop_step)
        of_tickets = _listed(_count(one.early_stop_step) for one in tickets)
        return f"early stopping at iteration {_listed(steps)} {at}, ticket {of_tickets}"

    return {
        "1.5": at_the_end("random_reinitialization"),
        "1.6": stopping("random_reinitialization"),
        "1.7": f"{at_the_end('random_mask')}; {stopping('random_mask')}",
        "1.8": f"one-shot {at_the_end('one_shot')}",
    }


def _replicates_with_controls() -> list[int]:
    return sorted(_table("mnist_lth_controls").replicate.unique())


def _conv_on_cifar10() -> list[Measured]:
    """Claim 1.11: tickets and their random reinitializations."""
    rows = _table("cifar10_conv")
    return [_of_conv(rows[rows.network == network], text) for network, text in _CONV.items()]


def _of_conv(rows: pd.DataFrame, text: str) -> Measured:
    tickets = rows[rows.method == LOTTERY]
    controls = rows[rows.method == _NEW_WEIGHTS]
    level = int(controls.level.max())

    def each(table: pd.DataFrame, level: int) -> str:
        return _each(table[table.level == level].test_accuracy)

    def share(level: int) -> str:
        return _share(tickets[tickets.level == level].density.iloc[0])

    best = int(tickets.groupby("level").test_accuracy.mean().idxmax())
    highest = "" if best == level else f"{each(tickets, best)} at {share(best)}, "
    here = (
        f"{text}: {highest}{each(tickets, level)} at {share(level)}, new weights "
        f"{each(controls, level)}; dense {each(tickets, 0)}"
    )
    return Measured("CIFAR-10", tickets.replicate.nunique(), here)


def _conv_with_dropout() -> Measured:
    """Claim 1.12, of Conv-2: tickets of networks with dropout, beside those without."""
    rows = _table("cifar10_conv").query("network == 'conv2'")
    one = rows[rows.method == "lottery_ticket_dropout"].set_index("level")
    without = rows[(rows.method == LOTTERY) & rows.replicate.isin(one.replicate)]
    without = without.set_index("level").test_accuracy
    here = ", ".join(
        f"{_percent(one.test_accuracy[level])} at {_share(one.density[level])}"
        for level in (int(one.test_accuracy.idxmax()), int(one.index.max()))
    )
    best = int(one.test_accuracy.idxmax())
    return Measured(
        "CIFAR-10",
        one.replicate.nunique(),
        f"{_CONV['conv2']}: {here}, dense {_percent(one.test_accuracy[0])}; "
        f"without dropout {_percent(without[best])} at {_share(one.density[best])}, dense "
        f"{_percent(without[0])}",
    )


def _of_sweep(name: str, network: str, level: int, column: str, step: int = 0) -> float:
    """A mean over the replicates of the sweep over rewind steps."""
    rows = _table(name)
    rows = rows[rows.run.str.startswith("fashion_mnist_k_") & (rows.network == network)]
    return _mean(rows[(rows.level == level) & (rows.rewind_step == step)][column])


def _stabilizing() -> dict[str, list[Measured]]:
    """Claim 2.3, of the rewind step, and 2.4 to 2.7, of distances."""

    def distance(column: str, network: str, level: int, step: int = 0) -> str:
        return f"{_of_sweep('fashion_mnist_stability', network, level, column, step):.1f}"

    here = {}
    for number, column in (("2.4", "pruning_l2"), ("2.5", "data_order_l2")):
        of_levels = (
            f"{distance(column, 'ticket', level)} at {_level(level)}, random mask "
            f"{distance(column, _MASK, level)}"
            for level in (6, 12)
        )
        here[number] = f"distance {'; '.join(of_levels)}"
    for number, column in (("2.6", "pruning_l2"), ("2.7", "data_order_l2")):
        of_levels = (
            ", ".join(distance(column, "ticket", level, step) for step in (0, 100, 1000))
            + f" at {_level(level)}"
            for level in (6, 12)
        )
        here[number] = f"distance {' and '.join(of_levels)} from iterations 0, 100, 1,000"
    rows = _table("fashion_mnist_stability")
    of_distances = {number: _of_fashion_mnist(rows, text) for number, text in here.items()}
    by_step = {
        "2.1": [_accuracy_by_rewind_step(0.15)],
        "2.3": [_accuracy_by_rewind_step(0.1, 0.05)],
    }
    return {**by_step, **of_distances}


def _accuracy_by_rewind_step(*densities: float) -> Measured:
    """Tickets of some densities on CIFAR-10, in all replicates that have them."""
    half = _table("cifar10_resnet14_half")
    half = half[half.density.isin(densities)]

    def at(density: float) -> str:
        tickets = "; ".join(
            f"{_each(own.ticket_accuracy)} from {step}"
            for step, own in half[half.density == density].groupby("rewind_step")
        )
        return f"{tickets}, at {_share(density)}"

    dense = half.groupby("replicate").dense_accuracy.first()
    here = f"{_HALF}: {'; '.join(map(at, densities))}; dense {_each(dense)}"
    return Measured("CIFAR-10", len(dense), here)


def _linear_mode_connectivity() -> dict[str, list[Measured]]:
    """Claims 3.1 to 3.3, 3.5, 3.6, 3.8 and 4.2, of instability."""
    rows = _table("fashion_mnist_instability")

    def mean(column: str, network: str, level: int, step: int) -> str:
        return _percent(_of_sweep("fashion_mnist_instability", network, level, column, step))

    barrier, accuracy = partial(mean, "test_error_barrier"), partial(mean, "test_accuracy")

    def both(of: Callable[[str, int, int], str]) -> str:
        return f"{of(_MASK, 18, 0)} and {of(_NEW_WEIGHTS, 18, 0)}, ticket {of('ticket', 18, 0)}"

    def barrier_with(rate: float, warmup: int, batch_size: int = 60) -> str:
        settings = rows[rows.run.str.startswith("fashion_mnist_settings_")]
        settings = settings[(settings.learning_rate == rate) & (settings.warmup_steps == warmup)]
        settings = settings[settings.batch_size == batch_size]
        return _percent(_mean(settings.test_error_barrier))

    of_dense = [f"{barrier('dense', 0, step)} from {step}" for step in (0, 50, 100, 500)]
    steps = (0, 100, 1000)
    of_tickets = [f"{barrier('ticket', 18, step)} from {step:,}" for step in steps]
    accuracies = ", ".join(accuracy("ticket", 18, step) for step in steps)
    here = {
        "3.1": f"barrier {', '.join(of_dense)}",
        "3.5": f"at {_level(18)}: barrier {', '.join(of_tickets)}; accuracy {accuracies}, dense "
        f"{accuracy('dense', 0, 0)}",
        "3.6": f"at {_level(18)} from 0: {both(accuracy)}; barrier {both(barrier)}",
        "4.2": f"barrier {barrier('dense', 0, 0)} as the first paper trains; "
        f"{barrier_with(0.0003, 0)} at rate 0.0003; {barrier_with(0.0048, 0)} at rate 0.0048; "
        f"{barrier_with(0.0012, 1000)} with warmup over 1,000 iterations",
    }
    cifar = _table("cifar10_resnet14").dropna(subset="barrier_of_dense_copies")
    of_copies = ", ".join(
        f"{_percent(row.barrier_of_dense_copies)} from {row.rewind_step}"
        for row in cifar.itertuples()
    )
    length = "ResNet-14, 1,200 of 63,000 iterations"
    on_fashion_mnist = {number: _of_fashion_mnist(rows, text) for number, text in here.items()}
    on_mnist = _instability_on_mnist()
    both_sets = {
        number: on_mnist.get(number, []) + on_fashion_mnist.get(number, [])
        for number in {**on_mnist, **on_fashion_mnist}
    }
    both_sets["3.5"] = [*both_sets["3.5"], _stability_of_tickets_on_cifar10()]
    return {**both_sets, "3.3": [Measured("CIFAR-10", 1, f"{length}: barrier {of_copies}")]}


def _stability_of_tickets_on_cifar10() -> Measured:
    """Claim 3.5, of a residual network: copies of tickets, and what the tickets come to."""
    rows = _table("cifar10_resnet14_half").dropna(subset="barrier_of_ticket_copies")
    tickets = "; ".join(
        f"barrier {_each(own.barrier_of_ticket_copies)} and accuracy {_each(own.ticket_accuracy)} "
        f"from {step}"
        for step, own in rows.groupby("rewind_step")
    )
    dense = rows.groupby("replicate").dense_accuracy.first()
    here = f"{_HALF}, at {_share(rows.density.iloc[0])}: {tickets}; dense {_each(dense)}"
    return Measured("CIFAR-10", len(dense), here)


def _instability_on_mnist() -> dict[str, list[Measured]]:
    """Claims 3.2, 3.5, 3.6 and 3.8, of LeNet on MNIST; each replicate's number."""
    rows, levels = _table("mnist_lmc_instability"), _table("mnist_lmc")
    at = f"at {_share(levels.density[levels.level == 15].iloc[0])}"

    def each(network: str, column: str) -> str:
        return _each(rows[rows.network == network][column])

    accuracy, barrier = "test_accuracy", "test_error_barrier"
    dense = _each(levels[levels.level == 0].test_accuracy)
    here = {
        "3.2": f"barrier {each('dense', barrier)} of the dense networks, "
        f"{each('ticket', barrier)} of tickets {at}",
        "3.5": f"{at} from 0: barrier {each('ticket', barrier)}; accuracy "
        f"{each('ticket', accuracy)}, dense {dense}",
        "3.6": f"{at} from 0: {each(_MASK, accuracy)} of random masks, "
        f"{each(_NEW_WEIGHTS, accuracy)} of new weights, ticket {each('ticket', accuracy)}; "
        f"barrier {each(_MASK, barrier)}, {each(_NEW_WEIGHTS, barrier)}, "
        f"ticket {each('ticket', barrier)}",
        "3.8": f"LeNet {dense}",
    }
    return {
        number: [Measured("MNIST", rows.replicate.nunique(), text)] for number, text in here.items()
    }


def _why_tickets_win() -> dict[str, list[Measured]]:
    """Claims 4.3 to 4.5, of solutions that are compared, and 4.6."""
    rows = _table("fashion_mnist_same_region")
    levels = sorted(rows.level.unique())
    shares = ", ".join(_level(level) for level in levels)

    def means(other: str, column: str, digits: int = 2) -> str:
        compared = rows[rows[other] == 1]
        of_levels = (_mean(compared[compared.level == level][column]) for level in levels)
        return _percents(of_levels, digits)

    here = {
        "4.3": f"at {shares}: barrier to it {means('pruned_from', 'test_error_barrier')}, to an "
        f"independent ticket {means('independent', 'test_error_barrier')}",
        "4.4": f"at {shares}: agreement {means('pruned_from', 'agreement', 1)}, of independent "
        f"tickets {means('independent', 'agreement', 1)}",
        "4.5": f"at {shares}: barrier to the dense network {means('dense', 'test_error_barrier')}",
    }
    results = {number: _of_fashion_mnist(rows, text) for number, text in here.items()}
    return {**results, "4.6": _before_training()}


def _before_training() -> list[Measured]:
    """Networks that are pruned at iteration 0, beside the tickets of the same replicates."""
    rows, all_runs = _table("fashion_mnist_before_training"), _table("fashion_mnist_lth")
    replicates = [f"replicate_{number}" for number in rows.replicate.unique()]
    tickets = all_runs[(all_runs.method == LOTTERY) & all_runs.replicate.isin(replicates)]
    names = {"snip": "SNIP", "synflow": "SynFlow", "grasp": "GraSP"}

    def mean(table: pd.DataFrame, level: int) -> str:
        return _percent(_mean(table[table.level == level].test_accuracy))

    of_levels = [
        f"at {_level(level)} "
        + ", ".join(
            f"{name} {mean(rows[rows.score == score], level)}" for score, name in names.items()
        )
        + f", ticket {mean(tickets, level)}"
        for level in sorted(rows.level.unique())
    ]
    return _of_fashion_mnist(rows, f"{'; '.join(of_levels)}; dense {mean(tickets, 0)}")


def _successive_levels() -> dict[str, list[Measured]]:
    """Claims 5.1 to 5.3 and 5.9, of levels and the next ones."""
    rows = _table("fashion_mnist_successive_levels")
    dense = rows[rows.first_level == 0].set_index("replicate").first_test_accuracy
    accuracies = rows[["first_test_accuracy", "second_test_accuracy"]].min(axis=1)
    match = [
        _matches(accuracy, dense[replicate])
        for accuracy, replicate in zip(accuracies, rows.replicate, strict=True)
    ]
    matching, others = rows[match], rows[[not each for each in match]]
    barriers, largest = others.test_error_barrier, matching.test_error_barrier.max()

    here = {
        "5.1": f"barrier {_percent(_mean(matching.test_error_barrier))}, at most "
        f"{_percent(largest)}, over {len(matching)} pairs down to "
        f"{_share(matching.second_density.min())}",
        "5.2": f"barrier {_percent(_mean(barriers))} over {len(others)} pairs; "
        f"{(barriers > largest).sum()} of them above the largest of those that match, "
        f"{(barriers > UNSTABLE).sum()} above two points",
    }
    return {number: _of_fashion_mnist(rows, text) for number, text in here.items()}


def _robustness() -> dict[str, list[Measured]]:
    """Claim 5.3, of rewind points that are moved as far as successive ones are apart."""
    moves = {
        name: _table(f"fashion_mnist_{name}").query("level > 0 and factor == 1")
        for name in ("robustness_fresh_noise", "robustness")
    }
    fresh, same = (
        f"{_percent(_mean(rows.error_barrier))}, at most {_percent(rows.error_barrier.max())}"
        for rows in moves.values()
    )
    rows = moves["robustness_fresh_noise"]
    levels = f"levels of {_share(rows.density.max())} to {_share(rows.density.min())}"
    return {
        "5.3": _of_fashion_mnist(
            rows, f"{levels}: barrier {fresh}, with fresh noise; {same}, in the same data order"
        )
    }


def _curvature() -> dict[str, list[Measured]]:
    """Claims 5.4 to 5.7, of flatness and pruning ratios."""
    rows = _table("fashion_mnist_curvature")
    levels = sorted(rows.level.unique())

    def means(column: str) -> list[float]:
        return [_mean(rows[rows.level == level][column]) for level in levels]

    def predicted_and_found(weights: str) -> str:
        predicted, found = (
            _percents(means(f"{kind}_ratio_{weights}"), 1) for kind in ("predicted", "retrained")
        )
        return f"predicted {predicted}%, found {found}%"

    better = rows[rows.retrained_ratio_magnitude > rows.predicted_ratio_magnitude]
    curvatures = (
        f"{smallest:.5f}, random {random:.5f}, at {_level(level)}"
        for smallest, random, level in zip(
            means("sharpness_of_smallest"), means("sharpness_of_random"), levels, strict=True
        )
    )
    shares = ", ".join(_level(level) for level in levels)
    here = {
        "5.4": f"at {shares}: {predicted_and_found('magnitude')} of the weights; predicted more "
        f"than found in {len(rows) - len(better)} of {len(rows)} cases",
        "5.5": f"at {shares}: {predicted_and_found('random')}",
        "5.6": f"better in {len(better)} of {len(rows)} cases, at "
        f"{' and '.join(_level(level) for level in sorted(set(better.level)))}",
        "5.7": f"curvature {'; '.join(curvatures)}",
    }
    return {number: _of_fashion_mnist(rows, text) for number, text in here.items()}


def _magnitudes() -> dict[str, list[Measured]]:
    """Claim 5.9, of new small weights."""
    rows = _table("fashion_mnist_magnitudes")
    first, sparse = (
        f"{_percent(_mean(rows[rows.level == level].below_threshold), 1)}% at {_level(level)}"
        for level in (1, 12)
    )
    here = f"{first}, {sparse} of the survivors become smaller than the largest weight just pruned"
    return {"5.9": _of_fashion_mnist(rows, here)}
