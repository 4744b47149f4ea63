"""A file as the answer to a request."""

from __future__ import annotations

import os
from datetime import datetime

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from jinsuan.entrypoints.exports.make import (
    AT_ONCE_LINES,
    FORMATS,
    IN_MEMORY_BYTES,
    file_name,
    make_file,
)
from jinsuan.kernel.period import Period
from jinsuan.vouchers.subjects import Subject


def file_response(
    subject: Subject, period: Period, name: str, *, now: datetime
) -> HttpResponseBase:
    """A file of few lines; from disk when it is large, which is closed with the answer.

    Raises:
        BadInput, StatementTooLong: no such format; too many lines to wait for.
    """
    file = make_file(subject, period, name, now=now, most_lines=AT_ONCE_LINES)
    called, media_type = file_name(subject, period, name), FORMATS[name].media_type
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size > IN_MEMORY_BYTES:
        return FileResponse(file, as_attachment=True, filename=called, content_type=media_type)
    with file:
        answer = HttpResponse(file.read(), content_type=media_type)
    answer["Content-Disposition"] = content_disposition_header(True, called)
    return answer
