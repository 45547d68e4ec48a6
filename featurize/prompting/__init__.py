"""From features, titles, histories and logged impressions to the questions an LLM ranks.

    job.py         the steps of the prompts job            sources.py     big input files, scanned and checked by DuckDB
    text.py        text from outside made harmless         recipe.py      what decides every word, and its key
    template.py    the words around it, from a TOML file   export.py      JSON lines for training
"""
