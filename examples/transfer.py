"""From a pretrained network to a small file for images of one's own.

    python examples/transfer.py

pretrains a small MobileNet on scikit-learn's digits 0 to 4 and finds a ticket in it for the digits
5 to 9. With a network and images of yours:

    python examples/transfer.py --network=MobileNetV2 --alpha=1 --weights=mobilenet_v2.h5 \\
        --images=flowers/ --image_size=160 --learning_rate=1e-4 --folder=flowers_ticket

After each pruning the weights that remain return to the pretrained ones, as in arXiv 2012.06908. If
it is interrupted, the same command goes on after the last finished level.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pandas as pd
import tensorflow as tf
import tf_keras as keras
from absl import app, flags, logging
from own_images import Images, digits, read_arrays, read_folder
from pretrained import NETWORKS, build, has_alpha, load_weights

import tf_lottery

FORMATS = ("saved_model_compressed", "tflite_sparse", "tflite_int8")
HEAD_LEARNING_RATE = 1e-3

flags.DEFINE_enum("network", "MobileNet", sorted(NETWORKS), "Network of tf_keras.applications.")
flags.DEFINE_float("alpha", 0.25, "Width of a MobileNet; others have none.", 0.01)
flags.DEFINE_string("weights", None, "File of the network's weights: .h5, .weights.h5 or .keras.")
flags.DEFINE_string("images", None, "Folder with a subfolder of images for each class.")
flags.DEFINE_string("arrays", None, "An .npz with x_train, y_train and perhaps x_test, y_test.")
flags.DEFINE_integer("image_size", 32, "Height and width that images are resized to.", 1)
flags.DEFINE_integer("batch_size", 32, "Images in a step of training.", 1)
flags.DEFINE_integer("head_epochs", 5, "Epochs in which the new layer is trained alone.", 0)
flags.DEFINE_integer("epochs", 15, "Epochs in which each level is trained.", 1)
flags.DEFINE_float("learning_rate", 3e-3, "Adam's, for the whole network, at first.", 0)
flags.DEFINE_integer("levels", 4, "Number of prunings.", 1)
flags.DEFINE_float("pruning_rate", 0.5, "Share of the weights that a pruning removes.", 0, 0.99)
flags.DEFINE_integer("rewind_step", 0, "Iteration to rewind to; 0 for the pretrained weights.", 0)
flags.DEFINE_float("tolerance", 0.01, "Validation accuracy that a ticket may lose.", 0, 1)
flags.DEFINE_integer("seed", 1, "Draws the new layer, the split of the images and their order.")
flags.DEFINE_string("folder", "transferred", "Where the results go.")
FLAGS = flags.FLAGS


def main() -> None:
    """Finds and exports a ticket, as the flags say."""
    check_flags()
    images = load_images()
    check_rewind_step(images)
    new_search(*build_classifier(images), images)  # Refuses levels that would leave no weight.
    folder = open_folder()
    tf.config.experimental.enable_op_determinism()
    weights = Path(FLAGS.weights) if FLAGS.weights else pretrain_on_digits(folder)

    pretrained, classifier = build_classifier(images)
    load_weights(pretrained, weights)
    train_head(pretrained, classifier, images)
    search = find_ticket(pretrained, classifier, images)
    frame = search.history.to_frame()
    print(frame.round(4).to_string(index=False))
    frame.to_csv(folder / "levels.csv", index=False)
    is_good = frame.val_accuracy >= frame.val_accuracy[0] - FLAGS.tolerance
    write_files(search, int(frame.level[is_good].max()), images, folder)


def check_flags() -> None:
    """Refuses what can be seen to be wrong before anything is read."""
    if bool(FLAGS.images) + bool(FLAGS.arrays) != bool(FLAGS.weights):
        raise ValueError(
            f"--weights={FLAGS.weights}, --images={FLAGS.images}, --arrays={FLAGS.arrays}: give "
            "--weights and one of --images and --arrays, or none of the three to try the digits."
        )
    for flag, is_there, kind in (
        ("weights", Path.is_file, "file"),
        ("arrays", Path.is_file, "file"),
        ("images", Path.is_dir, "folder"),
    ):
        if FLAGS[flag].value and not is_there(Path(FLAGS[flag].value)):
            raise ValueError(f"--{flag}={FLAGS[flag].value}: there is no such {kind}.")
    if FLAGS["alpha"].present and not has_alpha(FLAGS.network):
        raise ValueError(f"--alpha={FLAGS.alpha}: {FLAGS.network} has one width; leave it out.")
    folder, begun_with = Path(FLAGS.folder), flag_file()
    is_used = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if is_used and not (begun_with.is_file() and begun_with.read_text() == flags_text()):
        raise ValueError(
            f"--folder={folder} exists, and was not begun with these flags; choose a new or an "
            "empty folder."
        )


def flag_file() -> Path:
    """Where the flags are kept by which a folder is known again."""
    return Path(FLAGS.folder) / "flags.cfg"


def flags_text() -> str:
    """All flags of the example with their values."""
    own = FLAGS.get_key_flags_for_module(sys.modules[__name__])
    return "".join(sorted(f"{flag.serialize()}\n" for flag in own if flag.value is not None))


def open_folder() -> Path:
    """Makes the folder, or goes on in it."""
    folder = Path(FLAGS.folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not flag_file().exists():
        flag_file().write_text(flags_text())
    return folder


def check_rewind_step(images: Images) -> None:
    """Refuses a rewind step that is not in the training of a level."""
    if FLAGS.rewind_step >= steps_per_level(images):
        raise ValueError(
            f"--rewind_step={FLAGS.rewind_step}: a level ends at iteration "
            f"{steps_per_level(images)}; choose an earlier one."
        )


def steps_per_level(images: Images) -> int:
    """Iterations of fine-tuning."""
    return FLAGS.epochs * len(images.training)


def load_images() -> Images:
    """The images that the flags name, or the digits 5 to 9."""
    how = (FLAGS.image_size, FLAGS.batch_size, FLAGS.seed)
    if FLAGS.images:
        return read_folder(Path(FLAGS.images), *how)
    if FLAGS.arrays:
        return read_arrays(Path(FLAGS.arrays), *how)
    return digits(range(5, 10), *how)


def build_classifier(images: Images) -> tuple[keras.Model, keras.Model]:
    """The network that the flags name, and a classifier of these images around it.

    They are the same each time, with the same names, so that an interrupted search goes on.
    """
    keras.backend.reset_uids()
    keras.utils.set_random_seed(FLAGS.seed)
    return build(FLAGS.network, FLAGS.alpha, FLAGS.image_size, classes=len(images.classes))


def pretrain_on_digits(folder: Path) -> Path:
    """Trains a network on the digits 0 to 4; returns the file of its weights."""
    path = folder / "pretrained.weights.h5"
    if path.exists():
        return path
    print("Pretraining on the digits 0 to 4")
    images = digits(range(5), FLAGS.image_size, FLAGS.batch_size, FLAGS.seed)
    network, classifier = build_classifier(images)
    train(classifier, images, 2 * FLAGS.epochs, FLAGS.learning_rate)
    unfinished = folder / "unfinished.weights.h5"
    network.save_weights(unfinished)
    return unfinished.replace(path)


def train(classifier: keras.Model, images: Images, epochs: int, learning_rate: float) -> None:
    """Trains what is trainable."""
    compile_for_training(classifier, learning_rate, steps=epochs * len(images.training))
    classifier.fit(images.training, epochs=epochs, validation_data=images.validation, verbose=2)


def compile_for_training(classifier: keras.Model, learning_rate: float, steps: int) -> None:
    """Sets optimizer, loss and metric; the learning rate sinks to 0 in so many steps."""
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(schedule), loss, ["accuracy"])


def train_head(pretrained: keras.Model, classifier: keras.Model, images: Images) -> None:
    """Trains the new layer alone: the gradients of a random one would spoil the others."""
    if FLAGS.head_epochs:
        print("Training the new layer")
        pretrained.trainable = False  # Batch normalization keeps its statistics, too.
        train(classifier, images, FLAGS.head_epochs, HEAD_LEARNING_RATE)
        pretrained.trainable = True


def find_ticket(
    pretrained: keras.Model, classifier: keras.Model, images: Images
) -> tf_lottery.IterativeMagnitudePruning:
    """Fine-tunes, prunes, rewinds, and so on."""
    search = new_search(pretrained, classifier, images)
    search.fit(images.training, epochs=FLAGS.epochs, validation_data=images.validation, verbose=2)
    return search


def new_search(
    pretrained: keras.Model, classifier: keras.Model, images: Images
) -> tf_lottery.IterativeMagnitudePruning:
    """The search, new or gone on with, for a ticket of most layers.

    Fine-tuning often leaves the statistics of batch normalization as they are. Here they must
    follow: with every mask the layers receive something else.
    """
    # The new layer and depthwise convolutions have few weights, each of which matters much.
    others = [n.name for n in classifier.layers if n.weights and n is not pretrained]
    depthwise = [n.name for n in pretrained.layers if isinstance(n, keras.layers.DepthwiseConv2D)]
    prunable = tf_lottery.prunable(
        classifier, exclude=[*others, *(f"{pretrained.name}/{name}" for name in depthwise)]
    )
    compile_for_training(prunable, FLAGS.learning_rate, steps=steps_per_level(images))
    return tf_lottery.IterativeMagnitudePruning(
        prunable,
        FLAGS.levels,
        FLAGS.pruning_rate,
        FLAGS.rewind_step,
        folder=Path(FLAGS.folder) / "search",
    )


def write_files(
    search: tf_lottery.IterativeMagnitudePruning, level: int, images: Images, folder: Path
) -> None:
    """Exports the ticket of a level and, to compare with, the dense network."""
    (folder / "classes.txt").write_text("\n".join(images.classes) + "\n")
    training_images, _ = next(iter(images.training.unbatch().batch(300)))
    options = {
        "formats": FORMATS,
        "test_data": images.test,
        "representative": training_images.numpy(),
        "measure": False,
        "overwrite": True,
    }
    dense = tf_lottery.strip(search.restore(level=0))
    whole = tf_lottery.export(dense, folder / "dense", **options)
    ticket = tf_lottery.export(search.restore(level), folder / "ticket", dense=dense, **options)
    print(
        f"\nTest accuracy of level {level}, with {ticket.density:.1%} of the weights: "
        f"{ticket.accuracy:.1%}; of the dense network: {whole.accuracy:.1%}. In {folder}:"
    )
    rows = [
        {
            "file": f"ticket/{sparse.file}",
            "kB": sparse.size.bytes / 1000,
            "gzipped kB": sparse.size.compressed_bytes / 1000,
            "dense kB": same.size.bytes / 1000,
            "accuracy": sparse.verification.accuracy,
            "dense accuracy": same.verification.accuracy,
        }
        for sparse, same in zip(ticket.formats, whole.formats, strict=True)
    ]
    print(pd.DataFrame(rows).round(3).to_string(index=False))


def run(arguments: list[str]) -> None:
    """Runs the example; ends with one line where a flag or a file is wrong."""
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(arguments[1:])}")
    logging.set_verbosity(logging.ERROR)
    try:
        main()
    except ValueError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    app.run(run)
