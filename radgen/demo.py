"""The demo study: what `config/config.yaml` is generated from."""

from __future__ import annotations

from radgen.benchmark.settings import ArmSettings, BenchmarkSettings
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.cohort.phantom.settings import PhantomSettings
from radgen.cohort.settings import (
    ClassSettings,
    CohortSettings,
    InventorySettings,
    PatientKeySettings,
    StructureSettings,
)
from radgen.config import StudyConfig
from radgen.sources import SourceSettings


def demo_config() -> StudyConfig:
    """Return the demo: a phantom abdominal CT archive, one generator, both downstream tasks."""
    return StudyConfig(
        study="demo",
        title="Abdominal CT phantom: the embedded demo",
        phantom=PhantomSettings(),
        patient_key=PatientKeySettings(public="radgen demo"),
        inventory=InventorySettings(anatomy="ABDOMEN"),
        cohort=CohortSettings(annotator=0.1),
        classes=ClassSettings(by="mask", names=("normal", "liver_lesion"), structure="lesion"),
        structures=StructureSettings(names=("liver", "spleen", "kidneys", "aorta", "spine", "lesion")),
        sources={"main": SourceSettings(train_on="train", setting="shared")},
        # Fewer steps than the default: the last hundredth of a score is not worth five minutes of a demo.
        # A phantom's test set can be drawn anew, so it is not sealed: the demo shows the scores of its test.
        benchmark=BenchmarkSettings(sealed=False, training=ArmTrainingSettings(max_steps=900)),
        arms={
            "low_plus_synthetic": ArmSettings(real_fraction="low", synthetic="main"),
            "synthetic_only": ArmSettings(real_fraction=0, synthetic="main"),
        },
    )
