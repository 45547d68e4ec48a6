-- Why the artwork that led to a quality play was the right answer, in a teacher's words. One row per prompt and teacher.
CREATE TABLE rationale (
    prompt_id VARCHAR NOT NULL CHECK (length(prompt_id) = 32),
    model_key VARCHAR NOT NULL CHECK (model_key <> ''),
    answer VARCHAR NOT NULL CHECK (length(answer) = 1),
    rationale VARCHAR CHECK ((rationale IS NULL) = (status <> 'ok')),
    status VARCHAR NOT NULL CHECK (status IN ('ok', 'other_answer', 'empty', 'cut', 'refused')),
    raw VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (prompt_id, model_key)
);
COMMENT ON COLUMN rationale.prompt_id IS 'Joins prompt';
COMMENT ON COLUMN rationale.model_key IS 'The teacher: what wrote it and how it was asked; joins model';
COMMENT ON COLUMN rationale.answer IS 'The letter that the teacher was told is right';
COMMENT ON COLUMN rationale.rationale IS 'The reasons, without the line that names the answer; NULL where it is not to be learnt from';
COMMENT ON COLUMN rationale.status IS 'ok; other_answer: it names another letter; empty; cut: too long for posttrain.teacher.max_new_tokens; refused: the endpoint did not answer';
COMMENT ON COLUMN rationale.raw IS 'The teacher''s whole answer, or what the endpoint said instead';
COMMENT ON COLUMN rationale.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN rationale.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN rationale.computed_at IS 'When it was written, UTC';
