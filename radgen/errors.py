"""Every error radgen raises on purpose.

RadgenError (exit code 2)
    ConfigError          a setting is unknown, missing or impossible
    InputError           a file of the archive, a table or an image set cannot be used
    CohortError          patients, classes or splits do not add up
    PatientKeyError      the key that makes patient pseudonyms is missing or has changed
    AnnotationError      masks that came back do not fit what went out
    AncestryError        a benchmark arm saw patients its setting forbids
    ReleaseError         a synthetic set, or weights, may not leave
    CheckpointError      weights or training state are damaged, foreign or of another run
    LeaseError           another live process writes the same work folder
    TrainingError        a loss is not finite, or training cannot go on
    StorageError         the disk refused a write
    Interrupted          a signal stopped a long job after its state was saved (exit code 75)
"""


class RadgenError(Exception):
    """Base of all errors that end a command with one clear sentence and exit code 2."""

    exit_code = 2


class ConfigError(RadgenError):
    """A setting is unknown, missing or impossible."""


class InputError(RadgenError):
    """A file of the archive, a table or an image set cannot be used."""


class CohortError(RadgenError):
    """Patients, classes or splits do not add up."""


class PatientKeyError(RadgenError):
    """The key that makes patient pseudonyms is missing or has changed."""


class AnnotationError(RadgenError):
    """Masks that came back do not fit what went out."""


class AncestryError(RadgenError):
    """A benchmark arm saw patients its setting forbids."""


class ReleaseError(RadgenError):
    """A synthetic set, or weights, may not leave."""


class CheckpointError(RadgenError):
    """Weights or training state are damaged, foreign or of another run."""


class LeaseError(RadgenError):
    """Another live process writes the same work folder."""


class TrainingError(RadgenError):
    """A loss is not finite, or training cannot go on."""


class StorageError(RadgenError):
    """The disk refused a write."""


class Interrupted(RadgenError):  # noqa: N818 - it is a stop, not a fault
    """A signal stopped a long job after its state was saved; running it again goes on."""

    exit_code = 75
