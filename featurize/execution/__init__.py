"""What is missing, cut into shards and computed: in this process or on Ray."""
