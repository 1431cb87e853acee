"""Claims 2.1 to 3.8 (1903.01611, 1912.05671), and 4.2, of the same instability."""

from collections.abc import Callable, Mapping
from functools import partial

import pandas as pd

from measured.tables import (
    HALF,
    MASK,
    NEW_WEIGHTS,
    RESNET_20,
    RESNET_20_LONGER,
    VGG_19,
    lth_share,
    mean_of,
    of_fashion_mnist,
    sweep_mean,
    table_of,
)
from measured.words import Measured, percent, percent_each, share


def stabilizing() -> dict[str, list[Measured]]:
    """Claim 2.3, of the rewind step, and 2.4 to 2.7, of distances."""

    def distance(column: str, network: str, level: int, step: int = 0) -> str:
        return f"{sweep_mean('fashion_mnist_stability', network, level, column, step):.1f}"

    here = {}
    for number, column in (("2.4", "pruning_l2"), ("2.5", "data_order_l2")):
        of_levels = (
            f"{distance(column, 'ticket', level)} at {lth_share(level)}, random mask "
            f"{distance(column, MASK, level)}"
            for level in (6, 12)
        )
        here[number] = f"distance {'; '.join(of_levels)}"
    for number, column in (("2.6", "pruning_l2"), ("2.7", "data_order_l2")):
        of_levels = (
            ", ".join(distance(column, "ticket", level, step) for step in (0, 100, 1000))
            + f" at {lth_share(level)}"
            for level in (6, 12)
        )
        here[number] = f"distance {' and '.join(of_levels)} from iterations 0, 100, 1,000"
    rows = table_of("fashion_mnist_stability")
    of_distances = {number: of_fashion_mnist(rows, text) for number, text in here.items()}
    by_step = {
        "2.1": [
            _accuracy_by_rewind_step("cifar10_resnet14_half", HALF, 0.15),
            _accuracy_by_rewind_step("cifar10_resnet20", RESNET_20, 0.1, 0.05),
            _pruned_iteratively("cifar10_resnet20_iterative", RESNET_20),
            _accuracy_by_rewind_step("cifar10_resnet20_longer", RESNET_20_LONGER, 0.1),
        ],
        "2.3": [_accuracy_by_rewind_step("cifar10_resnet14_half", HALF, 0.1, 0.05)],
    }
    return {**by_step, **of_distances}


def _accuracy_by_rewind_step(name: str, network: str, *densities: float) -> Measured:
    """Tickets of some densities on CIFAR-10, in all replicates that have them."""
    rows = table_of(name)
    rows = rows[rows.density.isin(densities)]

    def at(density: float) -> str:
        tickets = "; ".join(
            f"{percent_each(own.ticket_accuracy)} from {step}"
            for step, own in rows[rows.density == density].groupby("rewind_step")
        )
        return f"{tickets}, at {share(density)}"

    dense = rows.groupby("replicate").dense_accuracy.first()
    here = f"{network}: {'; '.join(map(at, densities))}; dense {percent_each(dense)}"
    return Measured("CIFAR-10", len(dense), here)


def _pruned_iteratively(name: str, network: str) -> Measured:
    """The smallest ticket of a search on CIFAR-10 that is rewound to 100, and its dense network."""
    rows = table_of(name)
    dense, ticket = rows.iloc[0], rows.iloc[-1]
    here = (
        f"{network}, pruned iteratively: {percent(ticket.test_accuracy)} from 100, at "
        f"{share(ticket.density)}; dense {percent(dense.test_accuracy)}"
    )
    return Measured("CIFAR-10", rows.replicate.nunique(), here)


