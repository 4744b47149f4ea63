"""Statements as files: CSV, XLSX, PDF and FOCUS. Only writing; every sum comes from the query."""

from __future__ import annotations

from jinsuan.entrypoints.exports.make import FORMATS, Format, file_name, make_file

__all__ = ["FORMATS", "Format", "file_name", "make_file"]
