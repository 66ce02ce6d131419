# SPDX-License-Identifier: Apache-2.0
"""Presets of other zoos: a folder of files behind any server, such as "https://host/zoo#menu@1".

    <zoo>/index.json                    what `gan-tfc zoo index` writes, see `gan_tfc.zoo.index`
    <zoo>/<name>/<version>/<file>       a preset, see `gan_tfc.zoo.preset`

The index is fetched each time, files once, and a card's pictures when it is shown: what is in the
cache (`gan_tfc.zoo.cache`) with the hash that the index states is kept. Where the index cannot be
fetched, the cached copy is used with a warning. A version that was fetched before never changes:
another one under its name is refused.
"""

import contextlib
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from gan_tfc.errors import PresetError
from gan_tfc.files import write_atomically
from gan_tfc.zoo import cache
from gan_tfc.zoo.card import Card, read_card
from gan_tfc.zoo.card_text import make_card
from gan_tfc.zoo.connections import Unreachable
from gan_tfc.zoo.download import download, matches, read
from gan_tfc.zoo.index import CARD, INDEX, MAX_INDEX, METADATA, Entry, File, parse_index, presets_in
from gan_tfc.zoo.intake import check_intake
from gan_tfc.zoo.names import choose, split_remote, zoo_url

#: Told the bytes that are here and those of all files, None where the index does not say.
Progress = Callable[[int, int | None], None]


def find(name: str, progress: Progress | None = None) -> Path:
    """The folder of a preset of another zoo, in the cache, complete and looked into.

    Args:
        name: "https://host/zoo#menu" (its newest version) or "https://host/zoo#menu@1".
        progress: told how far the download is.

    Raises:
        PresetError: unknown, not to be had, damaged, or not what it says.
    """
    url, bare = split_remote(name)
    try:
        entry = _choose(_fetch_index(url), bare, url)
    except Unreachable as error:
        return _find_cached(url, bare, error)
    folder = _folder(url, entry)
    _refuse_another(folder, entry, url)
    with _cache_explained():
        files = {name: file for name, file in entry.files.items() if name != METADATA}
        _fetch(url, entry, files, progress)
        # Last: a folder with metadata is complete.
        _fetch_metadata(url, entry)
    try:
        check_intake(folder, entry.name, entry.version)
    except PresetError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def find_card(name: str) -> Card:
    """The card of a preset of another zoo, with the pictures that could be fetched.

    Nothing else of the preset is fetched. Where it has no card, one is made from its metadata.

    Raises:
        PresetError: unknown, not to be had, or damaged.
    """
    url, bare = split_remote(name)
    try:
        entry = _choose(_fetch_index(url), bare, url)
    except Unreachable as error:
        return read_card(_find_cached(url, bare, error))
    if CARD not in entry.files:
        return Card(make_card(entry.record), [])
    with _cache_explained():
        _fetch(url, entry, {CARD: entry.files[CARD]}, None)
        try:
            _fetch(url, entry, entry.pictures, None)
        except PresetError as error:
            _warn(f"the pictures of the card are not complete: {error}")
    return read_card(_folder(url, entry))


def list_records(url: str) -> list[dict]:
    """What the index of a zoo says of its presets; see `gan_tfc.list_presets`.

    Raises:
        PresetError: there is no zoo, nor a cached index.
    """
    url = zoo_url(url)
    try:
        entries = _fetch_index(url)
    except Unreachable as error:
        entries = cache.saved_index(url)
        if entries is None:
            raise
        _warn(f"the list in the cache is used: {error}")
    return [entry.record for entry in entries]


def _fetch_index(url) -> list[Entry]:
    text = read(f"{url}/{INDEX}", MAX_INDEX)
    entries = parse_index(text, f"{url}/{INDEX}")
    with _cache_explained():
        cache.save_index(url, text)
    return entries


def _choose(entries, bare, url) -> Entry:
    versions: dict[str, list[int]] = {}
    for entry in sorted(entries, key=lambda entry: entry.version):
        versions.setdefault(entry.name, []).append(entry.version)
    chosen = choose(bare, versions, f" at {url}")
    return next(entry for entry in entries if (entry.name, entry.version) == chosen)


def _find_cached(url, bare, error) -> Path:
    versions = presets_in(cache.zoo_folder(url))
    try:
        name, version = choose(bare, versions)
    except PresetError:
        have = ", ".join(f"{n}@{v}" for n, all_ in sorted(versions.items()) for v in all_)
        raise Unreachable(f"{error} In the cache are: {have or 'none of its presets'}.") from error
    folder = cache.zoo_folder(url) / name / str(version)
    _warn(f"the copy of {name}@{version} in the cache is used: {error}")
    check_intake(folder, name, version)
    return folder


def _folder(url, entry) -> Path:
    return cache.zoo_folder(url) / entry.name / str(entry.version)


def _refuse_another(folder, entry, url):
    known = cache.recorded_hashes(folder)
    if known not in (None, entry.record["sha256"]):
        raise PresetError(
            f"Preset {entry.name}@{entry.version} at {url} is another one than was fetched before, and "
            f"versions never change: ask who runs the zoo, or delete {folder} to take the new one."
        )


def _fetch(url, entry, files: dict[str, File], progress):
    folder, sizes = _folder(url, entry), [file.size for file in files.values()]
    total = None if None in sizes else sum(sizes)
    before = 0
    for name, file in files.items():
        target = folder / name

        def tell(done, before=before):
            if progress:
                progress(before + done, total)

        if not matches(target, file):
            address = f"{url}/{entry.name}/{entry.version}/{quote(name)}"
            download(address, target, file, cache.zoo_folder(url) / ".partial", tell)
        before += target.stat().st_size
        tell(0, before)


def _fetch_metadata(url, entry):
    if METADATA in entry.files:
        _fetch(url, entry, {METADATA: entry.files[METADATA]}, None)
    else:
        text = json.dumps(entry.record, indent=1) + "\n"
        write_atomically(_folder(url, entry) / METADATA, text.encode(), overwrite=True)


def _warn(text):
    warnings.warn(text, stacklevel=4)


@contextlib.contextmanager
def _cache_explained():
    """Turns what the operating system refuses into one sentence with the mend."""
    try:
        yield
    except OSError as error:
        raise PresetError(
            f"Expected a cache that can be written, but {cache.cache_folder()}: "
            f"{error.strerror or error}; GAN_TFC_CACHE names another folder."
        ) from error
