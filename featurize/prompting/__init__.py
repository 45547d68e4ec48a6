"""From features, titles, histories and logged impressions to the questions an LLM ranks.

job.py         the steps of the prompts job              words.py       titles and pictures, rendered once each
recipe.py      what decides the words, and its key       text.py        text from outside made harmless
template.py    the words around them, from a TOML file   templates/     the templates that ship
rebuild.py     prompts made again                        labels.py      what came of impressions, late too
export.py      JSON lines for training                   kept.py        titles and impressions, for those who ask
accounting.py  every row counted, limits on what is lost parts.py       what lies in which part
scratch.py     the folder for temporary files
macros.py      a template's patterns as SQL                history.py   what the history before each moment comes to
before.py      what came of the very title before          places.py    countries and languages by name
"""
