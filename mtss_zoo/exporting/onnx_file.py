"""An ONNX file as `mtss-zoo export` writes it: what it says of itself, and how it is read without trusting it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Gt, Le, Len
from PIL import Image
from pydantic import Field, ValidationError

from mtss_zoo.errors import CheckpointError, MtssZooError
from mtss_zoo.pil_images import Fit, Interpolation, resize
from mtss_zoo.recipe import Pixels, Spec, TypeSpec

if TYPE_CHECKING:
    from onnx import ModelProto

INPUT = "images"
METADATA_KEY = "mtss_zoo"
MAX_BYTES = 2**31 - 1
"""Protocol buffers, and so ONNX files, end here."""


class ExportedType(TypeSpec):
    """One attribute type, with the names of its classes."""

    classes: Annotated[list[str], Len(1)]


class ExportedSchema(Spec):
    """The attribute types, in order."""

    types: Annotated[list[ExportedType], Len(1)]


class Metadata(Spec):
    """What an exported file says of itself, as JSON under the key ``mtss_zoo``.

    ``mean`` and ``std`` are for pixels in [0, 1]; the network in the file applies them itself. ``trained`` says of
    every class whether the model learned it; the others score -inf.
    """

    version: Literal[1] = 1
    written_by: str
    recipe: str
    schema_: ExportedSchema = Field(alias="schema")
    image_size: tuple[Pixels, Pixels] = Field(description="height, width")
    fit: Fit
    crop_pct: Annotated[float, Gt(0), Le(1)] = 1.0
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    trained: dict[str, list[bool]]

    def resize(self, image: Image.Image) -> Image.Image:
        """RGB of any size as the network takes it."""
        return resize(image, self.fit, *self.image_size, self.interpolation, self.crop_pct)


def read_file(path: Path, providers: Sequence[str]) -> tuple[Metadata, Any]:
    """What the file says of itself, and an onnxruntime session of its network.

    Raises:
        CheckpointError: the file is missing, damaged, refers to other files, or is none of this package's.
        MtssZooError: onnx or onnxruntime is not installed.
    """
    require_packages("onnx", "onnxruntime")
    encoded = _read(path)
    metadata = _metadata(_parse(path, encoded), path)
    return metadata, _session(path, encoded, providers)


def require_packages(*names: str) -> None:
    """Refuses to go on without these packages of the extra ``export``.

    Raises:
        MtssZooError: one is not installed.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise MtssZooError(f"{' and '.join(missing)} is not installed. Install it with: pip install 'mtss-zoo[export]'")


def output_name(type_name: str) -> str:
    """What the file calls the scores of a type: its bare name may be that of the input, or of a step inside."""
    return f"{type_name}_scores"


def first_line(error: Exception) -> str:
    """Of what another library says."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"{path} is no ONNX model: it has more than {MAX_BYTES:,} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error


def _parse(path: Path, encoded: bytes) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(encoded)
    except DecodeError as error:
        raise CheckpointError(f"{path} is no ONNX model, or is damaged: {error}.") from error
    if _refers_to_files(model):
        raise CheckpointError(f"{path} keeps weights in other files, which is refused: export it into one file.")
    return model


def _refers_to_files(message: Any) -> bool:
    """Whether a tensor at any depth (weights, constants, branches, functions) is read from another file."""
    import onnx

    if isinstance(message, onnx.TensorProto):
        return bool(message.external_data) or message.data_location != onnx.TensorProto.DEFAULT
    parts = (value if field.is_repeated else [value] for field, value in message.ListFields() if field.message_type)
    return any(_refers_to_files(part) for several in parts for part in several)


def _metadata(model: ModelProto, path: Path) -> Metadata:
    found = {entry.key: entry.value for entry in model.metadata_props}
    if METADATA_KEY not in found:
        raise CheckpointError(
            f"{path} was not written by `mtss-zoo export`: its metadata has no entry {METADATA_KEY!r}, so nothing says "
            "which picture it takes and which classes it gives."
        )
    try:
        return Metadata.model_validate_json(found[METADATA_KEY])
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or METADATA_KEY
        raise CheckpointError(f"{path} has bad metadata: {where}: {fault['msg']}.") from error


def _session(path: Path, encoded: bytes, providers: Sequence[str]) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; onnxruntime would print it too
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(encoded, options, providers=list(providers))
    except Exception as error:  # onnxruntime's errors share no base class
        raise CheckpointError(f"{path} cannot be run by onnxruntime: {first_line(error)}") from error
