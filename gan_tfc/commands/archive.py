# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc archive`."""

import contextlib
import functools
import json
import os
import sys
from dataclasses import asdict

from gan_tfc.archive.store import Record, Store, checked_name, matching, no_photo
from gan_tfc.commands import terminal
from gan_tfc.commands.columns import columns
from gan_tfc.errors import GanTfcError

_KINDS = {"added": "added", "linked": "same as another", "kept": "there already", "failed": "skipped"}


# --- add -------------------------------------------------------------------------------------------


def add(args) -> int:
    """Photos into an archive; says of each what became of it."""
    from gan_tfc.archive.adding import Adder
    from gan_tfc.archive.sources import find_photos

    photos = find_photos(args.inputs)
    codec = functools.cache(lambda: terminal.load(args.preset))
    with contextlib.closing(Store(args.archive)) as store:
        with store.database.writing():
            pass  # An archive that cannot be written is said before seconds go into loading a codec.
        adder = Adder(store, _shared(codec, args), tags=args.tag, replace=args.force, workers=args.workers)
        tally = Tally(len(photos))
        with tally.shown(), contextlib.closing(adder.add(photos)) as outcomes:
            for outcome in outcomes:
                tally.count(outcome, args.json)
    if not args.json:
        print(tally.summary())
    return int(tally.kinds["failed"] > 0)


def _shared(codec, args):
    """`compressor`, with a codec that several threads may be the first to want."""
    import threading

    from gan_tfc.archive.adding import compressor

    lock = threading.Lock()

    def locked():
        with lock:
            return codec()

    return compressor(locked, args.quality, args.max_bytes, args.tune)


class Tally:
    """Counts photos, and tells of them: line by line, or at a terminal as a bar.

    Args:
        total: photos to come.
    """

    def __init__(self, total: int):
        self.total = total
        self.kinds = dict.fromkeys(_KINDS, 0)
        self.before = self.after = 0
        self._bar = None

    @contextlib.contextmanager
    def shown(self):
        """Shows the bar, where somebody sees it."""
        console = terminal.console(stderr=True)
        if not console.is_terminal:
            yield
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=self.total, told="")
            self._bar = functools.partial(self._advance, progress, task)
            yield
        self._bar = None

    def _advance(self, progress, task):
        speed = progress.tasks[task].speed
        saved = self.before - self.after
        told = f"{f'{speed:.1f}' if speed else '-'} photos/s, {saved / 1e6:.1f} MB saved"
        progress.update(task, advance=1, told=told)

    def count(self, outcome, as_json: bool) -> None:
        """Takes note of an `Outcome`, and tells it."""
        self.kinds[outcome.kind] += 1
        if outcome.kind == "added":
            self.before += outcome.record.source_bytes
            self.after += outcome.record.bytes
        if outcome.kind == "failed":
            terminal.report(outcome.error, outcome.source)
        elif as_json:
            print(json.dumps({"outcome": outcome.kind, **asdict(outcome.record)}), flush=True)
        elif self._bar is None:
            size = f", {outcome.record.bytes:,} bytes" if outcome.kind == "added" else ""
            print(f"{outcome.record.name}: {_KINDS[outcome.kind]}{size}", flush=True)
        if self._bar:
            self._bar()

    def summary(self) -> str:
        """One line about all of them."""
        told = ", ".join(f"{self.kinds[kind]} {text}" for kind, text in _KINDS.items() if self.kinds[kind])
        if self.before:
            told += f"; {_size(self.before)} became {_size(self.after)}"
        return told


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


# --- look ------------------------------------------------------------------------------------------


def list_photos(args) -> int:
    """The records as a table, with totals."""
    with contextlib.closing(Store(args.archive)) as store:
        records = store.records()
    records = matching(records, args.pattern) if args.pattern else records
    records = [record for record in records if set(args.tag) <= set(record.tags)]
    totals = _totals(records, os.path.getsize(args.archive))
    if args.json:
        print(json.dumps({"photos": [asdict(record) for record in records], "totals": totals}, indent=1))
        return 0
    if records:
        print(_table(records))
    count = f"{totals['names']} photo{'s' * (totals['names'] != 1)}"
    if totals["contents"] < totals["names"]:
        count += f" ({totals['contents']} different)"
    print(
        f"{count}, {totals['bytes']:,} bytes of {totals['source_bytes']:,}; the archive has "
        f"{totals['archive_bytes']:,} bytes"
    )
    return 0


