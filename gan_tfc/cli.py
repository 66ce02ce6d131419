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
from gan_tfc.commands import terminal
from gan_tfc.commands.arguments import listed, number

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
    args = make_parser().parse_args(argv)
    terminal.quieten_tensorflow()
    with warnings.catch_warnings():
        warnings.showwarning = terminal.show_warning
        try:
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
        except (GanTfcError, OSError, ImportError, MemoryError) as error:
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
    _add_freeze(commands)
    _add_export(commands)
    _add_eval(commands)
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
    parser = _add(commands, "zoo", None, "Show and check the presets that come with gan_tfc")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = _add(actions, "list", ("zoo", "list_presets"), "List the presets")
    listing.add_argument("pattern", nargs="?", default="*", metavar="NAME", help="such as photo_*")
    listing.add_argument("--json", action="store_true", help="print a JSON array")
    show = _add(actions, "show", ("zoo", "show"), "Print the card of a preset")
    show.add_argument("name", metavar="NAME", help="name, name@version or path:FOLDER")
    verify = _add(actions, "verify", ("zoo", "verify"), "Check the hashes and golden files of presets")
    verify.add_argument(
        "name", nargs="?", metavar="NAME", help="name, name@version or path:FOLDER; default all"
    )


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
        help="keep this preset's tables, so that its streams decode: for the synthesis stage",
    )


def _add_export(commands):
    parser = _add(
        commands,
        "export",
        ("export", "export"),
        "Write a preset as a bundle that other runtimes compress and decompress with",
    )
    parser.add_argument("preset", metavar="PRESET", help="name, name@version or path:FOLDER")
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
        help="names, name@version or path:FOLDER; sizes are matched to the first; default photo_mobile",
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


def _preset(parser, default, note=None):
    parser.add_argument(
        "--preset",
        default=default,
        metavar="NAME",
        help=f"name, name@version or path:FOLDER; {note or f'default {default}'}",
    )


def _force(parser):
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
