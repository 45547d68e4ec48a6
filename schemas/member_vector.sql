-- What `make recommend` makes of members, by all that they played: one unit-norm vector each, in the space of `item_vector`.
CREATE TABLE member_vector (
    member_id VARCHAR NOT NULL CHECK (member_id <> ''),
    model_key VARCHAR NOT NULL,
    vector FLOAT[] NOT NULL CHECK (abs(list_dot_product(vector, vector) - 1) < 0.001),
    as_of TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (member_id, model_key, as_of)
);
COMMENT ON COLUMN member_vector.member_id IS 'Who';
COMMENT ON COLUMN member_vector.model_key IS 'Recommender; joins item_vector';
COMMENT ON COLUMN member_vector.vector IS 'Its dot product with the vectors of items orders them';
COMMENT ON COLUMN member_vector.as_of IS 'The newest play of the history that was read; the newest row of a member counts';
COMMENT ON COLUMN member_vector.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN member_vector.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN member_vector.computed_at IS 'When the row was computed, UTC';
