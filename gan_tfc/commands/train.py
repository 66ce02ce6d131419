# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc train` and `gan-tfc freeze`."""

from pathlib import Path

from gan_tfc.commands import terminal
from gan_tfc.commands.outputs import check_new_preset
from gan_tfc.errors import GanTfcError
from gan_tfc.folders import check_writable, explained

_RUN_CONFIG = "config.json"


def train(args) -> int:
    """Trains until the time or the schedule ends, from a checkpoint where there is one."""
    from gan_tfc.training.config import built_in, load_config

    if args.list:
        print("\n".join(built_in()))
        return 0
    if not args.data:
        args.usage_error("expected --data FOLDER or tfds:NAME")
    folder, config_name = _folder_and_config(args)
    config = load_config(config_name)
    if args.weights and not Path(args.weights).is_file():
        raise GanTfcError(f"there is no weights file {args.weights!r}: check the path.")
    check_writable(folder)

    from gan_tfc.training import run
    from gan_tfc.training.checkpoint import FILE_NAME

    resumes = (folder / FILE_NAME).exists()
    ignored = "; --weights is for new runs only" if resumes and args.weights else ""
    codec = terminal.load(args.codec) if args.codec else None
    terminal.say(f"{'continuing' if resumes else 'starting'} the run in {folder}{ignored}")
    console = terminal.console(stderr=True)
    try:
        with explained(folder):
            _, steps = run.train(
                config,
                args.data,
                folder,
                minutes=args.minutes,
                weights=args.weights,
                codec=codec,
                console=console,
            )
    except KeyboardInterrupt:
        if (folder / FILE_NAME).exists():
            terminal.say(f"stopped; --resume {folder} continues from the last checkpoint")
        else:
            terminal.say(f"stopped before the first checkpoint; --resume {folder} begins again")
        raise
    finally:
        console.show_cursor(True)
    print(f"{steps} of {config.total_steps} steps done, weights in {folder / run.WEIGHTS}")
    return 0


def _folder_and_config(args) -> tuple[Path, str]:
    if args.folder is not None:
        folder = Path(args.folder)
    elif args.config:
        folder = Path("runs", Path(args.config).stem)
    else:
        args.usage_error("expected --config NAME (`gan-tfc train --list` names them)")
    own = folder / _RUN_CONFIG
    if not args.config and not own.is_file():
        args.usage_error(f"expected --config NAME, for {str(folder)!r} holds no run to continue")
    return folder, args.config or str(own)


def freeze(args) -> int:
    """The averaged weights of a run to a preset folder."""
    from gan_tfc.training.config import load_config

    run_config, weights = Path(args.run) / _RUN_CONFIG, Path(args.run) / "averaged.weights.h5"
    for file in (run_config, weights):
        if not file.is_file():
            raise GanTfcError(
                f"expected the folder of a training run, but there is no file {str(file)!r}: name one that "
                "`gan-tfc train` wrote."
            )
    check_new_preset(args.output)
    config = load_config(str(run_config))
    if args.tables and config.stage == "contexts":
        raise GanTfcError(
            f"{args.run!r} has trained the context networks, which the tables of {args.tables!r} "
            "do not fit: leave out --tables."
        )
    codec = _codec(config, weights, args.tables)
    if codec.frozen is None:
        from gan_tfc.photos import open_photos

        photos = open_photos(args.data) if args.data else None
        with terminal.status("building the coding tables"):
            codec.freeze_tables(photos)
    codec.save(args.output)
    print(f"{codec.name}@{codec.version} in {args.output}, tables {codec.frozen.digest.hex()}")
    return 0


def _codec(config, weights, tables):
    """The trained codec, with the frozen tables of the preset `tables` if that is given."""
    import gan_tfc
    from gan_tfc.models.wavelet_codec import WaveletCodec

    model = WaveletCodec(**config.model)
    model.build()
    try:
        model.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:  # From Keras and h5py.
        raise GanTfcError(f"{str(weights)!r} does not fit its configuration: {error}") from error
    if not tables:
        return gan_tfc.Codec(model)
    kept = terminal.load(tables)
    return gan_tfc.Codec(model, kept.name, kept.version, kept.frozen)
