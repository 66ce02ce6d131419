# SPDX-License-Identifier: Apache-2.0
"""Names of presets: "menu", "menu@1", "path:FOLDER", "https://host/zoo#menu@1"."""

import difflib
import re
from urllib.parse import quote, urlsplit, urlunsplit

from gan_tfc.errors import PresetError

#: What a stream can name (`gan_tfc.coding.container`), and what is a safe name of a folder.
NAME = re.compile(r"[a-z_][a-z0-9_]{0,31}")
SCHEMES = ("http", "https", "file")


def is_remote(name: str) -> bool:
    """Whether a name begins with the address of a zoo."""
    return "://" in name and not name.startswith("path:")


def split_remote(name: str) -> tuple[str, str]:
    """Address of the zoo and name of the preset: "https://host/zoo", "menu@1".

    Raises:
        PresetError: no preset is named, or the address is none.
    """
    url, _, bare = name.partition("#")
    url = zoo_url(url)
    if not bare:
        raise PresetError(
            f"Expected URL#name or URL#name@version, received {name!r}; `gan-tfc zoo list --zoo {url}` "
            "lists its presets."
        )
    return url, bare


def zoo_url(url: str) -> str:
    """The one spelling of a zoo's address, without "/" or "/index.json" at its end.

    Raises:
        PresetError: no http://, https:// or file:// address, or one with a password or a query.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in SCHEMES and (parts.port is None or parts.port > 0)
        host = parts.hostname
    except ValueError:
        usable, host = False, None
    usable = usable and (host in (None, "localhost") if parts.scheme == "file" else bool(host))
    if not usable or "@" in parts.netloc or parts.query or parts.fragment:
        raise PresetError(
            "Expected the address of a zoo such as https://host/zoo or file:///folder, without password "
            f"and query, received {url!r}; check its spelling."
        )
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~").removesuffix("/index.json").rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc.lower(), path, "", ""))


def choose(name: str, versions: dict[str, list[int]], where: str = "") -> tuple[str, int]:
    """Name and version that "name" (the newest) or "name@version" means.

    Args:
        name: as written by the user.
        versions: of the presets there are, ascending.
        where: ends the sentence of an error, such as " at https://host/zoo".

    Raises:
        PresetError: unknown, with the nearest name or the versions there are.
    """
    bare, at, version = name.partition("@")
    if bare not in versions:
        near = difflib.get_close_matches(bare, versions, n=1)
        known = ", ".join(f"{n}@{v[-1]}" for n, v in sorted(versions.items())) or "none"
        hint = f"did you mean {near[0]!r}?" if near else f"available: {known}."
        raise PresetError(f"There is no preset {bare!r}{where}; {hint}")
    if not at:
        return bare, versions[bare][-1]
    if not version.isdecimal() or int(version) not in versions[bare]:
        have = ", ".join(map(str, versions[bare]))
        raise PresetError(f"There is no version {version!r} of preset {bare!r}{where}; available: {have}.")
    return bare, int(version)
