"""What may leave the private tables: words of known vocabularies, and no pixels that may show a name without a flag.

A DICOM attribute of coded values may hold anything in practice, a name too. So modality and anatomy pass only as words
listed here; every other text, all dates and all identifiers stay in the private table or are never read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from radgen.cohort.candidates import Candidate, Refused, Remark
from radgen.cohort.dicom_headers import DicomHeader
from radgen.cohort.refusal import Reason
from radgen.cohort.scan import ScannedFile


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Values of Modality (0008,0060) that stand for images, of DICOM PS3.3 C.7.3.1.1.1, and a few that came and went.
MODALITIES = _words("""
    AR BDUS BI BMD CD CF CR CT CTPROTOCOL DF DG DM DMS DS DX EC ES FA FS GM HD IO IVOCT IVUS KER LEN LP LS MA
    MG MR MS NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PT PX RF RG RTDOSE RTIMAGE SC SEG SM SR ST TG US
    VA XA XC XRF
""")
# Words of BodyPartExamined (0018,0015), of DICOM PS3.16 annex L, and the usual shorter ones.
BODY_WORDS = _words("""
    ABD ABDOMEN ABDOMINAL ABDPELVIS ACHILLES ACJOINT ADRENAL ANKLE ANTERIOR ANUS AORTA AORTIC ARM ARTERY
    AXILLA BACK BILE BILIARY BLADDER BODY BONE BOWEL BRACHIAL BRAIN BREAST BRONCHUS BUTTOCK CALCANEUS CALF
    CAROTID CARDIAC CELIAC CEREBRAL CERVICAL CERVIX CHEEK CHEST CIRCLEOFWILLIS CLAVICLE COCCYX COLON CONTRAST
    CORNEA CORONARY CSPINE DUCT DUODENUM EAR ELBOW ENTIRE ESOPHAGUS EXTREMITY EYE EYELID FACE FEMORAL FEMUR
    FETUS FINGER FOOT FOREARM FULL GALLBLADDER GLAND GUT HAND HEAD HEART HIP HUMERUS IAC ILEUM ILIAC INTERNAL
    INTESTINE JAW JEJUNUM JOINT KIDNEY KNEE LARGE LARYNX LEFT LEG LIVER LOW LOWER LSPINE LUMBAR LUNG LUNGS
    MANDIBLE MAXILLA MEDIASTINUM MOUTH NASAL NECK NOSE ORBIT ORBITS OVARY PANCREAS PARATHYROID PAROTID PATELLA
    PELVIS PENIS PERINEUM PHANTOM PHARYNX PITUITARY PLACENTA POSTERIOR PROSTATE PULMONARY RADIUS RECTUM RENAL
    RIB RIBS RIGHT SACRUM SCALP SCAPULA SCLERA SCROTUM SELLA SHOULDER SI SINUS SKIN SKULL SMALL SOFT SPINAL
    SPINE SPLEEN SSPINE STERNUM STOMACH SUBCLAVIAN SUBMANDIBULAR TEMPORAL TESTIS THIGH THORACIC THORACOLUMBAR
    THORAX THUMB THYMUS THYROID TIBIA TISSUE TL TLSPINE TMJ TOE TONGUE TRACHEA TRUNK TSPINE ULNA UNKNOWN UPPER
    URETER URETHRA UTERUS VAGINA VEIN VENOUS VESSEL VULVA WHOLE WHOLEBODY WRIST ZYGOMA AND OF
""")
# Kinds of images into which machines write text: ultrasound, endoscopy, photographs, captured screens.
WRITTEN_MODALITIES = frozenset({"US", "IVUS", "BDUS", "SC", "OT", "ES", "XC", "GM", "EC", "HD"})
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def known_modality(text: str) -> str:
    """Return a modality of the standard, empty for any other text."""
    return text if text in MODALITIES else ""


def known_anatomy(text: str) -> str:
    """Return the name of a body part, empty where one of its words is no word of anatomy.

    >>> known_anatomy("HEAD_NECK"), known_anatomy("SMITH")
    ('HEAD_NECK', '')
    """
    words = [word for word in re.split(r"[^A-Z]+", text.upper()) if word]
    plain = re.fullmatch(r"[A-Z _/^,&-]*", text.upper()) is not None
    return text.upper() if plain and BODY_WORDS.issuperset(words) else ""


def guard_texts(candidates: Sequence[Candidate], files: Mapping[str, ScannedFile]) -> list[Candidate]:
    """Withhold what DICOM files say of modality and anatomy in words of their own; a remark says that it was done."""
    guarded = []
    for candidate in candidates:
        header = files[candidate.paths[0]].header
        if isinstance(header, DicomHeader):
            candidate = _guarded(candidate, header)  # noqa: PLW2901
        guarded.append(candidate)
    return guarded


def _guarded(candidate: Candidate, header: DicomHeader) -> Candidate:
    modality, anatomy, withheld = candidate.modality, candidate.anatomy, 0
    if header.modality and modality == header.modality and not known_modality(modality):
        modality, withheld = "", withheld + 1
    if header.anatomy and anatomy == header.anatomy and not known_anatomy(anatomy):
        anatomy, withheld = "", withheld + 1
    if not withheld:
        return candidate
    remark = Remark("free-text", "withheld", float(withheld), "tags")
    return replace(candidate, modality=modality, anatomy=anatomy, remarks=(*candidate.remarks, remark))


def flag_burned_in(
    candidates: Sequence[Candidate], files: Mapping[str, ScannedFile], policy: str
) -> tuple[list[Candidate], list[Refused]]:
    """Refuse or mark series whose pixels may show text such as a name.

    Parameters
    ----------
    candidates
        Series.
    files
        Scanned files by path.
    policy
        refuse: a series that says so itself (BurnedInAnnotation YES) is refused, because a name would be learnt and
        drawn again, and nobody asked can see it in a table. keep: it is marked, for archives whose text is masked by
        `slices`. Kinds of images that often show text, as all ultrasound does, and do not say NO are marked either way:
        refusing them would refuse whole archives that are clean.

    Returns
    -------
    candidates, refused
        Marked series bear a remark `burned-in` with the number of their files.
    """
    kept, refused = [], []
    for candidate in candidates:
        headers = [files[path].header for path in candidate.paths]
        said = [header.burned_in for header in headers if isinstance(header, DicomHeader)]
        if "YES" in said and policy == "refuse":
            text = "text is burned into the pixels (BurnedInAnnotation is YES); see inventory.burned_in"
            paths = (*candidate.paths, *candidate.masks)
            refused += [Refused(path, Reason.BURNED_IN, text, candidate.series) for path in paths]
            continue
        captured = any(
            isinstance(item, DicomHeader) and item.sop_class.startswith(SECONDARY_CAPTURE) for item in headers
        )
        often = candidate.modality in WRITTEN_MODALITIES or captured
        denied = bool(said) and set(said) == {"NO"}
        if "YES" in said or (often and not denied):
            count = float(said.count("YES") or len(candidate.paths))
            remark = Remark(str(Reason.BURNED_IN), "kept", count, "files")
            kept.append(replace(candidate, remarks=(*candidate.remarks, remark)))
        else:
            kept.append(candidate)
    return kept, refused
