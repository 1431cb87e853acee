"""Where each row of the tables of docs/models.md is tested."""

# What a row begins with, to files in tests/ and what stands in them: a case, or a test.
ROWS: dict[str, dict[str, list[str]]] = {
    "Sequential, functional, nested": {
        "conformance/user_models.py": [
            '"nested models"',
            '"shared layers"',
            '"shared models"',
            '"several inputs and outputs"',
            '"TensorFlow-op layers, keras.ops"',
        ]
    },
    "Dense, convolution, separable": {
        "conformance/user_models.py": [
            '"separable, depthwise, transposed convolutions"',
            '"1D and 3D convolutions"',
        ]
    },
    "networks of `keras.applications`": {
        "conformance/test_keras_applications.py": [
            "def test_a_network_of_keras_from_pruning_to_export(",
            "EfficientNetV2B0",
            "MobileNetV3Small",
        ]
    },
    "LSTM, GRU, SimpleRNN": {
        "conformance/user_models.py": [
            '"LSTM, GRU, SimpleRNN"',
            '"ConvLSTM2D"',
            '"StackedRNNCells"',
            '"Bidirectional, TimeDistributed"',
        ]
    },
    "Embedding, EinsumDense": {
        "conformance/user_models.py": [
            '"Embedding with mask_zero"',
            '"MultiHeadAttention, EinsumDense"',
            '"LocallyConnected"',
        ]
    },
    "activations, initializers": {
        "conformance/user_models.py": ['"functions and regularizers that Keras does not know"'],
        "masking/test_users_objects.py": [
            "def test_a_copy_computes_the_same(",
            '"lambda as activation"',
            '"Lambda of a lambda"',
            '"initializer"',
            '"constraint"',
        ],
    },
    "preprocessing layers": {
        "conformance/ways_of_fitting.py": [
            '"text classifier with TextVectorization"',
            '"preprocessing and augmentation in the model"',
        ],
        "masking/test_vocabularies.py": [
            "def test_words_are_the_same_to_a_copy_and_tickets_are_trained(",
            "def test_such_models_are_exported_as_saved_models_alone(",
            "StringLookup",
        ],
    },
    "layers of your own that consist of layers": {
        "conformance/user_models.py": ['"custom layer with layers in it"']
    },
    "layers of your own with weights": {
        "conformance/user_models.py": [
            '"custom layer, weights named by kernels="',
            '"custom layer with get_prunable_weights"',
        ],
        "masking/test_kernels.py": [
            "def test_unknown_weights_are_refused_with_all_that_one_needs_to_know("
        ],
    },
    "layers that share weights": {
        "masking/test_shared_weights.py": [
            "def test_shared_layers_are_held_in_place_and_stay_one(",
            "def test_a_variable_of_two_layers_is_held_in_place(",
            "def test_gradient_scores_say_that_they_need_a_copy(",
        ]
    },
    "attributes that you gave a model": {
        "masking/test_shared_weights.py": [
            "def test_attributes_stay(",
            "def test_a_model_with_weights_in_attributes_is_held_in_place(",
        ]
    },
    "frozen layers": {
        "masking/test_starting_points.py": [
            "def test_frozen_layers_are_left_out_and_named(",
            "def test_layers_that_are_frozen_within_others_stay_so(",
        ]
    },
    "a network that is sparse already": {
        "masking/test_starting_points.py": ["def test_a_search_goes_on_from_a_sparse_model("]
    },
    "layers that tfmot has wrapped": {
        "masking/test_starting_points.py": ["def test_models_that_tfmot_has_wrapped_are_refused("]
    },
    "mixed precision": {
        "conformance/user_models.py": ['"mixed precision"'],
        "masking/test_mixed_precision.py": ["def test_masks_hold_in_training("],
    },
    "subclassed models": {
        "conformance/user_models.py": ['"subclassed model"', '"subclassed model as a layer"']
    },
    "attention masks": {
        "conformance/ways_of_fitting.py": ['"attention with given, padding and causal masks"']
    },
    "text classifiers": {
        "conformance/ways_of_fitting.py": [
            '"text classifier with TextVectorization"',
            '"forecaster"',
            '"U-Net"',
        ]
    },
    "rescaling, augmentation": {
        "conformance/ways_of_fitting.py": ['"preprocessing and augmentation in the model"']
    },
    "backbones whose constructor": {
        "conformance/ways_of_fitting.py": [
            '"backbone whose constructor builds a graph"',
            '"classifier on a backbone"',
        ]
    },
    "your own `train_step`": {"conformance/user_models.py": ['"custom train_step"']},
    "a student and its teacher": {
        "conformance/test_ways_of_fitting.py": [
            "def test_distillation_prunes_the_student_alone(",
            '"student first"',
            '"teacher excluded"',
            '"teacher frozen"',
        ]
    },
    "your own training loop": {
        "tickets/test_own_loop.py": ["def test_a_loop_finds_the_tickets_that_fit_finds("]
    },
    "GANs, contrastive training": {
        "conformance/test_ways_of_fitting.py": [
            "def test_own_loop_with_an_optimizer_beside_that_of_the_search(",
            '"adversarial"',
            '"contrastive"',
        ]
    },
    "a model with several optimizers": {
        "conformance/test_ways_of_fitting.py": [
            "def test_several_optimizers_of_a_model_are_refused("
        ]
    },
    "a base that is frozen first": {
        "conformance/test_ways_of_fitting.py": ["def test_base_frozen_then_unfrozen("]
    },
    "Keras 3 on TensorFlow": {
        "conformance/test_user_models.py": ["for keras in (tf_keras, keras_3)"],
        "masking/test_keras_3.py": ["def test_masks_are_the_same_level_by_level("],
    },
    "Keras 3 on JAX": {"masking/test_keras_3.py": ["def test_another_backend_is_refused("]},
    "arrays, `validation_split`": {
        "conformance/ways_of_fitting.py": [
            '"arrays"',
            '"validation_split"',
            '"endless tf.data and steps_per_epoch"',
            '"Sequence"',
            '"PyDataset with two workers"',
        ]
    },
    "a Python generator": {
        "conformance/ways_of_fitting.py": ['"generator and steps_per_epoch"'],
        "tickets/test_level_lengths.py": [
            "def test_a_generator_that_runs_out_is_told_to_go_on_by_itself("
        ],
    },
    "`class_weight`": {
        "conformance/ways_of_fitting.py": [
            '"class_weight"',
            '"sample_weight"',
            '"losses and labels by name"',
        ]
    },
    "`run_eagerly`": {
        "conformance/ways_of_fitting.py": [
            '"run_eagerly"',
            '"jit_compile"',
            '"gradient clipping"',
            '"gradient accumulation"',
            '"loss scaling of 16-bit floats"',
        ]
    },
    "`MirroredStrategy`": {
        "conformance/test_ways_of_fitting.py": ["def test_two_mirrored_devices("],
        "conformance/test_user_models.py": ["def test_two_mirrored_devices("],
    },
    "`LearningRateScheduler`": {
        "conformance/ways_of_fitting.py": ['"LearningRateScheduler"', '"ReduceLROnPlateau"'],
        "conformance/test_ways_of_fitting.py": ["def test_callbacks_that_write_change_nothing("],
    },
}
