"""The numbers that a quantised GGUF file stands for, in a GGUF file of their own: computing with them needs no rounding."""

from __future__ import annotations

from pathlib import Path

from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf.constants import Keys, LlamaFileType
from gguf.quants import dequantize

_WRITTEN_ANYWAY = ("GGUF.", Keys.General.ARCHITECTURE, Keys.General.FILE_TYPE)


def write_in_float32(source: Path, target: Path) -> None:
    """Copy a GGUF file, with each of its tensors in float32."""
    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.fields[Keys.General.ARCHITECTURE].contents())
    writer.add_file_type(LlamaFileType.ALL_F32)
    for name, field in reader.fields.items():
        if not name.startswith(_WRITTEN_ANYWAY):
            inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
