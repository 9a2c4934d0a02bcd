"""Who may look at Flower when nobody said so: a login made once and kept for this installation's operator."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_urlsafe

USER = "operator"


def flower_login(data_dir: Path) -> str:
    """Return ``user:password``, made at the first call and kept in ``data_dir/flower.login`` (mode 0600)."""
    file = data_dir / "flower.login"
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text(encoding="utf-8").strip()
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(f"{USER}:{token_urlsafe(24)}\n")
    return file.read_text(encoding="utf-8").strip()
