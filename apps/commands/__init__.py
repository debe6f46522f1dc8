"""One file per noun of the command line; each command calls one function of another package."""
