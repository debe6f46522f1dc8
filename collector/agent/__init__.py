"""The agent: watches one logon session of one host. Standard library and psutil only."""

VERSION = "0.1.0"
"""The distribution's version; asking for it at run time would cost memory."""
