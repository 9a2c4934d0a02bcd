"""Our own scripts, styles and icon, served under an address that holds their hash, so that browsers keep them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.exceptions import HTTPException

_FOLDER = Path(__file__).parent.parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


class StaticFiles:
    """``/review/static/{hash}/{name}``; the files are read once, and there are no others."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        """Serve what is in ``folder``."""
        files = (path for path in sorted(folder.iterdir()) if path.suffix in _TYPES)
        self._files = {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in files}
        self._hashes = {name: sha256(content).hexdigest()[:16] for name, (content, _) in self._files.items()}

    def url(self, name: str) -> str:
        """Return the address of a file; raises ``KeyError`` where there is none of this name."""
        return f"/review/static/{self._hashes[name]}/{name}"

    def router(self) -> APIRouter:
        """Return the route."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/review/static/{digest}/{name}", self.file, methods=["GET"])
        return router

    def file(self, digest: str, name: str) -> Response:
        """Return a file as it is now: an address of another version is answered as unknown."""
        if self._hashes.get(name) != digest:
            raise HTTPException(404)
        content, media_type = self._files[name]
        return Response(content, media_type=media_type, headers=_HEADERS)
