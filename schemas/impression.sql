-- Input: what members were shown, as CSV, JSON lines or Parquet. A row that breaks the contract becomes no prompt, and
-- is counted under a reason. Of several values of a row that cannot be read the first is told, in this order, but for
-- max_maturity, which is first: tonight it is read of rows, too, that became no prompt. What a row can do without is last.
CREATE TABLE impression (
    impression_id VARCHAR NOT NULL CHECK (impression_id <> ''),
    member_id VARCHAR NOT NULL CHECK (member_id <> ''),
    title_id VARCHAR NOT NULL CHECK (title_id <> ''),
    artwork_id VARCHAR NOT NULL CHECK (list_contains(candidates, artwork_id)),
    candidates VARCHAR[] NOT NULL,
    propensity DOUBLE NOT NULL CHECK (propensity > 0 AND propensity <= 1),
    propensities DOUBLE[],
    "at" TIMESTAMPTZ NOT NULL,
    reward DOUBLE NOT NULL CHECK (reward BETWEEN 0 AND 1),
    max_maturity INTEGER CHECK (max_maturity >= 0),
    minutes DOUBLE,
    policy VARCHAR,
    device VARCHAR,
    country VARCHAR,
    language VARCHAR,
    time_zone VARCHAR,
    PRIMARY KEY (impression_id)
);
COMMENT ON COLUMN impression.impression_id IS 'Unique id';
COMMENT ON COLUMN impression.member_id IS 'Who saw it';
COMMENT ON COLUMN impression.title_id IS 'Title it was shown for';
COMMENT ON COLUMN impression.artwork_id IS 'Artwork that was shown';
COMMENT ON COLUMN impression.candidates IS 'Artworks the policy chose from, the shown one among them';
COMMENT ON COLUMN impression.propensity IS 'Probability with which the policy chose the shown one';
COMMENT ON COLUMN impression.propensities IS 'Optional: the same of every candidate, in their order; they sum to 1, and agree with propensity';
COMMENT ON COLUMN impression."at" IS 'When, with time zone';
COMMENT ON COLUMN impression.reward IS 'What came of it, 0 to 1; from 0.5 it counts as a quality play';
COMMENT ON COLUMN impression.max_maturity IS 'Optional: an artwork with a higher maturity was not to be shown; without one there was no limit';
COMMENT ON COLUMN impression.minutes IS 'Optional: minutes watched';
COMMENT ON COLUMN impression.policy IS 'Optional: name of the policy';
COMMENT ON COLUMN impression.device IS 'Optional: what it was shown on, in a word or two, such as television';
COMMENT ON COLUMN impression.country IS 'Optional: where, such as Brazil or BR';
COMMENT ON COLUMN impression.language IS 'Optional: language the member reads, such as pt or pt-BR';
COMMENT ON COLUMN impression.time_zone IS 'Optional: the member''s, by its IANA name, such as America/Sao_Paulo; it says which hour and weekday it was';
