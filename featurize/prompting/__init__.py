"""From features, titles, histories and logged impressions to the questions an LLM ranks.

job.py         the steps of the prompts job              sources.py     big input files, scanned by DuckDB
recipe.py      what decides the words, and its key       words.py       titles and pictures, rendered once each
template.py    the words around them, from a TOML file   text.py        text from outside made harmless
export.py      JSON lines for training                   templates/     the templates that ship
"""
