"""A model travels as a folder: arrays as `.npy` files and a manifest with their hashes.

Nothing in the folder is pickled. `manifest.json` holds

    format       1
    version      whole number of this model
    taxonomy     {"version", "hash"}: of `taxonomy.load_taxonomy()`
    features     {"version", "wordings"}: `phrases.FEATURES_VERSION`, hash of the phrases
    calibration  {"confidence": [0.0, ..., 1.0], "calibrated": [...]}: points of `Calibration`
    threshold    calibrated confidence below which a row of a rule or the model needs review
    metrics      figures of the evaluation, by data set
    files        {file name: sha256 in hex}

The arrays are those of `Weights` and of `Rules`, each stored under the name of its field.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from categorizer import taxonomy
from categorizer.errors import CorruptArtifact, IncompatibleModel
from categorizer.phrases import FEATURES_VERSION, load_phrases

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"


def describe_format() -> dict[str, Any]:
    """Return the entries `format`, `taxonomy` and `features` of a model that this code can serve."""
    codes = taxonomy.load_taxonomy()
    return {
        "format": FORMAT,
        "taxonomy": {"version": codes.version, "hash": codes.content_hash},
        "features": {
            "version": FEATURES_VERSION,
            "wordings": load_phrases().content_hash,
        },
    }


def save_artifact(
    folder: Path, arrays: Mapping[str, NDArray[Any]], manifest: Mapping[str, Any]
) -> None:
    """Write a model to a folder, and the manifest last, so that a folder with one is complete.

    Arrays of an earlier model are deleted first. Equal input gives equal bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    for old in folder.glob("*.npy"):
        old.unlink()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    files = {path.name: _hash_file(path) for path in sorted(folder.glob("*.npy"))}
    text = json.dumps({**manifest, "files": files}, indent=1, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a model.

    Raises IncompatibleModel when the model was built for other code. Raises OSError, KeyError,
    TypeError or ValueError when the manifest cannot be read.
    """
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    for name, value in describe_format().items():
        if manifest[name] != value:
            raise IncompatibleModel(f"the model was built for another {name}")
    return manifest


def map_arrays(folder: Path, files: Mapping[str, str], part: type) -> dict[str, NDArray[Any]]:
    """Return the arrays of one part of the model, by the names of its fields.

    `part` is a dataclass. The arrays are mapped into memory, so that processes share them.
    Raises CorruptArtifact for a file whose hash is not that of `files`. Raises OSError,
    KeyError or ValueError for a file that cannot be read.
    """
    names = [field.name for field in fields(part)]
    return {name: _map_array(folder / f"{name}.npy", files[f"{name}.npy"]) for name in names}


def _map_array(path: Path, sha256: str) -> NDArray[Any]:
    if _hash_file(path) != sha256:
        raise CorruptArtifact(f"{path.name} differs from its manifest")
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
