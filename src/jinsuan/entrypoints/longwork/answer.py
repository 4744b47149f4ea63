"""The file of a long work as the answer to a request."""

from __future__ import annotations

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase

from jinsuan.casework.files import download_headers
from jinsuan.entrypoints.exports.make import IN_MEMORY_BYTES
from jinsuan.entrypoints.longwork.queries import FileView


def file_answer(found: FileView) -> HttpResponseBase:
    """Saved and never shown; a large one from disk, which is closed with the answer."""
    headers = download_headers(found.name, found.media)
    if found.path.stat().st_size > IN_MEMORY_BYTES:
        return FileResponse(found.path.open("rb"), headers=headers)
    return HttpResponse(found.path.read_bytes(), headers=headers)
