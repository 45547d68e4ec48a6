"""The featurize job: artwork files to embeddings, tags and descriptions."""
