"""The phantom's clinical table, in the columns of NSCLC-Radiogenomics: survival follows two pathways and age."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import numpy as np

from radgen.radiogenomic.phantom.genes import pathways_of, patient_id, traits_of
from radgen.radiogenomic.phantom.settings import RadiogenomicPhantomSettings
from radgen.seeds import random_generator

COLUMNS = (
    "Case ID",
    "Age at Histological Diagnosis",
    "Gender",
    "Smoking status",
    "Histology ",  # the published table has this blank
    "Pathological T stage",
    "CT Date",
    "Date of Last Known Alive",
    "Survival Status",
    "Date of Death",
)
BASELINE_DAYS = 1500.0
# Log hazard per unit of the pathways of size, density and spiculation, and per year of age.
PATHWAY_HAZARD = (0.4, 0.0, 0.8)
AGE_HAZARD = 0.03
MEAN_AGE = 66.0


def clinical_text(settings: RadiogenomicPhantomSettings) -> str:
    """Return the table of all patients, those in the RNA table alone among them, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number in range(1, settings.patients + settings.rna_alone + 1):
        writer.writerow(_row(settings, number))
    return text.getvalue()


def _row(settings: RadiogenomicPhantomSettings, number: int) -> list[str]:
    """One patient: exponential survival, ended by the last visit where that comes first."""
    rng = random_generator("radiogenomic", settings.seed, number, "clinical")
    pathways = pathways_of(settings, number)
    age = int(np.clip(rng.normal(MEAN_AGE, 9.0), 35, 90))
    hazard = float(np.dot(PATHWAY_HAZARD, pathways)) + AGE_HAZARD * (age - MEAN_AGE)
    days = 1 + rng.exponential(BASELINE_DAYS) * float(np.exp(-hazard))
    seen = float(rng.uniform(365, 2500))
    scanned = date(1990, 1, 1) + timedelta(days=int(rng.integers(3000)))
    end = scanned + timedelta(days=int(min(days, seen)) + 1)
    died = days <= seen
    return [
        patient_id(number),
        str(age),
        str(rng.choice(["Male", "Female"])),
        str(rng.choice(["Former", "Current", "Nonsmoker"], p=[0.6, 0.2, 0.2])),
        str(rng.choice(["Adenocarcinoma", "Squamous cell carcinoma"], p=[0.8, 0.2])),
        _stage(traits_of(pathways).diameter_mm),
        _written(scanned),
        _written(end),
        "Dead" if died else "Alive",
        _written(end) if died else "N/A",
    ]


def _stage(diameter_mm: float) -> str:
    """Return the T stage by size alone."""
    return next(name for name, most in (("T1a", 20.0), ("T1b", 30.0), ("T2a", np.inf)) if diameter_mm <= most)


def _written(day: date) -> str:
    return f"{day.month}/{day.day}/{day.year}"
