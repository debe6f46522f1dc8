"""The heavy metrics once more, in Narwhals: lazy frame in, lazy frame out, on any engine that Narwhals knows.

They serve twice: Apache Spark computes them where one machine is outgrown, and the tests hold them against
`warehouse.metrics` as a second formulation that shares no line with the first. Runs are found as islands of
numbered rows, unions and demand by running sums of steps; nothing depends on the order of rows, and no module
here names an engine.

Frames have the columns of their counterparts in `warehouse.metrics`. What differs, because engines do:

- An instant is an Int64, milliseconds since 1970 in UTC; a day is a Date.
- Words (`attention`, `state`, `proposal`) are String, and counts are Int64.
- Rows come in no order.

`warehouse/portable` imports nothing of `warehouse/metrics`: policies are told by their shape.
"""

from __future__ import annotations

from warehouse.portable.concurrency import curve, intervals, peak
from warehouse.portable.licenses import unused
from warehouse.portable.states import states
from warehouse.portable.utilization import usage, usage_hours

__all__ = ["curve", "intervals", "peak", "states", "unused", "usage", "usage_hours"]
