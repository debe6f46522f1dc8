"""Pure Polars: frame in, frame out; no SQL, no files, no clock."""
