# SPDX-License-Identifier: Apache-2.0
"""Whether an archive still holds what was put into it."""

import hashlib
from collections.abc import Callable, Iterator

from gan_tfc.archive.store import Record, Store
from gan_tfc.coding import container
from gan_tfc.errors import GanTfcError


def check(store: Store, codecs=None, seen: Callable[[Record], None] | None = None) -> Iterator[str]:
    """Check all contents, each once.

    Args:
        store: of the archive.
        codecs: a `Codecs` to decode everything with; None checks hashes, checksums and headers.
        seen: told of every record that was checked.

    Yields:
        What is wrong, one sentence each.

    Raises:
        GanTfcError: the archive cannot be opened.
    """
    with store.database.reading() as connection:
        (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if state != "ok":
        yield f"the database is damaged ({' '.join(state.split())}): restore a copy."
    checked = set()
    for record in store.records():
        if record.hash not in checked:
            checked.add(record.hash)
            try:
                _check_one(store, record, codecs)
            except (GanTfcError, MemoryError) as error:
                yield f"{record.name}: {error}"
        if seen:
            seen(record)


def _check_one(store, record, codecs):
    data = store.stream(record.hash)
    with store.database.reading() as connection:
        query = "SELECT stream_hash FROM contents WHERE hash = ?"
        (expected,) = connection.execute(query, [bytes.fromhex(record.hash)]).fetchone()
    if hashlib.sha256(data).digest() != expected:
        raise GanTfcError("the stream is not what was put in (its SHA-256 differs): restore a copy.")
    header, _ = container.unpack(data)
    said = (record.preset, record.version, record.width, record.height, record.bytes)
    found = (header.preset, header.preset_version, header.width, header.height, len(data))
    if said != found:
        raise GanTfcError(f"the archive says {said} of it, the stream {found}: add the photo again.")
    if codecs:
        codecs.of(header).decompress(data)
