"""Bytes to RGB pixels, or a named reason why not."""
