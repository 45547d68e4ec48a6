"""Training of the models in `featurize/bundled`, on the demo world. `make bundle` runs it.

scenes             what is rendered: training pictures kept on disk, and held-out ones
texts              what is said about a scene, the tokenizers, and what a picture has one of
parts              what each cell of a picture shows
trainer            the loop: schedule, optimizer, checkpoints to go on from
clip               the CLIP
captioner          the vision-language model
heads              classification heads that exist only while training
muon               the optimizer of the matrices
score              how well the finished models do on held-out scenes
ranker             the language model that reads prompts
ranker_pages       what it reads about: members, titles, artworks, as facts
ranker_texts       the same as text, in words of its own
ranker_templates   the same in the words of the prompt templates
ranker_questions   what it is asked about them
ranker_rows        conversations as tokens
ranker_tokens      its tokenizer and chat template
ranker_score       how well it reads
"""
