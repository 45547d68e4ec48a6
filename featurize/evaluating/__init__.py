"""The job that compares rankers on held-out prompts by what production's log says of them."""
