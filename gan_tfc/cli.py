# SPDX-License-Identifier: Apache-2.0
"""The command line: `gan-tfc COMMAND ...`, the same program as `python -m gan_tfc`.

Answers go to stdout, everything else to stderr. Exit code 0: done; 1: an error, told in one
sentence; 2: wrong usage; 130: Ctrl-C, with nothing half-written. A command is a function of the
parsed arguments in `gan_tfc.commands`, imported when it is called: `--help` needs no Keras.
"""

import argparse
import importlib
import sys
import warnings

from gan_tfc import GanTfcError, __version__
from gan_tfc.commands import interrupts, terminal
from gan_tfc.commands.arguments import listed, number, one_of

_PRESET_NAMES = "name, name@version, path:FOLDER, or URL#name@version of another zoo"
#: Those of `gan_tfc.encoder`, which imports NumPy.
_TUNES = ("psnr", "visual")
_NAMES_WITH_A_DASH = "A file name that begins with '-' goes after '--'."


def main(argv: list[str] | None = None) -> int:
    """Runs the program.

    Args:
        argv: arguments without the program's name; None takes those of the process.

    Returns:
        The exit code.

    Raises:
        SystemExit: `--help`, `--version` (code 0) or wrong usage (code 2).
    """
    terminal.tolerate_any_file_name()
    with warnings.catch_warnings(), interrupts.kept() as interrupted:
        warnings.showwarning = terminal.show_warning
        try:
            args = make_parser().parse_args(argv)
            terminal.quieten_tensorflow()
            module, function = args.command
            code = getattr(importlib.import_module(f"gan_tfc.commands.{module}"), function)(args)
            sys.stdout.flush()
            return code
        except KeyboardInterrupt:
            terminal.say("interrupted")
            return 130
        except BrokenPipeError:  # `gan-tfc zoo list | head`: the reader has seen enough.
            terminal.close_stdout()
            return 1
        except Exception as error:
            if interrupted():
                terminal.say("interrupted")
                return 130
            if not isinstance(error, (GanTfcError, OSError, ImportError, MemoryError)):
                raise
            terminal.report(error)
            return 1


def make_parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    parser = argparse.ArgumentParser(
        prog="gan-tfc",
        description="Learned image compression: one small file for all rates, decodable anywhere.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"gan-tfc {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_compress(commands)
    _add_decompress(commands)
    _add_info(commands)
    _add_zoo(commands)
    _add_demo(commands)
    _add_train(commands)
    _add_finetune(commands)
    _add_freeze(commands)
    _add_export(commands)
    _add_eval(commands)
    _add_archive(commands)
    return parser


def _add(commands, name, command, summary, epilog=None):
    parser = commands.add_parser(
        name, help=summary, description=f"{summary}.", epilog=epilog, allow_abbrev=False
    )
    parser.set_defaults(command=command, usage_error=parser.error)
    return parser


def _add_compress(commands):
    parser = _add(
        commands,
        "compress",
        ("pictures", "compress"),
        "Compress pictures to .gtc files",
        _NAMES_WITH_A_DASH,
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="pictures, in any common format")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="file or, for several inputs, folder; default IN.gtc"
    )
    _preset(parser, "photo_mobile")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--quality", type=number(1, 100), metavar="Q", help="1 to 100, default 50")
    target.add_argument("--max-bytes", type=number(1, kind=int), metavar="N", help="the best within N bytes")
    target.add_argument("--bpp", type=number(0), metavar="X", help="the best within X bits a pixel")
    target.add_argument("--min-psnr", type=number(0), metavar="D", help="the smallest with at least D dB")
    _tune(parser)
    _force(parser)
    parser.add_argument(
        "--engine",
        choices=("auto", "tfc", "portable"),
        default="auto",
        help="range coder: TensorFlow Compression's or the portable one; the bytes are the same",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def _add_decompress(commands):
    parser = _add(
        commands,
        "decompress",
        ("pictures", "decompress"),
        "Decode .gtc files to pictures",
        _NAMES_WITH_A_DASH,
    )
    parser.add_argument("inputs", nargs="+", metavar="FILE", help=".gtc files")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="file (.png, .webp, .jpg) or, for several inputs, folder; default FILE.png",
    )
    _preset(parser, None, "default: the one that the file names")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--realism",
        type=number(0, 1),
        default=1.0,
        metavar="R",
        help="0 (invents least) to 1, default 1; without effect on presets that know only one",
    )
    how.add_argument(
        "--scale",
        type=int,
        choices=[2**i for i in range(7)],
        help="a preview, so many times smaller, from the beginning of the file",
    )
    _force(parser)


