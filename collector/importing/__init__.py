"""Imports of other programs' logs: `files.import_files` reads files of one source into the warehouse."""
