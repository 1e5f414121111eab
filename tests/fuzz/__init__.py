"""Fuzzing of every reader: `python -m tests.fuzz --mutants 2000 --seed 0 [--reader dicom]`.

Readers of masks that come back, weights, tables, configurations and image sets are in `documents`, with rules of their
own. A reader of the archive's images is registered in `seeds.FORMATS` with a maker of one small good file, and a
function that says what a changed file says differently. Mutants go through the door that production uses, in guarded
child processes: the inventory's `look_through`, then `readers.read_series` or `read_mask`.

What may happen to a mutant
---------------------------
- It is refused: a row with a reason and a sentence.
- It is read, and equals the volume of the unchanged file: shape, affine, dtype, every voxel.
- It is read, and differs in what its own bytes say differently. A reader cannot know that the bits of a raw voxel were
  flipped, nor that a spacing of 0.5 mm was once 0.7; no check sum stands in DICOM, NIfTI (.nii), BMP, TIFF or in the
  codestreams of JPEG. It is however *silently wrong*
    - when shape, affine or values differ though no header value that speaks of them differs (`oracle.explained`:
      shape explains all; geometry explains affine and values, as it orders slices; values explain values alone),
    - when bytes of raw pixels alone were overwritten, and more voxels changed than bytes, or anything but voxels,
    - when the format is protected by check sums (PNG, gzip, zlib) and anything differs at all.
- Its decoder crashes or does not end: production loses the series with a reason and lives, so this is counted as
  `isolated` and listed. A crash or a hang of the header scan, which runs without guard, is a finding.

What a mutant must never do: raise anything but a refusal (or, for masks, the error that names an unknown label).
"""
