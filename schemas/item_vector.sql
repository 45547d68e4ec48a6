-- What `make recommend` makes of titles and artworks: one unit-norm vector each, in the space of `member_vector` of that model.
CREATE TABLE item_vector (
    kind VARCHAR NOT NULL CHECK (kind IN ('title', 'artwork')),
    item_id VARCHAR NOT NULL CHECK (item_id <> ''),
    model_key VARCHAR NOT NULL,
    vector FLOAT[] NOT NULL CHECK (abs(list_dot_product(vector, vector) - 1) < 0.001),
    played FLOAT[],
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (kind, item_id, model_key)
);
COMMENT ON COLUMN item_vector.kind IS 'title or artwork';
COMMENT ON COLUMN item_vector.item_id IS 'title_id or artwork_id';
COMMENT ON COLUMN item_vector.model_key IS 'Recommender; joins model, which says features, weights and what it learnt from';
COMMENT ON COLUMN item_vector.vector IS 'Its dot product with the vector of a member orders items for that member';
COMMENT ON COLUMN item_vector.played IS 'Of titles by two_towers: the mean of these over what a member played, made unit-norm, is the vector of the member';
COMMENT ON COLUMN item_vector.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN item_vector.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN item_vector.computed_at IS 'When the row was computed, UTC';
