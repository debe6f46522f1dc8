"""Load what stays for as long as this process does."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """Keep the garbage collector from what is loaded inside, now and for good.

    A hundred thousand objects of modules come to stay. To look through all of them, again and again while
    they load and once more at the end of the process, takes a quarter of what a short report takes.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
