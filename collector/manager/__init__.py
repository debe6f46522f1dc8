"""The manager: enrolls agents, hands out policy, receives what they record."""
