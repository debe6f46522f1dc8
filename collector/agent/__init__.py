"""The agent: watches one logon session of one host. Standard library and psutil only."""
