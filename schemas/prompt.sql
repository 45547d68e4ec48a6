-- One multiple-choice question per impression (logged) or per member and title (nightly): which artwork?
CREATE TABLE prompt (
    prompt_id VARCHAR NOT NULL CHECK (length(prompt_id) = 32),
    kind VARCHAR NOT NULL CHECK (kind IN ('logged', 'nightly')),
    impression_id VARCHAR CHECK ((impression_id IS NULL) = (kind = 'nightly')),
    member_id VARCHAR NOT NULL CHECK (member_id <> ''),
    title_id VARCHAR NOT NULL CHECK (title_id <> ''),
    asked_at TIMESTAMPTZ NOT NULL,
    artwork_ids VARCHAR[] NOT NULL CHECK (len(artwork_ids) BETWEEN 2 AND 52),
    same_as INTEGER[] CHECK (len(same_as) = len(artwork_ids)),
    messages STRUCT(role VARCHAR, content VARCHAR)[] NOT NULL,
    slots STRUCT(lines INTEGER[], letters INTEGER[])
        CHECK (
            len(struct_extract(slots, 'lines')) = len(artwork_ids) + 1
            AND len(struct_extract(slots, 'letters')) >= len(artwork_ids)),
    prompt VARCHAR NOT NULL CHECK (prompt <> ''),
    answer VARCHAR CHECK ((answer IS NULL) = (kind = 'nightly')),
    reward DOUBLE CHECK (reward BETWEEN 0 AND 1 AND (reward IS NULL) = (kind = 'nightly')),
    propensity DOUBLE CHECK (propensity > 0 AND propensity <= 1 AND (propensity IS NULL) = (kind = 'nightly')),
    propensities DOUBLE[] CHECK (len(propensities) = len(artwork_ids)),
    device VARCHAR,
    country VARCHAR,
    language VARCHAR,
    time_zone VARCHAR,
    split VARCHAR CHECK (split IN ('train', 'held_out') AND (split IS NULL) = (kind = 'nightly')),
    as_of TIMESTAMPTZ,
    template_key VARCHAR NOT NULL,
    model_key VARCHAR NOT NULL,
    recipe_key VARCHAR NOT NULL,
    tokens INTEGER NOT NULL CHECK (tokens > 0),
    tokens_by VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (prompt_id)
);
COMMENT ON COLUMN prompt.prompt_id IS 'Follows from the recipe and the impression (or member, title and moment)';
COMMENT ON COLUMN prompt.kind IS 'logged: of an impression, with its label; nightly: to be ranked, without';
COMMENT ON COLUMN prompt.impression_id IS 'Impression it was made of; NULL in nightly ones';
COMMENT ON COLUMN prompt.member_id IS 'Member; a keyed hash where prompts.member_key_env was set';
COMMENT ON COLUMN prompt.title_id IS 'Title to choose an artwork of';
COMMENT ON COLUMN prompt.asked_at IS 'Moment of the impression, or the moment to rank for: everything in the prompt is from before it';
COMMENT ON COLUMN prompt.artwork_ids IS 'The candidates in the order of their letters';
COMMENT ON COLUMN prompt.same_as IS 'For each candidate the first place described in the same words, its own where it differs from all before; NULL in rows of older versions';
COMMENT ON COLUMN prompt.messages IS 'The prompt as chat messages: system, user';
COMMENT ON COLUMN prompt.slots IS 'Places in the last message, in characters from 0: of lines where each candidate''s begins and the last one ends, of letters each one that stands for a candidate; what it takes to ask again in another order. NULL in rows of older versions';
COMMENT ON COLUMN prompt.prompt IS 'The same as plain text';
COMMENT ON COLUMN prompt.answer IS 'Letter of the artwork that was shown';
COMMENT ON COLUMN prompt.reward IS 'What came of showing it, 0 to 1; from 0.5 it counts as a quality play';
COMMENT ON COLUMN prompt.propensity IS 'Probability with which the logging policy chose it';
COMMENT ON COLUMN prompt.propensities IS 'The same of every artwork of artwork_ids, in that order; NULL where the log did not say, and in rows of older versions';
COMMENT ON COLUMN prompt.device IS 'What it was, or is to be, shown on; NULL where nothing said so, and in rows of older versions';
COMMENT ON COLUMN prompt.country IS 'Where; NULL as for device';
COMMENT ON COLUMN prompt.language IS 'Language the member reads; NULL as for device';
COMMENT ON COLUMN prompt.time_zone IS 'The member''s, so timezone(time_zone, asked_at) is their clock; NULL as for device, and where the name given is unknown';
COMMENT ON COLUMN prompt.split IS 'train, or held_out: never to be trained on';
COMMENT ON COLUMN prompt.as_of IS 'Artwork and features are from before this moment; NULL where that was not asked for';
COMMENT ON COLUMN prompt.template_key IS 'Template of the words';
COMMENT ON COLUMN prompt.model_key IS 'Model of the descriptions; joins model and description';
COMMENT ON COLUMN prompt.recipe_key IS 'Everything that decides the prompt but the data; joins model, whose fingerprint spells it out';
COMMENT ON COLUMN prompt.tokens IS 'Length of `prompt` in what tokens_by counts';
COMMENT ON COLUMN prompt.tokens_by IS 'The tokenizer, by the digest of its file, or characters';
COMMENT ON COLUMN prompt.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN prompt.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN prompt.computed_at IS 'When the row was computed, UTC';
