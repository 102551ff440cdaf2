"""Stacks of bytes (MRC mode 0): whether they are signed, as the standard has it since 2014, or unsigned, as before.

IMOD marks its files. Elsewhere the images tell: read the wrong way, values on either side of the middle are torn apart
to both ends of the range, which makes them spread far wider.
"""

from io import BufferedReader

import numpy as np

from cryofifa.particles.stack_header import StackHeader

IMOD_STAMP, IMOD_STAMP_OFFSET, IMOD_FLAGS_OFFSET, SIGNED_FLAG = 1146047817, 152, 156, 1
IMAGES_LOOKED_AT = 16  # our choice
NARROWER = 0.99  # variance as unsigned over that as signed, under which bytes count as unsigned; our choice


def bytes_are_unsigned(file: BufferedReader, header: StackHeader) -> bool:
    """Whether the bytes of an open stack of mode 0 are unsigned."""
    file.seek(0)
    start = file.read(header.offset_bytes)
    byte_order = "<" if header.dtype.byteorder in "|<=" else ">"
    for order in dict.fromkeys((byte_order, "<", ">")):
        stamp, flags = np.frombuffer(start[IMOD_STAMP_OFFSET : IMOD_FLAGS_OFFSET + 4], f"{order}i4").tolist()
        if stamp == IMOD_STAMP:
            return not flags & SIGNED_FLAG
    area = header.box_size**2
    looked_at = np.unique(np.linspace(0, header.n_frames - 1, IMAGES_LOOKED_AT).astype(np.int64))
    unsigned = signed = 0.0
    for frame in looked_at.tolist():
        file.seek(header.offset_bytes + frame * area)
        image = np.frombuffer(file.read(area), np.uint8)
        unsigned += float(image.astype(np.float64).var())
        signed += float(image.view(np.int8).astype(np.float64).var())
    return unsigned < NARROWER * signed
