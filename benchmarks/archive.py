# SPDX-License-Identifier: Apache-2.0
"""How fast a photo archive is: adding, listing, and its page in the browser.

    python benchmarks/archive.py $GAN_TFC_DATA/photos/train [--count 500] [--preset photo_mobile]

Photos of the folder are cut and scaled to 768x512 and saved as JPEG first. Adding is timed with the
codec loaded; listing as a process of its own, from its start to its end; the page as a browser with six
connections asks for it, from a server that has loaded its codecs: page, list and the first previews of
a screen of 30 photos, then the sharper ones; pictures one after the other. Prints a line a bar and writes
archive.json into --output; the exit code is 1 where a bar is not met.
"""

import argparse
import http.client
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gan_tfc.errors import GanTfcError

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
SIZE = (768, 512)
SCREEN, CONNECTIONS, PICTURES = 30, 6, 8
#: What the page asks for first, and then for tiles of 212x159 pixels.
COARSE, SHARP = 8, 4


def make_photos(source: Path, folder: Path, count: int) -> int:
    """Writes up to `count` photos of 768x512 pixels; returns how many."""
    paths = sorted(p for p in source.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[:count]
    if not paths:
        raise GanTfcError(f"Expected photos below {source}, found none.")
    for index, path in enumerate(track(paths, "photos")):
        with Image.open(path) as image:
            photo = ImageOps.fit(image.convert("RGB"), SIZE, Image.Resampling.LANCZOS)
        photo.save(folder / f"{index:04}.jpg", quality=92)
    return len(paths)


def measure_adding(archive: Path, folder: Path, preset: str, workers: int | None) -> dict:
    """Seconds to add a folder with a loaded codec, and bytes before and after."""
    import gan_tfc
    from gan_tfc.archive.adding import Adder, compressor
    from gan_tfc.archive.sources import find_photos
    from gan_tfc.archive.store import Store

    codec = gan_tfc.load(preset)
    photos = find_photos([folder])
    codec.compress(photos[0][1])
    store = Store(archive)
    start = time.perf_counter()
    outcomes = list(
        track(Adder(store, compressor(lambda: codec), workers=workers).add(photos), "add", len(photos))
    )
    store.close()
    seconds = time.perf_counter() - start
    if failed := [outcome for outcome in outcomes if outcome.kind == "failed"]:
        raise GanTfcError(f"Expected all photos to be added, but {failed[0].source}: {failed[0].error}")
    return {
        "seconds": seconds,
        "photos_per_second": len(outcomes) / seconds,
        "source_bytes": sum(outcome.record.source_bytes for outcome in outcomes),
        "archive_bytes": archive.stat().st_size,
    }


def program(*argv, **options) -> subprocess.Popen:
    """`gan-tfc archive`, as a process."""
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "gan_tfc", "archive", *map(str, argv)]
    return subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True, **options
    )


def measure_listing(archive: Path) -> float:
    """Median seconds of five processes."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        program("list", archive).communicate()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


class Browser:
    """Asks with several connections that stay open, as browsers do."""

    def __init__(self, url: str):
        self.host = urlsplit(url).netloc
        self.pool = ThreadPoolExecutor(CONNECTIONS)
        self.free = [http.client.HTTPConnection(self.host, timeout=120) for _ in range(CONNECTIONS)]

    def get(self, path: str) -> bytes:
        """The body of an answer."""
        connection = self.free.pop()
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        self.free.append(connection)
        if response.status != 200:
            raise GanTfcError(f"Expected {path} from the server, received {body.decode()}")
        return body

    def get_all(self, paths) -> float:
        """Seconds until all answers are there."""
        start = time.perf_counter()
        list(self.pool.map(self.get, paths))
        return time.perf_counter() - start


def measure_page(archive: Path, preset: str) -> dict:
    """Seconds of what a visitor waits for."""
    options = ["--preset", preset] if preset.startswith("path:") else []
    server = program("browse", archive, "--no-open", *options)
    try:
        browser = Browser(server.stdout.readline().split()[0])
        start = time.perf_counter()
        browser.get_all(["/"])
        browser.get_all(["/style.css", "/app.js"])
        photos = json.loads(browser.get("/photos"))["photos"]
        browser.get_all(f"/preview/{photo['hash']}/{COARSE}" for photo in photos[:SCREEN])
        complete = time.perf_counter() - start
        sharp = browser.get_all(f"/preview/{photo['hash']}/{SHARP}" for photo in photos[:SCREEN])
        pictures = [browser.get_all([f"/picture/{photo['hash']}?realism=1"]) for photo in photos[-PICTURES:]]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
    return {
        "page_s": complete,
        "sharp_s": sharp,
        "picture_s": statistics.median(pictures),
        "slowest_picture_s": max(pictures),
    }


def bars(report: dict) -> list[tuple[str, str, bool]]:
    """What must be reached, what was measured, and whether that is so."""
    add, page = report["add"], report["page"]
    return [
        (
            "add at least 1.5 photos/s",
            f"{add['photos_per_second']:.2f} photos/s",
            add["photos_per_second"] >= 1.5,
        ),
        ("list below 0.3 s, as a process", f"{report['list_s']:.3f} s", report["list_s"] < 0.3),
        (f"page with {SCREEN} previews below 1.5 s", f"{page['page_s']:.2f} s", page["page_s"] < 1.5),
        ("one photo in full below 0.5 s", f"{page['picture_s']:.3f} s", page["picture_s"] < 0.5),
    ]


def main(argv=None) -> int:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("--count", type=int, default=500, help="how many, default 500")
    parser.add_argument("--preset", default="photo_mobile", help="name, name@version, path:FOLDER")
    parser.add_argument("--workers", type=int, help="photos compressed at a time")
    parser.add_argument("-o", "--output", default=RESULTS, type=Path, help="folder of results")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    work = Path(tempfile.mkdtemp())
    try:
        (work / "photos").mkdir()
        report = {
            "preset": args.preset,
            "photos": make_photos(args.photos, work / "photos", args.count),
            "size": f"{SIZE[0]}x{SIZE[1]}",
            "cores": os.cpu_count(),
            "architecture": platform.machine(),
            "load_average": os.getloadavg()[0],
            "add": measure_adding(work / "menu.gtca", work / "photos", args.preset, args.workers),
            "list_s": measure_listing(work / "menu.gtca"),
            "page": measure_page(work / "menu.gtca", args.preset),
        }
    except GanTfcError as error:
        print(f"archive.py: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work)
    table = Table("bar", "measured", "met")
    for bar, measured, met in bars(report):
        table.add_row(bar, measured, "yes" if met else "NO")
    Console(width=110).print(table)
    args.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1, default=float)
    (args.output / "archive.json").write_text(text + "\n")
    return 0 if all(met for *_, met in bars(report)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