def linear_mode_connectivity() -> dict[str, list[Measured]]:
    """Claims 3.1 to 3.3, 3.5, 3.6, 3.8 and 4.2, of instability."""
    rows = table_of("fashion_mnist_instability")

    def mean(column: str, network: str, level: int, step: int) -> str:
        return percent(sweep_mean("fashion_mnist_instability", network, level, column, step))

    barrier, accuracy = partial(mean, "test_error_barrier"), partial(mean, "test_accuracy")

    def both(of: Callable[[str, int, int], str]) -> str:
        return f"{of(MASK, 18, 0)} and {of(NEW_WEIGHTS, 18, 0)}, ticket {of('ticket', 18, 0)}"

    def barrier_with(rate: float, warmup: int, batch_size: int = 60) -> str:
        settings = rows[rows.run.str.startswith("fashion_mnist_settings_")]
        settings = settings[(settings.learning_rate == rate) & (settings.warmup_steps == warmup)]
        settings = settings[settings.batch_size == batch_size]
        return percent(mean_of(settings.test_error_barrier))

    of_dense = [f"{barrier('dense', 0, step)} from {step}" for step in (0, 50, 100, 500)]
    steps = (0, 100, 1000)
    of_tickets = [f"{barrier('ticket', 18, step)} from {step:,}" for step in steps]
    accuracies = ", ".join(accuracy("ticket", 18, step) for step in steps)
    here = {
        "3.1": f"barrier {', '.join(of_dense)}",
        "3.5": f"at {lth_share(18)}: barrier {', '.join(of_tickets)}; accuracy {accuracies}, dense "
        f"{accuracy('dense', 0, 0)}",
        "3.6": f"at {lth_share(18)} from 0: {both(accuracy)}; barrier {both(barrier)}",
        "4.2": f"barrier {barrier('dense', 0, 0)} as the first paper trains; "
        f"{barrier_with(0.0003, 0)} at rate 0.0003; {barrier_with(0.0048, 0)} at rate 0.0048; "
        f"{barrier_with(0.0012, 1000)} with warmup over 1,000 iterations; "
        f"{barrier_with(0.0012, 0, 240)} in batches of 240",
    }
    cifar = table_of("cifar10_resnet14").dropna(subset="barrier_of_dense_copies")
    of_copies = ", ".join(
        f"{percent(row.barrier_of_dense_copies)} from {row.rewind_step}"
        for row in cifar.itertuples()
    )
    length = "ResNet-14, 1,200 of 63,000 iterations"
    on_fashion_mnist = {number: of_fashion_mnist(rows, text) for number, text in here.items()}
    on_mnist = _instability_on_mnist()
    both_sets = {
        number: on_mnist.get(number, []) + on_fashion_mnist.get(number, [])
        for number in {**on_mnist, **on_fashion_mnist}
    }
    both_sets["3.5"] += [
        _stability_of_tickets("cifar10_resnet14_half", HALF),
        _stability_of_tickets("cifar10_resnet20", RESNET_20),
    ]
    both_sets["4.2"].append(_stability_by_setting())
    return {**both_sets, "3.3": [Measured("CIFAR-10", 1, f"{length}: barrier {of_copies}")]}


def _stability_by_setting() -> Measured:
    """Claim 4.2, of a residual network: copies of dense networks from iteration 0."""
    rows = _with_standard(table_of("cifar10_resnet14_stable"), "cifar10_resnet14_half")
    rows = rows.dropna(subset="barrier_of_dense_copies")
    settings = _of_settings(rows, {"barrier_of_dense_copies": "barrier"})
    return Measured("CIFAR-10", rows.replicate.nunique(), f"{HALF}, from 0: {settings}")


def _stability_of_tickets(name: str, network: str) -> Measured:
    """Claim 3.5, of a residual network: copies of tickets, and what the tickets come to."""
    rows = table_of(name).dropna(subset="barrier_of_ticket_copies")

    def at(density: float) -> str:
        tickets = "; ".join(
            f"barrier {percent_each(own.barrier_of_ticket_copies)} and accuracy "
            f"{percent_each(own.ticket_accuracy)} from {step}"
            for step, own in rows[rows.density == density].groupby("rewind_step")
        )
        return f"at {share(density)}: {tickets}"

    dense = rows.groupby("replicate").dense_accuracy.first()
    tickets = "; ".join(map(at, sorted(rows.density.unique(), reverse=True)))
    here = f"{network}, {tickets}; dense {percent_each(dense)}"
    return Measured("CIFAR-10", len(dense), here)


