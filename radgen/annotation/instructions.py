"""The README.txt of a pack, for the person who paints."""

from __future__ import annotations

from collections.abc import Sequence

from radgen.annotation.schema import Label

TEXT = """\
{count} synthetic images, to be painted by hand
{underline}

These pictures were made by a generator. They show no patient. Every file here says so itself, but these, which hold no
picture and have no place for it:
{unmarked}

instructions.html says the same with pictures, and how to use Label Studio, CVAT, LabelMe, 3D Slicer, ITK-SNAP or a
DICOM workstation.

What to do
1. Open images/NAME.png in a painting program, or nifti/NAME.nii.gz in ITK-SNAP or 3D Slicer.
2. Paint every structure you see with its number:
{labels}
3. Save the mask under the image's own name into the folder masks, in one of these forms:
     masks/NAME.png       indexed PNG (palette) or 8-bit grey PNG whose pixel values are the numbers above
     masks/NAME.nii.gz    NIfTI of whole numbers on the grid of nifti/NAME.nii.gz
   For example: masks/{example}.png

Please mind
- The mask must have exactly the size of its image. Nothing is ever resized.
- Pixel values are the numbers 0 to {last}. A colour (RGB) picture, or 255 for "yes", is refused.
- A picture that shows nothing to paint gets an empty mask (all 0). A picture without a mask file is left out.
- Not every image must be painted; a few of each class are needed.
- Leave masks/generator.json where it is: it says for which pictures the masks were painted. If you keep your masks
  elsewhere, keep the whole folder masks together.

Then run the workflow again: it goes on from here.
"""


# Files of a pack whose formats have no place for a notice: bare lists and tables that programs read.
UNMARKED = (
    "contents.json",
    "cvat/labels.json",
    "labelme/labels.txt",
    "labels.json",
    "masks/generator.json",
    "pack.parquet",
)


def readme(example: str, count: int, labels: Sequence[Label]) -> str:
    """Return the instructions of a pack of `count` images, of which `example` is one image id."""
    rows = "\n".join(f"     {label.id:>3}  {label.name}  #{bytes(label.colour).hex()}" for label in labels)
    heading = f"{count} synthetic images, to be painted by hand"
    return TEXT.format(
        count=count,
        underline="=" * len(heading),
        unmarked="\n".join(f"     {name}" for name in UNMARKED),
        labels=rows,
        example=example,
        last=max(label.id for label in labels),
    )
