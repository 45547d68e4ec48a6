"""Clips: the bytes of a video or a sound to frames and samples, or a named reason why not."""
