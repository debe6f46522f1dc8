"""Who acts or looks: the account that runs this process, as the system knows it."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":

    def operating_system_identity() -> str:
        """Return the account, not as the environment says, which anybody can set."""
        return os.getlogin()

else:
    import pwd

    def operating_system_identity() -> str:
        """Return the account, not as the environment says, which anybody can set."""
        return pwd.getpwuid(os.getuid()).pw_name
