"""The faces: command line, screens, charts."""
