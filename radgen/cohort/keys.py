"""Pseudonyms: keyed hashes (HMAC-SHA256) of patients, studies, series and files, and the key behind them.

Standard library only, because the configuration computes the key's fingerprint while the DAG is parsed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from pathlib import Path

from radgen.errors import PatientKeyError
from radgen.provenance import write_json

SHORTEST_KEY_BYTES = 16
VARIABLE = "RADGEN_PATIENT_KEY"
HOW_TO_MAKE_ONE = "make one with `head -c 32 /dev/urandom | base64 > patient.key; chmod 600 patient.key`"


def load_key(public: str | None, key_file: Path | None) -> bytes:
    """Return the key that makes pseudonyms.

    Parameters
    ----------
    public
        A key written in the configuration, for public or generated data.
    key_file
        A private key's file; surrounding blanks do not count. Without it, the environment variable RADGEN_PATIENT_KEY
        holds the key. Nothing of a key is ever stored but its fingerprint.

    Raises
    ------
    PatientKeyError
        There is no key, there are two, or the file is missing or too short.
    """
    if public and key_file is not None:
        msg = f"patient_key.public and the key file {key_file} are both given; keep one of them"
        raise PatientKeyError(msg)
    if public:
        return public.encode()
    if key_file is None:
        return _checked(os.environ.get(VARIABLE, "").strip().encode(), VARIABLE)
    try:
        key = key_file.read_bytes().strip()
    except OSError as error:
        msg = f"{key_file}: the patient key cannot be read ({error.strerror}); {HOW_TO_MAKE_ONE}"
        raise PatientKeyError(msg) from error
    return _checked(key, str(key_file))


def _checked(key: bytes, where: str) -> bytes:
    if not key and where == VARIABLE:
        msg = (
            "no patient key: private archives need a key file and public ones patient_key.public in the config; "
            f"{HOW_TO_MAKE_ONE} and name the file in the config, or put the key into {VARIABLE}"
        )
        raise PatientKeyError(msg)
    if len(key) < SHORTEST_KEY_BYTES:
        msg = f"{where}: a patient key needs {SHORTEST_KEY_BYTES} bytes and this one has {len(key)}; {HOW_TO_MAKE_ONE}"
        raise PatientKeyError(msg)
    return key


def fingerprint(key: bytes) -> str:
    """Return twelve hexadecimal digits that recognise a key and do not give it away.

    >>> fingerprint(b"demo") == fingerprint(b"demo") != fingerprint(b"other")
    True
    """
    return hmac.new(key, b"radgen key", hashlib.sha256).hexdigest()[:12]


def patient_key(key: bytes, patient: str) -> str:
    """Return a patient's pseudonym: 16 hexadecimal digits."""
    return hmac.new(key, patient.encode(), hashlib.sha256).hexdigest()[:16]


def hashed_id(key: bytes, kind: str, text: str) -> str:
    """Return the pseudonym of a study, series or file: 16 hexadecimal digits, apart for each kind."""
    return hmac.new(key, f"{kind}\x1f{text}".encode(), hashlib.sha256).hexdigest()[:16]


def remember_fingerprint(folders: Sequence[Path], found: str, configured: str = "") -> None:
    """Keep the fingerprint of a study's key at the first run, and stop when it is another one later.

    Parameters
    ----------
    folders
        The fingerprint stays in `patient-key.json` in each of them, so that deleting one does not forget it.
    found
        Fingerprint of the key in use.
    configured
        Fingerprint that the configuration was read with; empty if unknown.

    Raises
    ------
    PatientKeyError
        The key differs from a remembered or the configured one; both fingerprints are named.
    """
    paths = [folder / "patient-key.json" for folder in folders]
    remembered = {path: str(json.loads(path.read_text())["fingerprint"]) for path in paths if path.is_file()}
    for how, other in [("configured", configured), *(("remembered", other) for other in remembered.values())]:
        if other and other != found:
            msg = (
                f"the patient key has changed: fingerprint {found} now, {other} {how}; all patients would get new "
                "pseudonyms and splits. Restore the key, or start anew by deleting this study's results and "
                f"{' and '.join(map(str, paths))}"
            )
            raise PatientKeyError(msg)
    for path in paths:
        if path not in remembered:
            write_json(path, {"fingerprint": found})
