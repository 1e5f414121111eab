"""The networks of the benchmark: two small MONAI ones, or others of MONAI by name; the same in every arm."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

SMALLEST_LEVEL_PX = 4


def classifier(*, name: str, channels: int, classes: int, widths: tuple[int, ...], seed: int) -> nn.Module:
    """Return a classifier: residual (four stages, one block each) or a network of MONAI by name.

    Parameters
    ----------
    name
        residual, or one of `training_settings.CLASSIFIERS`.
    channels
        Of the images.
    classes
        Number of logits.
    widths
        Channels of the stages of the residual one.
    seed
        Of the initial weights.

    Notes
    -----
    Each image is normalised by itself: statistics of a batch would mix real and synthetic images in training and see
    only real ones in the test.
    """
    if name != "residual":
        return _named(name, seed, in_channels=channels, out_channels=classes)
    from monai.networks.nets.resnet import ResNet

    with _seeded(seed):
        network: nn.Module = ResNet(
            "basic",
            [1, 1, 1, 1],
            list(widths),
            spatial_dims=2,
            n_input_channels=channels,
            conv1_t_size=5,
            conv1_t_stride=2,
            no_max_pool=True,
            num_classes=classes,
            norm=("instance", {"affine": True}),
        )
    return skip_before_pointwise(network)


def segmenter(
    *, name: str, channels: int, labels: int, widths: tuple[int, ...], size_px: tuple[int, int], seed: int
) -> nn.Module:
    """Return a segmenter: a U-Net with one residual unit per level and instance normalisation, or one of MONAI by name.

    Parameters
    ----------
    name
        unet, or one of `training_settings.SEGMENTERS`.
    channels
        Of the images.
    labels
        Number of logits per pixel, background included.
    widths
        Channels of the levels of the U-Net, each at half the size of the one above.
    size_px
        Height and width of the images: levels end before an odd size or one below 4 pixels.
    seed
        Of the initial weights.
    """
    if name != "unet":
        return _named(name, seed, in_channels=channels, out_channels=labels)
    from monai.networks.nets.unet import UNet

    kept = widths[: levels(size_px, len(widths))]
    with _seeded(seed):
        network: nn.Module = UNet(
            spatial_dims=2,
            in_channels=channels,
            out_channels=labels,
            channels=kept,
            strides=(2,) * (len(kept) - 1),
            num_res_units=1,
            norm=("instance", {"affine": True}),
        )
    return network


def _named(name: str, seed: int, *, in_channels: int, out_channels: int) -> nn.Module:
    """Return a network of MONAI in two dimensions with its own widths, from fresh weights.

    Each image is normalised by itself where the network lets one choose; EfficientNet and AttentionUnet keep their
    batch normalisation.
    """
    from monai.networks import nets

    norm = ("instance", {"affine": True})
    common = {"spatial_dims": 2, "in_channels": in_channels, "out_channels": out_channels}
    with _seeded(seed):
        if name == "DenseNet121":
            network: nn.Module = nets.DenseNet121(**common, norm=norm)
        elif name == "ResNet18":
            network = nets.resnet18(
                spatial_dims=2, n_input_channels=in_channels, num_classes=out_channels, norm=norm, pretrained=False
            )
        elif name == "EfficientNetB0":
            network = nets.EfficientNetBN(
                "efficientnet-b0", pretrained=False, spatial_dims=2, in_channels=in_channels, num_classes=out_channels
            )
        elif name == "BasicUNet":
            network = nets.BasicUNet(**common, norm=norm)
        elif name == "SegResNet":
            network = nets.SegResNet(**common, init_filters=16, norm=("group", {"num_groups": 8}))
        else:
            network = nets.AttentionUnet(**common, channels=(16, 32, 64, 128), strides=(2, 2, 2))
    return skip_before_pointwise(network)


def levels(size_px: tuple[int, int], most: int) -> int:
    """Return how many levels of halved size fit, at most `most` and at least two.

    >>> levels((64, 64), 5), levels((32, 32), 5), levels((64, 50), 5)
    (5, 4, 2)
    """
    count, sides = 1, size_px
    while count < most and all(side % 2 == 0 and side // 2 >= SMALLEST_LEVEL_PX for side in sides):
        count, sides = count + 1, (sides[0] // 2, sides[1] // 2)
    return max(count, 2)


def skip_before_pointwise(network: nn.Module) -> nn.Module:
    """Let each strided 1 x 1 convolution of a network skip pixels first and convolve the rest; the sums are the same.

    oneDNN's kernel for processors without AVX-512 writes beyond its memory in the backward pass of such a convolution
    of fewer than 8 channels in the channels-last layout (torch 2.15.0: the process aborts). The network is changed in
    place.
    """
    for name, child in network.named_children():
        if isinstance(child, nn.Conv2d) and child.kernel_size == (1, 1) and child.stride != (1, 1):
            skip = nn.AvgPool2d(1, stride=child.stride)  # type: ignore[arg-type]
            child.stride = (1, 1)
            setattr(network, name, nn.Sequential(skip, child))
        else:
            skip_before_pointwise(child)
    return network


def parameter_count(network: nn.Module) -> int:
    """Return the number of weights."""
    return sum(parameter.numel() for parameter in network.parameters())


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch inside a block and leave its global state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
