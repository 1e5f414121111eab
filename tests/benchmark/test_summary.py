"""The summary on score tables whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from radgen.benchmark.settings import SummarySettings
from radgen.benchmark.summary import curve_rows, summary_rows, verdict
from radgen.benchmark.tables import CURVE_SCHEMA, SCORES_SCHEMA, SUMMARY_SCHEMA, table_of
from radgen.benchmark.task_result import measure_tasks
from radgen.benchmark.verdicts import verdict_rows
from radgen.errors import InputError
from radgen.seeds import random_generator

SETTINGS = SummarySettings(bootstrap_samples=300)
PATIENTS = 20
Row = dict[str, Any]


def facts(arm: str, task: str, fraction: float) -> Row:
    counts = ("train_patients", "train_images", "synthetic_images", "val_patients", "annotator_patients")
    return {
        "task": task,
        "arm": arm,
        "setting": None,
        "synthetic": None,
        "headline": False,
        "real_fraction": fraction,
        "n_borrowed_patients": 0,
    } | {f"n_{name}": 0 for name in counts}


def dice_rows(
    arm: str, level: float, *, fraction: float = 1.0, seed_shift: float = 0.0, task: str = "segmentation"
) -> list[Row]:
    """Dice of 20 patients who differ widely, but alike in every arm: only pairing sees a small difference."""
    hard = np.random.default_rng(0).normal(0, 0.05, PATIENTS)
    noise = random_generator(arm).normal(0, 0.002, (3, PATIENTS))
    return [
        facts(arm, task, fraction)
        | {
            "seed": seed,
            "patient": f"p{number:02d}",
            "series": f"s{number:02d}",
            "structure": "organ",
            "metric": metric,
            "value": level + hard[number] + noise[seed, number] + seed_shift * (seed - 1),
            "reason": "",
            "n_missing_slices": 1,
        }
        for seed in range(3)
        for number in range(PATIENTS)
        for metric in ("dice", "hd95_mm")
    ]


def summarise(rows: list[Row], settings: SummarySettings = SETTINGS) -> dict[tuple[str, str, str | None], Row]:
    results = measure_tasks(table_of(rows, SCORES_SCHEMA), settings, ["real_100", "real_low"])
    found = [row for result in results for row in summary_rows(result, settings)]
    table_of(found, SUMMARY_SCHEMA)  # every value fits its column
    return {(row["arm"], row["metric"], row["structure"]): row for row in found}


CURVE = [*dice_rows("real_100", 0.8), *dice_rows("real_low", 0.7, fraction=0.1)]


def test_difference_to_the_low_arm_is_paired() -> None:
    table = summarise([*CURVE, *dice_rows("low_plus", 0.75)])
    plus, low = table["low_plus", "dice", None], table["real_low", "dice", None]
    assert plus["to_low"] == pytest.approx(0.05, abs=0.002)
    assert plus["to_low_upper"] - plus["to_low_lower"] < 0.004
    assert low["mean_upper"] - low["mean_lower"] > 0.03
    assert "to_low" not in low
    assert plus["primary"]
    assert not table["low_plus", "hd95_mm", None]["primary"]


def test_share_of_the_gap_is_known_where_there_is_a_gap() -> None:
    table = summarise([*CURVE, *dice_rows("low_plus", 0.75)])
    row = table["low_plus", "dice", None]
    assert row["gap_share"] == pytest.approx(0.5, abs=0.03)
    assert row["gap_share_lower"] < row["gap_share"] < row["gap_share_upper"]


@pytest.mark.parametrize(("gap", "seed_shift"), [(0.0005, 0.0), (0.05, 0.1)], ids=["tiny", "within seed noise"])
def test_share_of_a_gap_that_is_noise_is_unknown(gap: float, seed_shift: float) -> None:
    rows = dice_rows("real_100", 0.7 + gap, seed_shift=seed_shift) + dice_rows("real_low", 0.7, seed_shift=seed_shift)
    row = summarise([*rows, *dice_rows("low_plus", 0.75)])["low_plus", "dice", None]
    assert "gap_share" not in row
    assert row["to_low"] == pytest.approx(0.05, abs=0.002)


def test_difference_to_the_budget_arm_only_where_it_ran() -> None:
    assert "to_budget" not in summarise([*CURVE, *dice_rows("low_plus", 0.75)])["low_plus", "dice", None]
    table = summarise([*CURVE, *dice_rows("low_plus", 0.75), *dice_rows("real_low_budget", 0.77)])
    assert table["low_plus", "dice", None]["to_budget"] == pytest.approx(-0.02, abs=0.002)


def test_mean_over_structures_weighs_them_alike() -> None:
    other = [row | {"structure": "lesion", "value": row["value"] - 0.4} for row in CURVE]
    table = summarise([*CURVE, *other])
    means = [table["real_low", "dice", name]["mean"] for name in ("organ", "lesion")]
    assert table["real_low", "dice", None]["mean"] == pytest.approx(np.mean(means))


def test_empty_masks_are_counted_and_distances_compared_only_where_both_have_one() -> None:
    rows = [*CURVE, *dice_rows("low_plus", 0.75)]
    for row in rows:
        if row["arm"] == "low_plus" and row["patient"] == "p03":
            row["reason"] = "structure missed"
            row["value"] = None if row["metric"] == "hd95_mm" else 0.0
        elif row["patient"] == "p03" and row["metric"] == "hd95_mm":
            row["value"] += 10  # a patient whom only the other arms can be measured on
    table = summarise(rows)
    distance, dice = table["low_plus", "hd95_mm", "organ"], table["low_plus", "dice", "organ"]
    assert (dice["n_missed"], dice["n_both_empty"], dice["n_missing_slices"]) == (3, 0, PATIENTS)
    assert distance["to_low"] == pytest.approx(0.05, abs=0.002)
    assert dice["to_low"] < 0.03


def test_arms_tested_on_other_patients_are_refused() -> None:
    rows = [row for row in dice_rows("low_plus", 0.75) if row["patient"] != "p07"]
    with pytest.raises(InputError, match="segmentation: arm low_plus was tested on 19 patients and arm real_100 on 20"):
        summarise([*CURVE, *rows])


def test_arms_come_in_the_order_of_the_config() -> None:
    rows = [*dice_rows("another", 0.7), *dice_rows("real_low", 0.7), *dice_rows("real_100", 0.8)]
    arms = [arm for arm, metric, structure in summarise(rows) if metric == "dice" and structure is None]
    assert arms == ["real_100", "real_low", "another"]


# ---------------------------------------------------------------- classification


def image_rows(arm: str, skill: float) -> list[Row]:
    generator = np.random.default_rng(1)
    rows = []
    for number in range(PATIENTS * 4):
        truth, noise = int(generator.random() < 0.5), generator.normal(0, 1)
        for seed in range(3):
            chance = 1 / (1 + np.exp(-(noise + skill * (truth - 0.5))))
            for name, own in (("normal", 0), ("lesion", 1)):
                rows.append(
                    facts(arm, "classification", 1.0)
                    | {
                        "seed": seed,
                        "patient": f"p{number % PATIENTS:02d}",
                        "series": f"s{number % PATIENTS:02d}",
                        "image_id": f"i{number:03d}",
                        "structure": name,
                        "metric": "probability",
                        "probability": chance if own else 1 - chance,
                        "truth": int(truth == own),
                    }
                )
    return rows


def test_auc_rises_with_skill_and_chance_is_a_half() -> None:
    table = summarise([*image_rows("real_100", 4.0), *image_rows("real_low", 0.0), *image_rows("low_plus", 2.0)])
    aucs = [table[arm, "auc", None]["mean"] for arm in ("real_low", "low_plus", "real_100")]
    assert aucs == sorted(aucs)
    assert abs(aucs[0] - 0.5) < 0.15
    assert aucs[2] > 0.95
    assert table["low_plus", "auc", None]["to_low_lower"] > 0
    assert table["real_100", "balanced_accuracy", None]["mean"] > 0.85


def test_rows_that_are_not_whole_are_refused() -> None:
    with pytest.raises(InputError, match="arm real_100: 479 score rows for 3 seeds, 80 images and 2 classes"):
        summarise(image_rows("real_100", 1.0)[:-1])


# ---------------------------------------------------------------- curve


def curve(low_fraction: float) -> list[Row]:
    arms = {"real_100": (0.8, 1.0), "real_10": (0.79, 0.1), "real_low": (0.7, 0.03), "real_1p5": (0.6, 0.015)}
    rows = [row for arm, (level, fraction) in arms.items() for row in dice_rows(arm, level, fraction=fraction)]
    results = measure_tasks(table_of(rows, SCORES_SCHEMA), SETTINGS, list(arms))
    return curve_rows(results[0], list(arms), low_fraction, SETTINGS)


def test_curve_says_whether_the_configured_fraction_obeys_the_rule() -> None:
    rows = curve(0.03)
    assert pa.Table.from_pylist(rows, schema=CURVE_SCHEMA).num_rows == 4
    assert [row["fraction"] for row in rows] == [1.0, 0.1, 0.03, 0.015]
    assert [row["holds"] for row in rows] == [False, False, True, True]
    assert [row["chosen"] for row in rows] == [False, False, True, False]
    assert [row["configured"] for row in rows] == [False, False, True, False]
    assert rows[2]["gap"] == pytest.approx(0.1, abs=0.003)
    assert verdict(rows).startswith("segmentation: the rule holds at the configured low fraction 0.03 (gap 0.1")


def test_curve_says_what_the_rule_would_choose_instead() -> None:
    assert verdict(curve(0.1)).endswith("; it would choose 0.03")
    assert "does not hold at the configured low fraction 0.1" in verdict(curve(0.1))
    assert verdict(curve(0.5)) == "segmentation: the configured low fraction is not on the curve"


# ---------------------------------------------------------------- patients


def test_patients_are_primary_where_they_differ_by_class() -> None:
    rows = image_rows("real_100", 4.0)
    for row in rows:  # half of the patients have no lesion, in no image
        if row["patient"] < "p10":
            row["truth"] = int(row["structure"] == "normal")
    table = summarise(rows)
    assert table["real_100", "patient_auc", None]["primary"]
    assert not table["real_100", "auc", None]["primary"]
    assert (table["real_100", "patient_auc", None]["n_scored"], table["real_100", "auc", None]["n_scored"]) == (20, 80)
    for row in rows:  # every patient has both classes
        row["truth"] = int((row["structure"] == "lesion") == (row["image_id"] < "i040"))
    alike = summarise(rows)
    assert alike["real_100", "auc", None]["primary"]
    assert ("real_100", "patient_auc", None) not in alike


# ---------------------------------------------------------------- generators


def redrawn(shifts: list[float]) -> list[Row]:
    """An arm whose networks learnt from generators of their own, each better or worse by its shift."""
    rows = dice_rows("low_plus", 0.75)
    for row in rows:
        row["generator"] = f"main_{row['seed']}" if len(shifts) > 1 else "main"
        row["value"] += shifts[row["seed"] % len(shifts)]
    return rows


def test_intervals_widen_with_what_generators_differ_by() -> None:
    alike, unlike = (
        summarise([*CURVE, *redrawn(shifts)])["low_plus", "dice", None] for shifts in ([0.0], [-0.05, 0.0, 0.05])
    )
    assert (alike["n_generators"], unlike["n_generators"]) == (1, 3)
    assert unlike["to_low"] == pytest.approx(alike["to_low"], abs=1e-6)
    width = [row["to_low_upper"] - row["to_low_lower"] for row in (alike, unlike)]
    assert width[1] > 10 * width[0]


# ---------------------------------------------------------------- p values and sentences


def test_p_values_are_adjusted_for_all_arms_but_the_primary_one() -> None:
    results = measure_tasks(
        table_of([*CURVE, *dice_rows("one", 0.7), *dice_rows("two", 0.72), *dice_rows("three", 0.7)], SCORES_SCHEMA),
        SETTINGS,
        [],
    )
    rows = {row["arm"]: row for row in summary_rows(results[0], SETTINGS, "two") if row["primary"]}
    assert rows["two"]["p_value"] < 0.01
    assert "p_holm" not in rows["two"]
    assert rows["one"]["p_holm"] >= rows["one"]["p_value"]
    assert "p_value" not in rows["real_low"]


def sentences(rows: list[Row], primary: str | None = "low_plus") -> dict[str, Row]:
    result = measure_tasks(table_of(rows, SCORES_SCHEMA), SETTINGS, [])[0]
    found = verdict_rows(result, summary_rows(result, SETTINGS, primary), SETTINGS, primary)
    assert found[0]["kind"] == "power"  # what can be told comes before what was found
    return {row["kind"]: row for row in found}


def counted(rows: list[Row], images: int, **facts: Any) -> list[Row]:
    return [row | {"n_train_images": images} | facts for row in rows]


def arms_with(level: float) -> list[Row]:
    real = counted(CURVE[: len(CURVE) // 2], 1000) + counted(CURVE[len(CURVE) // 2 :], 100)
    return real + counted(dice_rows("low_plus", level), 100, synthetic="main", setting="shared")


def test_an_arm_that_real_images_beat_is_not_worth_the_bother() -> None:
    """From 100 to 1,000 images the curve rises by 0.1, so 0.02 above the low arm is passed after some 60 more."""
    told = sentences(arms_with(0.7))["do not bother"]
    assert 0 < told["more_real_images"] <= 30
    assert f"do not bother, annotate {told['more_real_images']} more real images instead" in told["sentence"]
    worse = sentences(arms_with(0.69))["do not bother"]
    assert worse["more_real_images"] == 0
    assert "the low arm's real images alone are better" in worse["sentence"]
    assert "95 % confidence" in told["sentence"]
    costly = [row | {"n_annotated_images": 400} if row["arm"] == "low_plus" else row for row in arms_with(0.72)]
    told = sentences(costly)["do not bother"]
    assert 50 <= told["more_real_images"] <= 80
    assert "400 synthetic ones were annotated" in told["sentence"]


def test_an_arm_that_helps_says_what_it_takes_to_beat_it() -> None:
    told = sentences(arms_with(0.75))["helps"]
    assert "Setting shared" in told["sentence"]  # a generator that saw everything allows no claim
    assert 200 <= told["more_real_images"] <= 260
    assert "takes about" in told["sentence"]
    above_all = sentences(arms_with(0.85))["helps"]
    assert above_all["more_real_images"] is None
    assert "no number of the study's further real images beats it" in above_all["sentence"]


def test_rivals_are_compared_with_the_primary_arm_alone() -> None:
    # A rival is no point of what labelled real images are worth, however good it is.
    rival = counted(dice_rows("mean_teacher", 0.73), 100, rival=True, method="mean_teacher")
    assert sentences([*arms_with(0.75), *rival])["helps"] == sentences(arms_with(0.75))["helps"]
    told = sentences([*arms_with(0.75), *rival])["rivals"]
    assert "surely above 1 of its 1 rivals" in told["sentence"]
    assert "rivals" not in sentences([*arms_with(0.75), *rival], primary=None)


def test_a_small_test_set_is_told_how_many_patients_it_lacks() -> None:
    wide = SummarySettings(bootstrap_samples=300, least_gain=0.0001)
    result = measure_tasks(table_of(arms_with(0.75), SCORES_SCHEMA), wide, [])[0]
    told = verdict_rows(result, summary_rows(result, wide), wide, None)[0]["sentence"]
    assert "too few patients to tell a gain of 0.0001: that takes about" in told
    assert "small enough" in sentences(arms_with(0.75))["power"]["sentence"]


def test_one_generator_is_said_to_be_one() -> None:
    assert "conditional on one generator" in sentences(arms_with(0.75))["generators"]["sentence"]
