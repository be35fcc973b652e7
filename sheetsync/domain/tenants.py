"""What a tenant is called."""

from __future__ import annotations

import re
from typing import Final

TENANT_FORM: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
DEFAULT_TENANT: Final = "default"
