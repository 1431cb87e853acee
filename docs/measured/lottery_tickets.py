"""Claims 1.1 to 1.12 (1803.03635), and 5.8, of the same controls."""

from collections.abc import Callable

import pandas as pd

from measured.tables import (
    HALF,
    MASK,
    NEW_WEIGHTS,
    ONE_SHOT,
    RESULTS,
    lth_mean,
    lth_share,
    lth_steps,
    matches,
    of_fashion_mnist,
    table_of,
)
from measured.words import Measured, count, listed, percent, percent_each, share, signed_percent
from tf_lottery.report.method_results import LOTTERY

# How much of the paper's training the convolutional networks had.
_CONV = {
    "conv2": "Conv-2, 1,500 of 20,000 iterations",
    "conv4": "Conv-4, 1,000 of 25,000 iterations",
    "conv6": "Conv-6, 1,000 of 30,000 iterations",
}


def _sparsest_match(run: pd.DataFrame) -> str:
    level = max(
        run.index,
        key=lambda level: matches(run.test_accuracy[level], run.test_accuracy[0]) * level,
    )
    accuracy, dense = run.test_accuracy[level], run.test_accuracy[0]
    return f"{percent(accuracy)} at {share(run.density[level])}, dense {percent(dense)}"


def lottery_tickets() -> dict[str, list[Measured]]:
    """Claims 1.1 to 1.4 and 1.10, of tickets and dense networks."""
    runs = [pd.read_csv(path) for path in sorted(RESULTS.glob("mnist_lth_replicate_*.csv"))]

    def each(level: int, column: str, text: Callable[[float], str]) -> str:
        return listed(text(run[column][level]) for run in runs)

    accuracy, iterations = "test_accuracy", "early_stop_step"
    moderate, at_moderate = range(1, 11), f"at {lth_share(8)}"
    from_to = f"from {lth_share(1)} to {lth_share(10)}"
    leads = [run[accuracy][level] - run[accuracy][0] for run in runs for level in moderate]
    mean_leads = [lth_mean(LOTTERY, level) - lth_mean(LOTTERY, 0) for level in moderate]
    (tickets,) = table_of("fashion_mnist_lth_tickets").query(f"method == '{LOTTERY}'").itertuples()
    on_mnist = {
        "1.1": each(0, accuracy, percent),
        "1.2": "; ".join(_sparsest_match(run) for run in runs),
        "1.3": f"{each(8, accuracy, percent)} {at_moderate}; {from_to}: "
        f"{signed_percent(min(leads))} to {signed_percent(max(leads))} against dense",
        "1.4": f"iterations {each(8, iterations, count)} {at_moderate}, "
        f"dense {each(0, iterations, count)}",
    }
    on_fashion_mnist = {
        "1.2": f"{percent(tickets.mean_accuracy)} at {share(tickets.density)}, "
        f"dense {percent(tickets.dense_accuracy)}",
        "1.3": f"{percent(lth_mean(LOTTERY, 8))} {at_moderate}; {from_to}: "
        f"{signed_percent(min(mean_leads))} to {signed_percent(max(mean_leads))} against dense",
        "1.4": f"iteration {lth_steps(LOTTERY, 8)} {at_moderate}, dense {lth_steps(LOTTERY, 0)}",
    }
    results = {number: [Measured("MNIST", len(runs), here)] for number, here in on_mnist.items()}
    for number, here in on_fashion_mnist.items():
        results[number] += of_fashion_mnist(table_of("fashion_mnist_lth"), here)
    long, with_sgd = table_of("fashion_mnist_lenet_adam"), table_of("fashion_mnist_lenet")
    as_long = "Fashion-MNIST, 50,000 iterations"
    results["1.2"].append(Measured(as_long, 1, _sparsest_match(long)))
    return {**results, "1.10": [Measured("Fashion-MNIST", 1, _sparsest_match(with_sgd))]}


def beside_controls() -> dict[str, list[Measured]]:
    """Claims 1.5 to 1.9 and 5.8, of what tickets are compared with."""
    rows = table_of("fashion_mnist_lth")
    ticket = f"{percent(lth_mean(LOTTERY, 18))}"

    def at_the_end(method: str) -> str:
        return f"{percent(lth_mean(method, 18))} at {lth_share(18)}"

    def least_lead(method: str, first_level: int) -> str:
        of_level = rows[rows.level >= first_level].set_index(["replicate", "level"])
        tickets, others = (
            of_level[of_level.method == name].test_accuracy for name in (LOTTERY, method)
        )
        least = (tickets - others).dropna().min()
        return f"each replicate at least {percent(least)} below it from {lth_share(first_level)} on"

    (one_shot,) = (
        table_of("fashion_mnist_lth_tickets").query(f"method == '{ONE_SHOT}'").itertuples()
    )
    here = {
        "1.5": f"{at_the_end(NEW_WEIGHTS)}, ticket {ticket}; {least_lead(NEW_WEIGHTS, 4)}",
        "1.6": f"early stopping at iteration {lth_steps(NEW_WEIGHTS, 8)} at {lth_share(8)}, ticket "
        f"{lth_steps(LOTTERY, 8)}, dense {lth_steps(LOTTERY, 0)}",
        "1.7": f"{at_the_end(MASK)}, ticket {ticket}; iteration {lth_steps(MASK, 8)} at "
        f"{lth_share(8)}, ticket {lth_steps(LOTTERY, 8)}",
        "1.8": f"one-shot {at_the_end(ONE_SHOT)}, iterative {ticket}; {least_lead(ONE_SHOT, 10)}",
        "1.9": f"{percent(one_shot.mean_accuracy)} at {share(one_shot.density)}, dense "
        f"{percent(one_shot.dense_accuracy)}",
        "5.8": f"one-shot {at_the_end(ONE_SHOT)}, iterative {ticket}, dense "
        f"{percent(lth_mean(LOTTERY, 0))}",
    }
    results = {number: of_fashion_mnist(rows, text) for number, text in here.items()}
    for number, text in _controls_on_mnist().items():
        replicates = len(_replicates_with_controls())
        results[number] = [Measured("MNIST", replicates, text), *results[number]]
    for number, method in {
        "1.5": NEW_WEIGHTS,
        "1.7": MASK,
        "1.8": ONE_SHOT,
        "5.8": ONE_SHOT,
    }.items():
        results[number].append(_on_cifar10(method))
    return results


