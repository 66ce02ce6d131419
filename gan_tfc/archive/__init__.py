# SPDX-License-Identifier: Apache-2.0
"""Photo archives: the streams of many photos in one file, with names, dates and tags.

    with Archive("menu.gtca") as archive:
        archive.add("dishes/soup.jpg", tags=["lunch"])
        small = archive.preview("soup.jpg")
        image = archive.read("soup.jpg")

`gan_tfc.archive.schema` specifies the file.
"""

from gan_tfc.archive.store import Record

__all__ = ["Archive", "Record"]


def __getattr__(name):
    """Imports `Archive`, and with it NumPy, on first use: lists of names do without (PEP 562)."""
    if name != "Archive":
        raise AttributeError(f"module 'gan_tfc.archive' has no attribute {name!r}; it has {__all__}.")
    from gan_tfc.archive.archive import Archive

    return Archive
