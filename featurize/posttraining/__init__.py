"""The posttrain job: from prompts with their outcomes to a model that chooses. TRL and PEFT do the training.

job         the steps               rows        what each method learns from
examples    rows to tokens          stream      in which order, with which candidates first
rationale   reasons and teachers    trainers    TRL's trainers, weighted and read as we need them
reading     letters' figures        folder      the model folder, its card and plot
batches     examples to tensors     kept        what is kept back, read while it trains
"""