def _add_info(commands):
    parser = _add(commands, "info", ("pictures", "info"), "Say what a .gtc file holds")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def _add_zoo(commands):
    parser = _add(
        commands,
        "zoo",
        None,
        "Show, check and publish presets: those that come with gan_tfc, and others",
        "Presets of other zoos are kept in a cache, which may be deleted: the variable GAN_TFC_CACHE names "
        "its folder; default that of the system, ~/.cache/gan_tfc on Linux.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = _add(actions, "list", ("zoo", "list_presets"), "List the presets")
    listing.add_argument("pattern", nargs="?", default="*", metavar="NAME", help="such as photo_*")
    listing.add_argument("--zoo", metavar="URL", help="those of another zoo, such as https://host/zoo")
    listing.add_argument("--json", action="store_true", help="print a JSON array")
    show = _add(actions, "show", ("zoo", "show"), "Print the card of a preset")
    show.add_argument("name", metavar="NAME", help=_PRESET_NAMES)
    verify = _add(
        actions,
        "verify",
        ("zoo_verify", "verify"),
        "Check the hashes and golden files of presets, and that they compress as when they were made",
    )
    verify.add_argument("name", nargs="?", metavar="NAME", help=f"{_PRESET_NAMES}; default all shipped ones")
    verify.add_argument(
        "--photos", metavar="FOLDER", help="measure the points that the card lists again, on these photos"
    )
    golden = _add(
        actions,
        "golden",
        ("zoo", "golden"),
        "Write the golden files of a preset of your own, once, before it is released",
        _NAMES_WITH_A_DASH,
    )
    golden.add_argument("preset", metavar="PRESET", help="path:FOLDER")
    golden.add_argument("picture", metavar="PICTURE", help="of about 200 pixels a side, that you may share")
    golden.add_argument(
        "--qualities",
        type=listed(number(1, 100)),
        default=[10.0, 50.0, 90.0],
        metavar="Q,...",
        help="of its streams, 1 to 100, default 10,50,90",
    )
    index = _add(
        actions, "index", ("zoo", "index"), "Write index.json, which makes a folder a zoo for others"
    )
    index.add_argument("folder", metavar="FOLDER", help="holds presets as NAME/VERSION/")


def _add_demo(commands):
    parser = _add(
        commands,
        "demo",
        ("demo", "demo"),
        "Compress sample photos, decode them again, and compare with JPEG at the same bytes",
    )
    parser.add_argument(
        "inputs", nargs="*", metavar="FILE", help="photos or folders of them; default four samples"
    )
    parser.add_argument("-o", "--output", metavar="FOLDER", help="for what is written; default demo-output")
    _preset(parser, "photo_mobile")
    parser.add_argument(
        "--quality", type=number(1, 100), default=28.0, metavar="Q", help="1 to 100, default 28"
    )
    _force(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def _add_train(commands):
    parser = _add(commands, "train", ("train", "train"), "Train a codec, or continue to")
    parser.add_argument(
        "--config", metavar="NAME", help="built-in name or JSON file; default that of the run"
    )
    parser.add_argument("--data", metavar="FOLDER", help="folder of photos, or tfds:NAME")
    parser.add_argument(
        "--minutes", type=number(0), metavar="N", help="stop after N minutes; default at the end"
    )
    parser.add_argument(
        "--resume",
        "-o",
        dest="folder",
        metavar="DIR",
        help="folder of the run, continued where it holds one; default runs/NAME",
    )
    parser.add_argument("--weights", metavar="FILE", help="weights to start from, such as another stage's")
    parser.add_argument(
        "--codec",
        metavar="PRESET",
        help="preset to start from, and whose streams are learned from; with --weights, these give what "
        "the stage trains, and the preset the rest",
    )
    parser.add_argument("--list", action="store_true", help="list the built-in configurations")


def _add_finetune(commands):
    parser = _add(
        commands,
        "finetune",
        ("finetune", "finetune"),
        "Make a preset better on your own photos; old files decode, and better",
        "A tenth of the photos, 2 to 32, is kept to measure with.",
    )
    parser.add_argument("preset", metavar="PRESET", help=_PRESET_NAMES)
    parser.add_argument("--data", required=True, metavar="FOLDER", help="folder of photos, or tfds:NAME")
    parser.add_argument(
        "--minutes", type=number(0.01), default=30.0, metavar="N", help="for all of it, default 30"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="new folder, best .../NAME/VERSION"
    )
    trained = parser.add_mutually_exclusive_group()
    trained.add_argument(
        "--realism",
        action="store_true",
        help="train the textures of realism 1 alone; pictures at realism 0 stay as they are",
    )
    trained.add_argument(
        "--all",
        action="store_true",
        help="train what decides bits as well, and freeze new tables; old files then need the old preset",
    )
    parser.add_argument("--run", metavar="DIR", help="folder of the run; default runs/NAME-VERSION")
    parser.add_argument("--resume", action="store_true", help="continue the run that was stopped")
    parser.add_argument("--wandb", metavar="PROJECT", help="log to Weights & Biases, where it is installed")
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def _add_freeze(commands):
    parser = _add(commands, "freeze", ("train", "freeze"), "Make a preset folder of a training run")
    parser.add_argument("run", metavar="RUN_DIR", help="folder that `gan-tfc train` wrote")
    parser.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="new folder, best .../NAME/VERSION"
    )
    tables = parser.add_mutually_exclusive_group()
    tables.add_argument("--data", metavar="FOLDER", help="photos that the coding tables are fitted to")
    tables.add_argument(
        "--tables",
        metavar="PRESET",
        help="keep this preset's tables, so that its streams decode: for the stages after the first",
    )


def _add_export(commands):
    parser = _add(
        commands,
        "export",
        ("export", "export"),
        "Write a preset as a bundle that other runtimes compress and decompress with",
    )
    parser.add_argument("preset", metavar="PRESET", help=_PRESET_NAMES)
    parser.add_argument("--format", choices=("tflite", "onnx", "saved_model"), default="tflite")
    parser.add_argument(
        "--precision",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="of the synthesis network, default float32; context networks are always exact",
    )
    parser.add_argument(
        "--photos",
        metavar="FOLDER",
        help="photos that int8 is calibrated on and losses are measured on; default sample photos",
    )
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="new or empty; default PRESET-VERSION-FORMAT"
    )
    parser.add_argument("--json", action="store_true", help="print the manifest")


