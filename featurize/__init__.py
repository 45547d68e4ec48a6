"""Artwork files in, Parquet embeddings, tags and descriptions out. Importing this package does nothing."""

__version__ = "0.1.0"
