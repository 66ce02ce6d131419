# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, of which libraries make something else.

Python raises KeyboardInterrupt wherever the main thread happens to be. In a callback of the garbage
collector, as JAX has one, it is printed and lost; under a bare `except`, as Keras has some, it is taken
for a failure of what was tried.
"""

import _thread
import atexit
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator

#: Seconds until a lost interrupt comes again: by then its callback is over.
_AGAIN = 0.02


@contextlib.contextmanager
def kept() -> Iterator[Callable[[], bool]]:
    """In a block, has an interrupt that was lost raised once more.

    Yields:
        A function that tells whether Ctrl-C was pressed: then any error may be its consequence.
    """
    came, timers = threading.Event(), []
    hook, handler = sys.unraisablehook, signal.getsignal(signal.SIGINT)

    def on_signal(number, frame):
        came.set()
        # What was being made complains when it is taken apart, here or at exit.
        atexit.register(setattr, sys, "unraisablehook", lambda unraisable: None)
        raise KeyboardInterrupt

    def on_lost(unraisable):
        if unraisable.exc_type is not KeyboardInterrupt:
            if not came.is_set():
                hook(unraisable)
            return
        timers.append(threading.Timer(_AGAIN, _thread.interrupt_main))
        timers[-1].daemon = True
        timers[-1].start()

    # Background jobs of a shell ignore the signal, and only the main thread may take it.
    ours = handler is signal.default_int_handler and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGINT, on_signal)
    sys.unraisablehook = on_lost
    try:
        yield came.is_set
    finally:
        for timer in timers:
            timer.cancel()
        sys.unraisablehook = hook
        if ours:
            signal.signal(signal.SIGINT, handler)
