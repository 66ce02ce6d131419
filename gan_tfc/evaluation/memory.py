# SPDX-License-Identifier: Apache-2.0
"""Peak memory of encoding and decoding, in a process of its own.

Physical memory (resident set) as the operating system counts it, so whatever allocates it: Python,
TensorFlow, or a C library. Linux forgets a process's peak on request (`proc(5)`, `clear_refs`), and
the peak of each call can be told; elsewhere the peak since the start is what there is.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from gan_tfc.errors import GanTfcError

_MIB = 1 << 20
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Peak:
    """Memory of the whole process around a call, in MiB.

    Attributes:
        before: When it began, with all that was imported and loaded.
        peak: The most while it ran.
    """

    before: float
    peak: float


def peak_memory(call: Callable[[], object]) -> tuple[Peak, object]:
    """Runs a call, and measures this process meanwhile; other threads count as well.

    Returns:
        The peak, and what the call returned.
    """
    before = _reset()
    result = call()
    return Peak(before / _MIB, max(_peak(), before) / _MIB), result


def codec_memory(codec: str, photo: Path, quality: float) -> dict[str, dict[str, float]]:
    """Peaks of the first encoding and decoding of a photo in a fresh process.

    Args:
        codec: "rival:jpeg", or a preset as for `gan_tfc.load`.
        photo: Its pixels are in memory before the call already.
        quality: Setting of the codec.

    Returns:
        "encode" and "decode", each with "before" and "peak" in MiB.

    Raises:
        GanTfcError: The process failed; its last line is quoted.
    """
    paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "gan_tfc.evaluation.memory", codec, str(photo), str(quality)],
        env=os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise GanTfcError(
            f"Expected the memory of {codec}, but its process ended with {done.returncode} ({last}); "
            "see whether the codec works by itself."
        )
    return json.loads(done.stdout.splitlines()[-1])


def _reset() -> int:
    """Makes the kernel forget the peak; returns the bytes resident now, 0 where that is not known."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    except OSError:
        return 0


def _peak() -> int:
    try:
        return _status("VmHWM")
    except OSError:
        import resource

        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest if sys.platform == "darwin" else largest * 1024


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {key} in /proc/self/status")


def _main(name: str, photo: str, quality: str) -> None:
    from gan_tfc.images import read_image

    if name.startswith("rival:"):
        from gan_tfc.evaluation.rivals import ALL_RIVALS

        codec = ALL_RIVALS[name.removeprefix("rival:")]
        codec.missing()
    else:
        from gan_tfc.evaluation.preset_codec import PresetCodec

        codec = PresetCodec(name)
    image = read_image(photo)
    encode, data = peak_memory(lambda: codec.encode(image, float(quality)))
    decode, _ = peak_memory(lambda: codec.decode(data))
    print(json.dumps({"encode": asdict(encode), "decode": asdict(decode)}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
