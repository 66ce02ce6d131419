# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc finetune`."""

import json
from pathlib import Path

from gan_tfc.commands import terminal
from gan_tfc.commands.outputs import check_new_preset
from gan_tfc.errors import GanTfcError, PresetError
from gan_tfc.folders import check_writable, explained


def finetune(args) -> int:
    """Trains a preset on the user's photos and writes the result as a preset folder."""
    output = Path(args.output)
    check_new_preset(args.output)
    # Not beside the output: a zoo is served to others, and a run holds the user's photos.
    folder = Path(args.run) if args.run else Path("runs") / f"{output.parent.name}-{output.name}"
    name = _new_name(output) if args.all else None
    _check_folders(output, folder)
    codec = terminal.load(args.preset)
    source = f"{codec.name}@{codec.version}"
    console = terminal.console(stderr=True)
    try:
        with explained(folder):
            result = codec.fine_tune(
                args.data,
                args.minutes,
                realism=args.realism,
                everything=args.all,
                name=name,
                folder=folder,
                resume=args.resume,
                wandb_project=args.wandb,
                console=console,
            )
        return _conclude(args, codec, source, result)
    except KeyboardInterrupt:
        terminal.say(f"stopped; the same command with --resume continues the run in {folder}")
        raise
    finally:
        console.show_cursor(True)


def _conclude(args, codec, source, result) -> int:
    """Tells the result, and writes the preset where there is a better one."""
    print(json.dumps(result.to_dict(), indent=1) if args.json else result)
    if not result.improved:
        terminal.say(f"no preset was written, for {args.preset} could not be made better on these photos")
        return 1
    _save(codec, Path(args.output), source, result, args.all)
    if not args.json:
        print(f"{codec.name}@{codec.version} in {args.output}")
        if not args.all:
            print(
                f"files that {source} wrote, decoded by it: "
                f"gan-tfc decompress --preset path:{args.output} FILE.gtc"
            )
    return 0


def _check_folders(output: Path, run: Path) -> None:
    """Refuses at once what could not be written after half an hour of training."""
    check_writable(run)
    if output.resolve() in (run.resolve(), *run.resolve().parents):
        raise GanTfcError(
            f"expected a run outside of the new preset, received {str(run)!r}: choose another --run."
        )


def _new_name(output: Path) -> str:
    """The name that a preset gets from its folder."""
    name, version = output.resolve().parent.name, output.name
    if not (version.isdecimal() and name.isidentifier() and name.islower()):
        raise GanTfcError(
            f"expected an output folder NAME/VERSION such as my-zoo/dishes/1, which names the preset of "
            f"new tables, received {str(output)!r}."
        )
    return name


def _save(codec, output, source, result, everything):
    from gan_tfc.zoo.card import write_card
    from gan_tfc.zoo.preset import save_preset

    facts = {"from": source, "everything": everything, **result.facts()}
    try:
        save_preset(codec, output, {"fine_tuning": facts})
    except PresetError as error:
        text = str(error).removesuffix(".")
        raise PresetError(
            f"{text}; then the same command with --resume writes it without training again."
        ) from error
    write_card(output)
