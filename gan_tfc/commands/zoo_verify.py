# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc zoo verify`."""

from pathlib import Path

from gan_tfc.commands import terminal
from gan_tfc.errors import GanTfcError, PresetError

#: Of points measured again on photos: other machines round otherwise, and cards have two decimals.
BPP_TOLERANCE, PSNR_TOLERANCE = 0.01, 0.05


def verify(args) -> int:
    """Hashes, golden files where a preset has them (a shipped one must), and measured points."""
    from gan_tfc.zoo import registry

    if args.name:
        names = [args.name]
    else:
        versions = registry.available().items()
        names = [f"{name}@{version}" for name, all_ in sorted(versions) for version in all_]
    failed = False
    for name in names:
        try:
            outcome, problems = _verify_one(name, args.photos)
        except (GanTfcError, OSError) as error:
            outcome, problems = "", [str(error)]
        for problem in problems:
            terminal.say(f"error: {name}: {problem}")
        if not problems:
            print(f"{name}: {outcome}")
        failed = failed or bool(problems)
    if not names:
        raise PresetError("there are no presets to verify.")
    return int(failed)


def _verify_one(name: str, photos: str | None) -> tuple[str, list[str]]:
    from gan_tfc.zoo import golden, registry
    from gan_tfc.zoo.preset import load_preset

    with terminal.download_bar(f"fetching {name}") as progress:
        folder = registry.find(name, progress)
    with terminal.status(f"checking {name}"):
        codec = load_preset(folder)
        shipped = not name.startswith("path:") and "://" not in name
        streams = folder / golden.FOLDER
        if not shipped and not streams.exists():
            outcome, problems = "hashes ok, no golden files", []
        else:
            # Where streams decode otherwise, what is measured says nothing more.
            problems = golden.check_golden(codec, streams) or golden.check_points(codec, streams)
            count = len(list(streams.glob("q*.gtc")))
            outcome = f"hashes ok, {count} golden streams ok, their bytes and PSNR measured again"
    if photos and not problems:
        problems = _check_photos(folder, photos)
        outcome += f", points of the card measured again on {photos}"
    return outcome, problems


def _check_photos(folder: Path, photos: str) -> list[str]:
    """The card's points on these photos, at realism 0, against those in the metadata."""
    from gan_tfc.evaluation.curves import measure, photos_in
    from gan_tfc.evaluation.preset_codec import PresetCodec
    from gan_tfc.zoo.card_text import measured_points
    from gan_tfc.zoo.preset import check_hashes

    points = {float(point["quality"]): point for point in measured_points(check_hashes(folder))}
    if not points:
        return ["its metadata lists no measured points; leave out --photos."]
    codec = PresetCodec(f"path:{folder}", realism=0.0)
    curve = measure(codec, terminal.track(photos_in(photos), f"measuring {codec.name}"), points)
    problems = []
    for quality, bpp, psnr in zip(curve.quality, curve.bpp, curve.psnr, strict=True):
        point = points[quality]
        if not (
            abs(bpp - point["bpp"]) <= BPP_TOLERANCE * point["bpp"]
            and abs(psnr - point["psnr"]) <= PSNR_TOLERANCE
        ):
            problems.append(
                f"at quality {quality:g} {bpp:.4f} bpp and {psnr:.2f} dB on {len(curve.photos)} photos of "
                f"{photos}, but its card says {point['bpp']:.4f} and {point['psnr']:.2f} on "
                f"{terminal.printable(str(point.get('set')))}."
            )
    return problems
