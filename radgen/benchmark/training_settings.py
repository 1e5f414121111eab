"""Settings of training: the same for the network of every arm, so that only what an arm is made of differs."""

from __future__ import annotations

from radgen.settings import above_zero, one_of, section, setting

CLASSIFIERS = ("residual", "DenseNet121", "ResNet18", "EfficientNetB0")
SEGMENTERS = ("unet", "BasicUNet", "SegResNet", "AttentionUnet")


@section
class ArmTrainingSettings:
    """How the network of every arm is trained: the same for all of them, so that only the images differ."""

    seeds: int = setting(3, "Networks per arm, each from its own seed; at least 3.")
    seed: int = setting(1, "First seed: of initial weights, of batches and of augmentation.")
    threads: int = setting(1, "CPU threads; another number gives slightly different weights.")
    max_steps: int = setting(
        1500, "Steps in every arm; enough for real 100 % to reach its plateau, as the history shows."
    )
    eval_every: int = setting(100, "Steps between scores on the arm's own validation patients.")
    val_images: int = setting(256, "At most so many validation images score a state, spread evenly over all of them.")
    weight_decay: float = setting(1e-2, "Weight decay of AdamW.")
    synthetic_share: float = setting(0.5, "Share of synthetic images in a batch of an arm that has both kinds.")
    pretrain_share: float = setting(
        0.5, "Share of all steps that arms with a first phase spend in it: synthetic images alone, or a pretext task."
    )
    finetune_rate: float = setting(0.3, "Peak learning rate after that phase, as a share of the usual one.")
    search_steps: tuple[int, ...] = setting(
        (), "Small search, the same for every arm on its own validation patients: numbers of steps up to max_steps."
    )
    search_augmentation: tuple[float, ...] = setting(
        (), "The same search: factors on the strength of augmentation, such as [0.5, 1, 2]."
    )
    teacher_decay: float = setting(0.99, "Mean teacher: decay of the average of weights.")
    teacher_weight: float = setting(1.0, "Mean teacher: weight of agreement with it, after the ramp.")
    classifier: str = setting(
        "residual", "Classification: residual (small) or a MONAI network: DenseNet121, ResNet18, EfficientNetB0."
    )
    segmenter: str = setting(
        "unet", "Segmentation: unet (small) or a MONAI network: BasicUNet, SegResNet, AttentionUnet."
    )
    classifier_batch_size: int = setting(16, "Classification: images per step.")
    classifier_learning_rate: float = setting(3e-3, "Classification: peak rate of AdamW, which falls along a cosine.")
    classifier_channels: tuple[int, ...] = setting(
        (12, 24, 48, 96), "Channels of the residual classifier's four stages."
    )
    segmenter_batch_size: int = setting(8, "Segmentation: images per step.")
    segmenter_learning_rate: float = setting(6e-3, "Segmentation: peak rate of AdamW, which falls along a cosine.")
    segmenter_channels: tuple[int, ...] = setting(
        (8, 16, 32, 64, 96), "Channels of the U-Net's levels; levels below 4 pixels are left out."
    )
    shift: float = setting(0.06, "Augmentation: largest shift, as a share of the image's width.")
    scale: float = setting(0.1, "Augmentation: largest zoom in or out, as a share.")
    intensity: float = setting(0.1, "Augmentation: largest change of brightness and contrast, as a share of the range.")
    surface_tolerance_mm: float = setting(2.0, "Surface Dice: farthest that two surfaces lie apart and count as one.")
    mirror: bool = setting(False, "Augmentation: mirror left to right, only where both sides occur in nature.")

    def __post_init__(self) -> None:
        """Refuse values with which no training, or no interval over seeds, is possible."""
        if self.seeds < 3:
            msg = f"seeds must be at least 3, not {self.seeds}: fewer say nothing about how much a result varies"
            raise ValueError(msg)
        for name in ("threads", "max_steps", "eval_every", "val_images"):
            above_zero(**{name: getattr(self, name)})
        for name in ("batch_size", "learning_rate"):
            for network in ("classifier", "segmenter"):
                above_zero(**{f"{network}_{name}": getattr(self, f"{network}_{name}")})
        above_zero(surface_tolerance_mm=self.surface_tolerance_mm)
        for name in ("synthetic_share", "pretrain_share", "teacher_decay"):
            if not 0 < getattr(self, name) < 1:
                msg = f"{name} must lie between 0 and 1, not {getattr(self, name)}"
                raise ValueError(msg)
        above_zero(finetune_rate=self.finetune_rate, teacher_weight=self.teacher_weight)
        one_of("classifier", self.classifier, CLASSIFIERS)
        one_of("segmenter", self.segmenter, SEGMENTERS)
        if any(not 0 < steps <= self.max_steps for steps in self.search_steps):
            msg = f"search_steps must lie between 1 and max_steps ({self.max_steps}), not {list(self.search_steps)}"
            raise ValueError(msg)
        if any(not 0 <= factor <= 4 for factor in self.search_augmentation):
            msg = f"search_augmentation must lie between 0 and 4, not {list(self.search_augmentation)}"
            raise ValueError(msg)
        for name in ("shift", "scale", "intensity"):
            if not 0 <= getattr(self, name) < 0.5:
                msg = f"{name} must be at least 0 and below 0.5, not {getattr(self, name)}"
                raise ValueError(msg)
        self._check_widths()

    def _check_widths(self) -> None:
        if len(self.classifier_channels) != 4 or min(self.classifier_channels) < 1:
            msg = f"classifier_channels needs four numbers above 0, not {self.classifier_channels}"
            raise ValueError(msg)
        if len(self.segmenter_channels) < 2 or min(self.segmenter_channels) < 1:
            msg = f"segmenter_channels needs at least two numbers above 0, not {self.segmenter_channels}"
            raise ValueError(msg)
