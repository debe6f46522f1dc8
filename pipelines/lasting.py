"""Load what stays for as long as this process does, undisturbed by the garbage collector."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS = 100_000
"""So many more are made than dropped before the collector looks, under `seldom`: some 10 MB."""


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
        atexit.register(gc.freeze)  # what came later is gone with the process all the same
        if was_on:
            gc.enable()


@contextmanager
def seldom() -> Iterator[None]:
    """Have the garbage collector look seldom at what is made inside, part of which comes to stay."""
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
