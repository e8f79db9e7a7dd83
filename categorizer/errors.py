"""These errors are raised by the categorizer.

CategorizerError
├── CorruptArtifact     a file of the model is missing, altered or of another shape
└── IncompatibleModel   the model was built for another format or taxonomy
"""

from pipeline.errors import Permanent


class CategorizerError(Permanent):
    """Every error of this package derives from this class."""


class CorruptArtifact(CategorizerError):
    """The folder does not hold what its manifest says."""


class IncompatibleModel(CategorizerError):
    """The files are sound, but this version of the code cannot serve them."""