def _on_cifar10(method: str) -> Measured:
    """A control of a residual network, beside its smallest ticket."""
    rows = table_of("cifar10_resnet14_iterative")
    rows = rows.set_index(["method", "level"])
    level = rows.index.get_level_values("level").max()
    ticket = rows.loc[(LOTTERY, level)]
    accuracies = {
        "": rows.loc[(method, level)].test_accuracy,
        "ticket ": ticket.test_accuracy,
        "dense ": rows.loc[(LOTTERY, 0)].test_accuracy,
    }
    numbers = ", ".join(f"{name}{percent(accuracy)}" for name, accuracy in accuracies.items())
    return Measured("CIFAR-10", 1, f"{HALF}, from 100, at {share(ticket.density)}: {numbers}")


def _controls_on_mnist() -> dict[str, str]:
    """Claims 1.5 to 1.8 of the replicates on MNIST that have controls, at 2.87%."""
    level = 16
    controls = table_of("mnist_lth_controls").query(f"level == {level}")
    tickets = [
        pd.read_csv(RESULTS / f"mnist_lth_replicate_{number}.csv").iloc[level]
        for number in _replicates_with_controls()
    ]
    at = f"at {share(tickets[0].density)}"

    def at_the_end(method: str) -> str:
        accuracies = percent_each(controls[controls.method == method].test_accuracy)
        return f"{accuracies} {at}, ticket {percent_each(one.test_accuracy for one in tickets)}"

    def stopping(method: str) -> str:
        steps = map(count, controls[controls.method == method].early_stop_step)
        of_tickets = listed(count(one.early_stop_step) for one in tickets)
        return f"early stopping at iteration {listed(steps)} {at}, ticket {of_tickets}"

    return {
        "1.5": at_the_end("random_reinitialization"),
        "1.6": stopping("random_reinitialization"),
        "1.7": f"{at_the_end('random_mask')}; {stopping('random_mask')}",
        "1.8": f"one-shot {at_the_end('one_shot')}",
    }


def _replicates_with_controls() -> list[int]:
    return sorted(table_of("mnist_lth_controls").replicate.unique())


def conv_on_cifar10() -> list[Measured]:
    """Claim 1.11: tickets and their random reinitializations."""
    rows = table_of("cifar10_conv")
    return [_of_conv(rows[rows.network == network], text) for network, text in _CONV.items()]


def _of_conv(rows: pd.DataFrame, text: str) -> Measured:
    tickets = rows[rows.method == LOTTERY]
    controls = rows[rows.method == NEW_WEIGHTS]
    level = int(controls.level.max())

    def each(table: pd.DataFrame, level: int) -> str:
        return percent_each(table[table.level == level].test_accuracy)

    def share_at(level: int) -> str:
        return share(tickets[tickets.level == level].density.iloc[0])

    best = int(tickets.groupby("level").test_accuracy.mean().idxmax())
    highest = "" if best == level else f"{each(tickets, best)} at {share_at(best)}, "
    here = (
        f"{text}: {highest}{each(tickets, level)} at {share_at(level)}, new weights "
        f"{each(controls, level)}; dense {each(tickets, 0)}"
    )
    return Measured("CIFAR-10", tickets.replicate.nunique(), here)


def conv_with_dropout() -> Measured:
    """Claim 1.12, of Conv-2: tickets of networks with dropout, beside those without."""
    rows = table_of("cifar10_conv").query("network == 'conv2'")
    one = rows[rows.method == "lottery_ticket_dropout"].set_index("level")
    without = rows[(rows.method == LOTTERY) & rows.replicate.isin(one.replicate)]
    without = without.set_index("level").test_accuracy
    here = ", ".join(
        f"{percent(one.test_accuracy[level])} at {share(one.density[level])}"
        for level in (int(one.test_accuracy.idxmax()), int(one.index.max()))
    )
    best = int(one.test_accuracy.idxmax())
    return Measured(
        "CIFAR-10",
        one.replicate.nunique(),
        f"{_CONV['conv2']}: {here}, dense {percent(one.test_accuracy[0])}; "
        f"without dropout {percent(without[best])} at {share(one.density[best])}, dense "
        f"{percent(without[0])}",
    )
