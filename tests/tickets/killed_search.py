"""A search of the library in a folder, run as a process that may kill itself.

Arguments: the Keras, the optimizer, the folder, the iteration of level 1 at which it is killed, and
"search" or "callback".
"""

import importlib
import os
import signal
import sys

import numpy as np

import tf_lottery


def main() -> None:
    name, optimizer, folder, iteration, way = sys.argv[1:]
    keras = importlib.import_module(name)
    keras.utils.set_random_seed(0)
    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, 20, 0.001)
    layers = [
        keras.Input((5,)),
        keras.layers.Dense(8, activation="tanh", name="hidden"),
        keras.layers.Dense(2, name="output"),
    ]
    model = tf_lottery.prunable(keras.Sequential(layers))
    model.compile(getattr(keras.optimizers, optimizer)(schedule), "mse")
    random = np.random.default_rng(0)
    x, y = random.normal(size=(16, 5)), random.normal(size=(16, 2))

    class Kill(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if tf_lottery.get_mask(model).density < 1 and int(iteration) == batch:
                os.kill(os.getpid(), signal.SIGKILL)

    fit = {"batch_size": 4, "shuffle": False, "verbose": 0}
    if way == "callback":
        imp = tf_lottery.PruneAndRewind(2, 3, rewind_step="1ep", folder=folder)
        model.fit(x, y, epochs=imp.epochs(4), callbacks=[Kill(), imp], **fit)
        return
    search = tf_lottery.IterativeMagnitudePruning(model, 2, rewind_step="1ep", folder=folder)
    search.fit(x, y, epochs=3, callbacks=[Kill()], **fit)


if __name__ == "__main__":
    main()
