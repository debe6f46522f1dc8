"""One file per foreign source of evidence."""
