"""What backends are made of: the contract of a model, weights, devices, captions, servers."""
