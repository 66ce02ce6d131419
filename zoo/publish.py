# SPDX-License-Identifier: Apache-2.0
"""What a folder of presets must be before others download from it."""

from pathlib import Path

from gan_tfc.errors import PresetError
from gan_tfc.zoo.index import INDEX, MAX_PICTURE, make_index, parse_index, pictures_of, presets_in
from gan_tfc.zoo.intake import check_intake
from gan_tfc.zoo.preset import check_hashes


def check_publishable(root) -> None:
    """Checks each preset as a client will, and that none differs from the index that is there.

    Args:
        root: folder of `<name>/<version>/`.

    Raises:
        PresetError: there is no preset, or one is damaged, misnamed, or has changed since it was listed.
    """
    root = Path(root)
    presets = presets_in(root)
    if not presets:
        raise PresetError(
            f"Expected presets in {root / 'NAME' / 'VERSION'}, found none; `Codec.save` and `gan-tfc freeze` "
            "write them."
        )
    for name, versions in sorted(presets.items()):
        for version in versions:
            _check_preset(root / name / str(version), name, version)
    # A client refuses what the index could not say.
    listed = parse_index(make_index(root, files=True), str(root))
    _check_unchanged(root, {(entry.name, entry.version): entry.record["sha256"] for entry in listed})


def _check_preset(folder, name, version):
    metadata = check_hashes(folder)
    found = metadata.get("name"), metadata.get("version")
    if found != (name, version):
        raise PresetError(
            f"Expected preset {name}@{version} in {folder}, but it calls itself {found[0]}@{found[1]}: save "
            "it there, names travel in streams."
        )
    check_intake(folder, name, version)
    for path in pictures_of(folder).values():
        if (size := path.stat().st_size) > MAX_PICTURE:
            raise PresetError(
                f"Expected pictures of at most {MAX_PICTURE >> 20} MiB on the card of {name}@{version}, but "
                f"{path} has {size} bytes; scale it down."
            )


def _check_unchanged(root, hashes):
    path = root / INDEX
    if not path.exists():
        return
    for entry in parse_index(path.read_bytes(), str(path)):
        if hashes.get((entry.name, entry.version), entry.record["sha256"]) != entry.record["sha256"]:
            raise PresetError(
                f"Preset {entry.name}@{entry.version} is another one than {path} lists, and versions never "
                "change: save it as the next version."
            )
