"""What can go wrong in the categorizer.

CategorizerError
├── CorruptArtifact     a file of the model is missing, altered or of another shape
└── IncompatibleModel   the model was built for another format or taxonomy
"""

from pipeline.errors import Permanent


class CategorizerError(Permanent):
    """Root of every error of this package."""


class CorruptArtifact(CategorizerError):
    """The folder does not hold what its manifest says."""


class IncompatibleModel(CategorizerError):
    """Sound files that this version of the code cannot serve."""
