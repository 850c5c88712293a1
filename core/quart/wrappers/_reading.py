"""Read files without a thread as far as the kernel has them in memory, which it tells.

Most files that are sent are there, and to visit a thread takes longer than to copy a piece.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import AsyncGenerator

from .._threads.lease import call

#: Asks the kernel for what is in memory only; None where it cannot tell.
NOW: int | None = getattr(os, "RWF_NOWAIT", None)


def is_on_disk(file: object) -> bool:
    """Whether *file* is an open file of the kernel's, so that `pieces` can read it."""
    return (
        NOW is not None
        and type(file) is io.BufferedReader
        and type(file.raw) is io.FileIO
        and stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    )


async def pieces(
    number: int, begin: int, end: int, most: int, flag: int = NOW or 0
) -> AsyncGenerator[bytes, None]:
    """Read the open file of this *number*, from *begin* up to *end*, at most *most* bytes a time.

    What is not in memory is read in a worker thread. The file's position stays where it is.
    """
    # One for all pieces, as fresh memory is slow at first.
    buffer = memoryview(bytearray(min(most, end - begin)))
    while begin < end:
        wanted = buffer[: end - begin]
        try:
            piece = bytes(wanted[: os.preadv(number, [wanted], begin, flag)])
        except OSError:  # It is not in memory, or its file system cannot tell.
            piece = await call(os.pread, number, len(wanted), begin)
        if not piece:
            return
        begin += len(piece)
        yield piece