def _totals(records: list[Record], archive_bytes: int) -> dict:
    contents = {record.hash: record for record in records}.values()
    return {
        "names": len(records),
        "contents": len(contents),
        "bytes": sum(record.bytes for record in contents),
        "source_bytes": sum(record.source_bytes for record in records),
        "archive_bytes": archive_bytes,
    }


def _table(records) -> str:
    rows = [
        (
            record.name,
            f"{record.bytes:,}",
            f"{record.width}x{record.height}",
            record.date.replace("T", " ")[:16],
            ", ".join(record.tags),
        )
        for record in records
    ]
    return columns(("name", "bytes", "pixels", "date", "tags"), rows, right=("bytes", "pixels"))


def verify(args) -> int:
    """Hashes, checksums and headers, and with --decode every pixel."""
    from gan_tfc.archive.checking import check

    codecs = _codecs(args.preset) if args.decode else None
    with contextlib.closing(Store(args.archive)) as store:
        count = len(store.records())
        problems = 0
        with terminal.status(f"checking {count} photos"):
            for problem in check(store, codecs):
                terminal.say(f"error: {problem}")
                problems += 1
    if not problems:
        print(f"{args.archive}: {count} photos, {'hashes and pictures' if args.decode else 'hashes'} ok")
    return int(problems > 0)


# --- take out --------------------------------------------------------------------------------------


def extract(args) -> int:
    """Photos to picture files, or their streams as they are."""
    from gan_tfc.archive.archive import Archive
    from gan_tfc.folders import check_writable

    check_writable(args.output)
    code = 0
    with contextlib.closing(Archive(args.archive)) as archive:
        archive.codecs = _codecs(args.preset)
        for record, target in _targets(archive.store, args):
            try:
                _extract_one(archive, record, target, args)
            except BrokenPipeError:
                raise
            except (GanTfcError, OSError, MemoryError) as error:
                terminal.report(error, record.name)
                code = 1
    return code


def _targets(store, args) -> list[tuple[Record, str]]:
    suffix = ".gtc" if args.stream else f".{args.format}"
    targets = {}
    for record in _chosen(store, args.names):
        # An archive may come from anybody, and a name in it lead anywhere.
        path = os.path.splitext(checked_name(record.name))[0] + suffix
        target = os.path.join(args.output, *path.split("/"))
        if target in targets:
            raise GanTfcError(
                f"{targets[target].name!r} and {record.name!r} would both be written to {target!r}: extract "
                "them one by one into different folders."
            )
        targets[target] = record
    return [(record, target) for target, record in targets.items()]


def _extract_one(archive, record, target, args):
    from gan_tfc.commands.pictures import check_target
    from gan_tfc.files import write_atomically
    from gan_tfc.images import write_image

    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    check_target(target, args.force)
    if args.stream:
        write_atomically(target, archive.store.stream(record.hash), args.force)
    else:
        with terminal.status(f"decoding {record.name}"):
            image = archive.read_content(record.hash, args.realism)
        write_image(target, image, args.force)
    print(f"{target}: {record.width}x{record.height}", flush=True)


def remove(args) -> int:
    """Forgets photos."""
    with contextlib.closing(Store(args.archive)) as store:
        for record in _chosen(store, args.names):
            store.remove(record.name)
            print(f"{record.name}: removed", flush=True)
    return 0


def _chosen(store, patterns) -> list[Record]:
    """Records by names or patterns, all where there are none; one that matches nothing is an error."""
    records = store.records()
    if not patterns:
        return records
    found = {}
    for pattern in patterns:
        matches = matching(records, pattern, exact=True)
        if not matches:
            raise no_photo(store.path, pattern)
        found |= {record.name: record for record in matches}
    return list(found.values())


def _codecs(preset):
    from gan_tfc.archive.codecs import Codecs

    return Codecs(terminal.load(preset) if preset else None)


# --- browse ----------------------------------------------------------------------------------------


def browse(args) -> int:
    """Serves a page until Ctrl-C."""
    from gan_tfc.archive.archive import Archive
    from gan_tfc.archive.gallery import Gallery
    from gan_tfc.archive.server import Server

    with contextlib.closing(Archive(args.archive)) as archive:
        archive.codecs = _codecs(args.preset)
        gallery = Gallery(archive)
        with Server(gallery, args.port) as server:
            with terminal.status("loading"):
                problems = gallery.warm_up()
            for problem in problems:
                terminal.say(f"warning: {problem}")
            print(f"{server.url} shows {args.archive} until Ctrl-C", flush=True)
            if args.open:
                import webbrowser

                webbrowser.open(server.url)
            with contextlib.suppress(KeyboardInterrupt):
                server.serve_forever()
    print("closed", file=sys.stderr)
    return 0
