"""Every error that the zoo raises on purpose.

Each message is one or two sentences that name the thing and the way out.
"""


class MtssZooError(Exception):
    """Something failed while it ran; the command line exits with 1."""

    exit_code = 1


def system_words(error: OSError) -> str:
    """An error of the system as people read it: the file, if it names one, and what is wrong."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or str(error).splitlines()[-1]}"


class UsageError(MtssZooError):
    """The caller asked for something that does not exist or cannot be; the command line exits with 2."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A component, recipe, attribute type or argument of this name does not exist."""


class PluginError(MtssZooError):
    """A plugin could not be imported, or breaks its contract."""


class RecipeError(UsageError):
    """A recipe holds faults; the message lists all of them with file, line and key."""


class DataError(MtssZooError):
    """A dataset on disk does not fit its format, or misses files."""


class ImageError(DataError):
    """One picture cannot be used; the message names it and says why."""


class CheckpointError(MtssZooError):
    """A checkpoint folder is incomplete, damaged or does not fit its recipe."""
