"""Training of the two models in `featurize/bundled`, on freshly rendered scenes. `make bundle` runs it.

scenes       what is rendered: training pictures kept on disk, and held-out ones
texts        what is said about a scene, the tokenizers, and what a picture has one of
parts        what each cell of a picture shows
trainer      the loop: schedule, optimizer, checkpoints to go on from
clip         the CLIP
captioner    the vision-language model
heads        classification heads that exist only while training
muon         the optimizer of the matrices
score        how well the finished models do on held-out scenes
"""
