# SPDX-License-Identifier: Apache-2.0
"""Every error that gan_tfc raises on purpose.

All of them derive from `GanTfcError`, so `except GanTfcError` catches exactly the
mistakes a caller or a file can make and nothing else. A message is one sentence: what was
expected, what came, and the mend; the command line prints it as it is.
"""


class GanTfcError(ValueError):
    """Base class of all errors of this package."""


class StreamError(GanTfcError):
    """The bytes given are not a `.gtc` stream that can be decoded."""


class NotAStreamError(StreamError):
    """The data does not begin with the magic of a `.gtc` stream."""


class UnsupportedFormatError(StreamError):
    """The stream was written in a format version, or with flags, that this version cannot read."""


class TruncatedStreamError(StreamError):
    """The data ends before the stream does."""


class CorruptStreamError(StreamError):
    """A checksum fails, a field is out of its range, or bytes follow the end of the stream."""


class TablesMismatchError(StreamError):
    """The stream was coded with other tables than the preset at hand holds."""


class StreamTooLargeError(StreamError):
    """The stream declares a picture larger than the format allows."""


class PresetError(GanTfcError):
    """No such preset or version, or a preset folder that is damaged."""


class ImageError(GanTfcError):
    """An image that cannot be read, is not supported, or cannot be written."""


class NotFrozenError(GanTfcError):
    """The codec has no coding tables yet: call `freeze_tables()` before `compress()`."""


class TargetError(GanTfcError):
    """The `max_bytes`, `target_bpp` or `min_psnr` asked for cannot be met."""
