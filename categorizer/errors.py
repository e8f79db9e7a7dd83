"""What can go wrong in the categorizer.

CategorizerError
├── CorruptArtifact     a file of the model is missing, altered or of another shape
└── IncompatibleModel   the model was built for another format or taxonomy
"""


class CategorizerError(Exception):
    """Root of every error of this package."""


class CorruptArtifact(CategorizerError):
    """Permanent: the folder does not hold what its manifest says."""


class IncompatibleModel(CategorizerError):
    """Permanent: sound files that this version of the code cannot serve."""