def _add_eval(commands):
    parser = _add(
        commands,
        "eval",
        ("evaluate", "evaluate"),
        "Measure presets on photos beside JPEG, WebP, AVIF and JPEG XL, and write a report",
    )
    parser.add_argument("photos", metavar="FOLDER", help="folder of photos")
    parser.add_argument(
        "--presets",
        type=listed(str),
        default=["photo_mobile"],
        metavar="NAME,...",
        help="names, name@version, path:FOLDER or URL#name@version; sizes are matched to the first; "
        "default photo_mobile",
    )
    parser.add_argument(
        "--tune",
        type=listed(one_of(*_TUNES)),
        default=["psnr"],
        metavar="TUNE,...",
        help="how presets compress: psnr, the default, visual, or both, each measured for itself",
    )
    parser.add_argument(
        "--realism",
        type=listed(number(0, 1)),
        default=[0.0, 1.0],
        metavar="R,...",
        help="0 to 1, default 0,1; presets that know only one are measured once",
    )
    parser.add_argument(
        "--rivals",
        type=listed(str),
        metavar="NAME,...",
        help="of jpeg, webp, avif, jpegxl, or none; default those that work here",
    )
    parser.add_argument(
        "--qualities", type=listed(number(1, 100)), metavar="Q,...", help="of presets, 1 to 100, at least two"
    )
    parser.add_argument("--published", metavar="FILE", help="JSON file of published curves, drawn in grey")
    parser.add_argument("--limit", type=number(1, kind=int), metavar="N", help="only the first N photos")
    parser.add_argument(
        "--patch",
        type=number(64, 256, kind=int),
        default=128,
        metavar="N",
        help="pixels of patches for FID and KID, 64 to 256, default 128",
    )
    parser.add_argument(
        "--features",
        choices=("auto", "inception", "alex"),
        default="auto",
        help="network for FID and KID; auto is Inception v3 where Keras has its weights, else AlexNet",
    )
    parser.add_argument(
        "-o",
        "--output",
        default="eval-report",
        metavar="FOLDER",
        help="for what is written; default eval-report",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="overwrite a report that exists; curves of the same files and settings are kept either way",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def _add_archive(commands):
    parser = _add(commands, "archive", None, "Keep many photos in one file")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_archive_add(actions)
    for name, function, summary in (
        ("list", "list_photos", "List the photos of an archive"),
        ("extract", "extract", "Write photos of an archive to files"),
        ("remove", "remove", "Remove photos from an archive"),
        ("verify", "verify", "Check an archive's hashes, streams and, if asked, pictures"),
        ("browse", "browse", "Show an archive in the browser, on this machine alone"),
    ):
        action = _add(actions, name, ("archive", function), summary)
        action.add_argument("archive", metavar="ARCHIVE", help="such as menu.gtca")
        if name in ("extract", "remove"):
            action.add_argument(
                "names",
                nargs="*" if name == "extract" else "+",
                metavar="NAME",
                help="names or patterns such as 'soups/*'" + ("; default all" if name == "extract" else ""),
            )
        if name in ("extract", "verify", "browse"):
            _preset(action, None, "default: the ones that the streams name")
        _ARCHIVE_OPTIONS.get(name, lambda _: None)(action)


def _add_archive_add(actions):
    parser = _add(
        actions, "add", ("archive", "add"), "Add photos to an archive, made if need be", _NAMES_WITH_A_DASH
    )
    parser.add_argument("archive", metavar="ARCHIVE", help="such as menu.gtca")
    parser.add_argument("inputs", nargs="+", metavar="IN", help="photos, .gtc files and folders of them")
    _preset(parser, "photo_mobile")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--quality", type=number(1, 100), metavar="Q", help="1 to 100, default 50")
    target.add_argument("--max-bytes", type=number(1, kind=int), metavar="N", help="the best within N bytes")
    _tune(parser)
    _tags(parser, "for all these photos")
    parser.add_argument(
        "--force", action="store_true", help="replace photos of the same name, and compress anew"
    )
    parser.add_argument(
        "--workers", type=number(1, kind=int), metavar="N", help="photos at a time, default cores and one"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def _add_archive_list_options(parser):
    parser.add_argument(
        "pattern", nargs="?", metavar="PATTERN", help="part of a name, or a pattern such as 'soups/*'"
    )
    _tags(parser, "that photos must have")
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def _add_archive_extract_options(parser):
    parser.add_argument("-o", "--output", default=".", metavar="FOLDER", help="default the current one")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--format", choices=("png", "jpg", "webp"), default="png", help="default png")
    how.add_argument("--stream", action="store_true", help="write the .gtc streams themselves")
    parser.add_argument(
        "--realism", type=number(0, 1), default=1.0, metavar="R", help="as for decompress, default 1"
    )
    _force(parser)


def _add_archive_verify_options(parser):
    parser.add_argument("--decode", action="store_true", help="decode every photo, too")


def _add_archive_browse_options(parser):
    parser.add_argument(
        "--port", type=number(0, 65535, kind=int), default=0, metavar="N", help="default a free one"
    )
    parser.add_argument("--no-open", dest="open", action="store_false", help="only print the address")


_ARCHIVE_OPTIONS = {
    "list": _add_archive_list_options,
    "extract": _add_archive_extract_options,
    "verify": _add_archive_verify_options,
    "browse": _add_archive_browse_options,
}


def _tags(parser, what):
    parser.add_argument(
        "--tag",
        action="extend",
        nargs="+",
        default=[],
        metavar="T",
        help=f"tags {what}; goes after the other arguments, or may be given several times",
    )


def _tune(parser):
    parser.add_argument(
        "--tune",
        choices=_TUNES,
        default="psnr",
        help="spend bits where they lower squared error, the default, or where they are seen",
    )


def _preset(parser, default, note=None):
    parser.add_argument(
        "--preset",
        default=default,
        metavar="NAME",
        help=f"{_PRESET_NAMES}; {note or f'default {default}'}",
    )


def _force(parser):
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
