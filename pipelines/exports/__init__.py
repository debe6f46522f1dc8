"""One file per accounting target."""
