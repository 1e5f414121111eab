"""What the data side hands to the networks: one row per patient, the standardised expression of every kept gene.

`rna.parquet` has the columns `patient` (the key of the image sets) and `code` (float32, a list as long as there are
genes). Names of the genes, their digest and the caption of the transform stand in the metadata of its schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radgen.errors import CohortError, InputError
from radgen.imageset.core import write_table
from radgen.provenance import digest_json

GENES_KEY, DIGEST_KEY, CAPTION_KEY = b"radgen.genes", b"radgen.genes_digest", b"radgen.caption"


@dataclass(frozen=True, eq=False)
class Expression:
    """Standardised expression of some patients.

    Parameters
    ----------
    patients
        Unique keys.
    genes
        In the order of the columns of `values`.
    values
        float32 [patients, genes]; mean 0 and deviation 1 over the training patients.
    caption
        What must stand under every result; empty where nothing must.
    """

    patients: tuple[str, ...]
    genes: tuple[str, ...]
    values: NDArray[np.float32]
    caption: str = ""

    @property
    def digest(self) -> str:
        """Digest of the names of the genes and their order."""
        return gene_digest(self.genes)

    def of(self, patients: Sequence[str]) -> NDArray[np.float32]:
        """Return rows of patients, float32 [n, genes].

        Raises
        ------
        CohortError
            A patient has no expression here; how many is said, not who.
        """
        places = {patient: place for place, patient in enumerate(self.patients)}
        missing = len({patient for patient in patients if patient not in places})
        if missing:
            msg = (
                f"{missing} of {len(set(patients))} patients asked for have no RNA among the {len(places)} of the table"
                "; leave them out or add their RNA"
            )
            raise CohortError(msg)
        return self.values[[places[patient] for patient in patients]]


def gene_digest(genes: Sequence[str]) -> str:
    """Return the digest of a set of genes in their order."""
    return digest_json(list(genes))


def save_expression(path: Path, expression: Expression) -> None:
    """Write `rna.parquet` atomically; equal content gives equal bytes."""
    flat = pa.array(np.ascontiguousarray(expression.values, dtype=np.float32).reshape(-1))
    codes = pa.FixedSizeListArray.from_arrays(flat, len(expression.genes))
    metadata = {
        GENES_KEY: json.dumps(list(expression.genes)),
        DIGEST_KEY: expression.digest,
        CAPTION_KEY: expression.caption,
    }
    schema = pa.schema([pa.field("patient", pa.string()), pa.field("code", codes.type)], metadata=metadata)
    write_table(path, pa.table([pa.array(expression.patients, pa.string()), codes], schema=schema))


def load_expression(path: Path) -> Expression:
    """Read what `save_expression` wrote.

    Raises
    ------
    InputError
        The file is missing, damaged or another table, or its genes do not fit its own digest.
    """
    try:
        table = pq.read_table(path)
        metadata = table.schema.metadata or {}
        genes = tuple(str(gene) for gene in json.loads(metadata[GENES_KEY]))
        patients = tuple(table.column("patient").to_pylist())
        flat = table.column("code").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        values = np.asarray(flat, dtype=np.float32).reshape(len(patients), len(genes))
        digest, caption = metadata[DIGEST_KEY].decode(), metadata[CAPTION_KEY].decode()
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{path}: not a table of standardised expression ({type(error).__name__}); run the rna stage again"
        raise InputError(msg) from error
    sound = len(set(patients)) == len(patients) and bool(np.isfinite(values).all())
    if digest != gene_digest(genes) or not sound:
        msg = (
            f"{path}: {len(patients)} patients and {len(genes)} genes that do not fit its digest {digest[:8]} "
            f"(today's is {gene_digest(genes)[:8]}), or values that are not finite; run the rna stage again"
        )
        raise InputError(msg)
    return Expression(patients, genes, values, caption)