def _instability_on_mnist() -> dict[str, list[Measured]]:
    """Claims 3.2, 3.5, 3.6 and 3.8, of LeNet on MNIST; each replicate's number."""
    rows, levels = table_of("mnist_lmc_instability"), table_of("mnist_lmc")
    at = f"at {share(levels.density[levels.level == 15].iloc[0])}"

    def each(network: str, column: str) -> str:
        return percent_each(rows[rows.network == network][column])

    accuracy, barrier = "test_accuracy", "test_error_barrier"
    dense = percent_each(levels[levels.level == 0].test_accuracy)
    here = {
        "3.2": f"barrier {each('dense', barrier)} of the dense networks, "
        f"{each('ticket', barrier)} of tickets {at}",
        "3.5": f"{at} from 0: barrier {each('ticket', barrier)}; accuracy "
        f"{each('ticket', accuracy)}, dense {dense}",
        "3.6": f"{at} from 0: {each(MASK, accuracy)} of random masks, "
        f"{each(NEW_WEIGHTS, accuracy)} of new weights, ticket {each('ticket', accuracy)}; "
        f"barrier {each(MASK, barrier)}, {each(NEW_WEIGHTS, barrier)}, "
        f"ticket {each('ticket', barrier)}",
        "3.8": f"LeNet {dense}",
    }
    return {
        number: [Measured("MNIST", rows.replicate.nunique(), text)] for number, text in here.items()
    }


_SETTINGS = {"standard": "at rate 0.1", "low": "at rate 0.01", "warmup": "at rate {} with warmup"}
_ACCURACIES = {"ticket_accuracy": "accuracy", "dense_accuracy": "dense"}


def in_stable_settings() -> dict[str, list[Measured]]:
    """Claims 1.13, 1.14, 3.4 and 4.1, of networks rewound to 0, by the setting they have."""
    half, resnet_20 = table_of("cifar10_resnet14_stable"), table_of("cifar10_resnet20_stable")
    beside_new_weights = {**_ACCURACIES, "reinitialized_accuracy": "new weights"}
    of_tickets = {"barrier_of_ticket_copies": "barrier", **_ACCURACIES}
    of_dense = {"barrier_of_dense_copies": "barrier of dense copies", **_ACCURACIES}
    return {
        "1.13": [
            _by_setting(HALF, _with_standard(half, "cifar10_resnet14_half"), _ACCURACIES),
            _by_setting(RESNET_20, _with_standard(resnet_20, "cifar10_resnet20"), _ACCURACIES),
        ],
        "1.14": [_by_setting(VGG_19, table_of("cifar10_vgg19"), beside_new_weights)],
        "3.4": [_by_setting(HALF, half, of_tickets), _by_setting(RESNET_20, resnet_20, of_tickets)],
        "4.1": [_by_setting(HALF, half, of_dense)],
    }


def by_pruning_scope() -> Measured:
    """Claim 1.15, of tickets that are pruned globally and layer by layer."""
    layerwise = table_of("cifar10_resnet14_layerwise")
    same = ["replicate", "rewind_step", "density"]
    pairs = layerwise.merge(table_of("cifar10_resnet14_half"), on=same, suffixes=("", "_global"))
    texts = [
        f"globally {percent_each(own.ticket_accuracy_global)}, layer by layer "
        f"{percent_each(own.ticket_accuracy)}, from {step}"
        for step, own in pairs.groupby("rewind_step")
    ]
    dense = percent_each(pairs.groupby("replicate").dense_accuracy.first())
    here = f"{HALF}, at {share(pairs.density.iloc[0])}: {'; '.join(texts)}; dense {dense}"
    return Measured("CIFAR-10", pairs.replicate.nunique(), here)


def _with_standard(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """And the tickets of these densities that were trained in the standard setting."""
    standard = table_of(name).query("rewind_step == 0")
    standard = standard[standard.density.isin(rows.density)].assign(setting="standard")
    return pd.concat([standard, rows])


def _by_setting(network: str, rows: pd.DataFrame, columns: Mapping[str, str]) -> Measured:
    settings = _of_settings(rows, columns)
    here = f"{network}, from 0, tickets of {share(rows.density.iloc[0])}: {settings}"
    return Measured("CIFAR-10", rows.replicate.nunique(), here)


def _of_settings(rows: pd.DataFrame, columns: Mapping[str, str]) -> str:
    texts = []
    for setting, own in rows.groupby("setting", sort=False):
        values = (f"{words} {percent_each(own[column])}" for column, words in columns.items())
        where = _SETTINGS[str(setting)].format(own.learning_rate.iloc[0])
        texts.append(f"{where}, {', '.join(values)}")
    return "; ".join(texts)
